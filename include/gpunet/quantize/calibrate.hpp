// The scales of a network's feature maps, from what its feature maps hold on pictures.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/network.hpp>
#include <gpunet/quantize/histogram.hpp>
#include <gpunet/quantize/observing.hpp>
#include <gpunet/quantize/quantized_store.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/tensor.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>

namespace gpunet::quantize {

/// Gives picture `i` of as many as there are: fills C H W of the network's native size, normalised. Asked for each in
/// order, more than once.
struct pictures {
    std::size_t count = 0;
    std::function<void(std::size_t i, std::span<float> chw)> fill;
};

/// Called before each picture that is run.
using progress = std::function<void(std::size_t done, std::size_t total)>;

/// @param tensors  each [1, C, H, W] or [C, H, W]; must outlive the result
inline pictures pictures_of(std::span<const tensor<float>> tensors) {
    return {tensors.size(), [tensors](std::size_t i, std::span<float> chw) {
                const auto from = tensors[i].elements();
                if (from.size() != chw.size())
                    throw argument_error("picture " + std::to_string(i) + ": expected " + std::to_string(chw.size()) +
                                         " numbers, found " + std::to_string(from.size()));
                std::copy(from.begin(), from.end(), chw.begin());
            }};
}

/// Runs every picture on the network of float32 weights. The same pictures, weights and backend give the same scales.
/// @throws argument_error without pictures; weights_error naming a feature map that is not finite; what fill throws
template <host_backend B>
map_scales calibrate(const spec::network& net, const tensor_store& weights, const pictures& from, const B& device,
                     method m = method::mse, const progress& told = {}) {
    if (from.count == 0) throw argument_error("calibration: expected at least one picture, found none");
    std::map<std::string, histogram, std::less<>> seen;
    const auto see = [&](const feature_map& f) {
        auto at = seen.find(f.name);
        if (at == seen.end()) at = seen.emplace(std::string(f.name), histogram()).first;
        at->second.add(f.values);
    };
    const network watched(net, weights, observing<B>(device, see));
    context run(watched);
    tensor<float> picture(run.input_shape()), scores(run.output_shape());
    for (std::size_t i = 0; i < from.count; ++i) {
        if (told) told(i, from.count);
        from.fill(i, picture.elements());
        run.run(picture.elements(), scores.elements());
    }
    map_scales scales;
    for (const auto& [name, h] : seen) {
        if (!h.finite())
            throw weights_error(weights.source() + ": output of '" + name + "': expected finite numbers, found others");
        scales[name] = h.best_scale(m);
    }
    return scales;
}

} // namespace gpunet::quantize

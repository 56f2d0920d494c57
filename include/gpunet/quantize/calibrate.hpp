// The scales of a network's feature maps and the means of their channels, from what they hold on pictures.
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
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <vector>

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

/// What a feature map held so far.
struct gathered {
    histogram values;
    std::vector<double> sums; // of each channel
    std::int64_t count = 0;   // of numbers in each channel

    void add(const feature_map& f) {
        values.add(f.values);
        const std::vector<float> plain = f.plain();
        const auto channels = static_cast<std::size_t>(f.shape[1]);
        const auto area = static_cast<std::size_t>(f.shape[2] * f.shape[3]);
        sums.resize(channels);
        for (std::size_t i = 0; i < plain.size(); i += area)
            sums[i / area % channels] += std::accumulate(plain.data() + i, plain.data() + i + area, 0.0);
        count += f.shape[0] * f.shape[2] * f.shape[3];
    }
};

/// Runs every picture on the network of float32 weights. The same pictures, weights and backend give the same result.
/// @throws argument_error without pictures; weights_error naming a feature map that is not finite; what fill throws
template <host_backend B>
calibration calibrate(const spec::network& net, const tensor_store& weights, const pictures& from, const B& device,
                      method m = method::mse, const progress& told = {}) {
    if (from.count == 0) throw argument_error("calibration: expected at least one picture, found none");
    std::map<std::string, gathered, std::less<>> seen;
    const auto see = [&](const feature_map& f) {
        auto at = seen.find(f.name);
        if (at == seen.end()) at = seen.emplace(std::string(f.name), gathered()).first;
        at->second.add(f);
    };
    const network watched(net, weights, observing<B>(device, see));
    context run(watched);
    tensor<float> picture(run.input_shape()), scores(run.output_shape());
    for (std::size_t i = 0; i < from.count; ++i) {
        if (told) told(i, from.count);
        from.fill(i, picture.elements());
        run.run(picture.elements(), scores.elements());
    }
    calibration known;
    for (const auto& [name, all] : seen) {
        if (!all.values.finite())
            throw weights_error(weights.source() + ": output of '" + name + "': expected finite numbers, found others");
        known.scales[name] = all.values.best_scale(m);
        for (const double sum : all.sums) known.means[name].push_back(sum / static_cast<double>(all.count));
    }
    return known;
}

} // namespace gpunet::quantize

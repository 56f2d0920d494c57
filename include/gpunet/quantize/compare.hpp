// How far a quantized network is from the one of float32 weights, feature map by feature map.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/network.hpp>
#include <gpunet/quantize/calibrate.hpp>
#include <gpunet/quantize/observing.hpp>
#include <gpunet/quantize/simulated.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/tensor.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace gpunet::quantize {

/// Sums of squares of what was expected, and of the differences.
struct power {
    double signal = 0, noise = 0;

    void add(std::span<const float> expected, std::span<const float> found) {
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const double e = double{expected[i]}, off = double{found[i]} - e;
            signal += e * e;
            noise += off * off;
        }
    }
    /// Signal to noise in decibels: 10 log10 of the ratio; infinite where there is no noise.
    double decibels() const noexcept {
        return noise > 0 ? 10 * std::log10(signal / noise) : std::numeric_limits<double>::infinity();
    }
};

/// Of one feature map, with all that quantization did to those before it.
struct map_quality {
    std::string name;
    float scale = 0;
    quantize::power power;
};

/// How near a quantized network comes to the one it was made of.
struct comparison {
    std::vector<map_quality> maps; // in the order they are made
    power logits;
    std::size_t pictures = 0, same_top1 = 0;
};

/// Runs both on the first `most` pictures, the quantized one simulated.
/// @param weights    of float32
/// @param quantized  of the same network
template <host_backend B>
comparison compare(const spec::network& net, const tensor_store& weights, const tensor_store& quantized,
                   const pictures& from, std::size_t most, const B& device, const progress& told = {}) {
    comparison result;
    result.pictures = std::min(most, from.count);
    std::map<std::string, std::vector<float>, std::less<>> expected;
    std::map<std::string, std::size_t, std::less<>> place;
    const auto keep = [&](const feature_map& f) {
        const auto at = expected.find(f.name);
        auto& values = at == expected.end() ? expected[std::string(f.name)] : at->second;
        values.assign(f.values.begin(), f.values.end());
    };
    const auto judge = [&](const feature_map& f) {
        const auto found = expected.find(f.name);
        if (found == expected.end() || found->second.size() != f.values.size() || !f.scale)
            throw weights_error(quantized.source() + ": output of '" + std::string(f.name) +
                                "': expected a scale and the layout that it has with float32 weights, found others");
        const auto [at, fresh] = place.try_emplace(std::string(f.name), result.maps.size());
        if (fresh) result.maps.push_back({at->first, *f.scale, {}});
        result.maps[at->second].power.add(found->second, f.values);
    };
    const network exact(net, weights, observing<B>(device, keep));
    const network rounded(net, quantized, simulated(device, judge));
    context exact_run(exact), rounded_run(rounded);
    tensor<float> picture(exact_run.input_shape());
    const auto best = [](std::span<const float> logits) {
        return std::max_element(logits.begin(), logits.end()) - logits.begin();
    };
    for (std::size_t i = 0; i < result.pictures; ++i) {
        if (told) told(i, result.pictures);
        from.fill(i, picture.elements());
        const tensor<float> wanted = exact_run.run(picture.elements()), found = rounded_run.run(picture.elements());
        result.logits.add(wanted.elements(), found.elements());
        result.same_top1 += best(wanted.elements()) == best(found.elements());
    }
    return result;
}

} // namespace gpunet::quantize

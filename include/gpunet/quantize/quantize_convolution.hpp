// A convolution's weights and bias in whole numbers.
#pragma once

#include <gpunet/graph/network.hpp>
#include <gpunet/quantize/round.hpp>
#include <gpunet/weights/constants.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>
#include <vector>

namespace gpunet::quantize {

struct quantized_convolution {
    std::vector<std::int8_t> weights;
    std::vector<float> scales, bias;
};

namespace detail {

/// Rounds numbers in units of `scale` and appends them, so that their sum is right within half a unit as well: those
/// whose errors lean most to the side of the sum's are rounded the other way. Where the inputs of these weights are
/// alike, their errors then cancel (Guo et al. 2022, "SQuant").
inline void round_together(std::span<const float> values, float scale, std::vector<std::int8_t>& to) {
    const std::size_t first = to.size();
    std::vector<double> errors;
    double sum = 0;
    for (const float x : values) {
        const float q = nearest(x, scale);
        errors.push_back(double{q} - double{x} / double{scale});
        sum += errors.back();
        to.push_back(static_cast<std::int8_t>(q));
    }
    while (std::fabs(sum) > 0.5) {
        const int sign = sum > 0 ? 1 : -1;
        std::size_t best = errors.size();
        double most = 0;
        for (std::size_t i = 0; i < errors.size(); ++i)
            if (errors[i] * sign > most && std::abs(to[first + i] - sign) <= 127) {
                most = errors[i] * sign;
                best = i;
            }
        if (best == errors.size()) return;
        to[first + best] = static_cast<std::int8_t>(to[first + best] - sign);
        errors[best] -= sign;
        sum -= sign;
    }
}

/// What rounding the weights of output channel o takes from its mean: the sum of (w - scale q) times the mean of the
/// channel that each weight sees. (Nagel et al. 2019, "Data-free quantization", bias correction.)
/// @param means  of each channel of the input
inline double mean_error(const graph::convolution& c, std::size_t o, std::span<const float> weights,
                         std::span<const std::int8_t> rounded, float scale, std::span<const double> means) {
    const auto taps = static_cast<std::size_t>(c.kernel * c.kernel);
    const auto inputs = static_cast<std::size_t>(c.input.channels / c.groups);
    const auto outputs = static_cast<std::size_t>(c.output.channels / c.groups);
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i)
        sum += (double{weights[i]} - double{scale} * static_cast<double>(rounded[i])) *
               means[o / outputs * inputs + i / taps];
    return sum;
}

} // namespace detail

/// Scales are max |w| / 127 of an output channel; more where the bias would otherwise be more than 2^22 of its units,
/// so that it fits int32 and a float32 says it exactly. Weights are rounded together that see the same channel of the
/// input, or with a 1x1 kernel all of an output channel.
/// @param means  of each channel of the input, which the bias makes up for; empty where they are not known
inline quantized_convolution quantize_convolution(const graph::convolution& c, const folded& f, float input_scale,
                                                  std::span<const double> means = {}) {
    constexpr float most_units = 1 << 22;
    const std::size_t per_channel = f.weights.size() / f.bias.size();
    const std::size_t together = c.kernel == 1 ? per_channel : static_cast<std::size_t>(c.kernel * c.kernel);
    quantized_convolution q;
    q.weights.reserve(f.weights.size());
    for (std::size_t o = 0; o < f.bias.size(); ++o) {
        const auto channel = std::span(f.weights).subspan(o * per_channel, per_channel);
        float widest = 0;
        for (const float w : channel) widest = std::max(widest, std::fabs(w));
        const float scale = std::max({widest / largest, std::fabs(f.bias[o]) / (most_units * input_scale), 0x1p-100F});
        for (std::size_t i = 0; i < per_channel; i += together)
            detail::round_together(channel.subspan(i, together), scale, q.weights);
        const double unit = double{input_scale} * double{scale};
        double bias = double{f.bias[o]};
        if (!means.empty())
            bias += detail::mean_error(c, o, channel, std::span(q.weights).last(per_channel), scale, means);
        q.bias.push_back(static_cast<float>(std::nearbyint(bias / unit) * unit));
        q.scales.push_back(scale);
    }
    return q;
}

} // namespace gpunet::quantize

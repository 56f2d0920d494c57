// The two passes of resampling an 8-bit picture, in Pillow's fixed-point arithmetic.
#pragma once

#include <gpunet/image/image.hpp>
#include <gpunet/image/interpolation.hpp>
#include <gpunet/shape.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpunet::detail {

/// The weight of a sample at distance `x` (in filter units) from the centre. Source of the cubic: R. Keys, "Cubic
/// convolution interpolation for digital image processing", IEEE Trans. ASSP 29 (1981), equation 4 with a = -0.5.
inline double filter_weight(interpolation filter, double x) noexcept {
    x = std::abs(x);
    if (filter == interpolation::bilinear) return x < 1 ? 1 - x : 0;
    constexpr double a = -0.5;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/// Fraction bits of a weight: 8 of an int32 hold the sample, 2 the overshoot of a cubic and the sign.
inline constexpr int weight_bits = 32 - 8 - 2;

/// For a run of output samples along one axis: which input samples each is made of, and their fixed-point weights.
struct resampling {
    std::size_t taps = 0;            ///< weights kept for each output sample
    std::vector<std::int64_t> first; ///< of each output sample, its first input sample
    std::vector<std::size_t> count;  ///< of each output sample, how many input samples it is made of
    std::vector<std::int32_t> weights;

    std::int64_t input_begin() const noexcept { return first.front(); }
    std::int64_t input_end() const noexcept { return first.back() + static_cast<std::int64_t>(count.back()); }
};

/// Samples `begin` to `begin + length` of an axis of `in` samples resampled to `out`.
inline resampling plan_resampling(std::int64_t in, std::int64_t out, std::int64_t begin, std::int64_t length,
                                  interpolation filter) {
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    const double stretch = std::max(scale, 1.0);
    const double support = (filter == interpolation::bilinear ? 1.0 : 2.0) * stretch;
    resampling plan;
    plan.taps = std::min(static_cast<std::size_t>(std::ceil(support)) * 2 + 1, static_cast<std::size_t>(in));
    plan.weights.resize(static_cast<std::size_t>(element_count({length, static_cast<std::int64_t>(plan.taps)})));
    std::vector<double> exact(plan.taps);
    for (std::int64_t i = 0; i < length; ++i) {
        const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
        const auto first = static_cast<std::int64_t>(std::max(centre - support + 0.5, 0.0));
        const auto last = std::min(static_cast<std::int64_t>(centre + support + 0.5), in);
        const auto count = static_cast<std::size_t>(last - first);
        double sum = 0;
        for (std::size_t t = 0; t < count; ++t)
            sum += exact[t] = filter_weight(
                filter, (static_cast<double>(first + static_cast<std::int64_t>(t)) - centre + 0.5) * (1.0 / stretch));
        for (std::size_t t = 0; t < count; ++t) {
            const double scaled = (sum != 0 ? exact[t] / sum : exact[t]) * (1 << weight_bits);
            plan.weights[static_cast<std::size_t>(i) * plan.taps + t] =
                static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        }
        plan.first.push_back(first);
        plan.count.push_back(count);
    }
    return plan;
}

inline std::uint8_t round_sample(std::int32_t sum) noexcept {
    return static_cast<std::uint8_t>(std::clamp(sum >> weight_bits, 0, 255));
}

/// Resamples every row of `in`, whose first column is input sample `plan.input_begin()`.
inline image resample_rows(const image_view& in, const resampling& plan) {
    image out(static_cast<std::int64_t>(plan.first.size()), in.height);
    for (std::int64_t y = 0; y < in.height; ++y) {
        const std::int32_t* weights = plan.weights.data();
        const std::uint8_t* const row = in.row(y);
        std::uint8_t* to = out.row(y);
        for (std::size_t i = 0; i < plan.first.size(); ++i, weights += plan.taps, to += 3) {
            const std::uint8_t* sample = row + (plan.first[i] - plan.input_begin()) * 3;
            std::int32_t a = 1 << (weight_bits - 1), b = a, c = a;
            for (std::size_t t = 0; t < plan.count[i]; ++t, sample += 3) {
                a += weights[t] * sample[0];
                b += weights[t] * sample[1];
                c += weights[t] * sample[2];
            }
            to[0] = round_sample(a);
            to[1] = round_sample(b);
            to[2] = round_sample(c);
        }
    }
    return out;
}

/// One output row out of `count` input rows, for a block of bytes fixed in size so that its sums stay in registers.
template <std::size_t Block>
void resample_block(const std::uint8_t* in, std::ptrdiff_t stride, const std::int32_t* weights, std::size_t count,
                    std::uint8_t* out) noexcept {
    std::array<std::int32_t, Block> sums;
    sums.fill(1 << (weight_bits - 1));
    for (std::size_t t = 0; t < count; ++t) {
        const std::uint8_t* const row = in + static_cast<std::ptrdiff_t>(t) * stride;
        for (std::size_t i = 0; i < Block; ++i) sums[i] += weights[t] * row[i];
    }
    for (std::size_t i = 0; i < Block; ++i) out[i] = round_sample(sums[i]);
}

/// Resamples every column of `in`, whose top row is input sample `plan.input_begin()`.
inline image resample_columns(const image_view& in, const resampling& plan) {
    image out(in.width, static_cast<std::int64_t>(plan.first.size()));
    constexpr std::int64_t block = 32;
    for (std::size_t y = 0; y < plan.first.size(); ++y) {
        const std::uint8_t* const from = in.row(plan.first[y] - plan.input_begin());
        const std::int32_t* const weights = plan.weights.data() + y * plan.taps;
        std::uint8_t* const to = out.row(static_cast<std::int64_t>(y));
        std::int64_t x = 0;
        for (; x + block <= in.width * 3; x += block)
            resample_block<block>(from + x, in.stride, weights, plan.count[y], to + x);
        for (; x < in.width * 3; ++x) resample_block<1>(from + x, in.stride, weights, plan.count[y], to + x);
    }
    return out;
}

} // namespace gpunet::detail

// The rules by which the reference implementation, and TensorFlow, turn one number into another.
#pragma once

#include <gpunet/graph/network.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/spec/rounding.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <variant>

namespace gpunet::graph {

/// The reference's channel rounding: the nearest multiple of 8, and the next one if that is more than 10 % too small.
inline std::int64_t round_to_multiple_of_8(double channels) noexcept {
    return spec::round_to_multiple(channels, 8, 0.9);
}

/// To the nearest integer, halves to even, as Python rounds; at least 1.
inline std::int64_t round_half_to_even(double value) noexcept {
    const double lower = std::floor(value);
    const double rest = value - lower;
    const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(lower, 2.0) != 0.0);
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(lower) + (up ? 1 : 0));
}

/// Zeros before and after along one axis so that the output has ceil(size / stride) elements: TensorFlow's SAME, which
/// puts the odd one after.
constexpr std::pair<std::int64_t, std::int64_t> same_padding(std::int64_t size, std::int64_t kernel,
                                                             std::int64_t stride) noexcept {
    const std::int64_t output = (size + stride - 1) / stride;
    const std::int64_t total = std::max<std::int64_t>(0, (output - 1) * stride + kernel - size);
    return {total / 2, total - total / 2};
}

/// Extent of a convolution's output; not positive where the input is too small.
constexpr extent2 output_extent(extent2 input, std::int64_t kernel, std::int64_t stride, const padding& pad) noexcept {
    const auto along = [&](std::int64_t size) { return size < kernel ? 0 : (size - kernel) / stride + 1; };
    return {along(input.height + pad.top + pad.bottom), along(input.width + pad.left + pad.right)};
}

/// The zeros around a feature map that a spec's padding means.
inline padding resolve(const spec::padding& rule, extent2 input, std::int64_t kernel, std::int64_t stride) noexcept {
    if (const auto* pixels = std::get_if<std::int64_t>(&rule)) return {*pixels, *pixels, *pixels, *pixels};
    switch (*std::get_if<spec::padding_rule>(&rule)) {
    case spec::padding_rule::symmetric: return {kernel / 2, kernel / 2, kernel / 2, kernel / 2};
    case spec::padding_rule::same: {
        const auto [top, bottom] = same_padding(input.height, kernel, stride);
        const auto [left, right] = same_padding(input.width, kernel, stride);
        return {top, bottom, left, right};
    }
    case spec::padding_rule::valid: break;
    }
    return {};
}

} // namespace gpunet::graph

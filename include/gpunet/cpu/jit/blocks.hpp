// Maps in blocks of channels (of float32, nChw16c), and which convolutions on them there is code for.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/cpu/jit/row.hpp>
#include <gpunet/graph/network.hpp>

#include <cstdint>
#include <limits>

namespace gpunet::cpu::jit {

/// How many blocks so many channels take.
inline std::int64_t blocks_of(std::int64_t channels, element e = element::float32) noexcept {
    return (channels + channels_of_block(e) - 1) / channels_of_block(e);
}
/// How many steps of 4 bytes so many channels of a pixel take.
inline std::int64_t steps_of(std::int64_t channels, element e) noexcept {
    return (channels + channels_of_step(e) - 1) / channels_of_step(e);
}
inline std::int64_t pixels_of(const graph::features& f) noexcept { return f.size.height * f.size.width; }

/// Whether a convolution's input is the picture itself, N C H W, and not in blocks.
inline bool takes_plain_input(const graph::convolution& c) noexcept {
    return c.groups == 1 && c.input.channels < 8 && pixels_of(c.input) > 1;
}

/// Whether the output is as large as the input and the padding make it.
inline bool is_consistent(const graph::convolution& c) noexcept {
    const auto places = [&](std::int64_t extent, std::int64_t before, std::int64_t after) {
        return (extent + before + after - c.kernel) / c.stride + 1;
    };
    return c.output.size.height == places(c.input.size.height, c.padding.top, c.padding.bottom) &&
           c.output.size.width == places(c.input.size.width, c.padding.left, c.padding.right);
}

/// Whether there is code for it.
inline bool has_code(activation a) noexcept { return a != activation::gelu; }

inline constexpr std::int64_t largest_kernel = 7;

/// Whether there is code for it. Offsets within three blocks must fit 31 bits.
inline bool has_code(const graph::convolution& c) noexcept {
    constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max() / (4 * 64);
    return (c.groups == 1 || c.depthwise()) && has_code(c.act) && is_consistent(c) && c.kernel <= largest_kernel &&
           c.padding.left < c.kernel && c.padding.top < c.kernel && c.padding.right < c.kernel &&
           c.padding.bottom < c.kernel && pixels_of(c.input) < largest && pixels_of(c.output) < largest;
}

/// Tiles of Winograd's F(4x4, 3x3) along so many output pixels.
inline std::int64_t winograd_tiles(std::int64_t extent) noexcept { return (extent + 3) / 4; }

/// Whether Winograd's convolution is worth it: enough channels, and tiles that do not lie outside the map by much.
inline bool suits_winograd(const graph::convolution& c) noexcept {
    const std::int64_t tiles = winograd_tiles(c.output.size.height) * winograd_tiles(c.output.size.width);
    const bool one = c.kernel == 3 && c.stride == 1, four = c.kernel == 5 && c.stride == 2;
    return (one || (four && c.input.channels % 16 == 0)) && c.groups == 1 && c.input.channels >= 16 &&
           c.output.channels >= 16 && tiles >= 9 && tiles * 16 * 2 < pixels_of(c.output) * 3;
}

/// On maps of one pixel.
inline graph::convolution as_convolution(const graph::dense& d) {
    graph::convolution c;
    c.weights = d.weights;
    c.input = {d.inputs, {1, 1}};
    c.output = {d.outputs, {1, 1}};
    c.act = d.act;
    return c;
}

/// How many numbers a convolution's weights are as such code has them.
inline std::int64_t packed_count(const graph::convolution& c) noexcept {
    const std::int64_t each = suits_winograd(c) ? 36 * c.stride * c.stride : c.kernel * c.kernel;
    return c.output.channels * (c.input.channels / c.groups) * each;
}

/// Bytes of a map.
inline std::int64_t map_bytes(std::int64_t batch, const graph::features& f, element e) noexcept {
    return batch * blocks_of(f.channels, e) * pixels_of(f) * block_bytes;
}

/// How a convolution's maps stand for numbers.
struct number_format {
    element input = element::float32, output = element::float32; // and the residual
    float output_scale = 1, residual_scale = 0;                  // of bytes
};

inline byte_scales scales_of(const number_format& f, const graph::convolution& c) noexcept {
    const float residual = sums_in_units(c.act, c.adds_last) ? f.residual_scale / f.output_scale : f.residual_scale;
    constexpr auto zero = static_cast<float>(zero_byte);
    return {1 / f.output_scale, residual, zero - zero * residual, zero + 6 / f.output_scale};
}

} // namespace gpunet::cpu::jit

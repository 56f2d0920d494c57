// A row of a convolution's output: what code is generated for, and what a call of it gets.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/graph/network.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpunet::cpu::jit {

/// A stretch of a row whose sums are all in registers.
struct tile {
    int first = 0; // output pixel
    int size = 0;
};

/// A row in as few tiles of at most `most` pixels as can be, as equal as can be.
inline std::vector<tile> tiles_of(int width, int most) {
    const int count = (width + most - 1) / most;
    std::vector<tile> tiles;
    for (int i = 0, first = 0; i < count; ++i) {
        const int size = width / count + (i < width % count ? 1 : 0);
        tiles.push_back({first, size});
        first += size;
    }
    return tiles;
}

/// What a map consists of: float32 in blocks of 16 channels, or bytes in blocks of 64 channels, 128 + real / scale.
/// Either way a block's channels of one pixel lie side by side in 64 bytes, and a convolution takes them 4 bytes at a
/// time.
enum class element : std::uint8_t { float32, byte };

constexpr std::int64_t channels_of_block(element e) noexcept { return e == element::byte ? 64 : 16; }
constexpr std::int64_t channels_of_step(element e) noexcept { return e == element::byte ? 4 : 1; }
inline constexpr std::int64_t block_bytes = 64, steps_of_block = 16;
inline constexpr std::int64_t zero_byte = 128;

/// What the code is generated for: a row of `width` output pixels. Offsets in bytes.
struct row_shape {
    int steps = 0; // of 4 bytes that a pixel's input channels take; the last block may be partly used
    int input_width = 0, width = 0;
    int kernel = 1, stride = 1, padding = 0;                 // padding: to the left
    std::int32_t pixel = 0, channel = 0, row = 0, block = 0; // from one of the input's (channel: step) to the next
    int outputs = 1;                                         // times 16 output channels computed together, at most 4
    std::int32_t output_block = 0;                           // from one 16 of output channels to the next
    element input = element::float32, output = element::float32;
    activation act = activation::identity;
    bool residual = false, adds_last = false; // the latter: after the activation

    friend auto operator<=>(const row_shape&, const row_shape&) = default;
};

/// Whether activation(s x) = s activation(x) for s > 0, but for the place where relu6 ends: sums then become units of
/// the output's scale at once, and no real numbers.
constexpr bool keeps_scale(activation a) noexcept {
    return a == activation::identity || a == activation::relu || a == activation::relu6;
}

/// Whether sums become units at once.
constexpr bool sums_in_units(activation a, bool adds_last) noexcept { return keeps_scale(a) && !adds_last; }

/// How sums become bytes. Where sums_in_units, a unit is the output's scale, otherwise 1.
struct byte_scales {
    float inverse = 0;  // 1 / the output's scale
    float residual = 0; // the residual's scale over the unit
    float offset = 0;   // zero_byte, less what the residual's 128 add; in units
    float six = 0;      // zero_byte + 6 / the output's scale, where relu6 ends
};

/// What a call gets. Rows of the kernel that lie in the padding are left out. A row of float32 output may take several
/// calls, each for some blocks of input channels, the last of which takes the partly used block too; in between the
/// output holds the sums.
struct row_arguments {
    const std::byte* input = nullptr;   // the first row's first pixel
    const std::byte* weights = nullptr; // [block][kernel row][kernel column][step][outputs * 16], 4 bytes each
    const std::byte* bias = nullptr;    // outputs * 16, float32; of bytes int32
    const std::byte* factors = nullptr; // of bytes: outputs * 16 float32, from sums to units
    std::byte* output = nullptr;
    const std::byte* residual = nullptr;
    std::int64_t rows = 1;        // of the kernel
    std::int64_t full_blocks = 0; // of input channels, in this call; at least 1 unless the input has none
    std::int64_t is_first = 1, is_last = 1;
    std::int64_t skipped = 0;      // bytes of a full block's weights of the rows left out above
    std::int64_t skipped_last = 0; // likewise of the last block, if it is partly used
    byte_scales scales;
};

/// The part of the shape that follows from the convolution alone, for input in blocks.
inline row_shape shape_of(const graph::convolution& c, bool residual) {
    row_shape s;
    s.input_width = static_cast<int>(c.input.size.width);
    s.width = static_cast<int>(c.output.size.width);
    s.kernel = static_cast<int>(c.kernel);
    s.stride = static_cast<int>(c.stride);
    s.padding = static_cast<int>(c.padding.left);
    s.pixel = block_bytes;
    s.row = block_bytes * s.input_width;
    s.act = c.act;
    s.residual = residual;
    s.adds_last = residual && c.adds_last;
    return s;
}

/// The kernel's rows that lie on the input, for one row of the output.
struct kernel_rows {
    std::int64_t above = 0; // left out: they lie in the padding
    std::int64_t count = 0;
    std::int64_t first = 0; // of the input
};

inline kernel_rows rows_on_input(const graph::convolution& c, std::int64_t output_row) {
    const std::int64_t y = output_row * c.stride - c.padding.top;
    const std::int64_t above = std::max<std::int64_t>(0, -y);
    const std::int64_t below = std::max<std::int64_t>(0, y + c.kernel - c.input.size.height);
    return {above, c.kernel - above - below, y + above};
}

} // namespace gpunet::cpu::jit

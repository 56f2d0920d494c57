// A row of a convolution's output: what code is generated for, and what a call of it gets.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/graph/network.hpp>

#include <algorithm>
#include <compare>
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

/// What the code is generated for: a row of `width` output pixels. Offsets in bytes; 16 channels lie side by side in a
/// block, the last of which may be partly used.
struct row_shape {
    int input_channels = 0, input_width = 0, width = 0;
    int kernel = 1, stride = 1, padding = 0;                 // padding: to the left
    std::int32_t pixel = 0, channel = 0, row = 0, block = 0; // from one of the input's to the next
    int outputs = 1;                                         // blocks of output channels computed together, at most 4
    std::int32_t output_block = 0;                           // from one block of the output's to the next
    activation act = activation::identity;
    bool residual = false;

    friend auto operator<=>(const row_shape&, const row_shape&) = default;
};

/// What a call gets. Rows of the kernel that lie in the padding are left out. A row may take several calls, each for
/// some blocks of input channels, the last of which takes the partly used block too; in between the output holds the
/// sums.
struct row_arguments {
    const float* input = nullptr;   // the first row's first pixel
    const float* weights = nullptr; // [block][kernel row][kernel column][channel][outputs * 16]
    const float* bias = nullptr;    // outputs * 16
    float* output = nullptr;
    const float* residual = nullptr;
    std::int64_t rows = 1;        // of the kernel
    std::int64_t full_blocks = 0; // of input channels, in this call; at least 1 unless the input has none
    std::int64_t is_first = 1, is_last = 1;
    std::int64_t skipped = 0;      // bytes of a full block's weights of the rows left out above
    std::int64_t skipped_last = 0; // likewise of the last block, if it is partly used
};

/// The part of the shape that follows from the convolution alone, for input in blocks.
inline row_shape shape_of(const graph::convolution& c, bool residual) {
    row_shape s;
    s.input_width = static_cast<int>(c.input.size.width);
    s.width = static_cast<int>(c.output.size.width);
    s.kernel = static_cast<int>(c.kernel);
    s.stride = static_cast<int>(c.stride);
    s.padding = static_cast<int>(c.padding.left);
    s.pixel = 64;
    s.row = 64 * s.input_width;
    s.act = c.act;
    s.residual = residual;
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

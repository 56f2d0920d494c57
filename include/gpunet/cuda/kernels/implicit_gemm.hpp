// A convolution on tensor cores, map to map, for the few pixels of small batches: cuDNN's kernels share a map out to
// few blocks then, each of which goes through all terms of its sums alone.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

namespace gpunet::cuda::kernels {

/// How the work is cut: what a warp computes, and into how many parts, a warp each, the terms of its sums go.
struct gemm_tile {
    int rows = 32, columns = 32; // output pixels, output channels
    int splits = 1;

    friend bool operator==(const gemm_tile&, const gemm_tile&) = default;
    /// "32x64/4"
    std::string text() const {
        return std::to_string(rows) + "x" + std::to_string(columns) + "/" + std::to_string(splits);
    }
};

/// What to compute: act(convolution [+ residual] + bias). Zeros pad the input: `top` rows above, `left` columns before,
/// as many as needed after. Sums are float32; the factors of float32 maps are rounded to TF32. The output may be the
/// residual's memory. For GPUs from sm_80 on.
struct implicit_gemm {
    element type = element::float16;
    std::int64_t n = 1, channels = 0, height = 0, width = 0;
    std::int64_t output_channels = 0, output_height = 0, output_width = 0;
    std::int64_t kernel = 1, stride = 1, top = 0, left = 0; // kernel: to 5
    activation act = activation::identity;
    bool residual = false;
    gemm_tile tile;
    int multiprocessors = default_multiprocessors;
};

// clang-format off
#define GPUNET_IMPLICIT_GEMM_FIELDS                                                                                    \
    const void* input;       /* map */                                                                                 \
    const void* weights;     /* pack_filters */                                                                        \
    const void* bias;        /* elements, zeros after the last channel up to padded(c) */                              \
    const void* residual;    /* map, where GPUNET_RESIDUAL */                                                          \
    void* output;            /* map */                                                                                 \
    int vectors; int vectors_of_tap; /* of 16 bytes, of a row of weights */                                            \
    unsigned first_taps;     /* a bit for the first tap of each row of the filter */                                   \
    unsigned by_vectors_of_tap; unsigned by_kernel; unsigned by_splits; /* 2^31 /, rounded up */                       \
    unsigned by_output_width; unsigned by_output_height;                                                               \
    int pixels; int height; int width;                                                                                 \
    int output_height; int output_width; int output_padded;                                                            \
    int kernel; int stride; int top; int left;
// clang-format on
struct implicit_gemm_parameters {
    GPUNET_IMPLICIT_GEMM_FIELDS
};

inline constexpr std::string_view implicit_gemm_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("implicit_gemm_parameters", GPUNET_IMPLICIT_GEMM_FIELDS)
#include <gpunet/cuda/kernels/implicit_gemm.cuh>
    ;
#undef GPUNET_IMPLICIT_GEMM_FIELDS

namespace detail {

inline constexpr int largest_gemm_kernel = 5;

/// Of 16 bytes, in a row of weights.
inline std::int64_t vectors_of_row(const implicit_gemm& g) noexcept {
    return g.kernel * g.kernel * padded(g.channels) / (g.type == element::float32 ? 4 : 8);
}

/// What the sums of `warps` warps take in shared memory.
constexpr std::size_t gemm_shared_bytes(const gemm_tile& t, int warps) noexcept {
    return static_cast<std::size_t>(warps) * static_cast<std::size_t>(t.rows) *
           static_cast<std::size_t>(t.columns + 8) * sizeof(float);
}

/// Warps of a block: as many as 48 KiB of shared memory allow, up to 8; a power of 2, as all splits are.
constexpr int gemm_warps(const gemm_tile& t) noexcept {
    int warps = 8;
    while (warps > 1 && gemm_shared_bytes(t, warps) > 49152) warps /= 2;
    return warps;
}

inline constexpr std::array<gemm_tile, 6> gemm_tiles = {{{64, 32}, {32, 64}, {32, 32}, {16, 64}, {16, 32}, {16, 16}}};

} // namespace detail

/// Whether the kernel does it at all.
inline bool possible(const implicit_gemm& g) noexcept {
    return g.kernel <= detail::largest_gemm_kernel && g.channels <= 1 << 15 &&
           g.n * g.height * g.width * padded(g.channels) < std::int64_t{1} << 31 &&
           (g.n * g.output_height * g.output_width + 1024) * std::max(g.output_height, g.output_width) <
               std::int64_t{1} << 31; // divided in 32 bits
}

/// Cuts worth timing: each tile with the terms split until every multiprocessor has some four warps, and twice more.
/// The first is the largest tile that gives all multiprocessors work, blocks and warps.
inline std::vector<gemm_tile> tiles(const implicit_gemm& g) {
    const std::int64_t steps = detail::divide_up(detail::vectors_of_row(g), 4);
    const std::int64_t pixels = g.n * g.output_height * g.output_width, channels = padded(g.output_channels);
    std::vector<gemm_tile> all;
    bool found = false;
    for (gemm_tile t : detail::gemm_tiles) {
        if (t.columns > 32 && channels <= 32) continue;
        const std::int64_t warps = detail::divide_up(pixels, t.rows) * detail::divide_up(channels, t.columns);
        const auto can_split = [&] { return t.splits < detail::gemm_warps(t) && 2 * t.splits <= steps; };
        while (can_split() && warps * t.splits < 4 * g.multiprocessors) t.splits *= 2;
        // A block is at least the warps that share an output.
        const bool first = !found && warps >= g.multiprocessors && warps * t.splits >= 4 * g.multiprocessors;
        found = found || first;
        all.insert(first ? all.begin() : all.end(), t);
        for (int more = 0; more < 2 && can_split(); ++more) {
            t.splits *= 2;
            all.push_back(t);
        }
    }
    if (!found) std::rotate(all.begin(), all.end() - 1, all.end()); // the smallest, split most
    return all;
}

/// @throws argument_error, unsupported_error
inline implicit_gemm_parameters parameters(const implicit_gemm& g) {
    using detail::number;
    constexpr std::string_view name = "implicit_gemm";
    implicit_gemm_parameters p{};
    p.kernel = number(name, "kernel", g.kernel, 1, detail::largest_gemm_kernel);
    number(name, "channels", g.channels, 1, 1 << 15);
    number(name, "n", g.n);
    p.height = number(name, "height", g.height);
    p.width = number(name, "width", g.width);
    p.output_height = number(name, "output height", g.output_height);
    p.output_width = number(name, "output width", g.output_width);
    p.output_padded = number(name, "output channels", padded(g.output_channels), 8);
    p.stride = number(name, "stride", g.stride, 1, 1 << 12);
    p.top = number(name, "padding", g.top, 0, 1 << 12);
    p.left = number(name, "padding", g.left, 0, 1 << 12);
    if (!possible(g)) throw unsupported_error("implicit_gemm kernel: expected smaller maps");
    p.pixels = static_cast<int>(g.n * g.output_height * g.output_width);
    p.vectors = static_cast<int>(detail::vectors_of_row(g));
    p.vectors_of_tap = p.vectors / (p.kernel * p.kernel);
    for (int y = 0; y < p.kernel; ++y) p.first_taps |= 1U << y * p.kernel;
    const auto reciprocal = [](int of) { return static_cast<unsigned>(detail::divide_up(std::int64_t{1} << 31, of)); };
    p.by_vectors_of_tap = reciprocal(p.vectors_of_tap);
    p.by_kernel = reciprocal(p.kernel);
    p.by_splits = reciprocal(std::max(g.tile.splits, 1));
    p.by_output_width = reciprocal(p.output_width);
    p.by_output_height = reciprocal(p.output_height);
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const implicit_gemm& g) {
    const implicit_gemm_parameters p = parameters(g);
    const int warps = detail::gemm_warps(g.tile);
    const auto known = [&](const gemm_tile& t) { return t.rows == g.tile.rows && t.columns == g.tile.columns; };
    if (std::none_of(detail::gemm_tiles.begin(), detail::gemm_tiles.end(), known) || g.tile.splits < 1 ||
        warps % g.tile.splits != 0)
        throw argument_error("implicit_gemm kernel: tile: expected one of tiles(), found " + g.tile.text());
    kernel_launch launch;
    launch.name = "implicit_gemm";
    launch.source = implicit_gemm_source;
    launch.defines = {detail::define(g.type), detail::define("ACT", g.act), detail::define("RESIDUAL", g.residual),
                      detail::define("TILE_ROWS", g.tile.rows), detail::define("TILE_COLUMNS", g.tile.columns)};
    // Groups of warps with rows of their own, as long as there is a block for each multiprocessor.
    const std::int64_t columns = detail::divide_up(p.output_padded, g.tile.columns);
    int groups = warps / g.tile.splits;
    const auto blocks = [&] { return detail::divide_up(p.pixels, std::int64_t{g.tile.rows} * groups); };
    while (groups > 1 && blocks() * columns < g.multiprocessors) groups /= 2;
    launch.grid = detail::grid("implicit_gemm", blocks(), columns);
    launch.block = {32, static_cast<unsigned>(g.tile.splits), static_cast<unsigned>(groups)};
    launch.shared_bytes = detail::gemm_shared_bytes(g.tile, g.tile.splits * groups);
    return launch;
}

/// Weights O I K K as cuDNN reads them, and implicit_gemm: elements [padded output][row][column][padded input].
/// @throws argument_error for a wrong count
inline std::vector<std::byte> pack_filters(element type, std::int64_t outputs, std::int64_t inputs, std::int64_t kernel,
                                           std::span<const float> weights) {
    const std::int64_t taps = kernel * kernel, row = padded(inputs);
    detail::check_length("implicit_gemm", "weights", weights.size(), outputs * inputs * taps);
    std::vector<float> values(static_cast<std::size_t>(padded(outputs) * taps * row));
    for (std::int64_t o = 0; o < outputs; ++o)
        for (std::int64_t t = 0; t < taps; ++t)
            for (std::int64_t i = 0; i < inputs; ++i)
                values[static_cast<std::size_t>((o * taps + t) * row + i)] =
                    weights[static_cast<std::size_t>((o * inputs + i) * taps + t)];
    return detail::to_bytes(values, type);
}

} // namespace gpunet::cuda::kernels

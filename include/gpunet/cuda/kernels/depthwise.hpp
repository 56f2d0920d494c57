// Depthwise convolution, map to map: activation of the input as it is read, bias, activation, sums of the output.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

#include <cmath>

namespace gpunet::cuda::kernels {

/// What to compute: act(bias + sum of weights x input_act(input)). Zeros, which stay zeros, pad the input after
/// input_act: `top` rows above, `left` columns before, as many as needed after.
struct depthwise {
    element type = element::float32;
    std::int64_t n = 1, channels = 0, height = 0, width = 0;
    std::int64_t output_height = 0, output_width = 0;
    std::int64_t kernel = 3, stride = 1, top = 0, left = 0; // kernel 1 to 7
    activation input_act = activation::identity;
    activation act = activation::identity;
    bool sums = false; // also of the outputs, as rounded: sum_rows() rows a picture
    int multiprocessors = default_multiprocessors;
};

// clang-format off
#define GPUNET_DEPTHWISE_FIELDS                                                                                        \
    const void* input;       /* map */                                                                                 \
    const void* weights;     /* pack_weights */                                                                        \
    const float* bias;       /* pack_bias */                                                                           \
    void* output;            /* map */                                                                                 \
    float* sums;             /* where GPUNET_SUMS */                                                                   \
    int height; int width; int padded; int output_height; int output_width;                                            \
    int top; int left; int stride;                                                                                     \
    int tiles_x; int tiles_y; int parts; int tiles_of_part;
// clang-format on
struct depthwise_parameters {
    GPUNET_DEPTHWISE_FIELDS
};

inline constexpr std::string_view depthwise_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("depthwise_parameters", GPUNET_DEPTHWISE_FIELDS)
#include <gpunet/cuda/kernels/depthwise.cuh>
    ;
#undef GPUNET_DEPTHWISE_FIELDS

namespace detail {

/// A thread computes 4 channels of strip_x x strip_y outputs; a block `vectors` x threads_x x threads_y of these, its
/// tile; a part of a picture is some tiles, done by one block one after the other.
struct depthwise_plan {
    int strip_x = 1, strip_y = 1;
    int vectors = 1, threads_x = 1, threads_y = 1;
    bool shared_weights = false;
    std::int64_t tiles_x = 1, tiles_y = 1, parts = 1, tiles_of_part = 1, channel_blocks = 1;
};

/// Whether the stride is compiled in, and a thread may have several outputs.
constexpr bool has_strips(const depthwise& d) noexcept {
    return (d.kernel == 2 || d.kernel == 3 || d.kernel == 5 || d.kernel == 7) && d.stride <= 2;
}

inline depthwise_plan plan(const depthwise& d) {
    depthwise_plan p;
    const std::int64_t vectors = padded(d.channels) / 4;
    const auto threads = [&](int x, int y) {
        return d.n * vectors * divide_up(d.output_width, x) * divide_up(d.output_height, y);
    };
    const std::int64_t enough = std::int64_t{384} * d.multiprocessors;
    if (has_strips(d) && d.stride == 1) {
        // Large kernels are bound by instructions, of which wide strips need fewest: they may leave fewer threads.
        const std::int64_t few = d.kernel > 3 ? std::int64_t{224} * d.multiprocessors : enough;
        if (threads(4, 2) >= enough)
            p.strip_x = 4, p.strip_y = 2;
        else if (d.kernel > 3 && threads(4, 1) >= few)
            p.strip_x = 4;
        else if (threads(2, 1) >= few)
            p.strip_x = 2;
    } else if (has_strips(d) && threads(2, 2) >= enough) {
        p.strip_x = p.strip_y = 2;
    }
    // Registers hold 3 x 3 weights, but of float32 only beside few sums.
    p.shared_weights = d.kernel > 3 || (d.type == element::float32 && p.strip_x * p.strip_y > 2);
    const bool large = threads(p.strip_x, p.strip_y) >= 4 * enough;
    // The block's shape that costs the busiest multiprocessor least: a thread's work, whether it computes something or
    // not, and what is read.
    const std::int64_t strips_x = divide_up(d.output_width, p.strip_x);
    const std::int64_t strips_y = divide_up(d.output_height, p.strip_y);
    const auto widest =
        static_cast<int>(std::min<std::int64_t>(vectors, large && d.type != element::float32 ? 16 : 12));
    const auto narrowest = static_cast<int>(std::min<std::int64_t>(vectors, 8));
    const int most = large || d.sums ? 256 : 128;
    double best = std::numeric_limits<double>::max();
    for (int v = widest; v >= narrowest; --v)
        for (int x = 1; x <= std::min<std::int64_t>(most / v, strips_x); ++x) {
            const auto y = static_cast<int>(std::min<std::int64_t>(std::min(most / v / x, 64), strips_y)); // blockDim.z
            const std::int64_t blocks = divide_up(vectors, v) * divide_up(strips_x, x) * divide_up(strips_y, y);
            const std::int64_t read = ((std::int64_t{x} * p.strip_x - 1) * d.stride + d.kernel) *
                                      ((std::int64_t{y} * p.strip_y - 1) * d.stride + d.kernel);
            const std::int64_t lanes = divide_up(std::int64_t{v} * x * y, 32) * 32;
            // A block that sums does some of these one after the other.
            const double all = static_cast<double>(d.n) * static_cast<double>(blocks);
            const double turns = d.sums ? all : std::ceil(all / std::max(1, d.multiprocessors));
            const double cost = turns * static_cast<double>(2 * lanes * p.strip_x * p.strip_y + v * read);
            if (cost >= best) continue;
            best = cost;
            p.vectors = v;
            p.threads_x = x;
            p.threads_y = y;
        }
    p.channel_blocks = divide_up(vectors, p.vectors);
    p.tiles_x = divide_up(strips_x, p.threads_x);
    p.tiles_y = divide_up(strips_y, p.threads_y);
    const std::int64_t tiles = p.tiles_x * p.tiles_y, others = std::max<std::int64_t>(1, d.n * p.channel_blocks);
    if (d.sums) {
        // Enough parts to occupy the device, few because every reader adds up a row for each.
        const std::int64_t most_parts = std::clamp<std::int64_t>(divide_up(d.multiprocessors, others), 8, 16);
        p.parts = std::clamp<std::int64_t>(divide_up(std::int64_t{3} * d.multiprocessors, others), 1,
                                           std::min<std::int64_t>(tiles, most_parts));
    } else // where there are blocks galore, each keeps its weights for some tiles
        p.parts = divide_up(tiles, std::clamp<std::int64_t>(
                                       tiles * others / (std::int64_t{16} * std::max(1, d.multiprocessors)), 1, 4));
    p.tiles_of_part = divide_up(tiles, p.parts);
    p.parts = divide_up(tiles, p.tiles_of_part);
    return p;
}

} // namespace detail

/// Rows of sums of each picture.
inline std::int64_t sum_rows(const depthwise& d) { return detail::plan(d).parts; }

/// @throws argument_error, unsupported_error
inline depthwise_parameters parameters(const depthwise& d) {
    using detail::number;
    number("depthwise", "n", d.n);
    number("depthwise", "kernel", d.kernel, 1, 7);
    depthwise_parameters p{};
    p.height = number("depthwise", "height", d.height);
    p.width = number("depthwise", "width", d.width);
    p.padded = number("depthwise", "channels", padded(d.channels), 8);
    p.output_height = number("depthwise", "output height", d.output_height);
    p.output_width = number("depthwise", "output width", d.output_width);
    p.top = number("depthwise", "padding", d.top, 0);
    p.left = number("depthwise", "padding", d.left, 0);
    p.stride = number("depthwise", "stride", d.stride, 1, 1 << 16);
    number("depthwise", "numbers in a row", std::max(d.width, d.output_width) * p.padded);
    const detail::depthwise_plan plan = detail::plan(d);
    p.tiles_x = number("depthwise", "tiles", plan.tiles_x);
    p.tiles_y = number("depthwise", "tiles", plan.tiles_y);
    p.parts = number("depthwise", "parts", plan.parts);
    p.tiles_of_part = number("depthwise", "tiles", plan.tiles_of_part);
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const depthwise& d) {
    parameters(d);
    const detail::depthwise_plan plan = detail::plan(d);
    kernel_launch launch;
    launch.name = "depthwise";
    launch.source = depthwise_source;
    launch.defines = {detail::define(d.type),
                      detail::define("INPUT_ACT", d.input_act),
                      detail::define("ACT", d.act),
                      detail::define("KERNEL", d.kernel),
                      detail::define("STRIDE", detail::has_strips(d) ? d.stride : 0),
                      detail::define("STRIP_X", plan.strip_x),
                      detail::define("STRIP_Y", plan.strip_y),
                      detail::define("SHARED_WEIGHTS", plan.shared_weights),
                      detail::define("SUMS", d.sums)};
    launch.grid = detail::grid("depthwise", plan.parts * d.n, plan.channel_blocks);
    launch.block = {static_cast<unsigned>(plan.vectors), static_cast<unsigned>(plan.threads_x),
                    static_cast<unsigned>(plan.threads_y)};
    const std::size_t threads = std::size_t{launch.block[0]} * launch.block[1] * launch.block[2];
    const std::size_t weights =
        static_cast<std::size_t>((d.kernel * d.kernel | 1) * plan.vectors) * 4 * element_size(d.type);
    launch.shared_bytes = std::max(plan.shared_weights ? weights : 0, d.sums ? threads * 4 * sizeof(float) : 0);
    return launch;
}

/// Weights C 1 K K as the kernel reads them: elements [row][column][padded channel].
/// @throws argument_error for a wrong count
inline std::vector<std::byte> pack_weights(const depthwise& d, std::span<const float> weights) {
    const std::int64_t taps = d.kernel * d.kernel, columns = padded(d.channels);
    detail::check_length("depthwise", "weights", weights.size(), d.channels * taps);
    std::vector<float> packed(static_cast<std::size_t>(taps * columns));
    for (std::int64_t c = 0; c < d.channels; ++c)
        for (std::int64_t t = 0; t < taps; ++t)
            packed[static_cast<std::size_t>(t * columns + c)] = weights[static_cast<std::size_t>(c * taps + t)];
    return detail::to_bytes(packed, d.type);
}

} // namespace gpunet::cuda::kernels

// A network's first convolution: float32 N C H W of at most 4 channels to a map, with bias and activation.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

namespace gpunet::cuda::kernels {

/// What to compute. Zeros pad the input: `top` rows above, `left` columns before, as many as needed after.
struct stem {
    element type = element::float32; // of the output
    std::int64_t n = 1, channels = 3, height = 0, width = 0;
    std::int64_t output_channels = 0, output_height = 0, output_width = 0;
    std::int64_t kernel = 3, stride = 2, top = 0, left = 0;
    activation act = activation::identity;
    int multiprocessors = default_multiprocessors;
};

// clang-format off
#define GPUNET_STEM_FIELDS                                                                                             \
    const float* input;      /* [n][channels][height][width] */                                                        \
    const float* weights;    /* pack_weights */                                                                        \
    const float* bias;       /* pack_bias */                                                                           \
    void* output;            /* map */                                                                                 \
    int channels; int height; int width;                                                                               \
    int padded; int output_height; int output_width;                                                                   \
    int top; int left; int stride; int strips; int blocks;
// clang-format on
struct stem_parameters {
    GPUNET_STEM_FIELDS
};

inline constexpr std::string_view stem_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("stem_parameters", GPUNET_STEM_FIELDS)
#include <gpunet/cuda/kernels/stem.cuh>
    ;
#undef GPUNET_STEM_FIELDS

namespace detail {

struct stem_plan {
    int pixels = 1;          // of a thread, side by side
    int vectors = 1;         // of 8 output channels, of a block
    int threads = 1;         // of a block for each vector
    std::int64_t strips = 0; // of `pixels` in a row
    std::int64_t blocks = 0; // of a picture
    std::int64_t channel_blocks = 1;
};

/// Whether kernel and stride are compiled in, and a thread has several pixels.
constexpr bool has_strips(const stem& s) noexcept {
    return (s.kernel == 3 || s.kernel == 5 || s.kernel == 7) && s.stride <= 2;
}

inline stem_plan plan(const stem& s) {
    const std::int64_t vectors = padded(s.output_channels) / 8;
    stem_plan p;
    if (has_strips(s)) {
        const std::int64_t work = s.n * s.output_height * s.output_width * vectors;
        p.pixels = work / 4 >= std::int64_t{256} * s.multiprocessors ? 4 : 2;
    }
    // A block's weights fit into 48 KiB of shared memory.
    const std::int64_t bytes_of_vector = std::max<std::int64_t>(1, s.kernel * s.kernel * s.channels) * 8 * 4;
    const int most = static_cast<int>(std::clamp<std::int64_t>(49152 / bytes_of_vector, 1, 16));
    p.vectors = vectors_of_block(vectors, (most + 1) / 2, most);
    p.channel_blocks = divide_up(vectors, p.vectors);
    p.threads = std::max(1, 128 / p.vectors);
    p.strips = divide_up(s.output_width, p.pixels);
    p.blocks = divide_up(p.strips * s.output_height, p.threads);
    return p;
}

} // namespace detail

/// @throws argument_error, unsupported_error
inline stem_parameters parameters(const stem& s) {
    using detail::number;
    number("stem", "n", s.n);
    number("stem", "kernel", s.kernel, 1, 7);
    const detail::stem_plan plan = detail::plan(s);
    stem_parameters p{};
    p.channels = number("stem", "input channels", s.channels, 1, 4);
    p.height = number("stem", "height", s.height);
    p.width = number("stem", "width", s.width);
    p.padded = number("stem", "output channels", padded(s.output_channels), 8);
    p.output_height = number("stem", "output height", s.output_height);
    p.output_width = number("stem", "output width", s.output_width);
    p.top = number("stem", "padding", s.top, 0);
    p.left = number("stem", "padding", s.left, 0);
    p.stride = number("stem", "stride", s.stride, 1, 1 << 16);
    p.strips = number("stem", "strips", plan.strips);
    p.blocks = number("stem", "blocks", plan.blocks);
    number("stem", "numbers in a row", s.output_width * p.padded);
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const stem& s) {
    parameters(s);
    const detail::stem_plan plan = detail::plan(s);
    kernel_launch launch;
    launch.name = "stem";
    launch.source = stem_source;
    launch.defines = {detail::define(s.type),
                      detail::define("ACT", s.act),
                      detail::define("KERNEL", s.kernel),
                      detail::define("STRIDE", detail::has_strips(s) ? s.stride : 0),
                      detail::define("CHANNELS", s.channels),
                      detail::define("PIXELS", plan.pixels)};
    launch.grid = detail::grid("stem", plan.blocks * s.n, plan.channel_blocks);
    launch.block = {static_cast<unsigned>(plan.vectors), static_cast<unsigned>(plan.threads), 1};
    launch.shared_bytes = static_cast<std::size_t>(s.kernel * s.kernel * s.channels * plan.vectors) * 8 * sizeof(float);
    return launch;
}

/// Weights O I K K as the kernel reads them: float32 [channel][row][column][padded output channel].
/// @throws argument_error for a wrong count
inline std::vector<std::byte> pack_weights(const stem& s, std::span<const float> weights) {
    const std::int64_t inner = s.channels * s.kernel * s.kernel, columns = padded(s.output_channels);
    detail::check_length("stem", "weights", weights.size(), s.output_channels * inner);
    std::vector<float> packed(static_cast<std::size_t>(inner * columns));
    for (std::int64_t o = 0; o < s.output_channels; ++o)
        for (std::int64_t i = 0; i < inner; ++i)
            packed[static_cast<std::size_t>(i * columns + o)] = weights[static_cast<std::size_t>(o * inner + i)];
    return detail::to_bytes(packed, element::float32);
}

} // namespace gpunet::cuda::kernels

// Sums, or means, of a map over its pixels, of the activation of what it holds.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

namespace gpunet::cuda::kernels {

/// What to compute: the sums of input_act(input) over each picture's pixels, sum_rows() rows a picture; or `mean`, a
/// vector: these sums / pixels, in one kernel.
struct sums {
    element type = element::float32;
    std::int64_t n = 1, channels = 0, height = 0, width = 0;
    activation input_act = activation::identity;
    bool mean = false;
    int multiprocessors = default_multiprocessors;
};

// clang-format off
#define GPUNET_SUMS_FIELDS                                                                                             \
    const void* input;       /* map */                                                                                 \
    float* output;           /* sums, or where GPUNET_MEAN a vector */                                                 \
    long long pixels; long long pixels_of_part;                                                                        \
    int channels; int padded; int parts; float scale;
// clang-format on
struct sums_parameters {
    GPUNET_SUMS_FIELDS
};

inline constexpr std::string_view sums_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("sums_parameters", GPUNET_SUMS_FIELDS)
#include <gpunet/cuda/kernels/sums.cuh>
    ;
#undef GPUNET_SUMS_FIELDS

namespace detail {

/// A block sums `vectors` vectors (of 16 bytes) of channels, `threads` pixels at a time, over one part of a picture.
struct sums_plan {
    int vectors = 1, threads = 1;
    std::int64_t parts = 1, pixels_of_part = 1, channel_blocks = 1;
};

inline sums_plan plan(const sums& s) {
    sums_plan p;
    const std::int64_t vectors = padded(s.channels) / (s.type == element::float32 ? 4 : 8), pixels = s.height * s.width;
    p.vectors = vectors_of_block(vectors, 4, 8);
    p.channel_blocks = divide_up(vectors, p.vectors);
    p.threads = static_cast<int>(std::clamp<std::int64_t>(pixels, 1, 256 / p.vectors));
    if (!s.mean) {
        // Enough parts to occupy the device, few because every reader adds them up.
        const std::int64_t wanted =
            divide_up(std::int64_t{s.multiprocessors}, std::max<std::int64_t>(1, s.n * p.channel_blocks));
        p.parts = std::clamp<std::int64_t>(wanted, 1, std::min<std::int64_t>(32, divide_up(pixels, p.threads)));
    }
    p.pixels_of_part = divide_up(pixels, p.parts);
    p.parts = divide_up(pixels, p.pixels_of_part);
    return p;
}

} // namespace detail

/// Rows of sums of each picture.
inline std::int64_t sum_rows(const sums& s) { return detail::plan(s).parts; }

/// @throws argument_error, unsupported_error
inline sums_parameters parameters(const sums& s) {
    using detail::number;
    number("sums", "n", s.n);
    number("sums", "height", s.height);
    number("sums", "width", s.width);
    sums_parameters p{};
    p.channels = number("sums", "channels", s.channels);
    p.padded = number("sums", "channels", padded(s.channels), 8);
    const detail::sums_plan plan = detail::plan(s);
    p.pixels = s.height * s.width;
    p.pixels_of_part = plan.pixels_of_part;
    p.parts = number("sums", "parts", plan.parts);
    p.scale = static_cast<float>(1.0 / static_cast<double>(p.pixels));
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const sums& s) {
    parameters(s);
    const detail::sums_plan plan = detail::plan(s);
    kernel_launch launch;
    launch.name = "sums";
    launch.source = sums_source;
    launch.defines = {detail::define(s.type), detail::define("INPUT_ACT", s.input_act), detail::define("MEAN", s.mean)};
    launch.grid = detail::grid("sums", plan.parts * s.n, plan.channel_blocks);
    launch.block = {static_cast<unsigned>(plan.vectors), static_cast<unsigned>(plan.threads), 1};
    launch.shared_bytes =
        std::size_t{launch.block[0]} * launch.block[1] * (s.type == element::float32 ? 4 : 8) * sizeof(float);
    return launch;
}

} // namespace gpunet::cuda::kernels

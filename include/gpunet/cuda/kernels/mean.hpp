// Sums to means.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

namespace gpunet::cuda::kernels {

/// What to compute: a vector of means from sums of `rows` rows over `pixels` pixels.
struct mean {
    std::int64_t n = 1, channels = 0, rows = 1, pixels = 1;
};

// clang-format off
#define GPUNET_MEAN_FIELDS                                                                                             \
    const float* input;      /* sums */                                                                                \
    float* output;           /* vector */                                                                              \
    int channels; int padded; int blocks; float scale;
// clang-format on
struct mean_parameters {
    GPUNET_MEAN_FIELDS
};

inline constexpr std::string_view mean_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("mean_parameters", GPUNET_MEAN_FIELDS)
#include <gpunet/cuda/kernels/mean.cuh>
    ;
#undef GPUNET_MEAN_FIELDS

/// @throws argument_error, unsupported_error
inline mean_parameters parameters(const mean& m) {
    using detail::number;
    number("mean", "n", m.n);
    number("mean", "pixels", m.pixels, 1, std::numeric_limits<std::int64_t>::max());
    mean_parameters p{};
    p.channels = number("mean", "channels", m.channels);
    p.padded = number("mean", "channels", padded(m.channels), 8);
    number("mean", "rows", m.rows);
    p.blocks = number("mean", "blocks", detail::divide_up(m.channels, 128));
    p.scale = static_cast<float>(1.0 / static_cast<double>(m.pixels));
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const mean& m) {
    const mean_parameters p = parameters(m);
    kernel_launch launch;
    launch.name = "mean";
    launch.source = mean_source;
    launch.defines = {detail::define(element::float32), detail::define("ROWS", m.rows)};
    launch.grid = detail::grid("mean", m.n * p.blocks);
    launch.block = {128, 1, 1};
    return launch;
}

} // namespace gpunet::cuda::kernels

// Maps to float32 N C H W, and back.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

namespace gpunet::cuda::kernels {

/// What to convert: a map to float32 N C H W without padding; or where `to_map` the other way, the padding zeros.
struct convert {
    element type = element::float32; // of the map
    std::int64_t n = 1, channels = 0, height = 0, width = 0;
    bool to_map = false;
};

// clang-format off
#define GPUNET_CONVERT_FIELDS                                                                                          \
    const void* input;       /* map, or where GPUNET_TO_MAP [n][channels][pixels] */                                   \
    void* output;            /* the other */                                                                           \
    long long pixels; long long tiles;                                                                                 \
    int channels; int padded;
// clang-format on
struct convert_parameters {
    GPUNET_CONVERT_FIELDS
};

inline constexpr std::string_view convert_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("convert_parameters", GPUNET_CONVERT_FIELDS)
#include <gpunet/cuda/kernels/convert.cuh>
    ;
#undef GPUNET_CONVERT_FIELDS

/// @throws argument_error, unsupported_error
inline convert_parameters parameters(const convert& c) {
    using detail::number;
    number("convert", "n", c.n);
    number("convert", "height", c.height);
    number("convert", "width", c.width);
    convert_parameters p{};
    p.channels = number("convert", "channels", c.channels);
    p.padded = number("convert", "channels", padded(c.channels), 8);
    p.pixels = c.height * c.width;
    p.tiles = detail::divide_up(p.pixels, 32);
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const convert& c) {
    const convert_parameters p = parameters(c);
    kernel_launch launch;
    launch.name = "convert";
    launch.source = convert_source;
    launch.defines = {detail::define(c.type), detail::define("TO_MAP", c.to_map)};
    launch.grid = detail::grid("convert", p.tiles * c.n, detail::divide_up(p.padded, 32));
    launch.block = {32, 8, 1};
    launch.shared_bytes = std::size_t{32} * 33 * sizeof(float);
    return launch;
}

} // namespace gpunet::cuda::kernels

// Any convolution, map to map, directly: the way out where cuDNN has no plan.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

namespace gpunet::cuda::kernels {

/// What to compute: act(bias + convolution [+ residual]). Zeros pad the input: `top` rows above, `left` columns
/// before, as many as needed after. The residual is a map like the output, and may be its memory.
struct convolution {
    element type = element::float32;
    std::int64_t n = 1, channels = 0, height = 0, width = 0;
    std::int64_t output_channels = 0, output_height = 0, output_width = 0;
    std::int64_t kernel = 1, stride = 1, top = 0, left = 0, groups = 1;
    activation act = activation::identity;
    bool residual = false;
};

// clang-format off
#define GPUNET_CONVOLUTION_FIELDS                                                                                      \
    const void* input;       /* map */                                                                                 \
    const void* weights;     /* pack_weights */                                                                        \
    const float* bias;       /* pack_bias */                                                                           \
    const void* residual;    /* map, where GPUNET_RESIDUAL */                                                          \
    void* output;            /* map */                                                                                 \
    long long pixels;        /* of all pictures' outputs */                                                            \
    int height; int width; int padded; int group_inputs;                                                               \
    int output_height; int output_width; int output_channels; int output_padded; int group_outputs;                    \
    int kernel; int stride; int top; int left;
// clang-format on
struct convolution_parameters {
    GPUNET_CONVOLUTION_FIELDS
};

inline constexpr std::string_view convolution_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("convolution_parameters", GPUNET_CONVOLUTION_FIELDS)
#include <gpunet/cuda/kernels/convolution.cuh>
    ;
#undef GPUNET_CONVOLUTION_FIELDS

/// @throws argument_error, unsupported_error
inline convolution_parameters parameters(const convolution& c) {
    using detail::number;
    const int groups = number("convolution", "groups", c.groups);
    if (c.channels % groups != 0 || c.output_channels % groups != 0)
        throw argument_error("convolution kernel: groups: expected a divisor of " + std::to_string(c.channels) +
                             " and " + std::to_string(c.output_channels) + ", found " + std::to_string(groups));
    convolution_parameters p{};
    p.pixels = number("convolution", "n", c.n) * c.output_height * c.output_width;
    p.height = number("convolution", "height", c.height);
    p.width = number("convolution", "width", c.width);
    p.padded = number("convolution", "channels", padded(c.channels), 8);
    p.group_inputs = number("convolution", "channels", c.channels) / groups;
    p.output_height = number("convolution", "output height", c.output_height);
    p.output_width = number("convolution", "output width", c.output_width);
    p.output_channels = number("convolution", "output channels", c.output_channels);
    p.output_padded = number("convolution", "output channels", padded(c.output_channels), 8);
    p.group_outputs = p.output_channels / groups;
    p.kernel = number("convolution", "kernel", c.kernel, 1, 1 << 12);
    p.stride = number("convolution", "stride", c.stride, 1, 1 << 12);
    p.top = number("convolution", "padding", c.top, 0);
    p.left = number("convolution", "padding", c.left, 0);
    number("convolution", "numbers in a row", c.width * p.padded);
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const convolution& c) {
    const convolution_parameters p = parameters(c);
    kernel_launch launch;
    launch.name = "convolution";
    launch.source = convolution_source;
    launch.defines = {detail::define(c.type), detail::define("ACT", c.act), detail::define("RESIDUAL", c.residual)};
    // A thread computes one channel of 4 pixels.
    const int channels = std::min(p.output_padded, 64), threads = std::max(1, 128 / channels);
    launch.grid = detail::grid("convolution", detail::divide_up(p.pixels, std::int64_t{4} * threads),
                               detail::divide_up(p.output_padded, channels));
    launch.block = {static_cast<unsigned>(channels), static_cast<unsigned>(threads), 1};
    return launch;
}

/// Weights O I/groups K K as the kernel reads them: elements [row][column][input of the group][padded output].
/// @throws argument_error for a wrong count
inline std::vector<std::byte> pack_weights(const convolution& c, std::span<const float> weights) {
    const std::int64_t inputs = c.channels / c.groups, taps = c.kernel * c.kernel, columns = padded(c.output_channels);
    detail::check_length("convolution", "weights", weights.size(), c.output_channels * inputs * taps);
    std::vector<float> packed(static_cast<std::size_t>(taps * inputs * columns));
    for (std::int64_t o = 0; o < c.output_channels; ++o)
        for (std::int64_t i = 0; i < inputs; ++i)
            for (std::int64_t t = 0; t < taps; ++t)
                packed[static_cast<std::size_t>((t * inputs + i) * columns + o)] =
                    weights[static_cast<std::size_t>((o * inputs + i) * taps + t)];
    return detail::to_bytes(packed, c.type);
}

} // namespace gpunet::cuda::kernels

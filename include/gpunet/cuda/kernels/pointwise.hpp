// Element by element, map to map: activation, residual sum, gate; and squeeze-excite's second product on the way.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

namespace gpunet::cuda::kernels {

/// Where the factors of the channels come from.
enum class gate_source : std::uint8_t { none, given, computed };

/// What to compute: act(input [+ residual]) [* gate[n][c]]; the output may be the input's memory or the residual's.
/// A gate is given, a vector; or computed: gate_act(W squeezed + bias) of a vector of `squeezed` numbers per picture.
struct pointwise {
    element type = element::float32;
    std::int64_t n = 1, channels = 0, height = 0, width = 0;
    activation act = activation::identity;
    bool residual = false;
    gate_source gate = gate_source::none;
    std::int64_t squeezed = 0; // where computed
    activation gate_act = activation::sigmoid;
    int multiprocessors = default_multiprocessors;
};

// clang-format off
#define GPUNET_POINTWISE_FIELDS                                                                                        \
    const void* input;         /* map */                                                                               \
    const void* residual;      /* map, where GPUNET_RESIDUAL */                                                        \
    const float* gate;         /* vector of `channels` where given, of `squeezed` where computed */                    \
    const void* gate_weights;  /* pack_gate_weights, where computed */                                                 \
    const float* gate_bias;    /* pack_bias, where computed */                                                         \
    void* output;              /* map */                                                                               \
    long long pixels; long long pixels_of_part;                                                                        \
    int channels; int padded; int parts; int squeezed;
// clang-format on
struct pointwise_parameters {
    GPUNET_POINTWISE_FIELDS
};

inline constexpr std::string_view pointwise_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("pointwise_parameters", GPUNET_POINTWISE_FIELDS)
#include <gpunet/cuda/kernels/pointwise.cuh>
    ;
#undef GPUNET_POINTWISE_FIELDS

namespace detail {

/// A block handles `vectors` vectors (of 16 bytes) of channels, `threads` pixels at a time, over one part of a picture.
struct pointwise_plan {
    int vectors = 1, threads = 1;
    std::int64_t parts = 1, pixels_of_part = 1, channel_blocks = 1;
};

inline pointwise_plan plan(const pointwise& d) {
    pointwise_plan p;
    const std::int64_t vectors = padded(d.channels) / (d.type == element::float32 ? 4 : 8), pixels = d.height * d.width;
    const bool computed = d.gate == gate_source::computed;
    const bool small = d.n * pixels * vectors <= std::int64_t{512} * d.multiprocessors;
    // A computed gate is shared work: few channels and many pixels to a block.
    p.vectors = computed ? vectors_of_block(vectors, 4, small ? 4 : 8) : vectors_of_block(vectors, 8, small ? 16 : 32);
    p.channel_blocks = divide_up(vectors, p.vectors);
    p.threads = std::max(1, (small ? 128 : 256) / p.vectors);
    const std::int64_t blocks = std::max<std::int64_t>(1, d.n * p.channel_blocks);
    // A thread does 4 pixels at once: no more than twice that, and fewer while the device is not full.
    const std::int64_t least = computed ? 1 : divide_up(pixels, std::int64_t{8} * p.threads);
    const std::int64_t most = divide_up(pixels, p.threads);
    const std::int64_t wanted = divide_up(std::int64_t{computed ? 2 : 4} * d.multiprocessors, blocks);
    p.parts = std::clamp(wanted, std::min(least, most), std::max<std::int64_t>(1, most));
    p.pixels_of_part = divide_up(pixels, p.parts);
    p.parts = divide_up(pixels, p.pixels_of_part);
    return p;
}

} // namespace detail

/// @throws argument_error, unsupported_error
inline pointwise_parameters parameters(const pointwise& d) {
    using detail::number;
    number("pointwise", "n", d.n);
    number("pointwise", "height", d.height);
    number("pointwise", "width", d.width);
    pointwise_parameters p{};
    p.channels = number("pointwise", "channels", d.channels);
    p.padded = number("pointwise", "channels", padded(d.channels), 8);
    p.squeezed = number("pointwise", "squeezed", d.squeezed, d.gate == gate_source::computed ? 1 : 0, 1 << 20);
    const detail::pointwise_plan plan = detail::plan(d);
    p.pixels = d.height * d.width;
    p.pixels_of_part = plan.pixels_of_part;
    p.parts = number("pointwise", "parts", plan.parts);
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const pointwise& d) {
    parameters(d);
    const detail::pointwise_plan plan = detail::plan(d);
    kernel_launch launch;
    launch.name = "pointwise";
    launch.source = pointwise_source;
    const bool computed = d.gate == gate_source::computed;
    launch.defines = {detail::define(d.type), detail::define("ACT", d.act), detail::define("RESIDUAL", d.residual),
                      detail::define("GATE", static_cast<std::int64_t>(d.gate)),
                      detail::define("GATE_ACT", computed ? d.gate_act : activation::identity)};
    launch.grid = detail::grid("pointwise", plan.parts * d.n, plan.channel_blocks);
    launch.block = {static_cast<unsigned>(plan.vectors), static_cast<unsigned>(plan.threads), 1};
    if (computed)
        launch.shared_bytes =
            std::size_t{launch.block[0]} * launch.block[1] * (d.type == element::float32 ? 4 : 8) * sizeof(float);
    return launch;
}

/// Weights of squeeze-excite's second product, O = channels, I = squeezed, as the kernel reads them: elements
/// [input][padded output].
/// @throws argument_error for a wrong count
inline std::vector<std::byte> pack_gate_weights(const pointwise& d, std::span<const float> weights) {
    detail::check_length("pointwise", "gate weights", weights.size(), d.channels * d.squeezed);
    const std::int64_t columns = padded(d.channels);
    std::vector<float> packed(static_cast<std::size_t>(d.squeezed * columns));
    for (std::int64_t o = 0; o < d.channels; ++o)
        for (std::int64_t i = 0; i < d.squeezed; ++i)
            packed[static_cast<std::size_t>(i * columns + o)] = weights[static_cast<std::size_t>(o * d.squeezed + i)];
    return detail::to_bytes(packed, d.type);
}

} // namespace gpunet::cuda::kernels

// A matrix product on one vector per picture, with bias and activation: squeeze, excite, hidden layer, classifier.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>

namespace gpunet::cuda::kernels {

/// What to compute: act(W x + bias), vectors to vectors. x is a vector of `inputs`, or where rows > 0 sums of so many
/// rows, times 1 / pixels: the mean.
struct dense {
    element type = element::float32; // of the weights
    std::int64_t n = 1, inputs = 0, outputs = 0;
    std::int64_t rows = 0, pixels = 1;
    activation act = activation::identity;
    int multiprocessors = default_multiprocessors;
};

// clang-format off
#define GPUNET_DENSE_FIELDS                                                                                            \
    const float* input;      /* vector, or where GPUNET_ROWS sums */                                                   \
    const void* weights;     /* pack_weights */                                                                        \
    const float* bias;       /* [outputs], or null */                                                                  \
    float* output;           /* vector */                                                                              \
    int n; int inputs; int padded; int outputs; int blocks; float scale;
// clang-format on
struct dense_parameters {
    GPUNET_DENSE_FIELDS
};

inline constexpr std::string_view dense_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("dense_parameters", GPUNET_DENSE_FIELDS)
#include <gpunet/cuda/kernels/dense.cuh>
    ;
#undef GPUNET_DENSE_FIELDS

namespace detail {

/// A block computes `outputs` outputs of `pictures` pictures, its warps sharing the inputs.
struct dense_plan {
    int outputs = 1, pictures = 1, warps = 1;
    std::int64_t output_blocks = 1, picture_blocks = 1;
};

inline dense_plan plan(const dense& d) {
    // The shape for which a multiprocessor reads least.
    dense_plan best;
    auto least = std::numeric_limits<std::int64_t>::max();
    const std::int64_t weight = static_cast<std::int64_t>(element_size(d.type));
    const std::int64_t input = 4 * std::max<std::int64_t>(1, d.rows);
    for (int pictures = 1; pictures == 1 || (pictures <= 8 && pictures < 2 * d.n); pictures *= 2)
        for (int outputs = 1; outputs <= 8; outputs *= 2) {
            dense_plan p;
            p.outputs = outputs;
            p.pictures = pictures;
            p.output_blocks = divide_up(d.outputs, outputs);
            p.picture_blocks = divide_up(d.n, pictures);
            const std::int64_t turns = divide_up(p.output_blocks * p.picture_blocks, std::max(1, d.multiprocessors));
            const std::int64_t cost = turns * (outputs * weight + pictures * input);
            if (cost >= least) continue;
            least = cost;
            best = p;
        }
    best.warps = static_cast<int>(std::clamp<std::int64_t>(divide_up(d.inputs, 32 * 8), 1, 8));
    return best;
}

} // namespace detail

/// @throws argument_error, unsupported_error
inline dense_parameters parameters(const dense& d) {
    using detail::number;
    number("dense", "pixels", d.pixels, 1, std::numeric_limits<std::int64_t>::max());
    dense_parameters p{};
    p.n = number("dense", "n", d.n);
    p.inputs = number("dense", "inputs", d.inputs);
    p.padded = number("dense", "inputs", padded(d.inputs), 8);
    p.outputs = number("dense", "outputs", d.outputs);
    number("dense", "rows", d.rows, 0);
    p.blocks = number("dense", "blocks", detail::plan(d).output_blocks);
    p.scale = d.rows > 0 ? static_cast<float>(1.0 / static_cast<double>(d.pixels)) : 1.0F;
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const dense& d) {
    parameters(d);
    const detail::dense_plan plan = detail::plan(d);
    kernel_launch launch;
    launch.name = "dense";
    launch.source = dense_source;
    launch.defines = {detail::define(d.type), detail::define("ACT", d.act), detail::define("ROWS", d.rows),
                      detail::define("OUTPUTS", plan.outputs), detail::define("PICTURES", plan.pictures)};
    launch.grid = detail::grid("dense", plan.output_blocks * plan.picture_blocks);
    launch.block = {static_cast<unsigned>(32 * plan.warps), 1, 1};
    launch.shared_bytes = static_cast<std::size_t>(plan.warps * plan.outputs * plan.pictures) * sizeof(float);
    return launch;
}

/// Weights O I as the kernel reads them: elements [output][padded input].
/// @throws argument_error for a wrong count
inline std::vector<std::byte> pack_weights(const dense& d, std::span<const float> weights) {
    detail::check_length("dense", "weights", weights.size(), d.outputs * d.inputs);
    const std::int64_t columns = padded(d.inputs);
    std::vector<float> packed(static_cast<std::size_t>(d.outputs * columns));
    for (std::int64_t o = 0; o < d.outputs; ++o)
        std::copy_n(weights.begin() + o * d.inputs, d.inputs, packed.begin() + o * columns);
    return detail::to_bytes(packed, d.type);
}

} // namespace gpunet::cuda::kernels

// The convolutions the library asks cuDNN for: plain data.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/cuda/element.hpp>
#include <gpunet/error.hpp>
#include <gpunet/graph/network.hpp>

#include <cstdint>
#include <string>

namespace gpunet::cudnn {

/// The numbers by which memory is bound to a convolution's tensors.
namespace uid {
inline constexpr std::int64_t x = 1, w = 2, y = 3, bias = 4, residual = 5, gate = 6;
}

/// y = act(conv(x * gate, w) + residual + bias). Accumulated, and all after the convolution computed, in float32.
/// x, residual, y: N H W C of `type`; w: K, kernel, kernel, C / groups of `type`; bias: K of `bias_type`; gate: N, C of
/// `gate_type`. All aligned to 16 bytes; y may be no operand's memory.
struct convolution_problem {
    cuda::element type = cuda::element::float16;
    bool tf32 = false; // float32 only: tensor cores may round the factors to 10 bits
    std::int64_t n = 1;
    std::int64_t c = 0, h = 0, w = 0;   // of x; channels as they lie in memory, padding included
    std::int64_t k = 0, oh = 0, ow = 0; // of y
    std::int64_t kernel = 1, stride = 1;
    graph::padding padding;
    std::int64_t groups = 1;
    activation act = activation::identity;
    bool bias = true;
    bool residual = false;
    bool gate = false; // 1 x 1, stride 1, one group only

    friend bool operator==(const convolution_problem&, const convolution_problem&) = default;

    /// One line that says everything; equal texts are equal problems.
    std::string text() const {
        const auto size = [](std::int64_t channels, std::int64_t height, std::int64_t width) {
            return std::to_string(channels) + "x" + std::to_string(height) + "x" + std::to_string(width);
        };
        return "conv " + std::string(name_of(type)) + (tf32 ? " tf32" : "") + " n" + std::to_string(n) + " " +
               size(c, h, w) + " to " + size(k, oh, ow) + " kernel " + std::to_string(kernel) + " stride " +
               std::to_string(stride) + " padding " + std::to_string(padding.top) + "," +
               std::to_string(padding.bottom) + "," + std::to_string(padding.left) + "," +
               std::to_string(padding.right) + " groups " + std::to_string(groups) + (gate ? " gate" : "") +
               (residual ? " residual" : "") + (bias ? " bias" : "") + " " + std::string(to_string(act));
    }

    std::int64_t multiply_adds() const noexcept { return n * oh * ow * k * (c / groups) * kernel * kernel; }

    /// Read and written at least.
    std::int64_t bytes() const noexcept {
        const std::int64_t output = n * oh * ow * k, filter = k * (c / groups) * kernel * kernel;
        const std::int64_t values =
            n * c * h * w + filter + output + (residual ? output : 0) + (bias ? k : 0) + (gate ? n * c : 0);
        return values * static_cast<std::int64_t>(cuda::element_size(type));
    }
};

/// The type of a problem's bias, that of its data: with a float32 bias on 16-bit data cuDNN 9.19 has run-time-compiled
/// engines only.
constexpr cuda::element bias_type(const convolution_problem& p) noexcept { return p.type; }

/// The type of a problem's gate: costs no engine.
constexpr cuda::element gate_type(const convolution_problem&) noexcept { return cuda::element::float32; }

/// @throws argument_error naming the problem where its numbers contradict each other
inline void validate(const convolution_problem& p) {
    const auto need = [&](bool fits, const char* expected) {
        if (!fits) throw argument_error(p.text() + ": expected " + expected);
    };
    need(p.n > 0 && p.c > 0 && p.h > 0 && p.w > 0 && p.k > 0, "positive sizes");
    need(p.kernel > 0 && p.stride > 0 && p.groups > 0, "a positive kernel, stride and number of groups");
    need(p.c % p.groups == 0 && p.k % p.groups == 0, "groups that divide the channels");
    need(p.padding.top >= 0 && p.padding.bottom >= 0 && p.padding.left >= 0 && p.padding.right >= 0,
         "padding of 0 or more");
    need(p.h + p.padding.top + p.padding.bottom >= p.kernel && p.w + p.padding.left + p.padding.right >= p.kernel,
         "an input at least as large as the kernel");
    need(p.oh == (p.h + p.padding.top + p.padding.bottom - p.kernel) / p.stride + 1 &&
             p.ow == (p.w + p.padding.left + p.padding.right - p.kernel) / p.stride + 1,
         "the output's extent to follow from the input's");
    need(!p.tf32 || p.type == cuda::element::float32, "tf32 with float32 only");
    need(!p.gate || (p.kernel == 1 && p.stride == 1 && p.groups == 1 && p.padding == graph::padding{}),
         "a gate on a 1 x 1 convolution of stride 1 in one group only");
}

} // namespace gpunet::cudnn

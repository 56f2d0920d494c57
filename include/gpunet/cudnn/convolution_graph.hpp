// Operation graphs of convolutions.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/cudnn/convolution.hpp>
#include <gpunet/cudnn/operation_graph.hpp>
#include <gpunet/graph/network.hpp>

#include <cudnn.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace gpunet::cudnn {

/// A float32 that cuDNN reads from host memory, bound beside a problem's tensors.
struct constant {
    std::int64_t uid;
    const float* value; // of static storage
};

namespace detail {

inline constexpr float three = 3.0F, sixth = 1.0F / 6.0F, six = 6.0F;
inline constexpr constant three_constant = {7, &three}, sixth_constant = {8, &sixth}, six_constant = {9, &six};
inline constexpr std::array<constant, 2> hard_constants = {three_constant, sixth_constant};
inline constexpr std::array<constant, 1> relu6_constants = {six_constant};

/// Appends act(x), written to y.
inline void append(operation_graph& g, activation a, operation_graph::tensor x, operation_graph::tensor y,
                   std::size_t rank) {
    const auto next = [&] { return g.between(CUDNN_DATA_FLOAT, y); };
    switch (a) {
    case activation::identity: return g.apply({CUDNN_POINTWISE_IDENTITY, {}}, x, {}, y);
    case activation::relu: return g.apply({CUDNN_POINTWISE_RELU_FWD, {}}, x, {}, y);
    case activation::relu6: { // relu with a clip has no tensor-core engine but a fallback
        const auto positive = next();
        g.apply({CUDNN_POINTWISE_RELU_FWD, {}}, x, {}, positive);
        return g.apply({CUDNN_POINTWISE_MIN, {}}, positive, g.scalar(six_constant.uid, rank), y);
    }
    case activation::swish: return g.apply({CUDNN_POINTWISE_SWISH_FWD, {}}, x, {}, y);
    case activation::sigmoid: return g.apply({CUDNN_POINTWISE_SIGMOID_FWD, {}}, x, {}, y);
    case activation::gelu: return g.apply({CUDNN_POINTWISE_GELU_FWD, {}}, x, {}, y);
    case activation::hard_swish:
    case activation::hard_sigmoid: {
        const auto shift = g.scalar(three_constant.uid, rank), scale = g.scalar(sixth_constant.uid, rank);
        const auto shifted = next(), clipped = next();
        g.apply({CUDNN_POINTWISE_ADD, {}}, x, shift, shifted);
        g.apply({CUDNN_POINTWISE_RELU_FWD, 6.0}, shifted, {}, clipped);
        if (a == activation::hard_sigmoid) return g.apply({CUDNN_POINTWISE_MUL, {}}, clipped, scale, y);
        const auto scaled = next();
        g.apply({CUDNN_POINTWISE_MUL, {}}, clipped, scale, scaled);
        return g.apply({CUDNN_POINTWISE_MUL, {}}, x, scaled, y);
    }
    }
}

/// What follows the product: the residual first, for cuDNN's precompiled engines take the sum in this order only.
/// @param strides  of tensors shaped like y
inline void append_rest(operation_graph& g, const convolution_problem& p, operation_graph::tensor product,
                        operation_graph::tensor y, const dimensions& shape, const dimensions& strides,
                        const dimensions& bias_shape, const dimensions& bias_strides) {
    int left = (p.residual ? 1 : 0) + (p.bias ? 1 : 0) + (p.act != activation::identity ? 1 : 0);
    auto now = product;
    const auto next = [&] { return --left > 0 ? g.between(CUDNN_DATA_FLOAT, y) : y; };
    const auto plus = [&](operation_graph::tensor b) {
        const auto sum = next();
        g.apply({CUDNN_POINTWISE_ADD, {}}, now, b, sum);
        now = sum;
    };
    if (p.residual) plus(g.input(uid::residual, data_type(p.type), shape, strides));
    if (p.bias) plus(g.input(uid::bias, data_type(bias_type(p)), bias_shape, bias_strides));
    if (p.act != activation::identity) append(g, p.act, now, y, shape.size());
}

} // namespace detail

/// The constants of a problem's activation.
inline std::span<const constant> constants(const convolution_problem& p) noexcept {
    if (p.act == activation::hard_swish || p.act == activation::hard_sigmoid) return detail::hard_constants;
    if (p.act == activation::relu6) return detail::relu6_constants;
    return {};
}

/// The graph of a problem. @throws argument_error, cudnn_error where cuDNN refuses one of its operations
inline operation_graph build(const convolution_problem& p, std::shared_ptr<const library> l) {
    validate(p);
    operation_graph g(std::move(l));
    const cudnnDataType_t type = data_type(p.type);
    const bool more = p.residual || p.bias || p.act != activation::identity;
    if (p.gate) { // as a batched matrix product: a gated convolution has engines for one picture only
        const std::int64_t pixels = p.h * p.w;
        const dimensions in = {p.n, pixels, p.c}, gates = {p.n, 1, p.c}, out = {p.n, pixels, p.k};
        const auto x = g.input(uid::x, type, in, packed(in));
        const auto gate = g.input(uid::gate, data_type(gate_type(p)), gates, packed(gates));
        const auto w = g.input(uid::w, type, {1, p.c, p.k}, {p.c * p.k, 1, p.c});
        const auto y = g.output(uid::y, type, out, packed(out));
        const auto gated = g.between(type, x);
        const auto product = more ? g.between(CUDNN_DATA_FLOAT, y) : y;
        g.apply({CUDNN_POINTWISE_MUL, {}}, x, gate, gated);
        g.matmul(gated, w, product);
        detail::append_rest(g, p, product, y, out, packed(out), {1, 1, p.k}, {p.k, p.k, 1});
    } else {
        const dimensions in = {p.n, p.c, p.h, p.w}, filter = {p.k, p.c / p.groups, p.kernel, p.kernel},
                         out = {p.n, p.k, p.oh, p.ow}, biases = {1, p.k, 1, 1};
        const auto x = g.input(uid::x, type, in, channels_last(in));
        const auto w = g.input(uid::w, type, filter, channels_last(filter));
        const auto y = g.output(uid::y, type, out, channels_last(out));
        const auto product = more ? g.between(CUDNN_DATA_FLOAT, y) : y;
        g.convolution(x, w, product, p.stride, p.padding);
        detail::append_rest(g, p, product, y, out, channels_last(out), biases, channels_last(biases));
    }
    return g;
}

} // namespace gpunet::cudnn

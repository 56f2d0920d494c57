// From a weights file to what a network computes with: batch norm folded into convolutions, or int8 weights as they
// are.
#pragma once

#include <gpunet/detail/parallel.hpp>
#include <gpunet/error.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/binding.hpp>
#include <gpunet/weights/constants.hpp>
#include <gpunet/weights/fold_quantized.hpp>
#include <gpunet/weights/parameters.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace gpunet {

namespace detail {

/// The parameters of a batch norm, one of each a channel.
struct batch_norm {
    std::vector<float> weight, bias, mean, var;
};

/// @throws weights_error if a number is not finite, or a variance with epsilon not positive
template <class Operation>
batch_norm read_batch_norm(const Operation& op, const tensor_store& store) {
    batch_norm norm{finite_values(store, op.norm + ".weight"), finite_values(store, op.norm + ".bias"),
                    finite_values(store, op.norm + ".running_mean"), finite_values(store, op.norm + ".running_var")};
    for (std::size_t o = 0; o < norm.var.size(); ++o)
        if (!(static_cast<double>(norm.var[o]) + op.epsilon > 0))
            throw weights_error(store.source() + ": tensor '" + op.norm + ".running_var': expected a variance, found " +
                                std::to_string(norm.var[o]) + " at element " + std::to_string(o));
    return norm;
}

/// With s = gamma / sqrt(var + epsilon): weights w s, bias beta + (bias - mean) s. In double, rounded once (Ioffe,
/// Szegedy 2015).
template <class Operation>
folded fold_batch_norm(const Operation& op, const tensor_store& store, const std::vector<float>& bias = {}) {
    folded out;
    out.weights = finite_values(store, op.weights + ".weight");
    const batch_norm norm = read_batch_norm(op, store);
    out.bias.resize(norm.weight.size());
    const std::size_t per_channel = out.weights.size() / norm.weight.size();
    for (std::size_t o = 0; o < norm.weight.size(); ++o) {
        const double scale =
            static_cast<double>(norm.weight[o]) / std::sqrt(static_cast<double>(norm.var[o]) + op.epsilon);
        const double mean = static_cast<double>(norm.mean[o]) - (bias.empty() ? 0 : static_cast<double>(bias[o]));
        out.bias[o] = static_cast<float>(static_cast<double>(norm.bias[o]) - mean * scale);
        for (float& w : std::span(out.weights).subspan(o * per_channel, per_channel))
            w = static_cast<float>(static_cast<double>(w) * scale);
    }
    return out;
}

inline folded fold(const graph::convolution& c, const tensor_store& store) { return fold_batch_norm(c, store); }
inline folded fold(const graph::dense& d, const tensor_store& store) {
    if (d.norm.empty()) return fold_plain(d, store);
    return fold_batch_norm(d, store, d.bias ? finite_values(store, d.weights + ".bias") : std::vector<float>{});
}

} // namespace detail

/// Binds a weights file to a graph, each parameter exactly once, and folds batch norm away; a quantized file has none.
/// @param threads  to do it on
/// @throws binding_error naming every missing, unexpected and misshaped parameter; weights_error naming a tensor that
///         holds no finite numbers, no variance, no scale or -128
inline constants fold(const graph::network& net, const tensor_store& store, int threads = 1) {
    if (is_quantized(net, store)) return detail::fold_quantized(net, store);
    const tensor_store bound = detail::bind(net, store);
    constants out;
    std::vector<std::function<void()>> tasks;
    for (const graph::block& b : net.blocks)
        graph::for_each_operation(b, [&](const auto& op) {
            tasks.emplace_back([&op, &bound, &to = out[op.weights]] { to = detail::fold(op, bound); });
        });
    detail::parallel_for(tasks.size(), threads, [&](std::size_t i) { tasks[i](); });
    return out;
}

} // namespace gpunet

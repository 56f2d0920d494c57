// Exact counts over a graph.
#pragma once

#include <gpunet/graph/network.hpp>

#include <cstdint>

namespace gpunet::graph {

/// What a graph, or a part of it, costs.
struct counts {
    std::int64_t parameters = 0;    // learnable: weights, biases, batch norm's scale and shift; no running statistics
    std::int64_t multiply_adds = 0; // of convolutions and matrix products, for one picture

    counts& operator+=(const counts& other) noexcept {
        parameters += other.parameters;
        multiply_adds += other.multiply_adds;
        return *this;
    }
    friend bool operator==(const counts&, const counts&) = default;
};

/// With its batch norm.
constexpr counts count(const convolution& c) noexcept {
    const std::int64_t weights = c.output.channels * (c.input.channels / c.groups) * c.kernel * c.kernel;
    return {weights + 2 * c.output.channels, weights * c.output.size.height * c.output.size.width};
}

/// With its bias and batch norm, where it has them.
inline counts count(const dense& d) noexcept {
    const std::int64_t added = (d.bias ? d.outputs : 0) + (d.norm.empty() ? 0 : 2 * d.outputs);
    return {d.inputs * d.outputs + added, d.inputs * d.outputs};
}

/// Of all operations of a block.
inline counts count(const block& b) {
    counts sum;
    for_each_operation(b, [&](const auto& operation) { sum += count(operation); });
    return sum;
}

/// Of all blocks.
inline counts count(const network& net) {
    counts sum;
    for (const block& b : net.blocks) sum += count(b);
    return sum;
}

} // namespace gpunet::graph

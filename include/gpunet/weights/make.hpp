// Weights that come from a program and not from a file.
#pragma once

#include <gpunet/weights/parameters.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// Asks `fill` for every parameter of a graph but the batch counts; `values` is dense, row-major, O I H W for weights.
/// @param source  what errors call these weights
inline tensor_store make_weights(const graph::network& net,
                                 const std::function<void(const parameter&, std::span<float> values)>& fill,
                                 std::string source = "callback") {
    const std::vector<parameter> list = parameters(net);
    std::size_t total = 0;
    for (const parameter& p : list) total += p.optional() ? 0 : static_cast<std::size_t>(element_count(p.dimensions));
    const auto values = std::make_shared<std::vector<float>>(total);
    tensor_store::container tensors;
    std::size_t start = 0;
    for (const parameter& p : list) {
        if (p.optional()) continue;
        const auto count = static_cast<std::size_t>(element_count(p.dimensions));
        const std::span<float> room = std::span(*values).subspan(start, count);
        fill(p, room);
        tensors[p.name] = {dtype::float32, p.dimensions, dense_strides(p.dimensions), std::as_bytes(room).data()};
        start += count;
    }
    return {std::move(source), std::move(tensors), values};
}

} // namespace gpunet

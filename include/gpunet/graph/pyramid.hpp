// A network as a detector's backbone: where its feature maps of each stride come out.
#pragma once

#include <gpunet/graph/network.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <variant>
#include <vector>

namespace gpunet {

/// The last feature map of a stride: the output of the last layer before one that strides again, or before the tail.
struct pyramid_level {
    std::size_t block = 0;  // index into graph::network::blocks
    std::int64_t layer = 0; // position in the spec's JSON list, from 1
    std::int64_t stride = 1;
    graph::features map; // of one picture
};

namespace graph {

/// How many of its input's pixels a block's output moves on by from one of its own to the next; 1 of a tail.
inline std::int64_t stride(const block& b) {
    std::int64_t product = 1; // a spec's strides are at most 16 each, and a block has at most two
    if (std::holds_alternative<tail>(b.body)) return product;
    for_each_operation(b, [&](const auto& op) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, convolution>) product *= op.stride;
    });
    return product;
}

/// Of every block, how many pixels of the picture its output moves on by; as many as there are where it would be more.
inline std::vector<std::int64_t> strides(const network& net) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    std::vector<std::int64_t> all;
    std::int64_t product = 1;
    for (const block& b : net.blocks) {
        const std::int64_t own = stride(b);
        product = product > most / own ? most : product * own;
        all.push_back(product);
    }
    return all;
}

} // namespace graph

/// The levels of a network's feature pyramid from fine to coarse, each with another stride; what timm's features_only
/// gives. None of a network that is a tail only. Strides are products of the convolutions' own, space-to-depth's
/// included: where a layer does not pad, a map may have fewer pixels than the picture's divided by the stride.
inline std::vector<pyramid_level> pyramid_levels(const graph::network& net) {
    std::vector<pyramid_level> levels;
    const std::vector<std::int64_t> strides = graph::strides(net);
    for (std::size_t i = 0; i < net.blocks.size(); ++i) {
        const graph::block& b = net.blocks[i];
        if (std::holds_alternative<graph::tail>(b.body)) break;
        if (graph::stride(b) > 1 || levels.empty()) levels.emplace_back();
        levels.back() = {i, b.layer, strides[i], b.output};
    }
    return levels;
}

} // namespace gpunet

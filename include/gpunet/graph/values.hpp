// The feature maps of a network by name: a convolution's output by its weights' name, a gate's product by its excite
// product's.
#pragma once

#include <gpunet/graph/network.hpp>

#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace gpunet::graph {

/// The gate of a block, or null.
inline const squeeze_excite* gate_of(const block& b) noexcept {
    return std::visit(
        [](const auto& body) -> const squeeze_excite* {
            if constexpr (requires { body.squeeze_excite; })
                return body.squeeze_excite ? &*body.squeeze_excite : nullptr;
            else
                return nullptr;
        },
        b.body);
}

/// Calls visit(convolution, source) for every convolution in the order they run; `source` is the name of the feature
/// map that it reads, empty for the picture. A residual is its block's input: what the block's first convolution reads.
template <class Visitor>
void visit_convolutions(const network& net, Visitor&& visit) {
    std::string_view now;
    for (const block& b : net.blocks)
        for_each_operation(b, [&](const auto& op) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, convolution>) visit(op, now);
            now = op.weights; // a gate's excite product is the last before a convolution
        });
}

/// The names of all feature maps but the picture, in the order they are made.
inline std::vector<std::string> feature_maps(const network& net) {
    std::vector<std::string> names;
    for (const block& b : net.blocks) {
        const squeeze_excite* gate = gate_of(b);
        for_each_operation(b, [&](const auto& op) {
            if (std::is_same_v<std::remove_cvref_t<decltype(op)>, convolution> ||
                (gate && op.weights == gate->excite.weights))
                names.push_back(op.weights);
        });
    }
    return names;
}

} // namespace gpunet::graph

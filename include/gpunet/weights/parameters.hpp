// The parameters a graph expects of a weights file: names, shapes, roles.
#pragma once

#include <gpunet/graph/network.hpp>
#include <gpunet/shape.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunet {

/// What a parameter is for; the running statistics are batch norm's.
enum class parameter_role : std::uint8_t {
    weight,
    bias,
    norm_weight,
    norm_bias,
    running_mean,
    running_var,
    batches,
    scale
};

/// A parameter as a network expects it.
struct parameter {
    std::string name;
    shape dimensions;
    parameter_role role = parameter_role::weight;
    std::optional<dtype> type{}; // the one it must have; any floating-point type where empty

    /// Whether a file may leave it out: the count of training batches means nothing to inference.
    bool optional() const noexcept { return role == parameter_role::batches; }
};

/// O, I / groups, kernel, kernel.
inline shape weight_shape(const graph::convolution& c) {
    return {c.output.channels, c.input.channels / c.groups, c.kernel, c.kernel};
}

/// O, I; or O, I, 1, 1 where it is stored as a convolution.
inline shape weight_shape(const graph::dense& d) {
    return d.as_convolution ? shape{d.outputs, d.inputs, 1, 1} : shape{d.outputs, d.inputs};
}

/// All parameters, in the order of PyTorch's state_dict.
inline std::vector<parameter> parameters(const graph::network& net) {
    using role = parameter_role;
    std::vector<parameter> list;
    const auto add = [&](const auto& op) {
        const shape weights = weight_shape(op), channels = {weights[0]};
        list.push_back({op.weights + ".weight", weights, role::weight});
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::dense>)
            if (op.bias) list.push_back({op.weights + ".bias", channels, role::bias});
        if (op.norm.empty()) return;
        list.push_back({op.norm + ".weight", channels, role::norm_weight});
        list.push_back({op.norm + ".bias", channels, role::norm_bias});
        list.push_back({op.norm + ".running_mean", channels, role::running_mean});
        list.push_back({op.norm + ".running_var", channels, role::running_var});
        list.push_back({op.norm + ".num_batches_tracked", {}, role::batches});
    };
    for (const graph::block& b : net.blocks) graph::for_each_operation(b, add);
    return list;
}

} // namespace gpunet

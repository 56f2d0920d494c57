// The nodes that make a quantized network of float32 operations.
#pragma once

#include <gpunet/graph/network.hpp>
#include <gpunet/onnx/graph_builder.hpp>
#include <gpunet/weights/constants.hpp>
#include <gpunet/weights/fold_quantized.hpp>
#include <gpunet/weights/parameters.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gpunet::detail {

/// A float32 value to int8 and back. (QuantizeLinear also gives -128, where the scheme ends at -127.)
inline std::string round_to_int8(onnx_graph_builder& graph, const std::string& name, const std::string& input,
                                 float scale) {
    const std::string s = graph.tensor(name + "_output_scale", {}, std::span(&scale, 1), name);
    const std::string zero = graph.int8_zero();
    return graph.node("DequantizeLinear", name + "_dequantize",
                      {graph.node("QuantizeLinear", name + "_quantize", {input, s, zero}), s, zero});
}

/// The values that a convolution reads as its weights and bias.
struct onnx_weights {
    std::string weight, bias;
};

/// int8 weights and an int32 bias, made float32 by a node each, with a scale for each output channel.
/// @param node  the convolution's name
inline onnx_weights int8_weights(onnx_graph_builder& graph, const std::string& node, const graph::convolution& c,
                                 const folded& f) {
    const shape channels = {c.output.channels};
    const auto add = [&]<class Integer>(const char* part, const shape& dimensions, const std::vector<Integer>& values,
                                        const std::vector<float>& scales, const std::string& origin) {
        const std::string name = node + part;
        const std::vector<Integer> zeros(scales.size());
        return graph.node("DequantizeLinear", name,
                          {graph.integers(name + "_quantized", dimensions, std::span<const Integer>(values), origin),
                           graph.tensor(name + "_scale", channels, scales, origin + "_scale"),
                           graph.integers(name + "_zero", channels, std::span<const Integer>(zeros), origin)},
                          {{"axis", std::int64_t{0}}});
    };
    std::vector<float> units;
    for (const float scale : f.int8->scales) units.push_back(f.int8->input_scale * scale);
    return {add("_weight", weight_shape(c), f.int8->weights, f.int8->scales, c.weights + ".weight"),
            add("_bias", channels, integer_bias(f), units, c.weights + ".bias")};
}

} // namespace gpunet::detail

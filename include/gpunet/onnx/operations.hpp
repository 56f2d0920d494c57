// The network's operations as ONNX nodes. Every node, its output and its weights are named after the layer and the
// part.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/onnx/graph_builder.hpp>
#include <gpunet/onnx/quantize_nodes.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/parameters.hpp>

#include <numbers>
#include <optional>
#include <string>
#include <vector>

namespace gpunet::detail {

/// Each function takes the name of its input and returns that of its output.
class onnx_operations {
  public:
    /// @param fold       batch norm into the convolutions
    /// @param quantized  what to compute with instead of `weights`, where these are quantized
    onnx_operations(onnx_graph_builder& graph, const tensor_store& weights, bool fold, const constants* quantized)
        : graph_(graph), weights_(weights), fold_(fold), quantized_(quantized) {}

    /// Convolution, batch norm, then the residual if there is one, then the activation, or these two the other way
    /// round: N C H W to N K OH OW. Rounded to int8 where the network is quantized.
    std::string convolution(const std::string& name, const graph::convolution& c, const std::string& input,
                            const std::optional<std::string>& residual = std::nullopt) {
        std::string now = fold_ ? folded_convolution(name, c, input) : convolution_and_norm(name, c, input);
        if (c.adds_last) now = activate(name, c.act, now);
        if (residual) now = graph_.node("Add", name + "_add", {now, *residual});
        return round(name, c.weights, c.adds_last ? now : activate(name, c.act, now));
    }

    /// A matrix product on N x inputs, batch norm always folded.
    std::string product(const std::string& name, const graph::dense& d, const std::string& input) {
        const auto inputs = dense_inputs(name, d, {d.outputs, d.inputs}, input);
        return activate(name, d.act, graph_.node("Gemm", name, inputs, {{"transB", std::int64_t{1}}}));
    }

    /// Each channel times its gate: N C H W, and the same. Rounded likewise.
    std::string squeeze_excite(const std::string& name, const graph::squeeze_excite& se, const std::string& input) {
        const std::string mean = graph_.node("GlobalAveragePool", name + "_mean", {input});
        const std::string gate = pixel(name + "_excite", se.excite, pixel(name + "_squeeze", se.squeeze, mean));
        return round(name, se.excite.weights, graph_.node("Mul", name + "_scale", {input, gate}));
    }

    /// Mean over height and width: N C H W to N x C.
    std::string mean(const std::string& name, const std::string& input) {
        return graph_.node("Flatten", name + "_flatten", {graph_.node("GlobalAveragePool", name + "_mean", {input})});
    }

  private:
    static std::vector<onnx_attribute> attributes(const graph::convolution& c) {
        const graph::padding& p = c.padding;
        return {{"group", c.groups},
                {"kernel_shape", std::vector{c.kernel, c.kernel}},
                {"pads", std::vector{p.top, p.left, p.bottom, p.right}},
                {"strides", std::vector{c.stride, c.stride}}};
    }

    /// A value as int8 can say it, where the network is quantized.
    std::string round(const std::string& name, const std::string& weights, const std::string& input) {
        return quantized_ ? round_to_int8(graph_, name, input, *quantized_->at(weights).output_scale) : input;
    }

    template <class Operation>
    folded folded_weights(const Operation& op) const {
        return quantized_ ? quantized_->at(op.weights) : detail::fold(op, weights_);
    }

    std::string folded_convolution(const std::string& name, const graph::convolution& c, const std::string& input) {
        const folded f = folded_weights(c);
        const std::string node = name + "_conv";
        if (f.int8) {
            const auto [weight, bias] = int8_weights(graph_, node, c, f);
            return graph_.node("Conv", node, {input, weight, bias}, attributes(c));
        }
        return graph_.node("Conv", node,
                           {input, graph_.tensor(node + "_weight", weight_shape(c), f.weights, c.weights + ".weight"),
                            graph_.tensor(node + "_bias", {c.output.channels}, f.bias, c.norm + ".bias")},
                           attributes(c));
    }

    std::string convolution_and_norm(const std::string& name, const graph::convolution& c, const std::string& input) {
        const std::string conv = name + "_conv", norm = name + "_norm", weight = c.weights + ".weight";
        graph_.node("Conv", conv,
                    {input, graph_.tensor(conv + "_weight", weight_shape(c), finite_values(weights_, weight), weight)},
                    attributes(c));
        const batch_norm n = read_batch_norm(c, weights_);
        const shape channels = {c.output.channels};
        return graph_.node("BatchNormalization", norm,
                           {conv, graph_.tensor(norm + "_weight", channels, n.weight, c.norm + ".weight"),
                            graph_.tensor(norm + "_bias", channels, n.bias, c.norm + ".bias"),
                            graph_.tensor(norm + "_mean", channels, n.mean, c.norm + ".running_mean"),
                            graph_.tensor(norm + "_var", channels, n.var, c.norm + ".running_var")},
                           {{"epsilon", c.epsilon}});
    }

    /// A matrix product on N C 1 1.
    std::string pixel(const std::string& name, const graph::dense& d, const std::string& input) {
        const auto inputs = dense_inputs(name, d, {d.outputs, d.inputs, 1, 1}, input);
        return activate(name, d.act,
                        graph_.node("Conv", name, inputs, {{"kernel_shape", std::vector<std::int64_t>{1, 1}}}));
    }

    std::vector<std::string> dense_inputs(const std::string& name, const graph::dense& d, const shape& dimensions,
                                          const std::string& input) {
        const folded f = folded_weights(d);
        std::vector<std::string> inputs = {
            input, graph_.tensor(name + "_weight", dimensions, f.weights, d.weights + ".weight")};
        if (d.has_bias())
            inputs.push_back(
                graph_.tensor(name + "_bias", {d.outputs}, f.bias, (d.norm.empty() ? d.weights : d.norm) + ".bias"));
        return inputs;
    }

    std::string activate(const std::string& part, activation a, const std::string& x) {
        const std::string name = part + "_act";
        const std::vector<onnx_attribute> sixth = {{"alpha", 1.0 / 6}, {"beta", 0.5}};
        switch (a) {
        case activation::identity: break;
        case activation::relu: return graph_.node("Relu", name, {x});
        case activation::relu6:
            return graph_.node("Clip", name, {x, graph_.scalar("zero", 0), graph_.scalar("six", 6)});
        case activation::swish: return graph_.node("Mul", name, {x, graph_.node("Sigmoid", part + "_sigmoid", {x})});
        case activation::hard_swish: return graph_.node("HardSwish", name, {x});
        case activation::sigmoid: return graph_.node("Sigmoid", name, {x});
        case activation::hard_sigmoid: return graph_.node("HardSigmoid", name, {x}, sixth);
        case activation::gelu: return gelu(part, x);
        }
        return x;
    }

    /// x (1 + erf(x / sqrt 2)) / 2, in the order of nodes that runtimes know and fuse.
    std::string gelu(const std::string& part, const std::string& x) {
        const std::string half = graph_.scalar("half", 0.5), one = graph_.scalar("one", 1);
        const std::string scaled =
            graph_.node("Div", part + "_scaled", {x, graph_.scalar("sqrt_2", std::numbers::sqrt2)});
        const std::string erf = graph_.node("Erf", part + "_erf", {scaled});
        const std::string sum = graph_.node("Add", part + "_erf_1", {erf, one});
        return graph_.node("Mul", part + "_act", {graph_.node("Mul", part + "_twice", {x, sum}), half});
    }

    onnx_graph_builder& graph_;
    const tensor_store& weights_;
    bool fold_;
    const constants* quantized_;
};

} // namespace gpunet::detail

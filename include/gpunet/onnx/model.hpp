// A network with its weights as an ONNX model.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/execution_plan.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/graph/pyramid.hpp>
#include <gpunet/onnx/operations.hpp>
#include <gpunet/onnx/options.hpp>
#include <gpunet/version.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace gpunet {

inline constexpr int onnx_opset = 17;
inline constexpr int onnx_ir_version = 8;

namespace detail {

/// Writes blocks in order. The output of layer N is the value "layer<N>", the tail's is "logits".
class onnx_exporter {
  public:
    onnx_exporter(::onnx::GraphProto& graph, const graph::network& net, const tensor_store& weights,
                  const constants* quantized, const onnx_options& o)
        : net_(net), options_(o), io_(o.io.value_or(o.precision)), graph_(graph, o.precision),
          operations_(graph_, weights, o.fold, quantized), levels_(pyramid_levels(net)) {}

    void run() {
        std::string now = input();
        for (std::size_t i = 0; i < depth(); ++i) {
            const graph::block& b = net_.blocks[i];
            const bool last = i + 1 == net_.blocks.size();
            std::visit([&](const auto& body) { write(body, prefix(b), now); }, b.body);
            const std::string name = last ? "logits" : "layer" + std::to_string(b.layer);
            now = finish(name, last ? with_batch({b.output.channels}) : shape_of(b.output), is_output(i));
        }
        if (options_.outputs == onnx_outputs::softmax) {
            graph_.node("Softmax", "probabilities", {to_edge(now)}, {{"axis", std::int64_t{1}}});
            graph_.output("probabilities", io_, with_batch({net_.classes}));
        }
    }

  private:
    static std::string prefix(const graph::block& b) { return "layer" + std::to_string(b.layer) + "_" + b.kind; }

    /// How many blocks are written.
    std::size_t depth() const {
        if (options_.outputs == onnx_outputs::pyramid) return levels_.empty() ? 0 : levels_.back().block + 1;
        return net_.blocks.size() - (options_.outputs == onnx_outputs::stages ? 1 : 0);
    }

    bool is_output(std::size_t i) const {
        const bool last = i + 1 == net_.blocks.size();
        switch (options_.outputs) {
        case onnx_outputs::logits: return last;
        case onnx_outputs::softmax: return false;
        case onnx_outputs::features: return true;
        case onnx_outputs::stages: return ends_stage(net_, i);
        case onnx_outputs::pyramid:
            return std::any_of(levels_.begin(), levels_.end(), [&](const pyramid_level& l) { return l.block == i; });
        }
        return false;
    }

    ::onnx::TensorShapeProto with_batch(const shape& of_one_picture) const {
        ::onnx::TensorShapeProto s;
        if (options_.batch)
            s.add_dim()->set_dim_value(*options_.batch);
        else
            s.add_dim()->set_dim_param("batch");
        for (const std::int64_t size : of_one_picture) s.add_dim()->set_dim_value(size);
        return s;
    }
    ::onnx::TensorShapeProto shape_of(const graph::features& f) const {
        return with_batch({f.channels, f.size.height, f.size.width});
    }

    std::string input() {
        graph_.input("images", io_, shape_of(net_.input));
        return io_ == options_.precision ? "images" : cast("images", "images_cast", options_.precision);
    }

    std::string cast(const std::string& from, const std::string& name, dtype to) {
        return graph_.node("Cast", name, {from}, {{"to", std::int64_t{onnx_graph_builder::type_of(to)}}});
    }
    /// The value in the type of the outputs.
    std::string to_edge(const std::string& value) {
        return io_ == options_.precision ? value : cast(value, value + "_cast", io_);
    }

    /// Names the value that the latest node gives, and hands it out where it is wanted. Returns what the next layer
    /// reads, which has another name where the output is of another type.
    std::string finish(const std::string& name, const ::onnx::TensorShapeProto& shape, bool wanted) {
        const bool converted = wanted && io_ != options_.precision;
        std::string inner = converted ? name + "_inner" : name;
        graph_.rename_output(inner);
        if (converted) cast(inner, name, io_);
        if (wanted) graph_.output(name, io_, shape);
        if (!wanted || converted) graph_.value(inner, shape);
        return inner;
    }

    void write(const graph::stem& s, const std::string& name, std::string now) {
        const bool one = s.convolutions.size() == 1;
        for (std::size_t i = 0; i < s.convolutions.size(); ++i)
            now = operations_.convolution(one ? name : name + "_" + std::to_string(i + 1), s.convolutions[i], now);
    }

    void write(const graph::conv& c, const std::string& name, const std::string& input) {
        operations_.convolution(name, c.convolution, input, c.residual ? std::optional(input) : std::nullopt);
    }

    void write(const graph::inverted_residual& b, const std::string& name, const std::string& input) {
        std::string now = input;
        if (b.entry) now = operations_.convolution(name + "_entry", *b.entry, now);
        if (b.expand) now = operations_.convolution(name + "_expand", *b.expand, now);
        if (b.depthwise) now = operations_.convolution(name + "_depthwise", *b.depthwise, now);
        gate_and_project(b, name, input, now);
    }

    void write(const graph::fused_inverted_residual& b, const std::string& name, const std::string& input) {
        gate_and_project(b, name, input, operations_.convolution(name + "_expand", b.expand, input));
    }

    template <class Block>
    void gate_and_project(const Block& b, const std::string& name, const std::string& input, std::string now) {
        if (b.squeeze_excite) now = operations_.squeeze_excite(name + "_se", *b.squeeze_excite, now);
        operations_.convolution(name + "_project", b.project, now, b.residual ? std::optional(input) : std::nullopt);
    }

    void write(const graph::tail& t, const std::string& name, const std::string& input) {
        std::string now =
            operations_.mean(name, t.convolution ? operations_.convolution(name, *t.convolution, input) : input);
        if (t.hidden) now = operations_.product(name + "_hidden", *t.hidden, now);
        operations_.product(name + "_classifier", t.classifier, now);
    }

    const graph::network& net_;
    const onnx_options& options_;
    dtype io_;
    onnx_graph_builder graph_;
    onnx_operations operations_;
    std::vector<pyramid_level> levels_;
};

inline void check(const onnx_options& o) {
    const auto floating = [](const char* what, dtype t) {
        if (t != dtype::float32 && t != dtype::float16)
            throw argument_error(std::string(what) + ": expected float32 or float16, found " + to_string(t));
    };
    floating("onnx_options::precision", o.precision);
    if (o.io) floating("onnx_options::io", *o.io);
    if (o.batch && *o.batch < 1)
        throw argument_error("onnx_options::batch: expected 1 or more, found " + std::to_string(*o.batch));
}

/// What int8 weights leave no choice of.
inline void check_quantized(const onnx_options& o, const std::string& source) {
    if (!o.fold)
        throw unsupported_error(source + ": expected float weights to keep batch norm a node of its own "
                                         "(onnx_options::fold), found int8 weights, into which it is folded");
    if (o.precision != dtype::float32)
        throw unsupported_error(source + ": expected float32 beside int8 weights (onnx_options::precision), found " +
                                to_string(o.precision));
}

} // namespace detail

/// The whole model in memory, opset 17. The same network, weights and options make the same message.
/// Its input is "images", N C H W, normalised as the model wants; see onnx_outputs for what it gives. Quantized weights
/// make a model of QuantizeLinear and DequantizeLinear nodes around float32 operations, which runtimes fuse.
/// @param weights  every parameter of the network exactly once
/// @throws binding_error, weights_error as `fold` does; unsupported_error naming weights that float16 cannot hold, and
///         for quantized weights in float16 or unfolded; argument_error for a batch below 1 or a type that is neither
///         float32 nor float16
inline ::onnx::ModelProto onnx_model(const graph::network& net, const tensor_store& weights,
                                     const onnx_options& options = {}) {
    detail::check(options);
    std::optional<constants> quantized;
    tensor_store bound = weights;
    if (is_quantized(net, weights)) {
        detail::check_quantized(options, weights.source());
        quantized = fold(net, weights);
    } else {
        bound = detail::bind(net, weights);
    }
    ::onnx::ModelProto model;
    model.set_ir_version(onnx_ir_version);
    model.set_producer_name("gpunet");
    model.set_producer_version(version);
    ::onnx::OperatorSetIdProto& opset = *model.add_opset_import();
    opset.set_domain("");
    opset.set_version(onnx_opset);
    for (const auto& [key, value] : options.metadata) {
        ::onnx::StringStringEntryProto& entry = *model.add_metadata_props();
        entry.set_key(key);
        entry.set_value(value);
    }
    model.mutable_graph()->set_name(options.name);
    detail::onnx_exporter(*model.mutable_graph(), net, bound, quantized ? &*quantized : nullptr, options).run();
    return model;
}

} // namespace gpunet

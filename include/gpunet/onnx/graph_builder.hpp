// Nodes, weights and values of an ONNX graph, one call each.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/float16.hpp>
#include <gpunet/shape.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunet::detail {

/// One attribute of a node.
struct onnx_attribute {
    onnx_attribute(const char* attribute, std::int64_t value) : name(attribute), integers{value}, list(false) {}
    onnx_attribute(const char* attribute, double value) : name(attribute), number(static_cast<float>(value)) {}
    onnx_attribute(const char* attribute, std::vector<std::int64_t> values)
        : name(attribute), integers(std::move(values)), list(true) {}

    void write(::onnx::AttributeProto& to) const {
        to.set_name(name);
        if (integers.empty()) {
            to.set_type(::onnx::AttributeProto::FLOAT);
            to.set_f(number);
        } else if (list) {
            to.set_type(::onnx::AttributeProto::INTS);
            for (const std::int64_t i : integers) to.add_ints(i);
        } else {
            to.set_type(::onnx::AttributeProto::INT);
            to.set_i(integers[0]);
        }
    }

    const char* name;
    std::vector<std::int64_t> integers;
    float number = 0;
    bool list = false;
};

/// Appends to a graph whose weights are all of one type. Values are known by their names.
class onnx_graph_builder {
  public:
    /// @param precision  float32 or float16
    onnx_graph_builder(::onnx::GraphProto& graph, dtype precision) : graph_(graph), precision_(precision) {}

    static ::onnx::TensorProto::DataType type_of(dtype t) {
        return t == dtype::float16 ? ::onnx::TensorProto::FLOAT16 : ::onnx::TensorProto::FLOAT;
    }

    /// A node whose one output has the node's own name, which it returns.
    std::string node(const char* type, const std::string& name, const std::vector<std::string>& inputs,
                     const std::vector<onnx_attribute>& attributes = {}) {
        ::onnx::NodeProto& n = *graph_.add_node();
        n.set_op_type(type);
        n.set_name(name);
        for (const std::string& input : inputs) n.add_input(input);
        n.add_output(name);
        for (const onnx_attribute& a : attributes) a.write(*n.add_attribute());
        return name;
    }

    /// Gives the output of the latest node, which nothing reads yet, another name.
    void rename_output(const std::string& name) { graph_.mutable_node(graph_.node_size() - 1)->set_output(0, name); }

    /// Weights, rounded to the graph's type. Returns `name`.
    /// @param origin  the parameter's name in the checkpoint, which errors call it by
    /// @throws unsupported_error naming what float16 cannot hold
    std::string tensor(const std::string& name, const shape& dimensions, std::span<const float> values,
                       const std::string& origin) {
        ::onnx::TensorProto& t = *graph_.add_initializer();
        t.set_name(name);
        t.set_doc_string(origin);
        t.set_data_type(type_of(precision_));
        for (const std::int64_t d : dimensions) t.add_dims(d);
        std::string& bytes = *t.mutable_raw_data();
        if (precision_ == dtype::float32)
            bytes.assign(reinterpret_cast<const char*>(values.data()), values.size_bytes());
        else
            store_halves(bytes, values, origin);
        return name;
    }

    /// Whole numbers as they are. Returns `name`.
    template <class Integer>
    std::string integers(const std::string& name, const shape& dimensions, std::span<const Integer> values,
                         const std::string& origin) {
        static_assert(std::is_same_v<Integer, std::int8_t> || std::is_same_v<Integer, std::int32_t>);
        ::onnx::TensorProto& t = *graph_.add_initializer();
        t.set_name(name);
        t.set_doc_string(origin);
        t.set_data_type(sizeof(Integer) == 1 ? ::onnx::TensorProto::INT8 : ::onnx::TensorProto::INT32);
        for (const std::int64_t d : dimensions) t.add_dims(d);
        t.mutable_raw_data()->assign(reinterpret_cast<const char*>(values.data()), values.size_bytes());
        return name;
    }

    /// A constant, which all who ask for one of that name share.
    std::string scalar(const std::string& name, double value) {
        const auto v = static_cast<float>(value);
        if (scalars_.insert(name).second) tensor(name, {}, std::span(&v, 1), name);
        return name;
    }

    /// The int8 0, likewise.
    std::string int8_zero() {
        constexpr std::int8_t zero = 0;
        std::string name = "int8_zero";
        if (scalars_.insert(name).second) integers(name, {}, std::span(&zero, 1), name);
        return name;
    }

    void input(const std::string& name, dtype type, const ::onnx::TensorShapeProto& shape) {
        describe(*graph_.add_input(), name, type, shape);
    }
    void output(const std::string& name, dtype type, const ::onnx::TensorShapeProto& shape) {
        describe(*graph_.add_output(), name, type, shape);
    }
    /// Says what a value inside the graph is.
    void value(const std::string& name, const ::onnx::TensorShapeProto& shape) {
        describe(*graph_.add_value_info(), name, precision_, shape);
    }

  private:
    static void describe(::onnx::ValueInfoProto& v, const std::string& name, dtype type,
                         const ::onnx::TensorShapeProto& shape) {
        v.set_name(name);
        v.mutable_type()->mutable_tensor_type()->set_elem_type(type_of(type));
        *v.mutable_type()->mutable_tensor_type()->mutable_shape() = shape;
    }

    static void store_halves(std::string& bytes, std::span<const float> values, const std::string& origin) {
        bytes.resize(values.size() * sizeof(half));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const half h(values[i]);
            if (!std::isfinite(static_cast<float>(h)))
                throw unsupported_error(origin + ": expected weights that fp16 can hold (up to 65504), found " +
                                        std::to_string(values[i]) + "; use fp32");
            std::memcpy(bytes.data() + i * sizeof h, &h.bits, sizeof h);
        }
    }

    ::onnx::GraphProto& graph_;
    dtype precision_;
    std::set<std::string> scalars_;
};

} // namespace gpunet::detail

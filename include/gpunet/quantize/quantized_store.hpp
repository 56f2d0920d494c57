// From folded weights and the scales of feature maps to a quantized network's weights.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/graph/values.hpp>
#include <gpunet/quantize/quantize_convolution.hpp>
#include <gpunet/weights/constants.hpp>
#include <gpunet/weights/fold_quantized.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunet::quantize {

/// What is known of feature maps, by their names (graph/values.hpp).
struct calibration {
    std::map<std::string, float, std::less<>> scales;
    std::map<std::string, std::vector<double>, std::less<>> means; // of each channel; may be left out
};

/// Gathers tensors with the bytes they lie in.
class store_builder {
  public:
    template <class T>
    void add(const std::string& name, dtype type, shape dimensions, std::span<const T> values) {
        auto& bytes = (*bytes_)[name];
        const auto from = std::as_bytes(values);
        bytes.assign(from.begin(), from.end());
        auto strides = dense_strides(dimensions);
        tensors_[name] = {type, std::move(dimensions), std::move(strides), bytes.data()};
    }
    tensor_store finish(std::string source) && { return {std::move(source), std::move(tensors_), std::move(bytes_)}; }

  private:
    using storage = std::map<std::string, std::vector<std::byte>>;

    std::shared_ptr<storage> bytes_ = std::make_shared<storage>();
    tensor_store::container tensors_;
};

/// What `fold` reads as a quantized network: quantized_parameters(net).
/// @param weights  of float32
/// @param known    a scale for each of graph::feature_maps(net), and means of as many of them
/// @param source   what errors call the result
/// @throws argument_error naming a feature map without a scale
inline tensor_store quantized_store(const graph::network& net, const constants& weights, const calibration& known,
                                    std::string source = "quantized") {
    store_builder out;
    const auto scale_of = [&](std::string_view name) {
        const auto found = known.scales.find(name);
        if (found == known.scales.end())
            throw argument_error("scales: expected one for '" + std::string(name) + "', found none");
        return found->second;
    };
    for (const std::string& name : graph::feature_maps(net))
        out.add(name + ".output_scale", dtype::float32, {}, std::span<const float>({scale_of(name)}));
    const auto add = [&](const auto& op, const std::vector<float>& bias) {
        out.add(op.weights + ".bias", dtype::float32, {weight_shape(op)[0]}, std::span(bias));
    };
    graph::visit_convolutions(net, [&](const graph::convolution& c, std::string_view source_map) {
        const folded& f = weights.at(c.weights);
        if (source_map.empty()) {
            out.add(c.weights + ".weight", dtype::float32, weight_shape(c), std::span(f.weights));
            return add(c, f.bias);
        }
        const auto means = known.means.find(source_map);
        const quantized_convolution q = quantize_convolution(
            c, f, scale_of(source_map), means == known.means.end() ? std::span<const double>() : means->second);
        out.add(c.weights + ".weight", dtype::int8, weight_shape(c), std::span(q.weights));
        out.add(c.weights + ".weight_scale", dtype::float32, {c.output.channels}, std::span(q.scales));
        add(c, q.bias);
    });
    for (const graph::block& b : net.blocks)
        graph::for_each_operation(b, [&](const auto& op) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::dense>) {
                const folded& f = weights.at(op.weights);
                out.add(op.weights + ".weight", dtype::float32, weight_shape(op), std::span(f.weights));
                if (op.has_bias()) add(op, f.bias);
            }
        });
    return std::move(out).finish(std::move(source));
}

} // namespace gpunet::quantize

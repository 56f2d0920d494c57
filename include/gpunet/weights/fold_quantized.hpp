// Quantized weights files: which tensors they have, and what a network computes with. The scheme: real = scale * q with
// q from -127 to 127 and no zero point; a scale for each feature map and for each output channel of weights; the
// network's first convolution and all matrix products have float32 weights; batch norm is folded already.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/graph/values.hpp>
#include <gpunet/weights/binding.hpp>
#include <gpunet/weights/constants.hpp>
#include <gpunet/weights/parameters.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gpunet {

/// What says quantized weights in a file's metadata, and the value that this library writes and reads.
inline constexpr std::string_view quantization_key = "gpunet.quantization";
inline constexpr std::string_view quantization_scheme = "int8 symmetric, version 1";

/// Of a convolution X all but the first: X.weight int8 and X.weight_scale [O]; of every one: X.bias, X.output_scale [].
/// Of a matrix product D: D.weight, D.bias. Of a gate with the excite product E: E.output_scale, of the gate's product.
inline std::vector<parameter> quantized_parameters(const graph::network& net) {
    using role = parameter_role;
    std::vector<parameter> list;
    for (const graph::block& b : net.blocks) {
        const graph::squeeze_excite* gate = graph::gate_of(b);
        graph::for_each_operation(b, [&](const auto& op) {
            constexpr bool convolution = std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::convolution>;
            const shape weights = weight_shape(op), channels = {weights[0]};
            const bool quantized = convolution && !list.empty();
            list.push_back({op.weights + ".weight", weights, role::weight, quantized ? dtype::int8 : dtype::float32});
            if (quantized) list.push_back({op.weights + ".weight_scale", channels, role::scale, dtype::float32});
            bool bias = true;
            if constexpr (!convolution) bias = op.has_bias();
            if (bias) list.push_back({op.weights + ".bias", channels, role::bias, dtype::float32});
            if (convolution || (gate && op.weights == gate->excite.weights))
                list.push_back({op.weights + ".output_scale", {}, role::scale, dtype::float32});
        });
    }
    return list;
}

/// Whether a file holds quantized weights: by the scale of the first feature map.
inline bool is_quantized(const graph::network& net, const tensor_store& store) {
    const auto maps = graph::feature_maps(net);
    return !maps.empty() && store.find(maps.front() + ".output_scale") != nullptr;
}

/// The bias of int8 weights as the whole numbers to add to sums of int8 products.
inline std::vector<std::int32_t> integer_bias(const folded& f) {
    std::vector<std::int32_t> all(f.bias.size());
    for (std::size_t o = 0; o < all.size(); ++o)
        all[o] = static_cast<std::int32_t>(
            std::nearbyint(double{f.bias[o]} / (double{f.int8->input_scale} * double{f.int8->scales[o]})));
    return all;
}

namespace detail {

/// @throws weights_error unless all are finite and above 0, neither so small nor so large that int8 cannot be scaled
inline std::vector<float> scale_values(const tensor_store& store, const std::string& name) {
    std::vector<float> values = finite_values(store, name);
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!std::isnormal(values[i]) || values[i] < 0 || values[i] > std::numeric_limits<float>::max() / 128)
            throw weights_error(store.source() + ": tensor '" + name + "': expected a scale above 0 for int8, found " +
                                std::to_string(values[i]) + " at element " + std::to_string(i));
    return values;
}

/// @throws weights_error for -128, which the scheme leaves out
inline std::vector<std::int8_t> int8_values(const tensor_store& store, const std::string& name) {
    const stored_tensor& tensor = *store.find(name);
    std::vector<float> exact(static_cast<std::size_t>(tensor.element_count()));
    copy_strided<std::int8_t>(tensor, exact);
    for (std::size_t i = 0; i < exact.size(); ++i)
        if (exact[i] < -127)
            throw weights_error(store.source() + ": tensor '" + name +
                                "': expected int8 from -127 to 127, found -128 "
                                "at element " +
                                std::to_string(i));
    return {exact.begin(), exact.end()};
}

/// @throws weights_error for a bias that int32 cannot hold at the scale of the sums
inline void check_integer_bias(const folded& f, const tensor_store& store, const std::string& name) {
    for (std::size_t o = 0; o < f.bias.size(); ++o) {
        const double scale = double{f.int8->input_scale} * double{f.int8->scales[o]};
        if (!(std::fabs(double{f.bias[o]} / scale) < double{std::numeric_limits<std::int32_t>::max()}))
            throw weights_error(store.source() + ": tensor '" + name + "': expected a bias within int32 times " +
                                std::to_string(scale) + ", found " + std::to_string(f.bias[o]) + " at element " +
                                std::to_string(o));
    }
}

/// @param input_scale  of what the convolution reads; empty for the picture
inline folded fold_quantized(const graph::convolution& c, const tensor_store& store, std::optional<float> input_scale) {
    const std::string weight = c.weights + ".weight", bias = c.weights + ".bias";
    folded f;
    f.output_scale = scale_values(store, c.weights + ".output_scale")[0];
    f.bias = finite_values(store, bias);
    if (!input_scale) {
        f.weights = finite_values(store, weight);
        return f;
    }
    f.int8 = {int8_values(store, weight), scale_values(store, c.weights + ".weight_scale"), *input_scale};
    check_integer_bias(f, store, bias);
    const std::size_t per_channel = f.int8->weights.size() / f.int8->scales.size();
    f.weights.reserve(f.int8->weights.size());
    for (std::size_t i = 0; i < f.int8->weights.size(); ++i)
        f.weights.push_back(f.int8->scales[i / per_channel] * static_cast<float>(f.int8->weights[i]));
    return f;
}

/// A matrix product whose batch norm, if it has one, is folded already.
inline folded fold_plain(const graph::dense& d, const tensor_store& store) {
    return {finite_values(store, d.weights + ".weight"),
            d.has_bias() ? finite_values(store, d.weights + ".bias") : std::vector<float>{}};
}

inline constants fold_quantized(const graph::network& net, const tensor_store& store) {
    check_binding(quantized_parameters(net), store);
    constants out;
    for (const graph::block& b : net.blocks) {
        const graph::squeeze_excite* gate = graph::gate_of(b);
        graph::for_each_operation(b, [&](const auto& op) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::dense>) {
                folded& f = out[op.weights] = fold_plain(op, store);
                if (gate && op.weights == gate->excite.weights)
                    f.output_scale = scale_values(store, op.weights + ".output_scale")[0];
            }
        });
    }
    graph::visit_convolutions(net, [&](const graph::convolution& c, std::string_view source) {
        out[c.weights] = fold_quantized(c, store, source.empty() ? std::nullopt : out.at(source).output_scale);
    });
    return out;
}

} // namespace detail

} // namespace gpunet

// An architecture as its JSON says it: plain structs, one per layer kind. An absent field is an empty optional; what
// it then means is decided by graph/defaults.hpp and nowhere else.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/shape.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace gpunet::spec {

/// How a convolution is padded: kernel/2 on every side, TensorFlow's SAME, nothing, or so many pixels on every side.
enum class padding_rule : std::uint8_t { symmetric, same, valid };
using padding = std::variant<padding_rule, std::int64_t>;

/// How input channels times expansion becomes a number of channels: to the nearest multiple of 8 that is not more than
/// 10 % smaller, or exactly.
enum class rounding : std::uint8_t { multiple_of_8, exact };

/// Which program's parameter names the weights carry.
enum class naming : std::uint8_t { gpunet, efficientnet_pytorch };

/// conv_pool_linear: 1x1 convolution, global mean, linear. conv_pool_conv_linear: another 1x1 convolution, without bias
/// or batch norm, stands between mean and linear.
enum class tail_form : std::uint8_t { conv_pool_linear, conv_pool_conv_linear };

/// The list's first entry: the native input size, and defaults for all layers.
struct data {
    extent2 resolution;                      // "img_resolution": N or [height, width]
    std::optional<bool> distill;             // false: the plain grammar; true: the distilled one
    std::optional<spec::naming> naming;      // gpunet
    std::optional<spec::padding> padding;    // symmetric
    std::optional<double> bn_epsilon;        // plain 1e-3, distilled 1e-5
    std::optional<spec::rounding> rounding;  // "expansion_rounding"; plain multiple_of_8, distilled exact
    std::optional<bool> skip_unit_expansion; // false: an irb of expansion 1 still has its first convolution
    friend bool operator==(const data&, const data&) = default;
};

/// What every layer has.
struct layer_base {
    std::int64_t in_channels = 0;  // "num_in_channels"
    std::int64_t out_channels = 0; // "num_out_channels"
    std::optional<std::int64_t> stage;
    std::optional<activation> act;
    std::optional<spec::padding> padding;
    std::optional<double> bn_epsilon;
    friend bool operator==(const layer_base&, const layer_base&) = default;
};

/// The stem: one convolution of stride 2.
struct head : layer_base {
    std::optional<std::int64_t> kernel_size; // 3
    std::optional<std::int64_t> stride;      // 2
    friend bool operator==(const head&, const head&) = default;
};

/// A stem of three convolutions; the first has the stride.
struct head_large : head {
    friend bool operator==(const head_large&, const head_large&) = default;
};

/// Convolution, batch norm, activation.
struct conv : layer_base {
    std::int64_t kernel_size = 1;
    std::int64_t stride = 1;
    std::optional<std::int64_t> groups; // 1
    friend bool operator==(const conv&, const conv&) = default;
};

/// What both inverted residual blocks have.
struct expansion_base : layer_base {
    std::int64_t kernel_size = 3;
    std::int64_t stride = 1;
    double expansion = 1;
    std::optional<spec::rounding> rounding;  // "expansion_rounding"
    std::optional<std::int64_t> groups;      // 1; of the dense convolutions
    std::optional<bool> residual;            // added when stride is 1 and the channels agree
    std::optional<bool> use_se;              // false
    std::optional<double> se_ratio;          // 0.25: squeeze width over the block's input channels
    std::optional<std::int64_t> se_channels; // the squeeze width itself
    std::optional<activation> se_act;        // the block's activation
    std::optional<activation> se_gate;       // sigmoid
    friend bool operator==(const expansion_base&, const expansion_base&) = default;
};

/// 1x1 convolution, depthwise convolution, [squeeze-excite,] 1x1 convolution.
struct irb : expansion_base {
    std::optional<bool> skip_unit_expansion;
    friend bool operator==(const irb&, const irb&) = default;
};

/// k x k convolution, [squeeze-excite,] 1x1 convolution.
struct fused_irb : expansion_base {
    friend bool operator==(const fused_irb&, const fused_irb&) = default;
};

/// Last convolution, global mean, classifier.
struct tail : layer_base {
    std::optional<std::int64_t> num_classes;  // 1000
    std::optional<tail_form> form;            // "tail_form"; plain conv_pool_linear, distilled conv_pool_conv_linear
    std::optional<std::int64_t> mid_channels; // "num_mid_channels", of conv_pool_conv_linear: 1152
    friend bool operator==(const tail&, const tail&) = default;
};

using layer = std::variant<head, head_large, conv, irb, fused_irb, tail>;

/// The fields that every kind has.
inline const layer_base& base_of(const layer& l) noexcept {
    return std::visit([](const auto& x) -> const layer_base& { return x; }, l);
}

/// The layer kind as the JSON's "layer_type" names it.
inline std::string_view kind_name(const layer& l) noexcept {
    constexpr std::string_view names[] = {"head", "head_large", "conv", "irb", "fused_irb", "tail"};
    static_assert(std::size(names) == std::variant_size_v<layer>);
    return names[l.index()];
}

/// A key of a spec file that no reader understood, and was passed over.
struct unknown_key {
    std::int64_t layer = 0; // position in the JSON list, from 1
    std::string key;
};

/// A whole architecture. Layer i of `layers` is entry i + 2 of the JSON list, counted from 1.
struct network {
    std::string source; // what errors call it, usually the file's path
    spec::data data;
    std::vector<layer> layers;
    std::vector<unknown_key> unknown_keys;

    /// Equal architectures, whatever file they came from.
    friend bool operator==(const network& a, const network& b) { return a.data == b.data && a.layers == b.layers; }
};

/// The position of layers[i] in the JSON list, counted from 1, as NVIDIA's parameter names count.
constexpr std::int64_t layer_number(std::size_t i) noexcept { return static_cast<std::int64_t>(i) + 2; }

} // namespace gpunet::spec

// An architecture as its JSON says it, repetitions written out and widths scaled (spec/unroll.hpp): plain structs, one
// per layer kind. An absent field is an empty optional; what it then means is decided by graph/defaults.hpp and nowhere
// else.
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
enum class naming : std::uint8_t { gpunet, efficientnet_pytorch, timm };

/// conv_pool_linear: 1x1 convolution, global mean, linear. conv_pool_conv_linear: another 1x1 convolution, without bias
/// or batch norm, stands between mean and linear. pool_conv_linear: the only 1x1 convolution stands there.
enum class tail_form : std::uint8_t { conv_pool_linear, conv_pool_conv_linear, pool_conv_linear };

/// Of which width se_ratio is a part: of the block's input or of what is squeezed.
enum class squeeze_from : std::uint8_t { input, expanded };

/// How squeeze-excite is made.
struct squeeze_rules {
    std::optional<double> se_ratio;         // 0.25: squeeze width over that of se_from
    std::optional<squeeze_from> se_from;    // input
    std::optional<std::int64_t> se_divisor; // 1
    std::optional<double> se_round_limit;   // 0.9: how much less than exact a multiple of the divisor may be
    std::optional<activation> se_act;       // the block's activation
    std::optional<activation> se_gate;      // sigmoid
    friend bool operator==(const squeeze_rules&, const squeeze_rules&) = default;
};

/// The list's first entry: the native input size, and defaults for all layers.
struct data {
    extent2 resolution;                      // "img_resolution": N or [height, width]
    std::optional<bool> distill;             // false: the plain grammar; true: the distilled one
    std::optional<spec::naming> naming;      // gpunet
    std::optional<spec::padding> padding;    // symmetric
    std::optional<double> bn_epsilon;        // plain 1e-3, distilled 1e-5
    std::optional<spec::rounding> rounding;  // "expansion_rounding"; plain multiple_of_8, distilled exact
    std::optional<bool> skip_unit_expansion; // false: an irb of expansion 1 still has its first convolution
    std::optional<activation> act{};         // by kind
    squeeze_rules squeeze{};
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
    std::optional<bool> residual;       // false; the input is added after the activation
    friend bool operator==(const conv&, const conv&) = default;
};

/// What all inverted residual blocks have.
struct expansion_base : layer_base, squeeze_rules {
    std::int64_t kernel_size = 3;
    std::int64_t stride = 1;
    double expansion = 1;
    std::optional<spec::rounding> rounding;  // "expansion_rounding"
    std::optional<std::int64_t> groups;      // 1; of the dense convolutions
    std::optional<bool> residual;            // added when stride is 1 and the channels agree
    std::optional<bool> use_se;              // false
    std::optional<std::int64_t> se_channels; // the squeeze width itself
    friend bool operator==(const expansion_base&, const expansion_base&) = default;
};

/// 1x1 convolution, depthwise convolution, [squeeze-excite,] 1x1 convolution.
struct irb : expansion_base {
    std::optional<bool> skip_unit_expansion;
    friend bool operator==(const irb&, const irb&) = default;
};

/// Depthwise convolution, [squeeze-excite,] 1x1 convolution. With space_to_depth a 2x2 convolution of stride 2 to four
/// times the channels comes first, and the depthwise kernel is (kernel_size + 1) / 2.
struct separable : expansion_base {
    std::optional<bool> space_to_depth; // false
    friend bool operator==(const separable&, const separable&) = default;
};

/// The universal inverted bottleneck: [depthwise convolution of start_kernel_size,] 1x1 convolution, [depthwise
/// convolution of kernel_size,] [squeeze-excite,] 1x1 convolution. A kernel of 0 leaves its convolution out.
struct uib : expansion_base {
    std::optional<std::int64_t> start_kernel_size; // 0
    friend bool operator==(const uib&, const uib&) = default;
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
    std::optional<bool> pooled_norm;          // false; of pool_conv_linear: its convolution has batch norm
    friend bool operator==(const tail&, const tail&) = default;
};

using layer = std::variant<head, head_large, conv, irb, fused_irb, separable, uib, tail>;

/// The fields that every kind has.
inline const layer_base& base_of(const layer& l) noexcept {
    return std::visit([](const auto& x) -> const layer_base& { return x; }, l);
}

/// The layer kind as the JSON's "layer_type" names it.
inline std::string_view kind_name(const layer& l) noexcept {
    constexpr std::string_view names[] = {"head", "head_large", "conv", "irb", "fused_irb", "separable", "uib", "tail"};
    static_assert(std::size(names) == std::variant_size_v<layer>);
    return names[l.index()];
}

/// A key of a spec file that no reader understood, and was passed over.
struct unknown_key {
    std::int64_t layer = 0; // position in the JSON list, from 1
    std::string key;
};

/// The position of layers[i] in the JSON list, repetitions written out, counted from 1, as NVIDIA's parameter names
/// count.
constexpr std::int64_t layer_number(std::size_t i) noexcept { return static_cast<std::int64_t>(i) + 2; }

/// A whole architecture.
struct network {
    std::string source; // what errors call it, usually the file's path
    spec::data data;
    std::vector<layer> layers;
    std::vector<unknown_key> unknown_keys;
    std::vector<std::int64_t> entries{}; // where each layer comes from in a JSON list with repetitions, from 1

    /// Equal architectures, whatever file they came from.
    friend bool operator==(const network& a, const network& b) { return a.data == b.data && a.layers == b.layers; }
};

/// How errors begin that are about layers[i].
inline std::string where(const network& net, std::size_t i) {
    const std::int64_t number = layer_number(i);
    const bool elsewhere = i < net.entries.size() && net.entries[i] != number;
    return net.source + ": layer " + std::to_string(number) + " (" + std::string(kind_name(net.layers[i])) +
           (elsewhere ? ", of entry " + std::to_string(net.entries[i]) : "") + ")";
}

} // namespace gpunet::spec

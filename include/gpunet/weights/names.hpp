// The names that checkpoints give to parameters, as data: which program wrote them, which layer, which part of it.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/spec/names.hpp>
#include <gpunet/spec/network.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet::detail {

/// The parts of a layer that own parameters.
enum class part : std::uint8_t {
    conv,
    conv_norm,
    conv2,
    conv2_norm,
    conv3,
    conv3_norm, // of a head, a conv, a tail
    entry,
    entry_norm, // of what comes before an expansion
    expand,
    expand_norm,
    depthwise,
    depthwise_norm,
    squeeze,
    excite,
    project,
    project_norm,
    hidden,
    hidden_norm,
    classifier
};

/// The dialects; NVIDIA's two grammars name differently. timm's blocks are named within as the plain ones are.
enum class dialect : std::uint8_t { plain, distilled, efficientnet_pytorch, timm };

struct leaf_name {
    dialect who;
    std::string_view kind; // "layer_type"
    detail::part part;
    std::string_view leaf; // appended to the layer's prefix
};

// clang-format off
inline constexpr leaf_name leaf_names[] = {
    {dialect::plain, "head", part::conv, "net.0"},
    {dialect::plain, "head", part::conv_norm, "net.1"},
    {dialect::plain, "head_large", part::conv, "net.0"},
    {dialect::plain, "head_large", part::conv_norm, "net.1"},
    {dialect::plain, "head_large", part::conv2, "net.3"},
    {dialect::plain, "head_large", part::conv2_norm, "net.4"},
    {dialect::plain, "head_large", part::conv3, "net.6"},
    {dialect::plain, "head_large", part::conv3_norm, "net.7"},
    {dialect::plain, "conv", part::conv, "conv"},
    {dialect::plain, "conv", part::conv_norm, "bn1"},
    {dialect::plain, "fused_irb", part::expand, "conv_exp"},
    {dialect::plain, "fused_irb", part::expand_norm, "bn1"},
    {dialect::plain, "fused_irb", part::squeeze, "se.conv_reduce"},
    {dialect::plain, "fused_irb", part::excite, "se.conv_expand"},
    {dialect::plain, "fused_irb", part::project, "conv_pwl"},
    {dialect::plain, "fused_irb", part::project_norm, "bn2"},
    {dialect::plain, "irb", part::expand, "conv_pw"},
    {dialect::plain, "irb", part::expand_norm, "bn1"},
    {dialect::plain, "irb", part::depthwise, "conv_dw"},
    {dialect::plain, "irb", part::depthwise_norm, "bn2"},
    {dialect::plain, "irb", part::squeeze, "se.conv_reduce"},
    {dialect::plain, "irb", part::excite, "se.conv_expand"},
    {dialect::plain, "irb", part::project, "conv_pwl"},
    {dialect::plain, "irb", part::project_norm, "bn3"},
    {dialect::plain, "separable", part::entry, "conv_s2d"},
    {dialect::plain, "separable", part::entry_norm, "bn_s2d"},
    {dialect::plain, "separable", part::depthwise, "conv_dw"},
    {dialect::plain, "separable", part::depthwise_norm, "bn1"},
    {dialect::plain, "separable", part::squeeze, "se.conv_reduce"},
    {dialect::plain, "separable", part::excite, "se.conv_expand"},
    {dialect::plain, "separable", part::project, "conv_pw"},
    {dialect::plain, "separable", part::project_norm, "bn2"},
    {dialect::plain, "uib", part::entry, "dw_start.conv"},
    {dialect::plain, "uib", part::entry_norm, "dw_start.bn"},
    {dialect::plain, "uib", part::expand, "pw_exp.conv"},
    {dialect::plain, "uib", part::expand_norm, "pw_exp.bn"},
    {dialect::plain, "uib", part::depthwise, "dw_mid.conv"},
    {dialect::plain, "uib", part::depthwise_norm, "dw_mid.bn"},
    {dialect::plain, "uib", part::squeeze, "se.conv_reduce"},
    {dialect::plain, "uib", part::excite, "se.conv_expand"},
    {dialect::plain, "uib", part::project, "pw_proj.conv"},
    {dialect::plain, "uib", part::project_norm, "pw_proj.bn"},
    {dialect::plain, "tail", part::conv, "net.0"},
    {dialect::plain, "tail", part::conv_norm, "net.1"},
    {dialect::plain, "tail", part::hidden, "net.4"},
    {dialect::plain, "tail", part::classifier, "net.6"},
    {dialect::distilled, "head", part::conv, "net.0"},
    {dialect::distilled, "head", part::conv_norm, "net.1"},
    {dialect::distilled, "head_large", part::conv, "net.0"},
    {dialect::distilled, "head_large", part::conv_norm, "net.1"},
    {dialect::distilled, "head_large", part::conv2, "net.3"},
    {dialect::distilled, "head_large", part::conv2_norm, "net.4"},
    {dialect::distilled, "head_large", part::conv3, "net.6"},
    {dialect::distilled, "head_large", part::conv3_norm, "net.7"},
    {dialect::distilled, "irb", part::expand, "body.0"},
    {dialect::distilled, "irb", part::expand_norm, "body.1"},
    {dialect::distilled, "irb", part::depthwise, "body.3"},
    {dialect::distilled, "irb", part::depthwise_norm, "body.4"},
    {dialect::distilled, "irb", part::project, "body.6"},
    {dialect::distilled, "irb", part::project_norm, "body.7"},
    {dialect::distilled, "fused_irb", part::expand, "body.0"},
    {dialect::distilled, "fused_irb", part::expand_norm, "body.1"},
    {dialect::distilled, "fused_irb", part::project, "body.3"},
    {dialect::distilled, "fused_irb", part::project_norm, "body.4"},
    {dialect::distilled, "tail", part::conv, "net.0"},
    {dialect::distilled, "tail", part::conv_norm, "net.1"},
    {dialect::distilled, "tail", part::hidden, "net.4"},
    {dialect::distilled, "tail", part::classifier, "net.8"},
    {dialect::efficientnet_pytorch, "head", part::conv, "_conv_stem"},
    {dialect::efficientnet_pytorch, "head", part::conv_norm, "_bn0"},
    {dialect::efficientnet_pytorch, "irb", part::expand, "_expand_conv"},
    {dialect::efficientnet_pytorch, "irb", part::expand_norm, "_bn0"},
    {dialect::efficientnet_pytorch, "irb", part::depthwise, "_depthwise_conv"},
    {dialect::efficientnet_pytorch, "irb", part::depthwise_norm, "_bn1"},
    {dialect::efficientnet_pytorch, "irb", part::squeeze, "_se_reduce"},
    {dialect::efficientnet_pytorch, "irb", part::excite, "_se_expand"},
    {dialect::efficientnet_pytorch, "irb", part::project, "_project_conv"},
    {dialect::efficientnet_pytorch, "irb", part::project_norm, "_bn2"},
    {dialect::efficientnet_pytorch, "separable", part::depthwise, "_depthwise_conv"},
    {dialect::efficientnet_pytorch, "separable", part::depthwise_norm, "_bn1"},
    {dialect::efficientnet_pytorch, "separable", part::squeeze, "_se_reduce"},
    {dialect::efficientnet_pytorch, "separable", part::excite, "_se_expand"},
    {dialect::efficientnet_pytorch, "separable", part::project, "_project_conv"},
    {dialect::efficientnet_pytorch, "separable", part::project_norm, "_bn2"},
    {dialect::efficientnet_pytorch, "tail", part::conv, "_conv_head"},
    {dialect::efficientnet_pytorch, "tail", part::conv_norm, "_bn1"},
    {dialect::efficientnet_pytorch, "tail", part::classifier, "_fc"},
    {dialect::timm, "head", part::conv, "conv_stem"},
    {dialect::timm, "head", part::conv_norm, "bn1"},
    {dialect::timm, "tail", part::conv, "conv_head"},
    {dialect::timm, "tail", part::conv_norm, "bn2"},
    {dialect::timm, "tail", part::hidden, "conv_head"},
    {dialect::timm, "tail", part::hidden_norm, "norm_head"},
    {dialect::timm, "tail", part::classifier, "classifier"},
};
// clang-format on

/// Where a layer stands, as far as names care.
struct layer_place {
    std::string_view kind;   // "layer_type"
    bool expands = true;     // of an inverted residual
    std::int64_t number = 0; // in the JSON list, from 1
    std::optional<std::int64_t> stage;
    std::int64_t block = 0;          // how many residual blocks come before it
    std::int64_t stages = 0;         // how many stages come before its own, stem apart
    std::int64_t place_in_stage = 0; // how many layers of its stage come before it
};

/// The same networks are published in both: whose files a network takes beside those of its own dialect.
constexpr std::optional<dialect> other_dialect(dialect who) {
    switch (who) {
    case dialect::efficientnet_pytorch: return dialect::timm;
    case dialect::timm: return dialect::efficientnet_pytorch;
    default: return std::nullopt;
    }
}

/// Names of operations in files of another dialect, with the network's own.
using other_names = std::map<std::string, std::string, std::less<>>;

/// Names the parameters of one layer. @throws spec_error for a layer the dialect has no name for.
class layer_names {
  public:
    /// @param where   what errors say first
    /// @param others  gets what another dialect calls the same, if it has a name for it
    layer_names(dialect who, const layer_place& place, std::string where, other_names& others)
        : who_(who), place_(place), where_(std::move(where)), others_(others) {}

    std::string operator()(part p) const {
        std::optional<std::string> own = name(who_, p);
        if (!own)
            throw spec_error(where_ + ": expected a layer that weights of this naming can have, found one they cannot");
        if (const auto who = other_dialect(who_); who && (*who != dialect::timm || !is_block() || place_.stage))
            if (std::optional<std::string> other = name(*who, p)) others_.emplace(*std::move(other), *own);
        return *std::move(own);
    }

  private:
    bool is_block() const { return place_.kind != "head" && place_.kind != "head_large" && place_.kind != "tail"; }

    std::optional<std::string> name(dialect who, part p) const {
        // timm calls an inverted residual without expansion a separable one.
        const bool separable = who == dialect::timm && place_.kind == "irb" && !place_.expands;
        const std::string_view kind = separable ? "separable" : place_.kind;
        const dialect leaf_of = who == dialect::timm && is_block() ? dialect::plain : who;
        for (const leaf_name& n : leaf_names)
            if (n.who == leaf_of && n.kind == kind && n.part == p) return prefix(who, place_) + std::string(n.leaf);
        return std::nullopt;
    }

    std::string prefix(dialect who, const layer_place& place) const {
        const bool stem = place.kind == "head" || place.kind == "head_large";
        const std::string number = std::to_string(place.number);
        switch (who) {
        case dialect::plain:
            if (stem) return "network.head: " + number + ".";
            if (place.kind == "tail") return "network. layer" + number + ".";
            return "network.stage: " + stage(place) + " layer" + number + ".";
        case dialect::distilled:
            if (stem) return "network.head:.";
            if (place.kind == "tail") return "network.tail:.";
            return "network.stage: " + stage(place) + " " + std::string(place.kind) + number + ".";
        case dialect::efficientnet_pytorch:
            if (stem || place.kind == "tail") return "";
            return "_blocks." + std::to_string(place.block) + ".";
        case dialect::timm:
            if (stem || place.kind == "tail") return "";
            static_cast<void>(stage(place));
            return "blocks." + std::to_string(place.stages) + "." + std::to_string(place.place_in_stage) + ".";
        }
        return "";
    }

    std::string stage(const layer_place& place) const {
        if (!place.stage)
            throw spec_error(where_ + ": stage: expected an integer (parameter names hold it), found nothing");
        return std::to_string(*place.stage);
    }

    dialect who_;
    layer_place place_;
    std::string where_;
    other_names& others_;
};

} // namespace gpunet::detail

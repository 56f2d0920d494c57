// What a spec leaves out: the defaults, and the quirks of the reference implementation that its weights depend on.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/error.hpp>
#include <gpunet/graph/rules.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/weights/names.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

namespace gpunet::graph::detail {

/// Answers for one network; the more special overload knows the more special layer. `where` begins error messages.
class defaults {
  public:
    explicit defaults(const spec::data& d) : data_(d), distilled_(d.distill.value_or(false)) {}

    gpunet::detail::dialect names() const {
        using gpunet::detail::dialect;
        switch (data_.naming.value_or(spec::naming::gpunet)) {
        case spec::naming::efficientnet_pytorch: return dialect::efficientnet_pytorch;
        case spec::naming::timm: return dialect::timm;
        case spec::naming::gpunet: break;
        }
        return distilled_ ? dialect::distilled : dialect::plain;
    }

    /// In distilled networks relu, whatever "act" says, but in a conv. A plain head's default is swish.
    activation act(const spec::layer_base& l) const { return distilled_ ? activation::relu : act(l, activation::relu); }
    activation act(const spec::head& l) const { return distilled_ ? activation::relu : act(l, activation::swish); }
    activation act(const spec::conv& l) const { return act(l, activation::relu); }

    /// Of batch norm.
    double epsilon(const spec::layer_base& l) const { return epsilon(l, distilled_ ? 1e-5 : 1e-3); }
    double epsilon(const spec::fused_irb& l) const { return epsilon(l, 1e-3); }

    spec::padding padding(const spec::layer_base& l) const {
        return l.padding.value_or(data_.padding.value_or(spec::padding_rule::symmetric));
    }
    /// The reference asks for SAME here and loses it: a plain fused_irb of stride 2 has no padding at all.
    spec::padding padding(const spec::fused_irb& l) const {
        if (!distilled_ && l.stride == 2 && !l.padding && !data_.padding) return spec::padding_rule::valid;
        return padding(static_cast<const spec::layer_base&>(l));
    }

    bool skips_expansion(const spec::irb& l) const {
        return l.expansion == 1.0 && l.skip_unit_expansion.value_or(data_.skip_unit_expansion.value_or(false));
    }

    /// Channels after expansion. @throws spec_error where they do not come out whole
    std::int64_t expanded_width(const spec::expansion_base& l, const std::string& where) const {
        using spec::rounding;
        const double width = static_cast<double>(l.in_channels) * l.expansion;
        const rounding by_dialect = distilled_ ? rounding::exact : rounding::multiple_of_8;
        if (l.rounding.value_or(data_.rounding.value_or(by_dialect)) == rounding::multiple_of_8)
            return round_to_multiple_of_8(width);
        if (width < 1.0 || std::fabs(width - std::round(width)) > 1e-6)
            throw spec_error(where + ": expansion: expected a whole number of channels, found " +
                             std::to_string(l.in_channels) + " * " + std::to_string(l.expansion));
        return std::llround(width);
    }

    /// Channels inside squeeze-excite on `width` channels, which are the block's input times `expansion`.
    /// @throws spec_error where it cannot be
    std::int64_t squeezed_width(const spec::expansion_base& l, std::int64_t width, double expansion,
                                const std::string& where) const {
        if (distilled_) throw spec_error(where + ": use_se: expected false in a distilled network, found true");
        if (l.se_channels) return *l.se_channels;
        const spec::squeeze_rules& all = data_.squeeze;
        const double ratio = either(l.se_ratio, all.se_ratio, 0.25);
        const bool of_input = either(l.se_from, all.se_from, spec::squeeze_from::input) == spec::squeeze_from::input;
        const double exact = static_cast<double>(width) * (of_input ? ratio / expansion : ratio);
        if (!(exact < static_cast<double>(max_squeezed_channels)))
            throw spec_error(where + ": se_ratio: expected a squeeze width below " +
                             std::to_string(max_squeezed_channels) + ", found " + std::to_string(width) + " * (" +
                             std::to_string(ratio) + (of_input ? " / expansion)" : ")"));
        const std::int64_t divisor = either(l.se_divisor, all.se_divisor, std::int64_t{1});
        if (divisor == 1) return round_half_to_even(exact);
        return spec::round_to_multiple(exact, divisor, either(l.se_round_limit, all.se_round_limit, 0.9));
    }

    activation squeeze_act(const spec::expansion_base& l) const {
        return either(l.se_act, data_.squeeze.se_act, act(l));
    }
    activation gate(const spec::expansion_base& l) const {
        return either(l.se_gate, data_.squeeze.se_gate, activation::sigmoid);
    }

    /// @throws spec_error where a residual is asked for that cannot be
    bool residual(const spec::expansion_base& l, const std::string& where) const { return residual(l, true, where); }
    bool residual(const spec::conv& l, const std::string& where) const { return residual(l, false, where); }

    spec::tail_form form(const spec::tail& l) const {
        using spec::tail_form;
        return l.form.value_or(distilled_ ? tail_form::conv_pool_conv_linear : tail_form::conv_pool_linear);
    }

  private:
    static constexpr std::int64_t max_squeezed_channels = 1 << 20; // a bound for the arithmetic that follows

    template <class T>
    static T either(const std::optional<T>& own, const std::optional<T>& all, T otherwise) {
        return own ? *own : all.value_or(otherwise);
    }

    activation act(const spec::layer_base& l, activation by_kind) const { return either(l.act, data_.act, by_kind); }

    template <class Layer>
    static bool residual(const Layer& l, bool by_kind, const std::string& where) {
        const bool possible = l.stride == 1 && l.in_channels == l.out_channels;
        if (l.residual.value_or(false) && !possible)
            throw spec_error(where + ": residual: expected stride 1 and equal channels, found stride " +
                             std::to_string(l.stride) + ", " + std::to_string(l.in_channels) + " and " +
                             std::to_string(l.out_channels));
        return l.residual.value_or(by_kind && possible);
    }

    double epsilon(const spec::layer_base& l, double by_dialect) const {
        return l.bn_epsilon.value_or(data_.bn_epsilon.value_or(by_dialect));
    }

    const spec::data& data_;
    bool distilled_;
};

} // namespace gpunet::graph::detail

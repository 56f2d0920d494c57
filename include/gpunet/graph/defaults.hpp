// What a spec leaves out: the defaults, and the quirks of the reference implementation that its weights depend on.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/error.hpp>
#include <gpunet/graph/rules.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/weights/names.hpp>

#include <cmath>
#include <cstdint>
#include <string>

namespace gpunet::graph::detail {

/// Answers for one network; the more special overload knows the more special layer. `where` begins error messages.
class defaults {
  public:
    explicit defaults(const spec::data& d) : data_(d), distilled_(d.distill.value_or(false)) {}

    gpunet::detail::dialect names() const {
        using gpunet::detail::dialect;
        if (data_.naming.value_or(spec::naming::gpunet) == spec::naming::efficientnet_pytorch)
            return dialect::efficientnet_pytorch;
        return distilled_ ? dialect::distilled : dialect::plain;
    }

    /// In distilled networks relu, whatever "act" says, but in a conv. A plain head's default is swish.
    activation act(const spec::layer_base& l) const {
        return distilled_ ? activation::relu : l.act.value_or(activation::relu);
    }
    activation act(const spec::head& l) const {
        return distilled_ ? activation::relu : l.act.value_or(activation::swish);
    }
    activation act(const spec::conv& l) const { return l.act.value_or(activation::relu); }

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

    /// Channels inside squeeze-excite on `width` channels. @throws spec_error where it cannot be
    std::int64_t squeezed_width(const spec::expansion_base& l, std::int64_t width, const std::string& where) const {
        if (distilled_) throw spec_error(where + ": use_se: expected false in a distilled network, found true");
        if (l.se_channels) return *l.se_channels;
        const double exact = static_cast<double>(width) * (l.se_ratio.value_or(0.25) / l.expansion);
        if (!(exact < static_cast<double>(max_squeezed_channels)))
            throw spec_error(where + ": se_ratio: expected a squeeze width below " +
                             std::to_string(max_squeezed_channels) + ", found " + std::to_string(width) + " * (" +
                             std::to_string(l.se_ratio.value_or(0.25)) + " / expansion)");
        return round_half_to_even(exact);
    }

    /// @throws spec_error where a residual is asked for that cannot be
    bool residual(const spec::expansion_base& l, const std::string& where) const {
        const bool possible = l.stride == 1 && l.in_channels == l.out_channels;
        if (l.residual.value_or(false) && !possible)
            throw spec_error(where + ": residual: expected stride 1 and equal channels, found stride " +
                             std::to_string(l.stride) + ", " + std::to_string(l.in_channels) + " and " +
                             std::to_string(l.out_channels));
        return l.residual.value_or(possible);
    }

    spec::tail_form form(const spec::tail& l) const {
        using spec::tail_form;
        return l.form.value_or(distilled_ ? tail_form::conv_pool_conv_linear : tail_form::conv_pool_linear);
    }

  private:
    static constexpr std::int64_t max_squeezed_channels = 1 << 20; // a bound for the arithmetic that follows

    double epsilon(const spec::layer_base& l, double by_dialect) const {
        return l.bn_epsilon.value_or(data_.bn_epsilon.value_or(by_dialect));
    }

    const spec::data& data_;
    bool distilled_;
};

} // namespace gpunet::graph::detail

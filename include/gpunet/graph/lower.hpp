// Spec to graph. Every default and every quirk of the reference implementation is decided here and nowhere else.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/graph/rules.hpp>
#include <gpunet/limits.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/weights/names.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace gpunet::graph {

namespace detail {

using gpunet::detail::dialect;
using gpunet::detail::layer_names;
using gpunet::detail::part;

/// Lowers layer after layer, carrying the feature map's size along.
class lowering {
  public:
    lowering(const spec::network& net, extent2 size, const limits& caps) : net_(net), caps_(caps) {
        const auto& first = std::visit([](const auto& l) -> const spec::layer_base& { return l; }, net.layers.front());
        now_ = {first.in_channels, size};
        distilled_ = net.data.distill.value_or(false);
        who_ = net.data.naming.value_or(spec::naming::gpunet) == spec::naming::efficientnet_pytorch
                   ? dialect::efficientnet_pytorch
                   : (distilled_ ? dialect::distilled : dialect::plain);
    }

    network run() {
        network out;
        out.input = now_;
        for (std::size_t i = 0; i < net_.layers.size(); ++i) {
            const auto& base = std::visit([](const auto& l) -> const spec::layer_base& { return l; }, net_.layers[i]);
            block b;
            b.layer = spec::layer_number(i);
            b.kind = spec::kind_name(net_.layers[i]);
            b.stage = base.stage;
            b.input = now_;
            layer_ = &net_.layers[i];
            where_ = net_.source + ": layer " + std::to_string(b.layer) + " (" + b.kind + ")";
            const layer_names names(who_, {b.kind, b.layer, b.stage, residual_blocks_}, where_);
            b.body = std::visit([&](const auto& l) { return block::kinds(lower(l, names)); }, net_.layers[i]);
            b.output = now_;
            if (const auto* t = std::get_if<tail>(&b.body)) b.output = {t->classifier.outputs, {1, 1}};
            parameters_ += count(b).parameters;
            if (parameters_ > caps_.max_parameter_bytes / 4)
                throw spec_error(where_ + ": expected at most " + std::to_string(caps_.max_parameter_bytes) +
                                 " bytes of parameters, found more");
            out.blocks.push_back(std::move(b));
        }
        out.classes = out.blocks.back().output.channels;
        return out;
    }

  private:
    static constexpr std::int64_t max_squeezed_channels = 1 << 20; // a bound for the arithmetic that follows

    stem lower(const spec::head& l, const layer_names& names) {
        stem s;
        s.convolutions.push_back(stem_convolution(l, l.stride.value_or(2), names(part::conv), names(part::conv_norm)));
        return s;
    }

    stem lower(const spec::head_large& l, const layer_names& names) {
        stem s = lower(static_cast<const spec::head&>(l), names);
        s.convolutions.push_back(stem_convolution(l, 1, names(part::conv2), names(part::conv2_norm)));
        s.convolutions.push_back(stem_convolution(l, 1, names(part::conv3), names(part::conv3_norm)));
        return s;
    }

    convolution stem_convolution(const spec::head& l, std::int64_t stride, std::string weights, std::string norm) {
        convolution c = start(l, std::move(weights), std::move(norm));
        c.kernel = l.kernel_size.value_or(3);
        c.stride = stride;
        // The plain grammar's default is swish; the distilled one has relu whatever "act" says.
        c.act = distilled_ ? activation::relu : l.act.value_or(activation::swish);
        return finish(std::move(c), l.out_channels, padding_of(l));
    }

    conv lower(const spec::conv& l, const layer_names& names) {
        convolution c = start(l, names(part::conv), names(part::conv_norm));
        c.kernel = l.kernel_size;
        c.stride = l.stride;
        c.groups = l.groups.value_or(1);
        c.act = block_activation(l);
        return {finish(std::move(c), l.out_channels, padding_of(l))};
    }

    inverted_residual lower(const spec::irb& l, const layer_names& names) {
        inverted_residual b;
        b.residual = has_residual(l);
        const bool skip = l.skip_unit_expansion.value_or(net_.data.skip_unit_expansion.value_or(false));
        const std::int64_t width = skip && l.expansion == 1.0 ? l.in_channels : expanded_width(l);
        if (!(skip && l.expansion == 1.0)) {
            convolution c = start(l, names(part::expand), names(part::expand_norm));
            c.groups = l.groups.value_or(1);
            c.act = block_activation(l);
            b.expand = finish(std::move(c), width, {});
        }
        convolution c = start(l, names(part::depthwise), names(part::depthwise_norm));
        c.kernel = l.kernel_size;
        c.stride = l.stride;
        c.groups = width;
        c.act = block_activation(l);
        b.depthwise = finish(std::move(c), width, padding_of(l));
        b.squeeze_excite = gate(l, width, names);
        b.project = project(l, names);
        ++residual_blocks_;
        return b;
    }

    fused_inverted_residual lower(const spec::fused_irb& l, const layer_names& names) {
        fused_inverted_residual b;
        b.residual = has_residual(l);
        convolution c = start(l, names(part::expand), names(part::expand_norm));
        c.kernel = l.kernel_size;
        c.stride = l.stride;
        c.groups = l.groups.value_or(1);
        c.act = block_activation(l);
        // The reference asks for SAME here and loses it: a plain fused_irb of stride 2 has no padding at all.
        const bool unpadded = !distilled_ && l.stride == 2 && !l.padding && !net_.data.padding;
        b.expand = finish(std::move(c), expanded_width(l),
                          unpadded ? spec::padding(spec::padding_rule::valid) : padding_of(l));
        b.squeeze_excite = gate(l, b.expand.output.channels, names);
        b.project = project(l, names);
        ++residual_blocks_;
        return b;
    }

    tail lower(const spec::tail& l, const layer_names& names) {
        using form = spec::tail_form;
        const form f = l.form.value_or(distilled_ ? form::conv_pool_conv_linear : form::conv_pool_linear);
        const std::int64_t width = f == form::conv_pool_linear ? l.out_channels : l.mid_channels.value_or(1152);
        const activation act = distilled_ ? activation::relu : l.act.value_or(activation::relu);
        tail t;
        convolution c = start(l, names(part::conv), names(part::conv_norm));
        c.act = act;
        t.convolution = finish(std::move(c), width, {});
        if (f == form::conv_pool_conv_linear)
            t.hidden = dense{names(part::hidden), width, l.out_channels, false, true, act};
        t.classifier = dense{names(part::classifier), l.out_channels, l.num_classes.value_or(1000)};
        return t;
    }

    convolution project(const spec::expansion_base& l, const layer_names& names) {
        convolution c = start(l, names(part::project), names(part::project_norm));
        c.groups = l.groups.value_or(1);
        return finish(std::move(c), l.out_channels, {});
    }

    std::optional<squeeze_excite> gate(const spec::expansion_base& l, std::int64_t width,
                                       const layer_names& names) const {
        if (!l.use_se.value_or(false)) return std::nullopt;
        if (distilled_) throw spec_error(where_ + ": use_se: expected false in a distilled network, found true");
        const double exact = static_cast<double>(width) * (l.se_ratio.value_or(0.25) / l.expansion);
        if (!l.se_channels && !(exact < static_cast<double>(max_squeezed_channels)))
            throw spec_error(where_ + ": se_ratio: expected a squeeze width below " +
                             std::to_string(max_squeezed_channels) + ", found " + std::to_string(width) + " * (" +
                             std::to_string(l.se_ratio.value_or(0.25)) + " / expansion)");
        const std::int64_t squeezed = l.se_channels ? *l.se_channels : round_half_to_even(exact);
        squeeze_excite se;
        se.squeeze = dense{names(part::squeeze), width, squeezed, true, true, l.se_act.value_or(block_activation(l))};
        se.excite = dense{names(part::excite), squeezed, width, true, true, l.se_gate.value_or(activation::sigmoid)};
        return se;
    }

    std::int64_t expanded_width(const spec::expansion_base& l) const {
        using spec::rounding;
        const double width = static_cast<double>(l.in_channels) * l.expansion;
        const rounding rule =
            l.rounding.value_or(net_.data.rounding.value_or(distilled_ ? rounding::exact : rounding::multiple_of_8));
        if (rule == rounding::multiple_of_8) return round_to_multiple_of_8(width);
        if (width < 1.0 || std::fabs(width - std::round(width)) > 1e-6)
            throw spec_error(where_ + ": expansion: expected a whole number of channels, found " +
                             std::to_string(l.in_channels) + " * " + std::to_string(l.expansion));
        return std::llround(width);
    }

    bool has_residual(const spec::expansion_base& l) const {
        const bool possible = l.stride == 1 && l.in_channels == l.out_channels;
        if (l.residual.value_or(false) && !possible)
            throw spec_error(where_ + ": residual: expected stride 1 and equal channels, found stride " +
                             std::to_string(l.stride) + ", " + std::to_string(l.in_channels) + " and " +
                             std::to_string(l.out_channels));
        return l.residual.value_or(possible);
    }

    activation block_activation(const spec::layer_base& l) const {
        return distilled_ && !std::holds_alternative<spec::conv>(*layer_) ? activation::relu
                                                                          : l.act.value_or(activation::relu);
    }

    spec::padding padding_of(const spec::layer_base& l) const {
        return l.padding.value_or(net_.data.padding.value_or(spec::padding_rule::symmetric));
    }

    double epsilon_of(const spec::layer_base& l) const {
        if (l.bn_epsilon) return *l.bn_epsilon;
        if (net_.data.bn_epsilon) return *net_.data.bn_epsilon;
        return distilled_ && !std::holds_alternative<spec::fused_irb>(*layer_) ? 1e-5 : 1e-3;
    }

    /// A convolution of the current feature map; the caller fills in kernel, stride, groups and activation.
    convolution start(const spec::layer_base& l, std::string weights, std::string norm) const {
        convolution c;
        c.weights = std::move(weights);
        c.norm = std::move(norm);
        c.input = now_;
        c.epsilon = epsilon_of(l);
        return c;
    }

    /// Settles padding and output, and moves the current feature map there.
    convolution finish(convolution c, std::int64_t channels, const spec::padding& rule) {
        if (c.input.channels % c.groups != 0 || channels % c.groups != 0)
            throw spec_error(where_ + ": groups: expected a divisor of " + std::to_string(c.input.channels) + " and " +
                             std::to_string(channels) + " channels, found " + std::to_string(c.groups));
        c.padding = resolve(rule, c.input.size, c.kernel, c.stride);
        c.output = {channels, output_extent(c.input.size, c.kernel, c.stride, c.padding)};
        if (c.output.size.height < 1 || c.output.size.width < 1)
            throw spec_error(where_ + ": input of " + std::to_string(c.input.size.height) + " x " +
                             std::to_string(c.input.size.width) + " pixels is too small for a kernel of " +
                             std::to_string(c.kernel));
        const std::int64_t area = c.output.size.height * c.output.size.width;
        if (area > caps_.max_activation_bytes / 4 / channels)
            throw spec_error(where_ + ": expected activations of at most " +
                             std::to_string(caps_.max_activation_bytes) + " bytes a picture, found more");
        now_ = c.output;
        return c;
    }

    const spec::network& net_;
    const limits& caps_;
    features now_;
    std::int64_t parameters_ = 0;
    std::int64_t residual_blocks_ = 0;
    bool distilled_ = false;
    dialect who_ = dialect::plain;
    const spec::layer* layer_ = nullptr;
    std::string where_;
};

} // namespace detail
} // namespace gpunet::graph

namespace gpunet {

/// Makes every implied number of a spec explicit, for pictures of the given extent.
/// @throws spec_error naming the layer where the input becomes too small, a number does not come out whole, or a limit
///         is passed; argument_error if the extent is not positive
inline graph::network lower(const spec::network& net, extent2 size, const limits& caps = {}) {
    if (net.layers.empty()) throw spec_error(net.source + ": expected layers, found none");
    if (size.height < 1 || size.width < 1 || size.height > max_input_side || size.width > max_input_side)
        throw argument_error("input size: expected sides from 1 to " + std::to_string(max_input_side) + ", found " +
                             std::to_string(size.height) + " x " + std::to_string(size.width));
    return graph::detail::lowering(net, size, caps).run();
}

/// The same at the spec's native input size.
inline graph::network lower(const spec::network& net) { return lower(net, net.data.resolution); }

} // namespace gpunet

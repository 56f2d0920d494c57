// Spec to graph, every implied number made explicit. What a spec leaves out is decided in defaults.hpp.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/defaults.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/graph/rules.hpp>
#include <gpunet/limits.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/weights/names.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace gpunet::graph {

namespace detail {

using gpunet::detail::layer_names;
using gpunet::detail::part;

/// Lowers layer after layer, carrying the feature map's size along.
class lowering {
  public:
    lowering(const spec::network& net, extent2 size, const limits& caps)
        : net_(net), caps_(caps), defaults_(net.data), now_{spec::base_of(net.layers.front()).in_channels, size} {}

    network run() {
        network out;
        out.input = now_;
        for (std::size_t i = 0; i < net_.layers.size(); ++i) {
            block b;
            b.layer = spec::layer_number(i);
            b.kind = spec::kind_name(net_.layers[i]);
            b.stage = spec::base_of(net_.layers[i]).stage;
            b.input = now_;
            where_ = net_.source + ": layer " + std::to_string(b.layer) + " (" + b.kind + ")";
            const layer_names names(defaults_.names(), {b.kind, b.layer, b.stage, residual_blocks_}, where_);
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
        c.act = defaults_.act(l);
        return finish(std::move(c), l.out_channels, defaults_.padding(l));
    }

    conv lower(const spec::conv& l, const layer_names& names) {
        convolution c = start(l, names(part::conv), names(part::conv_norm));
        c.kernel = l.kernel_size;
        c.stride = l.stride;
        c.groups = l.groups.value_or(1);
        c.act = defaults_.act(l);
        return {finish(std::move(c), l.out_channels, defaults_.padding(l))};
    }

    inverted_residual lower(const spec::irb& l, const layer_names& names) {
        inverted_residual b;
        b.residual = defaults_.residual(l, where_);
        if (!defaults_.skips_expansion(l)) {
            convolution c = start(l, names(part::expand), names(part::expand_norm));
            c.groups = l.groups.value_or(1);
            c.act = defaults_.act(l);
            b.expand = finish(std::move(c), defaults_.expanded_width(l, where_), {});
        }
        convolution c = start(l, names(part::depthwise), names(part::depthwise_norm));
        const std::int64_t width = c.input.channels;
        c.kernel = l.kernel_size;
        c.stride = l.stride;
        c.groups = width;
        c.act = defaults_.act(l);
        b.depthwise = finish(std::move(c), width, defaults_.padding(l));
        b.squeeze_excite = gate(l, names);
        b.project = project(l, names);
        return b;
    }

    fused_inverted_residual lower(const spec::fused_irb& l, const layer_names& names) {
        fused_inverted_residual b;
        b.residual = defaults_.residual(l, where_);
        convolution c = start(l, names(part::expand), names(part::expand_norm));
        c.kernel = l.kernel_size;
        c.stride = l.stride;
        c.groups = l.groups.value_or(1);
        c.act = defaults_.act(l);
        b.expand = finish(std::move(c), defaults_.expanded_width(l, where_), defaults_.padding(l));
        b.squeeze_excite = gate(l, names);
        b.project = project(l, names);
        return b;
    }

    tail lower(const spec::tail& l, const layer_names& names) {
        const bool hidden = defaults_.form(l) == spec::tail_form::conv_pool_conv_linear;
        const std::int64_t width = hidden ? l.mid_channels.value_or(1152) : l.out_channels;
        tail t;
        convolution c = start(l, names(part::conv), names(part::conv_norm));
        c.act = defaults_.act(l);
        t.convolution = finish(std::move(c), width, {});
        if (hidden) t.hidden = dense{names(part::hidden), width, l.out_channels, false, true, defaults_.act(l)};
        t.classifier = dense{names(part::classifier), l.out_channels, l.num_classes.value_or(1000)};
        return t;
    }

    template <class Layer>
    convolution project(const Layer& l, const layer_names& names) {
        convolution c = start(l, names(part::project), names(part::project_norm));
        c.groups = l.groups.value_or(1);
        ++residual_blocks_;
        return finish(std::move(c), l.out_channels, {});
    }

    /// Squeeze-excite on the current feature map.
    std::optional<squeeze_excite> gate(const spec::expansion_base& l, const layer_names& names) const {
        if (!l.use_se.value_or(false)) return std::nullopt;
        const std::int64_t width = now_.channels, squeezed = defaults_.squeezed_width(l, width, where_);
        squeeze_excite se;
        se.squeeze = dense{names(part::squeeze), width, squeezed, true, true, l.se_act.value_or(defaults_.act(l))};
        se.excite = dense{names(part::excite), squeezed, width, true, true, l.se_gate.value_or(activation::sigmoid)};
        return se;
    }

    /// A convolution of the current feature map; the caller fills in kernel, stride, groups and activation.
    template <class Layer>
    convolution start(const Layer& l, std::string weights, std::string norm) const {
        convolution c;
        c.weights = std::move(weights);
        c.norm = std::move(norm);
        c.input = now_;
        c.epsilon = defaults_.epsilon(l);
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
    defaults defaults_;
    features now_;
    std::int64_t parameters_ = 0;
    std::int64_t residual_blocks_ = 0;
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

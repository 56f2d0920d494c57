// Spec to graph, every implied number made explicit. What a spec leaves out is decided in defaults.hpp.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/defaults.hpp>
#include <gpunet/graph/lower_parts.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/limits.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/weights/names.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace gpunet::graph {

namespace detail {

/// Lowers layer after layer.
class lowering : part_lowering {
  public:
    using part_lowering::part_lowering;

    network run() {
        network out;
        out.input = now_;
        for (std::size_t i = 0; i < net_.layers.size(); ++i) {
            block b;
            b.layer = spec::layer_number(i);
            b.kind = spec::kind_name(net_.layers[i]);
            b.stage = spec::base_of(net_.layers[i]).stage;
            b.input = now_;
            where_ = spec::where(net_, i);
            count_stage(i);
            const auto* irb = std::get_if<spec::irb>(&net_.layers[i]);
            const layer_names names(defaults_.names(),
                                    {b.kind, !irb || !defaults_.skips_expansion(*irb), b.layer, b.stage,
                                     residual_blocks_, stages_ - 1, place_in_stage_},
                                    where_, out.other_names);
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
    /// Moves on to layer i within its stage, or to the next one.
    void count_stage(std::size_t i) {
        const bool first = i == 0 || is_stem(net_.layers[i - 1]);
        const bool begins = first || spec::base_of(net_.layers[i]).stage != spec::base_of(net_.layers[i - 1]).stage;
        if (begins && !is_stem(net_.layers[i])) ++stages_;
        place_in_stage_ = begins ? 0 : place_in_stage_ + 1;
    }
    static bool is_stem(const spec::layer& l) {
        return std::holds_alternative<spec::head>(l) || std::holds_alternative<spec::head_large>(l);
    }

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
        const bool residual = defaults_.residual(l, where_);
        c.adds_last = residual && c.act != activation::identity;
        return {finish(std::move(c), l.out_channels, defaults_.padding(l)), residual};
    }

    inverted_residual lower(const spec::irb& l, const layer_names& names) {
        inverted_residual b;
        b.residual = defaults_.residual(l, where_);
        if (!defaults_.skips_expansion(l)) b.expand = expansion(l, names);
        b.depthwise = depthwise(l, names, l.kernel_size, l.stride, defaults_.padding(l));
        b.squeeze_excite = gate(l, names, l.expansion);
        b.project = project(l, names);
        return b;
    }

    inverted_residual lower(const spec::separable& l, const layer_names& names) {
        inverted_residual b;
        b.residual = defaults_.residual(l, where_);
        std::int64_t kernel = l.kernel_size;
        spec::padding padding = defaults_.padding(l);
        double expansion = 1;
        if (l.space_to_depth.value_or(false)) {
            convolution c = start(l, names(part::entry), names(part::entry_norm));
            c.kernel = c.stride = 2;
            c.act = defaults_.act(l);
            expansion = 4;
            b.entry = finish(std::move(c), 4 * l.in_channels, spec::padding_rule::same);
            b.residual = b.residual && l.residual.value_or(false);
            if (b.residual) throw spec_error(where_ + ": residual: expected none beside space_to_depth, found true");
            kernel = (kernel + 1) / 2;
            if (kernel % 2 == 0) padding = spec::padding_rule::same;
        }
        b.depthwise = depthwise(l, names, kernel, l.stride, padding);
        b.squeeze_excite = gate(l, names, expansion);
        b.project = project(l, names);
        return b;
    }

    /// The stride is that of the middle convolution, or else of the one before the expansion.
    inverted_residual lower(const spec::uib& l, const layer_names& names) {
        inverted_residual b;
        b.residual = defaults_.residual(l, where_);
        const std::int64_t start_kernel = l.start_kernel_size.value_or(0);
        if (l.kernel_size == 0 && start_kernel == 0 && l.stride > 1)
            throw spec_error(where_ + ": stride: expected 1 where both kernels are 0, found " +
                             std::to_string(l.stride));
        if (start_kernel > 0) {
            convolution c = start(l, names(part::entry), names(part::entry_norm));
            c.kernel = start_kernel;
            c.stride = l.kernel_size > 0 ? 1 : l.stride;
            c.groups = c.input.channels;
            b.entry = finish(std::move(c), l.in_channels, defaults_.padding(l));
        }
        b.expand = expansion(l, names);
        if (l.kernel_size > 0) b.depthwise = depthwise(l, names, l.kernel_size, l.stride, defaults_.padding(l));
        b.squeeze_excite = gate(l, names, l.expansion);
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
        b.squeeze_excite = gate(l, names, l.expansion);
        b.project = project(l, names);
        return b;
    }

    tail lower(const spec::tail& l, const layer_names& names) {
        using spec::tail_form;
        const tail_form form = defaults_.form(l);
        const std::int64_t width =
            form == tail_form::conv_pool_conv_linear ? l.mid_channels.value_or(1152) : l.out_channels;
        tail t;
        t.input = now_;
        if (form != tail_form::pool_conv_linear) {
            convolution c = start(l, names(part::conv), names(part::conv_norm));
            c.act = defaults_.act(l);
            t.convolution = finish(std::move(c), width, {});
        }
        if (form != tail_form::conv_pool_linear) {
            t.hidden = dense{names(part::hidden), now_.channels, l.out_channels, false, true, defaults_.act(l)};
            if (l.pooled_norm.value_or(false)) {
                t.hidden->norm = names(part::hidden_norm);
                t.hidden->epsilon = defaults_.epsilon(l);
            }
        }
        t.classifier = dense{names(part::classifier), l.out_channels, l.num_classes.value_or(1000)};
        return t;
    }

    std::int64_t parameters_ = 0;
    std::int64_t stages_ = 0, place_in_stage_ = 0;
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

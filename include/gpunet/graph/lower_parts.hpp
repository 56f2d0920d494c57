// The parts that layers lower to, every implied number made explicit.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/error.hpp>
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

namespace gpunet::graph::detail {

using gpunet::detail::layer_names;
using gpunet::detail::part;

/// Carries the feature map's size along. Errors begin with `where_`.
class part_lowering {
  public:
    part_lowering(const spec::network& net, extent2 size, const limits& caps)
        : net_(net), caps_(caps), defaults_(net.data), now_{spec::base_of(net.layers.front()).in_channels, size} {}

  protected:
    template <class Layer>
    convolution expansion(const Layer& l, const layer_names& names) {
        convolution c = start(l, names(part::expand), names(part::expand_norm));
        c.groups = l.groups.value_or(1);
        c.act = defaults_.act(l);
        return finish(std::move(c), defaults_.expanded_width(l, where_), {});
    }

    template <class Layer>
    convolution depthwise(const Layer& l, const layer_names& names, std::int64_t kernel, std::int64_t stride,
                          const spec::padding& padding) {
        convolution c = start(l, names(part::depthwise), names(part::depthwise_norm));
        const std::int64_t width = c.input.channels;
        c.kernel = kernel;
        c.stride = stride;
        c.groups = width;
        c.act = defaults_.act(l);
        return finish(std::move(c), width, padding);
    }

    template <class Layer>
    convolution project(const Layer& l, const layer_names& names) {
        convolution c = start(l, names(part::project), names(part::project_norm));
        c.groups = l.groups.value_or(1);
        ++residual_blocks_;
        return finish(std::move(c), l.out_channels, {});
    }

    /// Squeeze-excite on the current feature map, whose channels are the block's input times `expansion`.
    std::optional<squeeze_excite> gate(const spec::expansion_base& l, const layer_names& names,
                                       double expansion) const {
        if (!l.use_se.value_or(false)) return std::nullopt;
        const std::int64_t width = now_.channels;
        const std::int64_t squeezed = defaults_.squeezed_width(l, width, expansion, where_);
        squeeze_excite se;
        se.squeeze = dense{names(part::squeeze), width, squeezed, true, true, defaults_.squeeze_act(l)};
        se.excite = dense{names(part::excite), squeezed, width, true, true, defaults_.gate(l)};
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
    std::int64_t residual_blocks_ = 0;
    std::string where_;
};

} // namespace gpunet::graph::detail

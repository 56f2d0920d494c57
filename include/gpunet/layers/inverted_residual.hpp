// The inverted residual block (Sandler et al. 2018): 1x1 expansion, depthwise convolution, optional squeeze-excite,
// 1x1 projection, and the input added where the block keeps its shape.
#pragma once

#include <gpunet/layers/conv_bn_act.hpp>
#include <gpunet/layers/squeeze_excite.hpp>

#include <optional>

namespace gpunet {

/// input N, C, H, W; output N, K, OH, OW.
template <backend B>
class inverted_residual {
  public:
    using value_type = value<typename B::layout>;

    inverted_residual(planner<B>& plan, const graph::inverted_residual& block, const value_type& input)
        : expand_(block.expand ? std::optional<conv_bn_act<B>>(std::in_place, plan, *block.expand, input)
                               : std::nullopt),
          depthwise_(plan, block.depthwise, expand_ ? expand_->output() : input),
          squeeze_excite_(block.squeeze_excite
                              ? std::optional<gpunet::squeeze_excite<B>>(std::in_place, plan, *block.squeeze_excite,
                                                                         block.depthwise.output, depthwise_.output())
                              : std::nullopt),
          project_(plan, block.project, squeeze_excite_ ? squeeze_excite_->output() : depthwise_.output(),
                   block.residual ? std::optional(input) : std::nullopt) {}

    const value_type& output() const noexcept { return project_.output(); }

    void run(typename B::memory& memory) const {
        if (expand_) expand_->run(memory);
        depthwise_.run(memory);
        if (squeeze_excite_) squeeze_excite_->run(memory);
        project_.run(memory);
    }

  private:
    std::optional<conv_bn_act<B>> expand_;
    conv_bn_act<B> depthwise_;
    std::optional<gpunet::squeeze_excite<B>> squeeze_excite_;
    conv_bn_act<B> project_;
};

} // namespace gpunet

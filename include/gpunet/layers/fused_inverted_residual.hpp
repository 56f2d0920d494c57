// The fused inverted residual block, fused MBConv (Gupta, Tan 2019): a k x k convolution does expansion and filtering
// at once; then optional squeeze-excite, 1x1 projection, and the input added where the block keeps its shape.
#pragma once

#include <gpunet/layers/conv_bn_act.hpp>
#include <gpunet/layers/squeeze_excite.hpp>

#include <optional>

namespace gpunet {

/// input N, C, H, W; output N, K, OH, OW.
template <backend B>
class fused_inverted_residual {
  public:
    using value_type = value<typename B::layout>;

    fused_inverted_residual(planner<B>& plan, const graph::fused_inverted_residual& block, const value_type& input)
        : expand_(plan, block.expand, input),
          squeeze_excite_(block.squeeze_excite
                              ? std::optional<gpunet::squeeze_excite<B>>(std::in_place, plan, *block.squeeze_excite,
                                                                         block.expand.output, expand_.output())
                              : std::nullopt),
          project_(plan, block.project, squeeze_excite_ ? squeeze_excite_->output() : expand_.output(),
                   block.residual ? std::optional(input) : std::nullopt) {}

    const value_type& output() const noexcept { return project_.output(); }

    void run(typename B::memory& memory) const {
        expand_.run(memory);
        if (squeeze_excite_) squeeze_excite_->run(memory);
        project_.run(memory);
    }

  private:
    conv_bn_act<B> expand_;
    std::optional<gpunet::squeeze_excite<B>> squeeze_excite_;
    conv_bn_act<B> project_;
};

} // namespace gpunet

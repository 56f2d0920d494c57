// The inverted residual block (Sandler et al. 2018): 1x1 expansion, depthwise convolution, optional squeeze-excite,
// 1x1 projection, and the input added where the block keeps its shape. Also its relatives with a convolution before the
// expansion, and without some of these.
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

    inverted_residual(planner<B>& plan, const graph::inverted_residual& block, const value_type& input) {
        value_type now = input;
        const auto place = [&](std::optional<conv_bn_act<B>>& part, const std::optional<graph::convolution>& c) {
            if (c) now = part.emplace(plan, *c, now).output();
        };
        place(entry_, block.entry);
        place(expand_, block.expand);
        place(depthwise_, block.depthwise);
        if (block.squeeze_excite)
            now = squeeze_excite_.emplace(plan, *block.squeeze_excite, block.project.input, now).output();
        project_.emplace(plan, block.project, now, block.residual ? std::optional(input) : std::nullopt);
    }

    const value_type& output() const noexcept { return project_->output(); }

    void run(typename B::memory& memory) const {
        if (entry_) entry_->run(memory);
        if (expand_) expand_->run(memory);
        if (depthwise_) depthwise_->run(memory);
        if (squeeze_excite_) squeeze_excite_->run(memory);
        project_->run(memory);
    }

  private:
    std::optional<conv_bn_act<B>> entry_, expand_, depthwise_;
    std::optional<gpunet::squeeze_excite<B>> squeeze_excite_;
    std::optional<conv_bn_act<B>> project_;
};

} // namespace gpunet

// The network's entrance: one convolution, or a few in a row, on the picture.
#pragma once

#include <gpunet/layers/conv_bn_act.hpp>

#include <vector>

namespace gpunet {

/// input N, 3, H, W; output N, K, OH, OW.
template <backend B>
class stem {
  public:
    using value_type = value<typename B::layout>;

    stem(planner<B>& plan, const graph::stem& block, const value_type& input) {
        for (const graph::convolution& c : block.convolutions)
            convolutions_.emplace_back(plan, c, convolutions_.empty() ? input : convolutions_.back().output());
    }

    const value_type& output() const noexcept { return convolutions_.back().output(); }

    void run(typename B::memory& memory) const {
        for (const auto& c : convolutions_) c.run(memory);
    }

  private:
    std::vector<conv_bn_act<B>> convolutions_;
};

} // namespace gpunet

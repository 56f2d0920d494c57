// The network's exit: an optional 1x1 convolution, global mean, an optional hidden matrix product, classifier.
#pragma once

#include <gpunet/layers/conv_bn_act.hpp>

#include <optional>

namespace gpunet {

/// input N, C, H, W; output N, classes.
template <backend B>
class tail {
  public:
    using value_type = value<typename B::layout>;

    tail(planner<B>& plan, const graph::tail& block, const value_type& input)
        : convolution_(block.convolution ? std::optional<conv_bn_act<B>>(std::in_place, plan, *block.convolution, input)
                                         : std::nullopt),
          mean_(plan.place(global_mean{block.convolution ? block.convolution->output : block.input},
                           convolution_ ? convolution_->output() : input)),
          hidden_(block.hidden ? std::optional(plan.place(*block.hidden, mean_.output())) : std::nullopt),
          classifier_(plan.place(block.classifier, hidden_ ? hidden_->output() : mean_.output())) {}

    const value_type& output() const noexcept { return classifier_.output(); }

    void run(typename B::memory& memory) const {
        if (convolution_) convolution_->run(memory);
        mean_.run(memory);
        if (hidden_) hidden_->run(memory);
        classifier_.run(memory);
    }

  private:
    std::optional<conv_bn_act<B>> convolution_;
    placed<B> mean_;
    std::optional<placed<B>> hidden_;
    placed<B> classifier_;
};

} // namespace gpunet

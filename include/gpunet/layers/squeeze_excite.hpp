// Squeeze-excite (Hu et al. 2018): each channel scaled by a gate computed from the means of all channels.
#pragma once

#include <gpunet/layers/planner.hpp>

namespace gpunet {

/// input and output N, C, H, W.
template <backend B>
class squeeze_excite {
  public:
    using value_type = value<typename B::layout>;

    squeeze_excite(planner<B>& plan, const graph::squeeze_excite& se, const graph::features& features,
                   const value_type& input)
        : mean_(plan.place(global_mean{features}, input)), squeeze_(plan.place(se.squeeze, mean_.output())),
          excite_(plan.place(se.excite, squeeze_.output())),
          gate_(plan.place(channel_gate{features, se.excite.weights, plan.weights().at(se.excite.weights).output_scale},
                           input, excite_.output())) {}

    const value_type& output() const noexcept { return gate_.output(); }

    void run(typename B::memory& memory) const {
        mean_.run(memory);
        squeeze_.run(memory);
        excite_.run(memory);
        gate_.run(memory);
    }

  private:
    placed<B> mean_;
    placed<B> squeeze_;
    placed<B> excite_;
    placed<B> gate_;
};

} // namespace gpunet

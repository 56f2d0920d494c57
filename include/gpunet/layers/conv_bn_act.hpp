// Convolution, folded batch norm, optional residual, activation: one fused operation of the backend.
#pragma once

#include <gpunet/layers/planner.hpp>

#include <optional>
#include <utility>

namespace gpunet {

/// input N, C, H, W; residual, if given, and output N, K, OH, OW. The residual is added before the activation, or after
/// it where the graph says so.
template <backend B>
class conv_bn_act {
  public:
    using value_type = value<typename B::layout>;

    conv_bn_act(planner<B>& plan, const graph::convolution& c, const value_type& input,
                const std::optional<value_type>& residual = std::nullopt)
        : convolution_(plan.place(c, input, residual)) {}

    const value_type& output() const noexcept { return convolution_.output(); }

    void run(typename B::memory& memory) const { convolution_.run(memory); }

  private:
    placed<B> convolution_;
};

} // namespace gpunet

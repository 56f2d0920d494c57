// Blocks of the GPU backend, fused across their parts where that saves launches or passes over memory.
#pragma once

#include <gpunet/cudnn/backend.hpp>
#include <gpunet/layers/conv_bn_act.hpp>
#include <gpunet/layers/fused_inverted_residual.hpp>
#include <gpunet/layers/inverted_residual.hpp>
#include <gpunet/layers/squeeze_excite.hpp>

#include <optional>
#include <vector>

namespace gpunet {

/// Mean and first product read the sums that came with the map, or are made here; the second product and the scaling
/// are one kernel. Two or three launches instead of four, and the map is read once less.
template <class T>
class squeeze_excite<cudnn::backend<T>> {
  public:
    using backend_type = cudnn::backend<T>;
    using value_type = value<cudnn::layout>;

    squeeze_excite(planner<backend_type>& plan, const graph::squeeze_excite& se, const graph::features& features,
                   const value_type& input)
        : sums_(input.layout.rows > 0 ? std::nullopt : std::optional(plan.place(global_mean{features}, input))),
          squeeze_(plan.place(se.squeeze, sums_ ? sums_->output() : input)),
          gate_(plan.place_special(cudnn::excite_and_gate{se.excite, features}, {input, squeeze_.output()})) {}

    const value_type& output() const noexcept { return gate_.output(); }

    void run(cudnn::memory& memory) const {
        if (sums_) sums_->run(memory);
        squeeze_.run(memory);
        gate_.run(memory);
    }

  private:
    std::optional<placed<backend_type>> sums_;
    placed<backend_type> squeeze_;
    placed<backend_type> gate_;
};

/// The depthwise convolution applies the expansion's activation as it reads, where cuDNN would have to compile a kernel
/// for it, and sums its outputs for squeeze-excite on the way out.
template <class T>
class inverted_residual<cudnn::backend<T>> {
  public:
    using backend_type = cudnn::backend<T>;
    using value_type = value<cudnn::layout>;

    inverted_residual(planner<backend_type>& plan, const graph::inverted_residual& block, const value_type& input) {
        value_type now = input;
        if (block.entry) now = entry_.emplace(plan.place(*block.entry, now)).output();
        if (block.expand) now = expand_.emplace(expand(plan, block, now)).output();
        if (block.depthwise) now = depthwise_.emplace(depthwise(plan, block, now)).output();
        if (block.squeeze_excite)
            now = squeeze_excite_.emplace(plan, *block.squeeze_excite, block.project.input, now).output();
        project_ = plan.place(block.project, now, block.residual ? std::optional(input) : std::nullopt);
    }

    const value_type& output() const noexcept { return project_.output(); }

    void run(cudnn::memory& memory) const {
        for (const auto* part : {&entry_, &expand_, &depthwise_})
            if (*part) (*part)->run(memory);
        if (squeeze_excite_) squeeze_excite_->run(memory);
        project_.run(memory);
    }

  private:
    using piece = placed<backend_type>;

    static piece expand(planner<backend_type>& plan, const graph::inverted_residual& block, const value_type& input) {
        const graph::convolution& c = *block.expand;
        const bool fused = c.act == activation::identity || c.act == activation::relu || c.groups > 1;
        return fused || !block.depthwise ? plan.place(c, input) : plan.place_special(cudnn::deferred{c}, {input});
    }
    static piece depthwise(planner<backend_type>& plan, const graph::inverted_residual& block,
                           const value_type& input) {
        const graph::convolution& c = *block.depthwise;
        const bool sums = block.squeeze_excite && c.depthwise() && c.kernel <= 7;
        return sums ? plan.place_special(cudnn::depthwise_with_sums{c}, {input}) : plan.place(c, input);
    }

    std::optional<piece> entry_, expand_, depthwise_;
    std::optional<gpunet::squeeze_excite<backend_type>> squeeze_excite_;
    piece project_;
};

} // namespace gpunet

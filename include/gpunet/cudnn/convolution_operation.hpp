// A convolution by cuDNN, or by a kernel of ours that was faster on this device; what cuDNN cannot fuse is done after
// it by a kernel of ours, what it cannot do at all by another.
#pragma once

#include <gpunet/cuda/kernels/convolution.hpp>
#include <gpunet/cuda/kernels/implicit_gemm.hpp>
#include <gpunet/cuda/kernels/pointwise.hpp>
#include <gpunet/cudnn/convolution.hpp>
#include <gpunet/cudnn/device_weights.hpp>
#include <gpunet/cudnn/gemm.hpp>
#include <gpunet/cudnn/kernel_operation.hpp>
#include <gpunet/cudnn/plan.hpp>
#include <gpunet/cudnn/session.hpp>
#include <gpunet/cudnn/step.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/fold.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// Folding may make numbers that half precision cannot hold. @throws unsupported_error naming the weights
inline void check_range(const std::string& name, std::span<const float> weights, cuda::element type) {
    if (type != cuda::element::float16) return;
    for (const float w : weights)
        if (!(std::abs(w) < 65520.0F))
            throw unsupported_error(name + ": expected weights that fp16 can hold (up to 65504), found " +
                                    std::to_string(w) + "; use bf16");
}

/// Operands: the input; the residual, if there is one. A residual that is added after the activation is added by a
/// kernel of ours: cuDNN's precompiled engines have the other order only.
class convolution_operation final : public operation {
  public:
    /// @param weights  must live as long as the cache
    convolution_operation(session& s, cuda::element type, std::int64_t n, const graph::convolution& c,
                          const folded& weights, device_weights& cache, bool residual, step_info info)
        : session_(s), type_(type), convolution_(c), n_(n), weights_(weights), cache_(cache), info_(std::move(info)) {
        problem_.type = type;
        problem_.tf32 = type == cuda::element::float32 && s.options().tf32;
        problem_.n = n;
        problem_.c = padded(c.input.channels);
        problem_.h = c.input.size.height;
        problem_.w = c.input.size.width;
        problem_.k = padded(c.output.channels);
        problem_.oh = c.output.size.height;
        problem_.ow = c.output.size.width;
        problem_.kernel = c.kernel;
        problem_.stride = c.stride;
        problem_.padding = c.padding;
        problem_.act = c.act;
        adds_last_ = residual && c.adds_last;
        problem_.residual = residual && !adds_last_;
        if (c.groups > 1) return; // padded groups are no longer groups
        if (s.options().implicit_gemm && !s.options().tune) gemm_ = gemm_of(problem_, s.target().model());
        if (!gemm_) future_ = s.plans().get(problem_);
        filters_ = cache.get(s, c.weights + " filters", [c, &weights, type] {
            check_range(c.weights, weights.weights, type);
            return cuda::kernels::pack_filters(type, c.output.channels, c.input.channels, c.kernel, weights.weights);
        });
        bias_ = bias(bias_type(problem_));
    }

    void run(memory& m, const step_slots& slots) const override {
        resolve();
        void* const y = m.at(slots.output);
        void* const x = m.at(slots.operands[0]);
        void* const residual = problem_.residual ? m.at(slots.operands[1]) : nullptr;
        if (plan_)
            run_plan(m, slots, x, residual, y);
        else if (gemm_)
            run_kernel<void>(*gemm_, m, x, residual, y);
        else
            run_kernel<float>(*direct_, m, x, residual, y);
        if (!sum_) return;
        auto p = cuda::kernels::parameters(*sum_);
        p.input = p.output = y;
        p.residual = m.at(slots.operands[1]);
        launch(m, cuda::kernels::describe(*sum_), sum_module_, p);
    }

    step_info info() const override {
        step_info i = info_;
        try {
            resolve();
        } catch (const error& e) {
            if (session_.present()) throw;
            i.status = std::string("no plan: ") + e.what();
            return i;
        }
        if (plan_) {
            i.implementation = "cuDNN " + plan_->engine() + (after_ ? ", then kernel pointwise" : "");
            i.workspace = plan_->workspace();
            if (plan_->status() != plan_status::ready) i.status = "compiled, not loaded";
        } else {
            i.implementation = gemm_ ? "kernel implicit_gemm " + gemm_->tile.text() : "kernel convolution";
            if (!reason_.empty()) i.status += "; " + reason_;
        }
        if (sum_) i.implementation += ", then kernel pointwise";
        return i;
    }

    std::size_t workspace() const override {
        static_cast<void>(info()); // waits
        return plan_ ? plan_->workspace() : 0;
    }

  private:
    void run_plan(memory& m, const step_slots& slots, void* x, void* residual, void* y) const {
        std::array<binding, 5> tensors = {{{uid::x, x},
                                           {uid::w, const_cast<std::byte*>(address<std::byte>(filters_))},
                                           {uid::y, y},
                                           {uid::bias, const_cast<std::byte*>(address<std::byte>(bias_))},
                                           {uid::residual, residual}}};
        session_.execute(*plan_, m.recording()->get(), std::span(tensors).first(residual ? 5 : 4),
                         plan_->workspace() > 0 ? m.at(*slots.workspace) : nullptr);
        if (!after_) return;
        auto p = cuda::kernels::parameters(*after_);
        p.input = p.output = y;
        launch(m, cuda::kernels::describe(*after_), module_, p);
    }

    void resolve() const {
        std::call_once(resolved_, [&] {
            if (future_.valid()) choose();
            if (gemm_) module_ = session_.kernel(cuda::kernels::describe(*gemm_));
            if (!plan_ && !gemm_) use_direct_kernel();
            if (adds_last_) {
                cuda::kernels::pointwise& p = sum_.emplace(output_map());
                p.residual = true;
                sum_module_ = session_.kernel(cuda::kernels::describe(p));
            }
            for (const pending_module& m : {module_, sum_module_})
                if (m.valid()) m.get();
            filters_.get();
            bias_.get();
        });
    }

    /// Waits for the fused plan, or what is faster; without one, for the convolution alone and a kernel for its
    /// activation; without that, takes the kernel on tensor cores, where it can.
    void choose() const {
        stored_plan found = future_.get();
        if (!found.plan && found.rival.empty() && problem_.act != activation::identity) {
            convolution_problem plain = problem_;
            plain.act = activation::identity;
            found = session_.plans().get(plain).get();
            if (found.plan) {
                cuda::kernels::pointwise& p = after_.emplace(output_map());
                p.act = problem_.act;
                module_ = session_.kernel(cuda::kernels::describe(p));
            }
        }
        plan_ = found.plan;
        reason_ = found.reason;
        const bool refused = session_.present() && session_.options().tune && found.rival.empty();
        if (plan_ || refused) return;
        gemm_ = gemm_of(problem_, session_.target().model());
        if (!gemm_) return;
        for (const cuda::kernels::gemm_tile& tile : tiles(*gemm_))
            if (tile.text() == found.rival) gemm_->tile = tile;
    }

    void use_direct_kernel() const {
        cuda::kernels::convolution& d = direct_.emplace();
        d.type = type_;
        d.n = n_;
        d.channels = convolution_.input.channels;
        d.height = problem_.h;
        d.width = problem_.w;
        d.output_channels = convolution_.output.channels;
        d.output_height = problem_.oh;
        d.output_width = problem_.ow;
        d.kernel = problem_.kernel;
        d.stride = problem_.stride;
        d.top = problem_.padding.top;
        d.left = problem_.padding.left;
        d.groups = convolution_.groups;
        d.act = problem_.act;
        d.residual = problem_.residual;
        module_ = session_.kernel(cuda::kernels::describe(d));
        filters_ =
            cache_.get(session_, convolution_.weights + " direct", [d, name = convolution_.weights, &w = weights_] {
                check_range(name, w.weights, d.type);
                return cuda::kernels::pack_weights(d, w.weights);
            });
        bias_ = bias(cuda::element::float32);
    }

    /// Something to be done to each element of the output.
    cuda::kernels::pointwise output_map() const {
        cuda::kernels::pointwise p;
        p.type = type_;
        p.n = n_;
        p.channels = convolution_.output.channels;
        p.height = problem_.oh;
        p.width = problem_.ow;
        return p;
    }

    pending_weights bias(cuda::element of) const {
        return cache_.get(session_, convolution_.weights + " bias " + std::string(name_of(of)),
                          [name = convolution_.weights, channels = convolution_.output.channels, of, &w = weights_] {
                              check_range(name + ".bias", w.bias, of);
                              std::vector<float> values = w.bias;
                              values.resize(static_cast<std::size_t>(padded(channels)));
                              return cuda::kernels::detail::to_bytes(values, of);
                          });
    }

    /// @tparam Bias  what the kernel's parameter points to
    template <class Bias, class Kernel>
    void run_kernel(const Kernel& k, memory& m, const void* x, const void* residual, void* y) const {
        auto p = cuda::kernels::parameters(k);
        p.input = x;
        p.weights = address<std::byte>(filters_);
        p.bias = address<Bias>(bias_);
        p.residual = residual;
        p.output = y;
        launch(m, cuda::kernels::describe(k), module_, p);
    }

    session& session_;
    cuda::element type_;
    graph::convolution convolution_;
    std::int64_t n_;
    const folded& weights_;
    device_weights& cache_;
    step_info info_;
    convolution_problem problem_;
    bool adds_last_ = false;
    std::shared_future<stored_plan> future_;
    mutable std::once_flag resolved_;
    mutable std::shared_ptr<const plan> plan_;
    mutable std::string reason_; // that there is none
    mutable std::optional<cuda::kernels::pointwise> after_, sum_;
    mutable std::optional<cuda::kernels::implicit_gemm> gemm_;
    mutable std::optional<cuda::kernels::convolution> direct_;
    mutable pending_module module_, sum_module_;
    mutable pending_weights filters_, bias_;
};

} // namespace gpunet::cudnn

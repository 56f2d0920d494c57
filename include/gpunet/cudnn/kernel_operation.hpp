// A step that launches one kernel of ours.
#pragma once

#include <gpunet/cuda/kernel.hpp>
#include <gpunet/cuda/kernels/launch.hpp>
#include <gpunet/cudnn/device_weights.hpp>
#include <gpunet/cudnn/session.hpp>
#include <gpunet/cudnn/step.hpp>
#include <gpunet/error.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// A launch of ours onto the stream that a memory records.
template <class Parameters>
void launch(memory& m, const cuda::kernels::kernel_launch& k, const pending_module& module, const Parameters& p) {
    cuda::launch(module.get()->kernel(std::string(k.name)), k.grid, k.block, k.shared_bytes, m.recording()->get(), &p,
                 m.device().options().programmatic);
}

/// @tparam Fill  makes the kernel's parameters for a run: Fill(memory&, const step_slots&) -> struct
template <class Fill>
class kernel_operation final : public operation {
  public:
    /// @param weights  what `fill` takes addresses of
    kernel_operation(session& s, cuda::kernels::kernel_launch launch, step_info info,
                     std::vector<pending_weights> weights, Fill fill)
        : present_(s.present()), launch_(std::move(launch)), module_(s.kernel(launch_)), info_(std::move(info)),
          weights_(std::move(weights)), fill_(std::move(fill)) {
        info_.implementation = "kernel " + std::string(launch_.name);
    }

    void run(memory& m, const step_slots& slots) const override { launch(m, launch_, module_, fill_(m, slots)); }

    step_info info() const override {
        step_info i = info_;
        try {
            module_.get();
            for (const pending_weights& w : weights_)
                if (w.valid()) w.get();
        } catch (const error& e) {
            if (present_) throw;
            i.status = std::string("no plan: ") + e.what();
        }
        return i;
    }

  private:
    bool present_;
    cuda::kernels::kernel_launch launch_;
    pending_module module_;
    step_info info_;
    std::vector<pending_weights> weights_;
    Fill fill_;
};

template <class Fill>
std::shared_ptr<const operation> make_kernel_operation(session& s, cuda::kernels::kernel_launch launch, step_info info,
                                                       std::vector<pending_weights> weights, Fill fill) {
    return std::make_shared<const kernel_operation<Fill>>(s, std::move(launch), std::move(info), std::move(weights),
                                                          std::move(fill));
}

} // namespace gpunet::cudnn

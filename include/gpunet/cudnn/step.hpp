// A planned operation of the GPU.
#pragma once

#include <gpunet/cudnn/memory.hpp>
#include <gpunet/layers/backend.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace gpunet::cudnn {

/// What a step does. Immutable once it is ready; shared by all contexts of a plan.
class operation {
  public:
    operation() = default;
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    virtual ~operation() = default;

    /// Emits the work to the memory's recording stream.
    virtual void run(memory&, const step_slots&) const = 0;
    /// Waits for what is prepared in the background.
    /// @throws unsupported_error, cudnn_error, cuda_error if that failed; planning without a device, status says so
    virtual step_info info() const = 0;
    virtual std::size_t workspace() const { return 0; }
};

class step {
  public:
    explicit step(std::shared_ptr<const operation> what) : what_(std::move(what)) {}

    void run(memory& m, const step_slots& slots) const { what_->run(m, slots); }
    step_info info() const { return what_->info(); }

  private:
    std::shared_ptr<const operation> what_;
};

} // namespace gpunet::cudnn

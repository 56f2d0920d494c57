// A convolution of our own, ready to run.
#pragma once

#include <gpunet/cpu/threads.hpp>

namespace gpunet::cpu::jit {

/// Immutable; any number of threads may run it at a time.
class operation {
  public:
    virtual ~operation() = default;

    /// @param residual  null if there is none; may be the output
    virtual void run(const openmp& runtime, int threads, const float* input, const float* residual,
                     float* output) const noexcept = 0;
};

} // namespace gpunet::cpu::jit

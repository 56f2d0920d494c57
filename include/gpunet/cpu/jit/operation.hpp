// An operation of our own, ready to run.
#pragma once

#include <gpunet/cpu/thread_team.hpp>

#include <cstddef>

namespace gpunet::cpu::jit {

struct operands {
    const std::byte* input = nullptr;
    const std::byte* second =
        nullptr; // a residual, which may be the output, or a gate's factors; null if there is none
    std::byte* output = nullptr;
    std::byte* workspace = nullptr;
};

/// Immutable; any number of threads may run it at a time.
class operation {
  public:
    virtual ~operation() = default;

    /// Of the kernel: "gpunet:avx512".
    virtual const char* name() const noexcept { return "gpunet:avx512"; }
    /// Bytes a run needs.
    virtual std::size_t workspace() const noexcept { return 0; }
    virtual void run(const thread_team& team, const operands& o) const noexcept = 0;
};

} // namespace gpunet::cpu::jit

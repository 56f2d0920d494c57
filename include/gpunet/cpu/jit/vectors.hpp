// The global mean and the gate on maps of float32 in blocks of 16 channels, and vectors out of such blocks.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/jit/vector_code.hpp>
#include <gpunet/graph/network.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace gpunet::cpu::jit {

/// N, C, H, W to N, C.
class mean_operation : public operation {
  public:
    mean_operation(std::int64_t batch, const graph::features& f, code_cache& cache)
        : blocks_(batch * blocks_of(f.channels)), pixels_(pixels_of(f)), code_(cache.code<mean_code>({pixels_})) {}

    void run(const thread_team& team, const operands& o) const noexcept override {
        team.for_each(blocks_, [&](int, std::int64_t i) {
            vector_arguments a;
            a.input = o.input + i * pixels_ * block_bytes;
            a.output = o.output + i * block_bytes;
            a.factor = 1.0F / static_cast<float>(pixels_);
            (*code_)(a);
        });
    }

  private:
    std::int64_t blocks_, pixels_;
    std::shared_ptr<const mean_code> code_;
};

/// N, C, H, W times N, C, in place.
class gate_operation : public operation {
  public:
    gate_operation(std::int64_t batch, const graph::features& f, code_cache& cache)
        : blocks_(batch * blocks_of(f.channels)), pixels_(pixels_of(f)), code_(cache.code<gate_code>({pixels_})) {}

    void run(const thread_team& team, const operands& o) const noexcept override {
        team.for_each(blocks_, [&](int, std::int64_t i) {
            vector_arguments a;
            a.input = o.input + i * pixels_ * block_bytes;
            a.output = o.output + i * pixels_ * block_bytes;
            a.gate = o.second + i * block_bytes;
            (*code_)(a);
        });
    }

  private:
    std::int64_t blocks_, pixels_;
    std::shared_ptr<const gate_code> code_;
};

/// N, C from blocks of 16 channels to one after another.
class unblock_vector_operation : public operation {
  public:
    unblock_vector_operation(std::int64_t batch, std::int64_t channels) : batch_(batch), channels_(channels) {}

    const char* name() const noexcept override { return "gpunet:copy"; }
    void run(const thread_team&, const operands& o) const noexcept override {
        for (std::int64_t n = 0; n < batch_; ++n)
            std::memcpy(o.output + n * channels_ * 4, o.input + n * blocks_of(channels_) * block_bytes,
                        static_cast<std::size_t>(channels_) * 4);
    }

  private:
    std::int64_t batch_, channels_;
};

} // namespace gpunet::cpu::jit

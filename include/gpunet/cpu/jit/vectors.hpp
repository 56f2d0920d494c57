// The global mean and the gate on maps of float32 in blocks of 16 channels, and maps out of such blocks.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/jit/vector_code.hpp>
#include <gpunet/graph/network.hpp>

#include <algorithm>
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

/// N, C, H, W from blocks of 16 channels to plain.
class unblock_operation : public operation {
  public:
    unblock_operation(std::int64_t batch, const graph::features& f) : batch_(batch), features_(f) {}

    const char* name() const noexcept override { return "gpunet:copy"; }

    void run(const thread_team& team, const operands& o) const noexcept override {
        const std::int64_t blocks = blocks_of(features_.channels), pixels = pixels_of(features_);
        team.for_each(batch_ * blocks, [&](int, std::int64_t i) {
            const std::int64_t first = i % blocks * 16,
                               channels = std::min<std::int64_t>(16, features_.channels - first);
            const std::byte* from = o.input + i * pixels * block_bytes;
            std::byte* to = o.output + (i / blocks * features_.channels + first) * pixels * 4;
            for (std::int64_t p = 0; p < pixels; ++p)
                for (std::int64_t c = 0; c < channels; ++c)
                    std::memcpy(to + (c * pixels + p) * 4, from + (p * 16 + c) * 4, 4);
        });
    }

  private:
    std::int64_t batch_;
    graph::features features_;
};

} // namespace gpunet::cpu::jit

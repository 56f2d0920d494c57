// The global mean and the gate on maps of bytes.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/byte_vector_code.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/graph/network.hpp>

#include <cstdint>
#include <memory>

namespace gpunet::cpu::jit {

/// @tparam Code  for 16 channels of a picture
template <class Code>
class byte_vector_operation : public operation {
  public:
    byte_vector_operation(std::int64_t batch, const graph::features& f, code_cache& cache)
        : batch_(batch), features_(f), code_(cache.code<Code>({})) {}

    const char* name() const noexcept override { return "gpunet:avx512:int8"; }

    void run(const thread_team& team, const operands& o) const noexcept override {
        const std::int64_t sixteens = blocks_of(features_.channels), pixels = pixels_of(features_);
        team.for_each(batch_ * sixteens, [&](int, std::int64_t i) {
            const std::int64_t picture = i / sixteens, sixteen = i % sixteens;
            const std::int64_t block = picture * blocks_of(features_.channels, element::byte) + sixteen / 4;
            const std::int64_t place = block * pixels * block_bytes + sixteen % 4 * 16;
            byte_vector_arguments a;
            a.input = o.input + place;
            a.pixels = pixels;
            complete(a, o, place, i * block_bytes);
            (*code_)(a);
        });
    }

  protected:
    /// @param place  of the 16 channels on the map, and in a vector of float32 in such blocks; in bytes
    virtual void complete(byte_vector_arguments& a, const operands& o, std::int64_t place,
                          std::int64_t vector) const noexcept = 0;

  private:
    std::int64_t batch_;
    graph::features features_;
    std::shared_ptr<const Code> code_;
};

/// N, C, H, W in bytes to N, C in float32.
class byte_mean_operation : public byte_vector_operation<byte_mean_code> {
  public:
    byte_mean_operation(std::int64_t batch, const graph::features& f, float scale, code_cache& cache)
        : byte_vector_operation(batch, f, cache), scale_(scale), pixels_(pixels_of(f)) {}

  private:
    void complete(byte_vector_arguments& a, const operands& o, std::int64_t,
                  std::int64_t vector) const noexcept override {
        a.output = o.output + vector;
        a.scale = scale_ / static_cast<float>(pixels_);
        a.offset = static_cast<float>(zero_byte) * scale_;
    }

    float scale_;
    std::int64_t pixels_;
};

/// Bytes times float32 N, C, one factor a channel, to bytes in place.
class byte_gate_operation : public byte_vector_operation<byte_gate_code> {
  public:
    byte_gate_operation(std::int64_t batch, const graph::features& f, float input_scale, float output_scale,
                        code_cache& cache)
        : byte_vector_operation(batch, f, cache), ratio_(input_scale / output_scale) {}

  private:
    void complete(byte_vector_arguments& a, const operands& o, std::int64_t place,
                  std::int64_t vector) const noexcept override {
        a.output = o.output + place;
        a.gate = o.second + vector;
        a.ratio = ratio_;
    }

    float ratio_;
};

} // namespace gpunet::cpu::jit

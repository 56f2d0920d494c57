// Copies between maps of float32 in any of oneDNN's layouts and maps of bytes: at a network's edges, and beside
// operations that no code for bytes exists for.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/layout.hpp>
#include <gpunet/quantize/round.hpp>

#include <oneapi/dnnl/dnnl.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gpunet::cpu {

class byte_conversion : public jit::operation {
  public:
    /// @param floats  the layout of N, C, H, W in float32
    /// @param scale   of the bytes
    byte_conversion(const dnnl::memory::desc& floats, float scale, bool to_bytes)
        : floats_(floats), scale_(scale), to_bytes_(to_bytes) {}

    const char* name() const noexcept override { return "gpunet:int8"; }

    void run(const thread_team& team, const jit::operands& o) const noexcept override {
        const auto* const d = floats_.data.dims;
        team.for_each(d[0] * d[2], [&](int, std::int64_t i) {
            for (std::int64_t x = 0; x < d[3]; ++x)
                for (std::int64_t c = 0; c < d[1]; ++c) convert(i / d[2], c, i % d[2], x, o);
        });
    }

  private:
    void convert(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x, const jit::operands& o) const {
        using jit::element, jit::channels_of_block;
        const auto* const d = floats_.data.dims;
        const auto* const strides = floats_.data.format_desc.blocking.strides;
        const std::int64_t block = channel_block(floats_), each = channels_of_block(element::byte);
        const std::int64_t at_float =
            n * strides[0] + c / block * strides[1] + y * strides[2] + x * strides[3] + c % block;
        const std::int64_t at_byte =
            (((n * jit::blocks_of(d[1], element::byte) + c / each) * d[2] + y) * d[3] + x) * each + c % each;
        if (to_bytes_) {
            float value;
            std::memcpy(&value, o.input + at_float * 4, sizeof value);
            const float q = quantize::nearest(value, scale_);
            o.output[at_byte] = static_cast<std::byte>(static_cast<int>(q) + static_cast<int>(jit::zero_byte));
        } else {
            const float value =
                static_cast<float>(std::to_integer<int>(o.input[at_byte]) - static_cast<int>(jit::zero_byte)) * scale_;
            std::memcpy(o.output + at_float * 4, &value, sizeof value);
        }
    }

    dnnl::memory::desc floats_;
    float scale_;
    bool to_bytes_;
};

} // namespace gpunet::cpu

// Machine code (AVX-512) over all pixels of 16 channels of a map of float32: their mean, and their product with a gate.
#pragma once

#include <gpunet/cpu/jit/generator.hpp>
#include <gpunet/cpu/jit/row.hpp>

#include <xbyak/xbyak.h>

#include <compare>
#include <cstddef>
#include <cstdint>

namespace gpunet::cpu::jit {

struct vector_shape {
    std::int64_t pixels = 1;
    friend auto operator<=>(const vector_shape&, const vector_shape&) = default;
};

struct vector_arguments {
    const std::byte* input = nullptr; // of the first pixel; the next ones follow
    std::byte* output = nullptr;      // of the mean, 16 float32; of the gate like the input
    const std::byte* gate = nullptr;  // 16 float32
    float factor = 0;                 // of the mean: one over the number of pixels
};

class vector_code : public generator<vector_arguments> {
  public:
    using shape = vector_shape;

  protected:
    explicit vector_code(const shape& s) : shape_(s) {
        mov(input_, field(offsetof(vector_arguments, input)));
        mov(output_, field(offsetof(vector_arguments, output)));
    }

    static constexpr int at_once = 8; // pixels

    /// Calls body(i) for pixels i below at_once, and with input_ and, if wanted, output_ moved on, for all others.
    template <class Body>
    void for_each_pixel(bool moves_output, Body&& body) {
        const auto some = [&](std::int64_t count) {
            for (int i = 0; i < count; ++i) body(i);
        };
        if (const std::int64_t turns = shape_.pixels / at_once; turns > 0)
            repeat(turns_left_, turns, [&] {
                some(at_once);
                add_to(input_, at_once * block_bytes);
                if (moves_output) add_to(output_, at_once * block_bytes);
            });
        some(shape_.pixels % at_once);
    }
    void finish() {
        generator::finish([] {});
    }

    const reg input_ = r8, output_ = r9, gate_ = r10, turns_left_ = r11;
    shape shape_;
};

class mean_code : public vector_code {
  public:
    explicit mean_code(const shape& s) : vector_code(s) {
        for (int i = 0; i < at_once; ++i) vpxord(zmm(i), zmm(i), zmm(i));
        for_each_pixel(false, [&](int i) { vaddps(zmm(i), zmm(i), at(input_, i * block_bytes)); });
        for (int others = at_once / 2; others > 0; others /= 2)
            for (int i = 0; i < others; ++i) vaddps(zmm(i), zmm(i), zmm(i + others));
        vmulps(zmm(0), zmm(0), ptr_b[rdi + offsetof(vector_arguments, factor)]);
        vmovups(at(output_, 0), zmm(0));
        finish();
    }
};

class gate_code : public vector_code {
  public:
    explicit gate_code(const shape& s) : vector_code(s) {
        const zmm gate(at_once);
        mov(gate_, field(offsetof(vector_arguments, gate)));
        vmovups(gate, at(gate_, 0));
        for_each_pixel(true, [&](int i) {
            vmulps(zmm(i), gate, at(input_, i * block_bytes));
            vmovups(at(output_, i * block_bytes), zmm(i));
        });
        finish();
    }
};

} // namespace gpunet::cpu::jit

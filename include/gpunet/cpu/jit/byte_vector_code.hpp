// Machine code (AVX-512) over all pixels of 16 channels of a map of bytes: their mean, and their product with a gate.
#pragma once

#include <gpunet/cpu/jit/byte_code.hpp>
#include <gpunet/cpu/jit/generator.hpp>

#include <xbyak/xbyak.h>

#include <compare>
#include <cstddef>
#include <cstdint>

namespace gpunet::cpu::jit {

struct byte_vector_shape {
    friend auto operator<=>(const byte_vector_shape&, const byte_vector_shape&) = default;
};

struct byte_vector_arguments {
    const std::byte* input = nullptr; // of the first pixel; the next ones follow block_bytes apart
    std::byte* output = nullptr;      // of the mean, 16 float32; of the gate like the input
    const std::byte* gate = nullptr;  // 16 float32
    std::int64_t pixels = 1;
    float scale = 0;  // of the mean: the input's over the number of pixels
    float offset = 0; // of the mean: what the bytes' 128 add, as a real number
    float ratio = 0;  // of the gate: the input's scale over the output's
};

class byte_vector_code : public generator<byte_vector_arguments> {
  public:
    using shape = byte_vector_shape;

  protected:
    byte_vector_code() : bytes_(*this) {
        mov(input_, field(offsetof(byte_vector_arguments, input)));
        mov(output_, field(offsetof(byte_vector_arguments, output)));
        mov(pixels_left_, field(offsetof(byte_vector_arguments, pixels)));
    }

    template <class Body>
    void for_each_pixel(Body&& body) {
        Xbyak::Label next;
        L(next);
        body();
        add_to(input_, block_bytes);
        close_loop(pixels_left_, next);
    }
    Xbyak::Address all_lanes(std::size_t offset) const { return ptr_b[rdi + offset]; }
    void finish() {
        generator::finish([this] { bytes_.emit_constants(); });
    }

    const reg input_ = r8, output_ = r9, gate_ = r10, pixels_left_ = r11;
    byte_code bytes_;
};

class byte_mean_code : public byte_vector_code {
  public:
    explicit byte_mean_code(const shape&) {
        const zmm sum(0), x(1);
        vpxord(sum, sum, sum);
        for_each_pixel([&] {
            vpmovzxbd(x, ptr[input_]);
            vpaddd(sum, sum, x);
        });
        vcvtdq2ps(sum, sum);
        vbroadcastss(x, ptr[rdi + offsetof(byte_vector_arguments, scale)]);
        vfmsub213ps(sum, x, all_lanes(offsetof(byte_vector_arguments, offset)));
        vmovups(ptr[output_], sum);
        finish();
    }
};

class byte_gate_code : public byte_vector_code {
  public:
    explicit byte_gate_code(const shape&) {
        const zmm gate(0), x(1), zero(2);
        mov(gate_, field(offsetof(byte_vector_arguments, gate)));
        vmovups(gate, ptr[gate_]);
        vmulps(gate, gate, all_lanes(offsetof(byte_vector_arguments, ratio)));
        bytes_.load_zero(zero);
        for_each_pixel([&] {
            bytes_.load_centred(x, ptr[input_]);
            vfmadd132ps(x, zero, gate);
            bytes_.store(ptr[output_], x);
            add_to(output_, block_bytes);
        });
        finish();
    }
};

} // namespace gpunet::cpu::jit

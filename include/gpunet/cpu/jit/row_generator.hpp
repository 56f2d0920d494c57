// What generators of the machine code of rows have in common.
#pragma once

#include <gpunet/cpu/jit/activation_code.hpp>
#include <gpunet/cpu/jit/byte_code.hpp>
#include <gpunet/cpu/jit/generator.hpp>
#include <gpunet/cpu/jit/row.hpp>

#include <cstddef>

namespace gpunet::cpu::jit {

class row_generator : public generator<row_arguments> {
  protected:
    explicit row_generator(const row_shape& s) : s_(s), activation_(*this, s.act), bytes_(*this) {}

    void finish() {
        generator::finish([this] {
            activation_.emit_constants();
            if (uses_bytes()) bytes_.emit_constants();
        });
    }

    bool uses_bytes() const noexcept { return s_.input == element::byte || s_.output == element::byte; }

    /// A number of the arguments, in all lanes.
    Xbyak::Address all_lanes(std::size_t offset) const { return ptr_b[rdi + offset]; }

    /// A sum of products to the output, from a map of bytes or to one.
    /// @param factor    of sums of bytes: to units
    /// @param residual  of bytes
    void emit_byte_result(const zmm& x, const Xbyak::Address& factor, const Xbyak::Address& residual,
                          const Xbyak::Address& to) {
        const zmm a(activation_code::first_scratch);
        const auto scale = [](std::size_t member) { return offsetof(row_arguments, scales) + member; };
        const Xbyak::Address inverse = all_lanes(scale(offsetof(byte_scales, inverse)));
        const bool in_units = sums_in_units(s_.act, s_.adds_last);
        if (in_units) {
            vbroadcastss(a, ptr[rdi + scale(offsetof(byte_scales, offset))]);
            vfmadd132ps(x, a, s_.input == element::byte ? factor : inverse);
        } else if (s_.input == element::byte) {
            vmulps(x, x, factor);
        }
        const auto add_residual = [&] {
            in_units ? bytes_.load(a, residual) : bytes_.load_centred(a, residual);
            vfmadd231ps(x, a, all_lanes(scale(offsetof(byte_scales, residual))));
        };
        if (s_.residual && !s_.adds_last) add_residual();
        if (!in_units) {
            activation_.emit(x);
            if (s_.adds_last) add_residual();
            bytes_.load_zero(a);
            vfmadd132ps(x, a, inverse);
        } else if (s_.act == activation::relu6) {
            vminps(x, x, all_lanes(scale(offsetof(byte_scales, six))));
        }
        bytes_.store(to, x, in_units && s_.act != activation::identity);
    }

    row_shape s_;
    activation_code activation_;
    byte_code bytes_;
};

} // namespace gpunet::cpu::jit

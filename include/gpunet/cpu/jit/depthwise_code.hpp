// Machine code (AVX-512) that computes one row of one block of a depthwise convolution's output.
#pragma once

#include <gpunet/cpu/jit/row.hpp>
#include <gpunet/cpu/jit/row_generator.hpp>

#include <cstddef>

namespace gpunet::cpu::jit {

/// For 16 channels; weights [kernel row][kernel column][16], from the
/// first row that is not left out.
class depthwise_code : public row_generator {
  public:
    using shape = row_shape;

    explicit depthwise_code(const row_shape& s) : row_generator(s) {
        mov(input_, field(offsetof(row_arguments, input)));
        mov(weights_, field(offsetof(row_arguments, weights)));
        mov(output_, field(offsetof(row_arguments, output)));
        mov(residual_, field(offsetof(row_arguments, residual)));
        if (s_.padding > 0) subtract_from(input_, s_.padding * s_.pixel);
        for (const tile& t : tiles_of(s_.width, pixels)) emit_tile(t);
        finish();
    }

  private:
    static constexpr int pixels = 22, first_weight = 22; // registers: 22 sums, 7 weights, 3 for the rest

    void emit_tile(const tile& t) {
        mov(row_, field(offsetof(row_arguments, bias)));
        vmovups(zmm(0), ptr[row_]);
        for (int p = 1; p < t.size; ++p) vmovaps(zmm(p), zmm(0));
        mov(row_, input_);
        mov(taps_, weights_);
        mov(rows_left_, field(offsetof(row_arguments, rows)));
        Xbyak::Label next;
        L(next);
        emit_kernel_row(t);
        add_to(taps_, s_.kernel * 64);
        add_to(row_, s_.row);
        close_loop(rows_left_, next);
        if (s_.input == element::byte) mov(row_, field(offsetof(row_arguments, factors)));
        for (int p = 0; p < t.size; ++p) {
            const std::int64_t place = (t.first + p) * block_bytes;
            if (s_.input == element::byte) {
                emit_byte_result(zmm(p), ptr[row_], at(residual_, place), at(output_, place));
            } else {
                if (s_.residual && !s_.adds_last) vaddps(zmm(p), zmm(p), at(residual_, place));
                activation_.emit(zmm(p));
                if (s_.adds_last) vaddps(zmm(p), zmm(p), at(residual_, place));
                vmovups(at(output_, place), zmm(p));
            }
        }
    }

    void load(const zmm& input, int x, bool on_map) {
        if (!on_map)
            bytes_.load_zero(input);
        else if (s_.input == element::byte)
            bytes_.load(input, at(row_, x * s_.pixel));
        else
            vmovups(input, at(row_, x * s_.pixel));
    }

    /// Each column of the input is loaded once for all pixels it counts for.
    void emit_kernel_row(const tile& t) {
        for (int tap = 0; tap < s_.kernel; ++tap) vmovups(zmm(first_weight + tap), at(taps_, tap * 64));
        const int columns = (t.size - 1) * s_.stride + s_.kernel;
        for (int column = 0; column < columns; ++column) {
            const int x = t.first * s_.stride + column;
            const bool on_map = x >= s_.padding && x - s_.padding < s_.input_width;
            if (!on_map && s_.input == element::float32) continue; // a byte of padding is not 0
            const zmm input(29 + column % 3);
            bool loaded = false;
            for (int tap = 0; tap < s_.kernel; ++tap) {
                if (column < tap || (column - tap) % s_.stride != 0) continue;
                const int p = (column - tap) / s_.stride;
                if (p >= t.size) continue;
                if (!loaded) load(input, x, on_map);
                loaded = true;
                vfmadd231ps(zmm(p), input, zmm(first_weight + tap));
            }
        }
    }

    const reg input_ = r8, weights_ = r9, output_ = r10, residual_ = r11, row_ = rax, taps_ = rdx, rows_left_ = rcx;
};

} // namespace gpunet::cpu::jit

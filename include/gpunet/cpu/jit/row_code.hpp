// Machine code (AVX-512) that computes one row of a convolution's output, generated for its exact numbers.
#pragma once

#include <gpunet/cpu/jit/row.hpp>
#include <gpunet/cpu/jit/row_generator.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpunet::cpu::jit {

/// The pixels of a tile: `outputs` registers of sums a pixel, one a block for weights, and at least one for the input.
constexpr int pixels_of_tile(int outputs) noexcept {
    return outputs == 1 ? 28 : outputs == 2 ? 14 : outputs == 3 ? 9 : 6;
}

class row_code : public row_generator {
  public:
    using shape = row_shape;

    explicit row_code(const row_shape& s) : row_generator(s) {
        const std::vector<reg> saved = {rbx, rbp, r12, r13, r14, r15};
        for (const auto& r : saved) push(r);
        mov(input_, field(offsetof(row_arguments, input)));
        mov(weights_, field(offsetof(row_arguments, weights)));
        mov(bias_, field(offsetof(row_arguments, bias)));
        mov(output_, field(offsetof(row_arguments, output)));
        mov(residual_, field(offsetof(row_arguments, residual)));
        if (s_.padding > 0) subtract_from(input_, s_.padding * s_.pixel);
        emit_row();
        for (auto r = saved.rbegin(); r != saved.rend(); ++r) pop(*r);
        finish();
    }

  private:
    zmm sum(int pixel, int output) const { return zmm(pixel * s_.outputs + output); }
    zmm weight(int output) const { return zmm(31 - output); }

    /// Whether the input of a pixel's tap lies in the row.
    bool inside(int pixel, int tap) const {
        const int x = pixel * s_.stride + tap - s_.padding;
        return x >= 0 && x < s_.input_width;
    }
    bool inside(const tile& t) const { return inside(t.first, 0) && inside(t.first + t.size - 1, s_.kernel - 1); }

    /// Tiles that touch no padding and are of one size share their code.
    void emit_row() {
        const std::vector<tile> tiles = tiles_of(s_.width, pixels_of_tile(s_.outputs));
        for (std::size_t i = 0; i < tiles.size();) {
            std::size_t end = i + 1;
            while (end < tiles.size() && inside(tiles[i]) && inside(tiles[end]) && tiles[end].size == tiles[i].size)
                ++end;
            repeat(tiles_left_, static_cast<std::int64_t>(end - i), [&] { emit_tile(tiles[i]); });
            i = end;
        }
    }

    void emit_tile(const tile& t) {
        emit_begin(t);
        mov(block_, input_);
        mov(block_weights_, weights_);
        if (s_.steps >= steps_of_block) {
            mov(blocks_left_, field(offsetof(row_arguments, full_blocks)));
            Xbyak::Label next;
            L(next);
            emit_block(t, static_cast<int>(steps_of_block), offsetof(row_arguments, skipped));
            add_to(block_weights_, s_.kernel * s_.kernel * 16 * s_.outputs * 64);
            add_to(block_, s_.block);
            close_loop(blocks_left_, next);
        }
        Xbyak::Label unfinished, done;
        if (!uses_bytes()) {
            cmp(field(offsetof(row_arguments, is_last)), 0);
            je(unfinished, T_NEAR);
        }
        if (const int last = s_.steps % static_cast<int>(steps_of_block); last > 0)
            emit_block(t, last, offsetof(row_arguments, skipped_last));
        emit_results(t);
        if (!uses_bytes()) {
            jmp(done, T_NEAR);
            L(unfinished);
            emit_sums(t);
            L(done);
        }
        add_to(input_, t.size * s_.stride * s_.pixel);
        add_to(output_, t.size * block_bytes);
        if (s_.residual) add_to(residual_, t.size * block_bytes);
    }

    /// A byte of padding is not 0 but stands for it; what the bias begins with takes it for one on the map.
    bool padding_counts() const noexcept { return s_.input == element::byte; }

    std::int64_t place(int pixel, int output) const {
        return std::int64_t{output} * s_.output_block + pixel * block_bytes;
    }

    /// The sums begin with the bias and a float32 residual that comes first, or with what an earlier call has left.
    void emit_begin(const tile& t) {
        Xbyak::Label resumed, done;
        if (!uses_bytes()) {
            cmp(field(offsetof(row_arguments, is_first)), 0);
            je(resumed, T_NEAR);
        }
        for (int o = 0; o < s_.outputs; ++o) vmovups(weight(o), at(bias_, 64 * o));
        for (int p = 0; p < t.size; ++p)
            for (int o = 0; o < s_.outputs; ++o)
                if (s_.residual && !s_.adds_last && !uses_bytes())
                    vaddps(sum(p, o), weight(o), at(residual_, place(p, o)));
                else
                    vmovaps(sum(p, o), weight(o));
        if (uses_bytes()) return;
        jmp(done, T_NEAR);
        L(resumed);
        for (int p = 0; p < t.size; ++p)
            for (int o = 0; o < s_.outputs; ++o) vmovups(sum(p, o), at(output_, place(p, o)));
        L(done);
    }

    /// What a call leaves that is not the last.
    void emit_sums(const tile& t) {
        for (int p = 0; p < t.size; ++p)
            for (int o = 0; o < s_.outputs; ++o) vmovups(at(output_, place(p, o)), sum(p, o));
    }

    void emit_results(const tile& t) {
        if (s_.input == element::byte) mov(taps_, field(offsetof(row_arguments, factors)));
        for (int p = 0; p < t.size; ++p)
            for (int o = 0; o < s_.outputs; ++o) {
                const zmm x = sum(p, o);
                const auto to = at(output_, place(p, o));
                if (s_.input == element::byte) vcvtdq2ps(x, x);
                if (s_.output == element::byte) {
                    emit_byte_result(x, at(taps_, 64 * o), at(residual_, place(p, o)), to);
                } else {
                    activation_.emit(x);
                    if (s_.adds_last) vaddps(x, x, at(residual_, place(p, o)));
                    vmovups(to, x);
                }
            }
    }

    /// All taps of one block of input channels.
    void emit_block(const tile& t, int steps, std::size_t skipped) {
        mov(taps_, block_weights_);
        add(taps_, field(skipped));
        mov(row_, block_);
        mov(rows_left_, field(offsetof(row_arguments, rows)));
        Xbyak::Label next;
        L(next);
        for (int tap = 0; tap < s_.kernel; ++tap) emit_tap(t, tap, steps);
        add_to(row_, s_.row);
        close_loop(rows_left_, next);
    }

    void emit_tap(const tile& t, int tap, int steps) {
        bool used = padding_counts();
        for (int p = 0; p < t.size; ++p) used = used || inside(t.first + p, tap);
        // Four steps a turn of the loop keep a 3x3 kernel in the cache of decoded instructions.
        const int unrolled = s_.kernel == 1 || steps % 4 != 0 ? steps : 4;
        if (!used) return add_to(taps_, steps * s_.outputs * 64);
        repeat(steps_left_, steps / unrolled, [&] {
            for (int i = 0; i < unrolled; ++i) emit_step(t, tap, i);
            add_to(taps_, unrolled * s_.outputs * 64);
            if (unrolled < steps) add_to(row_, unrolled * s_.channel);
        });
        if (unrolled < steps) subtract_from(row_, steps * s_.channel);
    }

    /// sum[pixel][output] += input[pixel] * weight[output], of bytes 4 channels of each.
    void emit_step(const tile& t, int tap, int step) {
        constexpr int ahead = 1024; // bytes; measured
        for (int o = 0; o < s_.outputs; ++o) {
            const int place = (step * s_.outputs + o) * 64;
            vmovups(weight(o), at(taps_, place));
            prefetcht0(at(taps_, place + ahead));
        }
        if (s_.kernel == 1 && s_.stride == 1) // each pixel of the next block is a line of the cache
            for (int p = step; p < t.size; p += 16) prefetcht0(at(row_, s_.block + p * s_.pixel));
        const int first = t.size * s_.outputs, spare = 32 - s_.outputs - first;
        int turn = 0;
        for (int p = 0; p < t.size; ++p) {
            const bool on_map = inside(t.first + p, tap);
            if (!on_map && !padding_counts()) continue;
            const zmm x(first + turn++ % spare);
            if (on_map)
                vbroadcastss(x, at(row_, (p * s_.stride + tap) * s_.pixel + std::int64_t{step} * s_.channel));
            else
                bytes_.load_zero_bytes(x);
            for (int o = 0; o < s_.outputs; ++o)
                if (s_.input == element::byte)
                    vpdpbusd(sum(p, o), x, weight(o));
                else
                    vfmadd231ps(sum(p, o), x, weight(o));
        }
    }

    const reg input_ = r8, weights_ = r9, output_ = r10, residual_ = r11, bias_ = r12, block_ = r13, blocks_left_ = r14,
              rows_left_ = r15, row_ = rax, taps_ = rdx, steps_left_ = rcx, tiles_left_ = rbx, block_weights_ = rsi;
};

} // namespace gpunet::cpu::jit

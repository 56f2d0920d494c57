// Machine code (AVX-512) of the transforms of Winograd's convolution F(4x4, 3x3) (Lavin, Gray 2016): 4 x 4 output
// pixels from 6 x 6 of the input by 36 multiplications a channel in place of 144. It interpolates at 0, 3/4, -3/4, 3/2,
// -3/2 and infinity, for which float32 loses about one bit against the direct sum.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/cpu/jit/activation_code.hpp>
#include <gpunet/cpu/jit/generator.hpp>

#include <xbyak/xbyak.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace gpunet::cpu::jit::winograd {

inline constexpr int output_size = 4, input_size = 6, positions = input_size * input_size;

// The points a, -a, b, -b beside 0 and infinity.
inline constexpr double a = 0.75, b = 1.5;

/// The 3 weights of a kernel's row or column as the 6 factors of its tiles.
constexpr std::array<double, input_size> transform_weights(double w0, double w1, double w2) {
    constexpr double at_a = 2 * a * a * (a * a - b * b), at_b = 2 * b * b * (b * b - a * a);
    return {w0 / (a * a * b * b),
            (w0 + a * w1 + a * a * w2) / at_a,
            (w0 - a * w1 + a * a * w2) / at_a,
            (w0 + b * w1 + b * b * w2) / at_b,
            (w0 - b * w1 + b * b * w2) / at_b,
            w2};
}

/// Where a tile's pixels lie, on the map and transformed, 16 channels side by side. Offsets in bytes.
struct tile_shape {
    int first_row = 0, rows = 0, first_column = 0, columns = 0; // the part of the tile that lies on the map
    std::int32_t row = 0, column = 64, block = 0;  // of the map: from one row, column, block of channels to the next
    std::int32_t position = 0, position_block = 0; // transformed: from one position, block of channels to the next
    activation act = activation::identity;         // of outputs
    bool residual = false, adds_last = false;      // the latter: after the activation

    friend auto operator<=>(const tile_shape&, const tile_shape&) = default;
};

struct tile_arguments {
    const std::byte* from = nullptr; // the map's first pixel in the tile; of outputs, position 0
    std::byte* to = nullptr;         // the other
    const std::byte* bias = nullptr; // of outputs, and the residual where there is one
    const std::byte* residual = nullptr;
    std::int64_t blocks = 1; // of 16 channels
};

class tile_generator : public generator<tile_arguments> {
  public:
    using shape = tile_shape;

  protected:
    explicit tile_generator(const tile_shape& s) : s_(s) {}

    /// The blocks of channels one after the other, with room for a tile in memory.
    template <class Body>
    void for_each_block(Body&& body) {
        push(rbp);
        mov(rbp, rsp);
        sub(rsp, positions * 64);
        and_(rsp, static_cast<std::uint32_t>(-64)); // sign-extended
        mov(from_, field(offsetof(tile_arguments, from)));
        mov(to_, field(offsetof(tile_arguments, to)));
        mov(blocks_left_, field(offsetof(tile_arguments, blocks)));
        Xbyak::Label next;
        L(next);
        body();
        close_loop(blocks_left_, next);
        mov(rsp, rbp);
        pop(rbp);
    }

    Xbyak::Address scratch(int row, int column) const { return at(rsp, (row * input_size + column) * 64); }

    void load(const zmm& x, double value) {
        const auto f = static_cast<float>(value);
        std::uint32_t bits;
        std::memcpy(&bits, &f, sizeof bits);
        mov(eax, bits);
        vmovd(Xbyak::Xmm(x.getIdx()), eax);
        vbroadcastss(x, Xbyak::Xmm(x.getIdx()));
    }
    /// to = from + factor * x, or minus
    void add_product(const zmm& to, const zmm& from, const zmm& factor, const zmm& x) {
        vmovaps(to, from);
        vfmadd231ps(to, factor, x);
    }
    void subtract_product(const zmm& to, const zmm& from, const zmm& factor, const zmm& x) {
        vmovaps(to, from);
        vfnmadd231ps(to, factor, x);
    }

    const reg from_ = r8, to_ = r9, blocks_left_ = r10;
    tile_shape s_;
};

/// 6 x 6 pixels of the input, zeros around the map, to 36 positions.
class input_code : public tile_generator {
  public:
    explicit input_code(const tile_shape& s) : tile_generator(s) {
        load(product, a * a * b * b);
        load(sum, a * a + b * b);
        load(square_a, a * a);
        load(square_b, b * b);
        load(point_a, a);
        load(point_b, b);
        for_each_block([this] { emit_block(); });
        finish([] {});
    }

  private:
    void emit_block() {
        const auto on_map = [this](int row, int column) {
            return row >= s_.first_row && row < s_.first_row + s_.rows && column >= s_.first_column &&
                   column < s_.first_column + s_.columns;
        };
        for (int column = 0; column < input_size; ++column) {
            for (int row = 0; row < input_size; ++row)
                if (on_map(row, column))
                    vmovups(zmm(row),
                            at(from_, (row - s_.first_row) * s_.row + (column - s_.first_column) * s_.column));
                else
                    vpxord(zmm(row), zmm(row), zmm(row));
            transform();
            for (int i = 0; i < input_size; ++i) vmovaps(scratch(i, column), zmm(result + i));
        }
        for (int row = 0; row < input_size; ++row) {
            for (int i = 0; i < input_size; ++i) vmovaps(zmm(i), scratch(row, i));
            transform();
            for (int i = 0; i < input_size; ++i)
                vmovups(at(to_, std::int64_t{row * input_size + i} * s_.position), zmm(result + i));
        }
        add_to(from_, s_.block);
        add_to(to_, s_.position_block);
    }

    /// Registers 0 to 5 to `result` and on: coefficients of the polynomials that are zero at all points but one.
    void transform() {
        const auto x = [](int i) { return zmm(i); };
        const auto y = [](int i) { return zmm(result + i); };
        subtract_product(y(0), x(4), sum, x(2));
        vfmadd231ps(y(0), product, x(0));
        subtract_product(y(5), x(5), sum, x(3));
        vfmadd231ps(y(5), product, x(1));
        subtract_product(even, x(4), square_b, x(2));
        subtract_product(odd, x(3), square_b, x(1));
        add_product(y(1), even, point_a, odd);
        subtract_product(y(2), even, point_a, odd);
        subtract_product(even, x(4), square_a, x(2));
        subtract_product(odd, x(3), square_a, x(1));
        add_product(y(3), even, point_b, odd);
        subtract_product(y(4), even, point_b, odd);
    }

    static constexpr int result = 6;
    const zmm even = zmm(12), odd = zmm(13), product = zmm(26), sum = zmm(27), square_a = zmm(28), square_b = zmm(29),
              point_a = zmm(30), point_b = zmm(31);
};

/// 36 positions to as many of 4 x 4 output pixels as lie on the map, with bias, residual and activation.
class output_code : public tile_generator {
  public:
    explicit output_code(const tile_shape& s) : tile_generator(s), activation_(*this, s.act) {
        load(point_a, a);
        load(point_b, b);
        load(square_a, a * a);
        load(square_b, b * b);
        load(cube_a, a * a * a);
        load(cube_b, b * b * b);
        mov(bias_, field(offsetof(tile_arguments, bias)));
        mov(residual_, field(offsetof(tile_arguments, residual)));
        for_each_block([this] { emit_block(); });
        finish([this] { activation_.emit_constants(); });
    }

  private:
    void emit_block() {
        for (int column = 0; column < input_size; ++column) {
            for (int i = 0; i < input_size; ++i)
                vmovups(zmm(i), at(from_, std::int64_t{i * input_size + column} * s_.position));
            transform();
            for (int row = 0; row < s_.rows; ++row) vmovaps(scratch(row, column), zmm(result + row));
        }
        for (int row = 0; row < s_.rows; ++row) {
            for (int i = 0; i < input_size; ++i) vmovaps(zmm(i), scratch(row, i));
            transform();
            for (int column = 0; column < s_.columns; ++column) {
                const zmm y(result + column);
                const std::int64_t place = row * s_.row + column * s_.column;
                vaddps(y, y, ptr[bias_]);
                if (s_.residual && !s_.adds_last) vaddps(y, y, at(residual_, place));
                activation_.emit(y);
                if (s_.adds_last) vaddps(y, y, at(residual_, place));
                vmovups(at(to_, place), y);
            }
        }
        add_to(from_, s_.position_block);
        add_to(to_, s_.block);
        add_to(bias_, 64);
        if (s_.residual) add_to(residual_, s_.block);
    }

    /// Registers 0 to 5, values at the points, to the 4 from `result` on.
    void transform() {
        const auto x = [](int i) { return zmm(i); };
        const auto y = [](int i) { return zmm(result + i); };
        const zmm even_a(10), odd_a(11), even_b(12), odd_b(13);
        vaddps(even_a, x(1), x(2));
        vsubps(odd_a, x(1), x(2));
        vaddps(even_b, x(3), x(4));
        vsubps(odd_b, x(3), x(4));
        vaddps(y(0), x(0), even_a);
        vaddps(y(0), y(0), even_b);
        vmulps(y(1), point_a, odd_a);
        vfmadd231ps(y(1), point_b, odd_b);
        vmulps(y(2), square_a, even_a);
        vfmadd231ps(y(2), square_b, even_b);
        add_product(y(3), x(5), cube_a, odd_a);
        vfmadd231ps(y(3), cube_b, odd_b);
    }

    static constexpr int result = 6;
    const zmm point_a = zmm(23), point_b = zmm(24), square_a = zmm(25), square_b = zmm(26), cube_a = zmm(27),
              cube_b = zmm(28);
    const reg bias_ = r11, residual_ = rdx;
    activation_code activation_;
};

} // namespace gpunet::cpu::jit::winograd

// Machine code of the activations, on vectors of 16 floats.
#pragma once

#include <gpunet/activation.hpp>

#include <xbyak/xbyak.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gpunet::cpu::jit {

/// Emits activations into the code of `g`. Not a number stays one.
class activation_code {
  public:
    /// Registers from here on are overwritten by what `emit` makes, by 31.
    static constexpr int first_scratch = 29;

    activation_code(Xbyak::CodeGenerator& g, activation kind) : g_(g), activation_(kind) {}

    /// x = activation(x)
    void emit(const Xbyak::Zmm& x) {
        switch (activation_) {
        case activation::identity:
        case activation::gelu: return;
        case activation::relu: return clamp(x, zero, infinity);
        case activation::relu6: return clamp(x, zero, six);
        case activation::sigmoid: sigmoid(x); return g_.vmovaps(x, a);
        case activation::swish: sigmoid(x); return g_.vmulps(x, x, a);
        case activation::hard_sigmoid: hard_sigmoid(x); return g_.vmovaps(x, b);
        case activation::hard_swish: hard_sigmoid(x); return g_.vmulps(x, x, b);
        }
    }

    /// The constants, after the code.
    void emit_constants() {
        g_.align(4);
        g_.L(constants_);
        for (const float value : values) {
            std::uint32_t bits;
            std::memcpy(&bits, &value, sizeof bits);
            g_.dd(bits);
        }
    }

  private:
    // 2^f on [-1/2, 1/2] is Taylor's polynomial of degree 6: relative error below 2e-7.
    enum constant : std::size_t {
        zero,
        one,
        two,
        half,
        six,
        sixth,
        infinity,
        minus_log2e,
        most,
        least,
        c6,
        c5,
        c4,
        c3,
        c2,
        c1
    };
    static constexpr float values[] = {
        0.0F,         1.0F,        2.0F,    0.5F,           6.0F,           1.0F / 6.0F,    __builtin_inff(),
        -1.44269504F, 126.0F,      -126.0F, 1.54035304e-4F, 1.33335581e-3F, 9.61812911e-3F, 5.55041087e-2F,
        0.240226507F, 0.693147181F};
    static inline const Xbyak::Zmm a{first_scratch}, b{first_scratch + 1}, c{first_scratch + 2};

    Xbyak::Address all_lanes(constant i) { return g_.ptr_b[g_.rip + constants_ + 4 * static_cast<int>(i)]; }
    void load(const Xbyak::Zmm& x, constant i) {
        g_.vbroadcastss(x, g_.ptr[g_.rip + constants_ + 4 * static_cast<int>(i)]);
    }

    // min and max give their second operand if either is not a number.
    void clamp(const Xbyak::Zmm& x, constant low, constant high) {
        load(a, low);
        g_.vmaxps(x, a, x);
        if (high == infinity) return;
        load(a, high);
        g_.vminps(x, a, x);
    }

    /// b = clamp(x / 6 + 1/2, 0, 1)
    void hard_sigmoid(const Xbyak::Zmm& x) {
        load(b, sixth);
        g_.vfmadd213ps(b, x, all_lanes(half));
        clamp(b, zero, one);
    }

    /// a = 1 / (1 + exp(-x)): exp(-x) = 2^(n + f) with n a whole number.
    void sigmoid(const Xbyak::Zmm& x) {
        g_.vmulps(b, x, all_lanes(minus_log2e));
        load(c, most);
        g_.vminps(b, c, b);
        load(c, least);
        g_.vmaxps(b, c, b);
        g_.vrndscaleps(a, b, 0);
        g_.vsubps(b, b, a);
        load(c, c6);
        for (const constant k : {c5, c4, c3, c2, c1, one}) g_.vfmadd213ps(c, b, all_lanes(k));
        g_.vscalefps(c, c, a);
        g_.vaddps(c, c, all_lanes(one));
        g_.vrcp14ps(a, c); // and one step of Newton's method
        g_.vfnmadd213ps(c, a, all_lanes(two));
        g_.vmulps(a, a, c);
    }

    Xbyak::CodeGenerator& g_;
    activation activation_;
    Xbyak::Label constants_;
};

} // namespace gpunet::cpu::jit

// Machine code between 16 bytes of a map, 128 + real / scale, and vectors of 16 floats.
#pragma once

#include <gpunet/cpu/jit/row.hpp>

#include <xbyak/xbyak.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace gpunet::cpu::jit {

/// Emits it into the code of `g`.
class byte_code {
  public:
    explicit byte_code(Xbyak::CodeGenerator& g) : g_(g) {}

    /// x = 128 + real / scale, as float32
    void load(const Xbyak::Zmm& x, const Xbyak::Address& from) {
        g_.vpmovzxbd(x, from);
        g_.vcvtdq2ps(x, x);
    }
    /// What load gives for the real number 0: 128.
    void load_zero(const Xbyak::Zmm& x) { g_.vbroadcastss(x, g_.ptr[g_.rip + constants_ + 4 * zero]); }
    /// 4 bytes of zeros, 16 times.
    void load_zero_bytes(const Xbyak::Zmm& x) { g_.vbroadcastss(x, g_.ptr[g_.rip + constants_ + 4 * zero_bytes]); }

    /// x = real / scale
    void load_centred(const Xbyak::Zmm& x, const Xbyak::Address& from) {
        load(x, from);
        g_.vsubps(x, x, all_lanes(zero));
    }

    /// Stores x, which is 128 + real / scale, to the nearest whole number, halves to the even one, from 1 to 255, or of
    /// nothing below 0 from 128. Overwrites x. What is too large saturates in the last step.
    void store(const Xbyak::Address& to, const Xbyak::Zmm& x, bool nothing_below_0 = false) {
        g_.vmaxps(x, x, all_lanes(nothing_below_0 ? zero : least));
        g_.vcvtps2dq(x, x);
        g_.vpmovusdb(to, x);
    }

    /// The constants, after the code.
    void emit_constants() {
        g_.align(4);
        g_.L(constants_);
        for (const float value : {static_cast<float>(zero_byte), 1.0F}) {
            std::uint32_t bits;
            std::memcpy(&bits, &value, sizeof bits);
            g_.dd(bits);
        }
        g_.dd(0x80808080);
    }

  private:
    enum constant : int { zero, least, zero_bytes };

    Xbyak::Address all_lanes(constant i) { return g_.ptr_b[g_.rip + constants_ + 4 * i]; }

    Xbyak::CodeGenerator& g_;
    Xbyak::Label constants_;
};

} // namespace gpunet::cpu::jit

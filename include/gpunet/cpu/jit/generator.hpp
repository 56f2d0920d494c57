// What generators of machine code have in common.
#pragma once

#include <xbyak/xbyak.h>

#include <cstddef>
#include <cstdint>

namespace gpunet::cpu::jit {

/// Code for AVX-512 that is called with a pointer to its arguments.
template <class Arguments>
class generator : public Xbyak::CodeGenerator {
  public:
    void operator()(const Arguments& a) const { this->template getCode<void (*)(const Arguments*)>()(&a); }

  protected:
    using zmm = Xbyak::Zmm;
    using reg = Xbyak::Reg64;

    generator() : Xbyak::CodeGenerator(1 << 14, Xbyak::AutoGrow) {}

    /// Returns, emits constants, and makes the code executable, no more writable.
    template <class Constants>
    void finish(Constants&& emit_constants) {
        vzeroupper();
        ret();
        emit_constants();
        readyRE();
    }

    /// A member of the arguments.
    Xbyak::Address field(std::size_t offset) const { return qword[rdi + offset]; }

    Xbyak::Address at(const reg& base, std::int64_t offset) const {
        return ptr[base + static_cast<std::size_t>(offset)];
    }
    void add_to(const reg& r, std::int64_t value) { add(r, static_cast<std::uint32_t>(value)); }
    void subtract_from(const reg& r, std::int64_t value) { sub(r, static_cast<std::uint32_t>(value)); }
    void set(const reg& r, std::int64_t value) { mov(r, static_cast<std::size_t>(value)); }

    /// A loop of `times` turns, counted down in a register; no loop for one.
    template <class Body>
    void repeat(const reg& counter, std::int64_t times, Body&& body) {
        if (times > 1) set(counter, times);
        Xbyak::Label next;
        L(next);
        body();
        if (times > 1) close_loop(counter, next);
    }
    void close_loop(const reg& counter, const Xbyak::Label& next) {
        dec(counter);
        jnz(next, T_NEAR);
    }
};

} // namespace gpunet::cpu::jit

// The 16-bit floating-point storage types of the library. They store and convert; arithmetic happens in float.
#pragma once

#include <bit>
#include <cstdint>

namespace gpunet {

/// IEEE 754 binary16.
struct half {
    std::uint16_t bits = 0;

    half() = default;
    /// Rounds to nearest, ties to even; overflow becomes infinity, NaN stays NaN.
    explicit half(float value) noexcept : bits(from_float(value)) {}
    explicit operator float() const noexcept { return to_float(bits); }
    static half from_bits(std::uint16_t bits) noexcept {
        half h;
        h.bits = bits;
        return h;
    }
    friend bool operator==(half, half) = default; // bitwise

  private:
    static std::uint16_t from_float(float value) noexcept {
        const auto f = std::bit_cast<std::uint32_t>(value);
        const auto sign = static_cast<std::uint16_t>(f >> 16 & 0x8000U);
        const std::uint32_t magnitude = f & 0x7FFFFFFFU;
        if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U | (magnitude >> 13 & 0x3FFU));
        if (magnitude >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U); // rounds to 65536 or more
        if (magnitude < 0x38800000U) {                                                   // subnormal half, or zero
            // Adding 0.5 puts the last bit of the half at the last bit of the float; the addition rounds.
            const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
            return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U));
        }
        const std::uint32_t odd = magnitude >> 13 & 1U;
        return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13));
    }

    static float to_float(std::uint16_t h) noexcept {
        const std::uint32_t sign = (h & 0x8000U) << 16;
        const std::uint32_t exponent = h >> 10 & 0x1FU;
        const std::uint32_t fraction = h & 0x3FFU;
        if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | fraction << 13);
        if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | fraction << 13);
        const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
        return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
    }
};

/// The upper half of IEEE 754 binary32.
struct bfloat16 {
    std::uint16_t bits = 0;

    bfloat16() = default;
    /// Rounds to nearest, ties to even; NaN stays NaN.
    explicit bfloat16(float value) noexcept {
        const auto f = std::bit_cast<std::uint32_t>(value);
        if ((f & 0x7FFFFFFFU) > 0x7F800000U)
            bits = static_cast<std::uint16_t>(f >> 16 | 0x40U);
        else
            bits = static_cast<std::uint16_t>((f + 0x7FFFU + (f >> 16 & 1U)) >> 16);
    }
    explicit operator float() const noexcept { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
    static bfloat16 from_bits(std::uint16_t bits) noexcept {
        bfloat16 b;
        b.bits = bits;
        return b;
    }
    friend bool operator==(bfloat16, bfloat16) = default; // bitwise
};

} // namespace gpunet

#include <catch2/catch.hpp>
#include <gpunet/float16.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace test_float16 { // tests of a program are compiled together

using gpunet::bfloat16;
using gpunet::half;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::uint16_t half_bits(float f) { return half(f).bits; }
std::uint16_t bfloat_bits(float f) { return bfloat16(f).bits; }
float next(float f) { return std::nextafter(f, infinity); }
float before(float f) { return std::nextafter(f, -infinity); }

/// By the definition of binary16, without bit tricks.
float reference_value(unsigned bits) {
    const float sign = (bits & 0x8000U) != 0 ? -1.0F : 1.0F;
    const int exponent = static_cast<int>(bits >> 10 & 31U);
    const auto fraction = static_cast<float>(bits & 1023U);
    if (exponent == 31) return fraction == 0 ? sign * infinity : std::numeric_limits<float>::quiet_NaN();
    if (exponent == 0) return sign * std::ldexp(fraction, -24);
    return sign * std::ldexp(1024 + fraction, exponent - 25);
}

} // namespace

TEST_CASE("every half has its value and comes back from float") {
    int wrong = 0;
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const auto h = half::from_bits(static_cast<std::uint16_t>(bits));
        const auto f = static_cast<float>(h);
        if (std::isnan(reference_value(bits))) {
            wrong += !std::isnan(f) || !std::isnan(static_cast<float>(half(f)));
            wrong += (half(f).bits & 0x8000U) != (bits & 0x8000U);
        } else {
            wrong += f != reference_value(bits) || std::signbit(f) != ((bits & 0x8000U) != 0) || half(f) != h;
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("between two halves the nearer one is chosen, at ties the even one") {
    int wrong = 0;
    for (unsigned bits = 0; bits < 0x7BFF; ++bits) { // up to the last finite one
        const float low = reference_value(bits);
        const float high = reference_value(bits + 1);
        const float middle = low + (high - low) / 2; // exact
        const unsigned even = bits % 2 == 0 ? bits : bits + 1;
        wrong += half_bits(middle) != even || half_bits(-middle) != (even | 0x8000U);
        wrong += half_bits(before(middle)) != bits || half_bits(next(middle)) != bits + 1;
    }
    CHECK(wrong == 0);
}

TEST_CASE("halves at the ends of their range") {
    CHECK(half_bits(65504.0F) == 0x7BFF);
    CHECK(half_bits(before(65520.0F)) == 0x7BFF);
    CHECK(half_bits(65520.0F) == 0x7C00); // the tie rounds to even, which is infinity
    CHECK(half_bits(1e30F) == 0x7C00);
    CHECK(half_bits(-infinity) == 0xFC00);
    CHECK(half_bits(0x1p-24F) == 0x0001);
    CHECK(half_bits(0x1p-25F) == 0x0000); // a tie
    CHECK(half_bits(next(0x1p-25F)) == 0x0001);
    CHECK(half_bits(0x1p-14F) == 0x0400);
    CHECK(half_bits(before(0x1p-14F)) == 0x0400);
    CHECK(half_bits(std::numeric_limits<float>::denorm_min()) == 0x0000);
    CHECK(half_bits(-0.0F) == 0x8000);
    CHECK(half_bits(std::bit_cast<float>(0x7F800001U)) == 0x7E00); // a NaN whose payload is lost stays a NaN
    CHECK(half_bits(std::bit_cast<float>(0xFFC02000U)) == 0xFE01);
}

TEST_CASE("every bfloat16 comes back from float") {
    int wrong = 0;
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const auto b = bfloat16::from_bits(static_cast<std::uint16_t>(bits));
        const auto f = static_cast<float>(b);
        wrong += std::bit_cast<std::uint32_t>(f) != bits << 16;
        wrong += std::isnan(f) ? !std::isnan(static_cast<float>(bfloat16(f))) : bfloat16(f) != b;
    }
    CHECK(wrong == 0);
}

TEST_CASE("bfloat16 rounds to nearest, ties to even") {
    CHECK(bfloat_bits(1.0F) == 0x3F80);
    CHECK(bfloat_bits(std::bit_cast<float>(0x3F808000U)) == 0x3F80);
    CHECK(bfloat_bits(std::bit_cast<float>(0x3F808001U)) == 0x3F81);
    CHECK(bfloat_bits(std::bit_cast<float>(0x3F818000U)) == 0x3F82);
    CHECK(bfloat_bits(std::bit_cast<float>(0x3F817FFFU)) == 0x3F81);
    CHECK(bfloat_bits(std::numeric_limits<float>::max()) == 0x7F80);
    CHECK(bfloat_bits(std::bit_cast<float>(0x00008000U)) == 0x0000);
    CHECK(bfloat_bits(std::bit_cast<float>(0x00018000U)) == 0x0002);
    CHECK(bfloat_bits(-infinity) == 0xFF80);
    CHECK(bfloat_bits(std::bit_cast<float>(0x7F800001U)) == 0x7FC0); // not infinity
    CHECK(bfloat_bits(std::bit_cast<float>(0xFFFFFFFFU)) == 0xFFFF);
}

} // namespace test_float16

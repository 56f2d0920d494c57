// FNV-1a, the hash of names and of cache files' keys (Fowler, Noll, Vo).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpunet {

/// FNV-1a, 64 bits.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t start = 0xCBF29CE484222325U) noexcept {
    std::uint64_t hash = start;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    return hash;
}

namespace detail {

/// Sixteen hexadecimal digits.
inline std::string hexadecimal(std::uint64_t number) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[number >> shift & 15U];
    return text;
}

} // namespace detail

} // namespace gpunet

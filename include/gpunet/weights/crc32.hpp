// CRC-32 as zip uses it (reflected polynomial 0xEDB88320, PKWARE APPNOTE 4.4.7), eight bytes a step ("slicing-by-8").
#pragma once

#include <gpunet/weights/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gpunet::detail {

using crc32_tables = std::array<std::array<std::uint32_t, 256>, 8>;

/// Table k holds the CRC of a byte followed by k zero bytes.
inline crc32_tables make_crc32_tables() {
    crc32_tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xEDB88320U & (0U - (crc & 1U)));
        tables[0][byte] = crc;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t crc = tables[k - 1][byte];
            tables[k][byte] = crc >> 8 ^ tables[0][crc & 0xFFU];
        }
    return tables;
}

inline std::uint32_t crc32(std::span<const std::byte> bytes) noexcept {
    static const crc32_tables tables = make_crc32_tables();
    std::uint32_t crc = 0xFFFFFFFFU;
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
        const std::uint32_t low = load_little<std::uint32_t>(bytes, 0) ^ crc;
        const auto high = load_little<std::uint32_t>(bytes, 4);
        crc = tables[7][low & 0xFFU] ^ tables[6][low >> 8 & 0xFFU] ^ tables[5][low >> 16 & 0xFFU] ^
              tables[4][low >> 24] ^ tables[3][high & 0xFFU] ^ tables[2][high >> 8 & 0xFFU] ^
              tables[1][high >> 16 & 0xFFU] ^ tables[0][high >> 24];
    }
    for (const std::byte byte : bytes) crc = crc >> 8 ^ tables[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xFFU];
    return ~crc;
}

} // namespace gpunet::detail

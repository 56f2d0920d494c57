// Makes a mutated file's checksums right again, so that a fuzzer gets past them.
#pragma once

#include <gpunet/weights/crc32.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace fuzz {

inline std::uint32_t big_endian(const std::uint8_t* at) noexcept {
    return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

/// Of a PNG file: the CRC-32 of each whole chunk (length, type, data, CRC).
inline void repair_png(std::span<std::uint8_t> file) noexcept {
    for (std::size_t at = 8; file.size() >= 12 && at <= file.size() - 12;) {
        const std::size_t length = big_endian(&file[at]);
        if (length > file.size() - 12 - at) return;
        const std::uint32_t crc = gpunet::detail::crc32(std::as_bytes(file.subspan(at + 4, length + 4)));
        for (std::size_t i = 0; i < 4; ++i) file[at + 8 + length + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

/// Of a zip archive of stored members: the CRC-32 in each directory entry whose local header and bytes are there.
inline void repair_zip(std::span<std::uint8_t> file) noexcept {
    const auto load = [&](std::size_t at, std::size_t size) {
        std::uint32_t value = 0;
        for (std::size_t i = size; i-- > 0;) value = value << 8 | file[at + i];
        return std::size_t{value};
    };
    for (std::size_t at = 0; file.size() >= 46 && at <= file.size() - 46; ++at) {
        if (std::memcmp(&file[at], "PK\x01\x02", 4) != 0) continue;
        const std::size_t local = load(at + 42, 4), size = load(at + 20, 4);
        if (local + 30 > file.size()) continue;
        const std::size_t data = local + 30 + load(local + 26, 2) + load(local + 28, 2);
        if (data > file.size() || size > file.size() - data || load(at + 10, 2) != 0) continue;
        const std::uint32_t crc = gpunet::detail::crc32(std::as_bytes(file.subspan(data, size)));
        std::memcpy(&file[at + 16], &crc, sizeof crc);
    }
}

} // namespace fuzz

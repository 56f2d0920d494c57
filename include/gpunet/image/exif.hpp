// The orientation a camera noted in a picture's EXIF data, and turning the picture upright.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/image/image.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace gpunet {

namespace detail {

/// Unsigned integers of either byte order out of untrusted bytes; what lies outside them reads as 0.
struct tiff_bytes {
    std::span<const std::byte> bytes;
    bool big_endian = false;

    std::uint32_t load(std::size_t offset, std::size_t size) const noexcept {
        if (offset > bytes.size() || size > bytes.size() - offset) return 0;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < size; ++i)
            value = value << 8 | std::to_integer<std::uint32_t>(bytes[offset + (big_endian ? i : size - 1 - i)]);
        return value;
    }
};

} // namespace detail

/// The orientation, 1 to 8, in the first directory of a TIFF block, as EXIF data is one ("II*\0" or "MM\0*" first).
/// 1, upright, if there is none or the block is malformed: a picture is not refused for what its camera noted.
/// Source: TIFF 6.0, section 2 (directories), and EXIF 2.3, 4.6.4 A (tag 0x0112).
inline int exif_orientation(std::span<const std::byte> tiff) noexcept {
    constexpr std::uint32_t orientation_tag = 0x0112, byte_type = 1, short_type = 3, long_type = 4;
    detail::tiff_bytes data{tiff};
    const std::uint32_t mark = data.load(0, 2);
    if (mark != 0x4949 && mark != 0x4D4D) return 1;
    data.big_endian = mark == 0x4D4D;
    if (data.load(2, 2) != 42) return 1;
    const std::size_t directory = data.load(4, 4);
    const std::size_t entries = data.load(directory, 2);
    for (std::size_t i = 0; i < entries; ++i) {
        const std::size_t entry = directory + 2 + 12 * i;
        if (entry + 12 > tiff.size()) return 1;
        if (data.load(entry, 2) != orientation_tag) continue;
        if (data.load(entry + 4, 4) != 1) return 1;
        std::uint32_t value = 0;
        switch (data.load(entry + 2, 2)) {
        case byte_type: value = data.load(entry + 8, 1); break;
        case short_type: value = data.load(entry + 8, 2); break;
        case long_type: value = data.load(entry + 8, 4); break;
        default: break;
        }
        return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
}

/// Turns and mirrors a picture stored with EXIF orientation `orientation` so that it stands upright; 5 to 8 swap width
/// and height.
/// @throws argument_error if `orientation` is not in 1..8.
inline image upright(image stored, int orientation) {
    if (orientation < 1 || orientation > 8)
        throw argument_error("upright: expected an EXIF orientation of 1 to 8, found " + std::to_string(orientation));
    if (orientation == 1) return stored;
    const image_view source = stored;
    // Which side of the stored picture the top left corner of the upright one lies at, and whether rows are columns.
    const bool transposed = orientation >= 5;
    const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    image turned(transposed ? source.height : source.width, transposed ? source.width : source.height);
    const std::ptrdiff_t along = from_right ? -3 : 3;
    const std::ptrdiff_t down = from_bottom ? -source.stride : source.stride;
    const std::ptrdiff_t step_x = transposed ? down : along, step_y = transposed ? along : down;
    const std::uint8_t* const corner =
        source.row(from_bottom ? source.height - 1 : 0) + (from_right ? (source.width - 1) * 3 : 0);
    constexpr std::int64_t tile = 32; // keeps both pictures' rows of a tile in the cache
    for (std::int64_t top = 0; top < turned.height; top += tile)
        for (std::int64_t left = 0; left < turned.width; left += tile)
            for (std::int64_t y = top; y < std::min(top + tile, turned.height); ++y)
                for (std::int64_t x = left; x < std::min(left + tile, turned.width); ++x)
                    std::copy_n(corner + x * step_x + y * step_y, 3, turned.row(y) + x * 3);
    return turned;
}

} // namespace gpunet

// Formats of picture files, recognised by content, and the limits a file is held to.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/image/image.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

namespace gpunet {

/// How picture files are read.
struct decode_options {
    /// Turn the picture as its EXIF orientation says. Off gives what Pillow's `Image.open` gives, on what
    /// `ImageOps.exif_transpose` makes of it.
    bool apply_exif_orientation = true;
    std::int64_t max_pixels = 178'956'970;       ///< larger pictures are refused; Pillow's limit
    std::int64_t max_side = 1'000'000;           ///< the same for each side, in pixels
    std::int64_t max_bytes = 1024 * 1024 * 1024; ///< larger files are refused
};

/// Formats of picture files. Only JPEG and PNG are decoded; the others are known so as to be refused by name.
enum class image_format : std::uint8_t { unknown, jpeg, png, gif, webp, bmp, tiff, avif, heic, jpeg_xl, jpeg_2000 };

/// "JPEG"
constexpr const char* to_string(image_format format) noexcept {
    constexpr const char* names[] = {"unknown format", "JPEG", "PNG",  "GIF",     "WebP",     "BMP",
                                     "TIFF",           "AVIF", "HEIC", "JPEG XL", "JPEG 2000"};
    const auto index = static_cast<std::size_t>(format);
    return index < std::size(names) ? names[index] : names[0];
}

/// The format whose signature the bytes start with; the first 12 bytes of a file suffice.
inline image_format recognise_image(std::span<const std::byte> bytes) noexcept {
    using namespace std::string_view_literals;
    const std::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 16));
    if (head.starts_with("\xFF\xD8"sv)) return image_format::jpeg;
    if (head.starts_with("\x89PNG"sv)) return image_format::png;
    if (head.starts_with("GIF8"sv)) return image_format::gif;
    if (head.starts_with("RIFF"sv) && head.size() >= 12 && head.substr(8, 4) == "WEBP"sv) return image_format::webp;
    if (head.starts_with("BM"sv)) return image_format::bmp;
    if (head.starts_with("II*\0"sv) || head.starts_with("MM\0*"sv)) return image_format::tiff;
    if (head.starts_with("\xFF\x0A"sv) || head.starts_with("\0\0\0\x0CJXL "sv)) return image_format::jpeg_xl;
    if (head.starts_with("\0\0\0\x0CjP  "sv)) return image_format::jpeg_2000;
    if (head.size() >= 12 && head.substr(4, 4) == "ftyp"sv) {
        const std::string_view brand = head.substr(8, 4);
        if (brand == "avif"sv || brand == "avis"sv) return image_format::avif;
        for (const std::string_view heif : {"heic"sv, "heix"sv, "heim"sv, "heis"sv, "hevc"sv, "mif1"sv, "msf1"sv})
            if (brand == heif) return image_format::heic;
    }
    return image_format::unknown;
}

namespace detail {

/// What a decoder is given: the whole file, what errors call it, and the limits.
struct encoded_image {
    std::span<const std::byte> bytes;
    const std::string& source;
    const decode_options& options;
    image_format format;

    [[noreturn]] void refuse(const std::string& reason) const {
        throw image_error(source + ": " + to_string(format) + ": " + reason);
    }

    /// @throws image_error if a picture of that size is beyond the limits. Allocates nothing.
    void require_size(std::int64_t width, std::int64_t height) const {
        const std::string size = std::to_string(width) + " x " + std::to_string(height) + " pixels";
        if (width < 1 || height < 1) refuse(size + ": expected at least one");
        if (width > std::min(options.max_side, max_image_side) || height > std::min(options.max_side, max_image_side))
            refuse(size + ": a side exceeds the limit of " +
                   std::to_string(std::min(options.max_side, max_image_side)) + " (decode_options::max_side)");
        if (height > options.max_pixels / width)
            refuse(size + ": exceeds the limit of " + std::to_string(options.max_pixels) +
                   " pixels (decode_options::max_pixels)");
    }
};

/// A big-endian integer of `size` bytes. Unchecked.
inline std::uint32_t load_big_endian(const std::byte* bytes, std::size_t size) noexcept {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[i]);
    return value;
}

} // namespace detail

} // namespace gpunet

// JPEG files, through libjpeg-turbo's TurboJPEG API.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/image/exif.hpp>
#include <gpunet/image/format.hpp>
#include <gpunet/image/image.hpp>

#include <turbojpeg.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::detail {

/// What the markers of a JPEG file say, found without decoding anything.
struct jpeg_header {
    std::int64_t width = 0;
    std::int64_t height = 0;
    int components = 0;              ///< 0: no frame header was found
    bool arithmetic = false;         ///< arithmetic instead of Huffman coding
    bool complete = false;           ///< the end-of-image marker was found
    std::span<const std::byte> exif; ///< the TIFF block of the first EXIF segment, or empty
};

/// Walks over the markers up to the end-of-image marker. Source: ITU-T T.81, annex B.
inline jpeg_header read_jpeg_header(std::span<const std::byte> bytes) noexcept {
    jpeg_header header;
    const std::byte* at = bytes.data();
    const std::byte* const end = at + bytes.size();
    constexpr char exif_mark[] = {'E', 'x', 'i', 'f', 0, 0};
    for (;;) {
        // Compressed data lies between markers too: in it, 0xFF is followed by 0 or a restart marker.
        at = at == end ? nullptr
                       : static_cast<const std::byte*>(std::memchr(at, 0xFF, static_cast<std::size_t>(end - at)));
        if (!at) return header;
        while (at != end && *at == std::byte{0xFF}) ++at;
        if (at == end) return header;
        const int marker = std::to_integer<int>(*at++);
        const bool alone = marker <= 0x01 || (marker >= 0xD0 && marker <= 0xD8);
        if (alone) continue;
        if (marker == 0xD9) {
            header.complete = true;
            return header;
        }
        if (end - at < 2) return header;
        const std::size_t length = load_big_endian(at, 2);
        if (length < 2 || length > static_cast<std::size_t>(end - at)) return header;
        const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
        if (frame && length >= 8 && header.components == 0) {
            header.height = load_big_endian(at + 3, 2);
            header.width = load_big_endian(at + 5, 2);
            header.components = std::to_integer<int>(at[7]);
            header.arithmetic = marker > 0xC8;
        }
        if (marker == 0xE1 && length >= 8 && header.exif.empty() && std::memcmp(at + 2, exif_mark, 6) == 0)
            header.exif = {at + 8, length - 8};
        at += length;
    }
}

/// Whether libjpeg-turbo's warning leaves every pixel intact. Everything else it warns of means lost data.
inline bool is_harmless_jpeg_warning(std::string_view warning) noexcept {
    for (const std::string_view harmless :
         {"extraneous bytes before marker", "unknown JFIF revision", "Unknown Adobe color transform", "Invalid SOS"})
        if (warning.find(harmless) != std::string_view::npos) return true;
    return false;
}

/// Decodes with the accurate inverse DCT and smooth chroma upsampling into rows of `width` pixels.
inline void decompress_jpeg(const encoded_image& file, const jpeg_header& header, TJPF format, std::uint8_t* out) {
    const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
    if (!decoder) file.refuse(tjGetErrorStr2(nullptr));
    const int status =
        tjDecompress2(decoder.get(), reinterpret_cast<const unsigned char*>(file.bytes.data()),
                      static_cast<unsigned long>(file.bytes.size()), out, static_cast<int>(header.width), 0,
                      static_cast<int>(header.height), format, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS);
    if (status == 0) return;
    const std::string reason = tjGetErrorStr2(decoder.get());
    if (tjGetErrorCode(decoder.get()) != TJERR_WARNING || !is_harmless_jpeg_warning(reason)) file.refuse(reason);
}

/// CMYK, stored inverted as Adobe does, to RGB: r = k * c / 255 in rounding integer arithmetic, as Pillow's
/// `convert("RGB")` has it.
inline void convert_inverted_cmyk(const std::uint8_t* cmyk, std::uint8_t* rgb, std::int64_t pixels) noexcept {
    for (std::int64_t i = 0; i < pixels; ++i, cmyk += 4, rgb += 3)
        for (int c = 0; c < 3; ++c) {
            const int ink = (255 - cmyk[c]) * cmyk[3] + 128;
            rgb[c] = static_cast<std::uint8_t>(std::max(0, cmyk[3] - ((ink >> 8) + ink) / 256));
        }
}

/// @throws image_error if the file is malformed, truncated, damaged or beyond the limits.
inline image decode_jpeg(const encoded_image& file) {
    const jpeg_header header = read_jpeg_header(file.bytes);
    if (header.components) file.require_size(header.width, header.height);
    if (!header.complete)
        file.refuse("truncated: no end-of-image marker within its " + std::to_string(file.bytes.size()) + " bytes");
    if (!header.components) file.refuse("no frame header");
    if (header.components != 1 && header.components != 3 && header.components != 4)
        file.refuse("expected 1, 3 or 4 colour components, found " + std::to_string(header.components));
    // Each block of 8 x 8 samples takes a bit at least, except where arithmetic coding is used.
    const std::int64_t blocks = ((header.width + 7) / 8) * ((header.height + 7) / 8);
    if (!header.arithmetic && static_cast<std::uint64_t>(blocks) / 8 > file.bytes.size())
        file.refuse("truncated: " + std::to_string(header.width) + " x " + std::to_string(header.height) +
                    " pixels cannot lie in " + std::to_string(file.bytes.size()) + " bytes");

    image picture(header.width, header.height);
    if (header.components == 4) {
        std::vector<std::uint8_t> cmyk(picture.pixels.size() / 3 * 4);
        decompress_jpeg(file, header, TJPF_CMYK, cmyk.data());
        convert_inverted_cmyk(cmyk.data(), picture.pixels.data(), header.width * header.height);
    } else {
        decompress_jpeg(file, header, TJPF_RGB, picture.pixels.data());
    }
    if (!file.options.apply_exif_orientation) return picture;
    return upright(std::move(picture), exif_orientation(header.exif));
}

} // namespace gpunet::detail

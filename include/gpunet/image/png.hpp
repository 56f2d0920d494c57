// PNG files, through libpng.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/image/exif.hpp>
#include <gpunet/image/format.hpp>
#include <gpunet/image/image.hpp>

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace gpunet::detail {

/// libpng's state, and all that its callbacks touch. libpng reports an error by longjmp: the functions below that call
/// setjmp hold nothing with a destructor, and return false with the reason in `message`.
struct png_session {
    explicit png_session(std::span<const std::byte> file) noexcept : bytes(file) {
        png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &png_session::fail, &png_session::warn);
        if (png) info = png_create_info_struct(png);
    }
    ~png_session() { png_destroy_read_struct(&png, &info, nullptr); }
    png_session(const png_session&) = delete;
    png_session& operator=(const png_session&) = delete;

    png_structp png = nullptr;
    png_infop info = nullptr;
    std::span<const std::byte> bytes;
    std::size_t position = 0;
    std::array<char, 160> message{};

    [[noreturn]] static void fail(png_structp png, png_const_charp reason) noexcept {
        auto& text = static_cast<png_session*>(png_get_error_ptr(png))->message;
        text.fill('\0');
        for (std::size_t i = 0; i + 1 < text.size() && reason[i] != '\0'; ++i) text[i] = reason[i];
        png_longjmp(png, 1);
    }
    static void warn(png_structp, png_const_charp) noexcept {}
    static void fetch(png_structp png, png_bytep out, std::size_t count) noexcept {
        auto& session = *static_cast<png_session*>(png_get_io_ptr(png));
        if (count > session.bytes.size() - session.position) png_error(png, "truncated: unexpected end of file");
        std::memcpy(out, session.bytes.data() + session.position, count);
        session.position += count;
    }
};

/// Has libpng pass over the chunks that decoding needs nothing of: it would inflate or keep what a profile, texts and
/// palettes hold, megabytes out of a small file. No other chunk may claim to be longer than the file.
inline void bound_png_chunks(png_session& session) noexcept {
    png_set_chunk_malloc_max(session.png, std::max<png_alloc_size_t>(session.bytes.size(), 1024));
#ifdef PNG_HANDLE_AS_UNKNOWN_SUPPORTED
    static constexpr char names[] = "iCCP\0zTXt\0iTXt\0tEXt\0sPLT\0pCAL\0sCAL\0hIST"; // 5 bytes each
    png_set_keep_unknown_chunks(session.png, PNG_HANDLE_CHUNK_NEVER, reinterpret_cast<png_const_bytep>(names),
                                static_cast<int>(sizeof names / 5));
#endif
}

/// Reads everything before the pixels, and asks for 8-bit RGB: the high byte of 16-bit samples, grey values spread over
/// 0..255 and repeated, palettes looked up, alpha and transparent colours ignored. Gamma is never applied.
/// @param stored_row_bytes  receives the size of a row as it is stored
inline bool read_png_info(png_session& session, png_uint_32 max_side, std::size_t& stored_row_bytes) noexcept {
    if (setjmp(png_jmpbuf(session.png))) return false;
    png_set_read_fn(session.png, &session, &png_session::fetch);
    png_set_user_limits(session.png, max_side, max_side);
    bound_png_chunks(session);
    png_read_info(session.png, session.info);
    stored_row_bytes = png_get_rowbytes(session.png, session.info);
    png_set_expand(session.png);
    png_set_strip_16(session.png);
    png_set_strip_alpha(session.png);
    png_set_gray_to_rgb(session.png);
    static_cast<void>(png_set_interlace_handling(session.png));
    png_read_update_info(session.png, session.info);
    return true;
}

/// Reads the pixels into dense rows, and what follows them.
inline bool read_png_rows(png_session& session, std::uint8_t* pixels, std::size_t row_bytes, png_uint_32 rows,
                          int passes) noexcept {
    if (setjmp(png_jmpbuf(session.png))) return false;
    for (int pass = 0; pass < passes; ++pass)
        for (png_uint_32 y = 0; y < rows; ++y) png_read_row(session.png, pixels + y * row_bytes, nullptr);
    png_read_end(session.png, session.info);
    return true;
}

/// The orientation noted in the file's eXIf chunk.
inline int png_orientation([[maybe_unused]] png_session& session) noexcept {
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(session.png, session.info, &size, &exif) && exif)
        return exif_orientation(std::as_bytes(std::span(exif, size)));
#endif
    return 1;
}

/// Whether each chunk but the pixels' ends within the file: libpng makes room for what a chunk says it holds. (Its own
/// limit, png_set_chunk_malloc_max, is but a warning for chunks that are too long.)
inline bool png_chunks_fit(std::span<const std::byte> file) noexcept {
    constexpr std::size_t head = 8, around = 12; // length and type, the checksum behind the data too
    for (std::size_t at = 8; at < file.size() && file.size() - at >= head;) {
        const std::size_t left = file.size() - at;
        const std::size_t length = load_big_endian(file.data() + at, 4);
        const auto is = [&](const char* type) { return std::memcmp(file.data() + at + 4, type, 4) == 0; };
        if (is("IEND")) return true;
        if (left < around || length > left - around) return is("IDAT");
        at += around + length;
    }
    return true;
}

/// @throws image_error if the file is malformed, truncated, damaged or beyond the limits.
inline image decode_png(const encoded_image& file) {
    // The size stands at a fixed place: checked before libpng sees the file.
    if (file.bytes.size() >= 24 && std::memcmp(file.bytes.data() + 12, "IHDR", 4) == 0)
        file.require_size(load_big_endian(file.bytes.data() + 16, 4), load_big_endian(file.bytes.data() + 20, 4));

    if (!png_chunks_fit(file.bytes)) file.refuse("truncated: a chunk ends beyond the file");

    png_session session(file.bytes);
    if (!session.info)
        file.refuse("libpng cannot start: out of memory, or built for another version than " PNG_LIBPNG_VER_STRING);
    const auto side = static_cast<png_uint_32>(std::min(file.options.max_side, max_image_side));
    std::size_t stored_row_bytes = 0;
    if (!read_png_info(session, side, stored_row_bytes)) file.refuse(session.message.data());
    const png_uint_32 width = png_get_image_width(session.png, session.info);
    const png_uint_32 height = png_get_image_height(session.png, session.info);
    file.require_size(width, height);
    // Deflate makes at most 258 bytes of two bits.
    constexpr std::uint64_t expansion = 258 * 4;
    if (std::uint64_t{stored_row_bytes} * height / expansion > file.bytes.size())
        file.refuse("truncated: " + std::to_string(width) + " x " + std::to_string(height) + " pixels cannot lie in " +
                    std::to_string(file.bytes.size()) + " bytes");
    if (png_get_rowbytes(session.png, session.info) != std::size_t{width} * 3)
        file.refuse("libpng does not give RGB rows for this kind of picture");

    image picture(width, height);
    const int passes = png_get_interlace_type(session.png, session.info) == PNG_INTERLACE_ADAM7 ? 7 : 1;
    if (!read_png_rows(session, picture.pixels.data(), std::size_t{width} * 3, height, passes))
        file.refuse(session.message.data());
    if (!file.options.apply_exif_orientation) return picture;
    return upright(std::move(picture), png_orientation(session));
}

} // namespace gpunet::detail

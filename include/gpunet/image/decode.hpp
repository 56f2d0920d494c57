// Reading picture files: JPEG and PNG, recognised by content.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/image/format.hpp>
#include <gpunet/image/image.hpp>
#include <gpunet/image/jpeg.hpp>
#include <gpunet/image/png.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

namespace detail {

/// @throws image_error unless the bytes start like a file that can be decoded.
inline image_format require_decodable(std::span<const std::byte> bytes, const std::string& source) {
    const image_format format = recognise_image(bytes);
    if (format == image_format::jpeg || format == image_format::png) return format;
    if (bytes.empty()) throw image_error(source + ": expected a JPEG or PNG picture, found an empty file");
    if (format != image_format::unknown)
        throw image_error(source + ": " + to_string(format) + " pictures are not supported: convert it to JPEG or PNG");
    std::string start;
    for (const std::byte value : bytes.first(std::min<std::size_t>(bytes.size(), 4))) {
        constexpr std::string_view digits = "0123456789abcdef";
        start +=
            {' ', digits[std::to_integer<std::size_t>(value >> 4)], digits[std::to_integer<std::size_t>(value) & 15]};
    }
    throw image_error(source + ": expected a JPEG or PNG picture, found a file that starts with" + start);
}

/// Reads a picture file, after a look at its start: of anything but a picture no more is read.
inline std::vector<std::byte> read_picture_file(const std::filesystem::path& path, const decode_options& options) {
    const std::string name = path.string();
    std::error_code failure;
    if (std::filesystem::is_directory(path, failure)) throw io_error(name + ": expected a picture, found a directory");
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw io_error(name + ": cannot open: " + std::generic_category().message(errno ? errno : ENOENT));
    std::vector<std::byte> bytes;
    std::size_t step = 4096;
    while (file) {
        const std::size_t before = bytes.size();
        bytes.resize(before + step);
        file.read(reinterpret_cast<char*>(bytes.data() + before), static_cast<std::streamsize>(step));
        bytes.resize(before + static_cast<std::size_t>(file.gcount()));
        if (before == 0) static_cast<void>(require_decodable(bytes, name));
        if (std::cmp_greater(bytes.size(), options.max_bytes))
            throw image_error(name + ": exceeds the limit of " + std::to_string(options.max_bytes) +
                              " bytes (decode_options::max_bytes)");
        step = std::max(step, bytes.size());
    }
    if (file.bad()) throw io_error(name + ": cannot read");
    return bytes;
}

} // namespace detail

/// Decodes a JPEG or PNG file held in memory into RGB. Grey is repeated, alpha dropped without blending (palettes and
/// transparent colours included), 16-bit samples give their high byte, CMYK and YCCK are taken as Adobe's inverted
/// kind. Colour profiles and gamma are ignored.
/// @param source  what errors call the file
/// @throws image_error, naming source, format and reason, if it is of another format, malformed, truncated, damaged, or
///         beyond the limits of `options`.
inline image decode_image(std::span<const std::byte> bytes, const std::string& source,
                          const decode_options& options = {}) {
    const image_format format = detail::require_decodable(bytes, source);
    const detail::encoded_image file{bytes, source, options, format};
    return format == image_format::jpeg ? detail::decode_jpeg(file) : detail::decode_png(file);
}

/// Reads and decodes a JPEG or PNG file; see `decode_image`.
/// @throws io_error if it cannot be read; image_error as `decode_image` does.
inline image read_image(const std::filesystem::path& path, const decode_options& options = {}) {
    return decode_image(detail::read_picture_file(path, options), path.string(), options);
}

} // namespace gpunet

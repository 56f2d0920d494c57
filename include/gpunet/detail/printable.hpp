// Untrusted bytes as messages show them: one line of UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpunet::detail {

inline std::string hexadecimal(std::uint8_t byte) {
    static constexpr char digits[] = "0123456789abcdef";
    return {digits[byte >> 4], digits[byte & 15U]};
}

/// Bytes of the character that `text` begins with, 0 if it begins with none. Source: RFC 3629, section 4.
constexpr std::size_t utf8_length(std::string_view text) noexcept {
    if (text.empty()) return 0;
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (length == 0 || text.size() < length) return 0;
    // The second byte's range leaves out overlong forms, surrogates, and what lies beyond U+10FFFF.
    const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (byte(1) < low || byte(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if ((byte(i) & 0xC0U) != 0x80U) return 0;
    return length;
}

/// Where the first byte stands that belongs to no character of UTF-8; `npos` where all do.
constexpr std::size_t find_not_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length(text.substr(at));
        if (length == 0) return at;
        at += length;
    }
    return std::string_view::npos;
}

/// The text in one line of UTF-8: control characters (U+0000 to U+001F, U+007F to U+009F) and bytes that are no UTF-8
/// become \xNN.
inline std::string printable(std::string_view text) {
    std::string shown;
    for (std::size_t at = 0; at < text.size();) {
        const std::string_view rest = text.substr(at);
        const std::size_t length = utf8_length(rest);
        const auto first = static_cast<std::uint8_t>(rest[0]);
        const bool control = first < 0x20 || first == 0x7F ||
                             (length == 2 && first == 0xC2 && static_cast<std::uint8_t>(rest[1]) < 0xA0);
        const std::size_t taken = length == 0 ? 1 : length;
        for (const char c : rest.substr(0, taken))
            if (control || length == 0)
                shown += "\\x" + hexadecimal(static_cast<std::uint8_t>(c));
            else
                shown += c;
        at += taken;
    }
    return shown;
}

/// At most `most` bytes of the text and "..." where it is longer, not cut within a character.
inline std::string shortened(std::string_view text, std::size_t most) {
    if (text.size() <= most) return std::string(text);
    std::size_t end = most - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return std::string(text.substr(0, end)) + "...";
}

} // namespace gpunet::detail

// Text and numbers as a page shows them: escaped, and the same in every locale.
#pragma once

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace gpunet::detail::report {

/// The code point at the start of UTF-8 text and its length; length 0 for what is no UTF-8.
struct code_point {
    char32_t value = 0;
    std::size_t length = 0;
};

inline code_point first_code_point(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80U) return {lead, 1};
    const std::size_t length = lead >= 0xF0U && lead < 0xF5U ? 4 : lead >= 0xE0U ? 3 : lead >= 0xC2U ? 2 : 0;
    if (length == 0 || lead >= 0xF5U || text.size() < length) return {};
    char32_t value = lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) return {};
        value = value << 6U | (byte(i) & 0x3FU);
    }
    const bool overlong = (length == 3 && value < 0x800U) || (length == 4 && value < 0x10000U);
    if (overlong || value > 0x10FFFFU || (value >= 0xD800U && value < 0xE000U)) return {};
    return {value, length};
}

/// Whether a character may stand in a page. Not: controls, what XML forbids, and what turns the direction of writing,
/// with which a name could rearrange the text around it.
inline bool printable(char32_t c) noexcept {
    if (c < 0x20U) return c == '\n' || c == '\t';
    return !(c >= 0x7FU && c < 0xA0U) && !(c >= 0x200EU && c <= 0x200FU) && !(c >= 0x202AU && c <= 0x202EU) &&
           !(c >= 0x2066U && c <= 0x2069U) && c != 0x061CU && c != 0xFFFEU && c != 0xFFFFU;
}

/// Any bytes as text of an HTML element or a quoted attribute. What is not printable becomes U+FFFD.
inline std::string escaped(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    while (!text.empty()) {
        const code_point c = first_code_point(text);
        const std::size_t length = c.length ? c.length : 1;
        if (c.length == 0 || !printable(c.value))
            out += "\xEF\xBF\xBD";
        else if (c.value == '&')
            out += "&amp;";
        else if (c.value == '<')
            out += "&lt;";
        else if (c.value == '>')
            out += "&gt;";
        else if (c.value == '"')
            out += "&quot;";
        else if (c.value == '\'')
            out += "&#39;";
        else
            out += text.substr(0, length);
        text.remove_prefix(length);
    }
    return out;
}

/// With so many digits behind the point.
inline std::string fixed(double value, int digits) {
    char buffer[512];
    const auto [end, status] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, digits);
    std::string out(buffer, status == std::errc() ? end : buffer);
    if (out.find_first_not_of("-0.") == std::string::npos && out.starts_with('-')) out.erase(0, 1); // no "-0.0"
    return out;
}

/// A coordinate: at most one digit behind the point.
inline std::string at(double value) {
    std::string out = fixed(value, 1);
    if (out.ends_with(".0")) out.resize(out.size() - 2);
    return out;
}

/// So many digits that count, and all of those before the point: "0.63", "43.2", "1240".
inline std::string rounded(double value, int digits) {
    char buffer[64];
    double limit = 1;
    for (int i = 0; i < digits; ++i) limit *= 10;
    if (!(value < limit - 0.5)) return fixed(value, 0);
    const auto [end, status] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits);
    return {buffer, status == std::errc() ? end : buffer};
}
/// How many digits behind the point a number is shown with, so that three of it count.
inline int places(double value) { return value < 0.9995 ? 3 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0; }

/// A measured number: three digits that count, below 1 without zeros at the end, as published figures are.
inline std::string three_digits(double value) {
    const int digits = places(value);
    return digits == 3 ? rounded(value, 3) : fixed(value, digits);
}

inline std::string percent(double value) { return fixed(value, 1) + " %"; }

inline std::string ms_text(std::chrono::duration<double, std::milli> t) { return three_digits(t.count()) + " ms"; }

/// "1 model", "3 models"
inline std::string counted(std::size_t n, std::string_view what) {
    return std::to_string(n) + ' ' + std::string(what) + (n == 1 ? "" : "s");
}

} // namespace gpunet::detail::report

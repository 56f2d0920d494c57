// JSON from strangers, read as events by nlohmann/json's parser, which is compiled once for all readers.
#pragma once

#include <gpunet/detail/printable.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpunet::detail {

/// What a reader of JSON is told of; each function throws for what it does not want.
class json_events : public nlohmann::json_sax<nlohmann::json> {
  public:
    /// @param what  the parser's reason and place, in one line
    [[noreturn]] virtual void malformed(const std::string& what) = 0;

    bool binary(binary_t&) final { // no JSON text gives these
        malformed("bytes");
        return false;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) final {
        const std::string what = e.what();
        std::size_t start = what.find("] ");
        start = start == std::string::npos ? 0 : start + 2;
        constexpr std::string_view word = "parse error ";
        if (what.compare(start, word.size(), word) == 0) start += word.size();
        malformed(shortened(printable(what.substr(start)), 300));
        return false;
    }
};

/// "at line 2, column 7", counted from 1.
inline std::string place_in(std::string_view text, std::size_t at) {
    std::size_t line = 1, begin = 0;
    for (std::size_t i = 0; i < at; ++i)
        if (text[i] == '\n') {
            ++line;
            begin = i + 1;
        }
    return "at line " + std::to_string(line) + ", column " + std::to_string(at - begin + 1);
}

/// Reads a whole text.
inline void parse_json_events(std::string_view text, json_events& events) {
    // The parser takes NUL for the end of its input.
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
        events.malformed(place_in(text, nul) + ": a NUL character");
    nlohmann::json_sax<nlohmann::json>& sax = events;
    static_cast<void>(nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &sax));
}

} // namespace gpunet::detail

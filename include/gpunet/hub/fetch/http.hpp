// What is asked of an HTTP server, what it answers, and which failures may pass.
#pragma once

#include <gpunet/error.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace gpunet::detail {

/// A failure that may pass if one waits and tries again.
class transient_error : public io_error {
  public:
    explicit transient_error(const std::string& what, std::chrono::seconds retry_after = {})
        : io_error(what), retry_after_(retry_after) {}
    /// How long the server asks one to wait; zero where it does not.
    std::chrono::seconds retry_after() const noexcept { return retry_after_; }

  private:
    std::chrono::seconds retry_after_;
};

/// "bytes 100-199/1000"; "bytes */1000" has a total and nothing else.
struct content_range {
    std::optional<std::uint64_t> first, last, total;
};

/// What a server says of a body, before it.
struct http_response {
    long status = 0;
    std::string url; // after redirects
    std::optional<std::uint64_t> length;
    std::optional<content_range> range;
    std::string etag, last_modified, content_encoding; // empty where the server says nothing, or nothing usable
};

struct http_request {
    std::string url;
    std::vector<std::string> headers;
    std::chrono::seconds connect_timeout{20}, stall_timeout{30}; // a stall_timeout of 0: none
    // With status 200, 206 or 416, before the body; what it throws ends the request.
    std::function<void(const http_response&)> begin;
    std::function<void(std::span<const std::byte>)> body; // of status 200 and 206; what it throws ends the request
    std::function<bool()> tick;                           // called at least once a second; false cancels
};

/// A decimal number that is all of the text.
inline std::optional<std::uint64_t> decimal(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || status != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Nothing, for text that is no range of bytes.
inline std::optional<content_range> parse_content_range(std::string_view text) {
    constexpr std::string_view unit = "bytes ";
    const std::size_t slash = text.find('/');
    if (!text.starts_with(unit) || slash == std::string_view::npos) return std::nullopt;
    const std::string_view span = text.substr(unit.size(), slash - unit.size()), total = text.substr(slash + 1);
    content_range range;
    range.total = decimal(total);
    if (!range.total && total != "*") return std::nullopt;
    if (span == "*") return range.total ? std::optional(range) : std::nullopt;
    const std::size_t dash = std::min(span.find('-'), span.size());
    range.first = decimal(span.substr(0, dash));
    range.last = decimal(span.substr(std::min(dash + 1, span.size())));
    const bool good =
        range.first && range.last && *range.first <= *range.last && (!range.total || *range.last < *range.total);
    return good ? std::optional(range) : std::nullopt;
}

/// Takes in one line of a response's head: "Name: value\r\n".
inline void read_header(http_response& response, std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string name(line.substr(0, colon));
    for (char& c : name)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const auto trimmed = [](std::string_view text) {
        constexpr std::string_view blank = " \t\r\n";
        const std::size_t from = std::min(text.find_first_not_of(blank), text.size());
        return text.substr(from, text.find_last_not_of(blank) + 1 - from);
    };
    const std::string_view value = trimmed(line.substr(colon + 1));
    // They are sent back as they came, and written to files.
    const bool plain =
        value.size() <= 1000 && std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
    if (!plain) return;
    if (name == "content-length") response.length = decimal(value);
    if (name == "content-range") response.range = parse_content_range(value);
    if (name == "content-encoding") response.content_encoding = value;
    if (name == "etag") response.etag = value;
    if (name == "last-modified") response.last_modified = value;
}

/// Timeouts, connections that cannot be made or that end early.
inline bool may_pass(::CURLcode code) {
    switch (code) {
    case ::CURLE_COULDNT_RESOLVE_PROXY:
    case ::CURLE_COULDNT_RESOLVE_HOST:
    case ::CURLE_COULDNT_CONNECT:
    case ::CURLE_WEIRD_SERVER_REPLY:
    case ::CURLE_PARTIAL_FILE:
    case ::CURLE_OPERATION_TIMEDOUT:
    case ::CURLE_SSL_CONNECT_ERROR:
    case ::CURLE_GOT_NOTHING:
    case ::CURLE_SEND_ERROR:
    case ::CURLE_RECV_ERROR:
    case ::CURLE_HTTP2:
    case ::CURLE_HTTP2_STREAM:
    case ::CURLE_AGAIN:
    case ::CURLE_PROXY: return true;
    default: return false;
    }
}

inline bool may_pass(long status) { return status == 408 || status == 425 || status == 429 || status / 100 == 5; }

/// "404 (not found)", and what to do about it.
inline std::string describe_status(long status) {
    const std::string number = "status " + std::to_string(status);
    switch (status) {
    case 401:
    case 403: return number + ": the server refuses it to you; fetch the file by hand";
    case 404:
    case 410: return number + ": nothing is there; the address may be out of date";
    case 407: return number + ": the proxy wants a user name and a password";
    case 429: return number + ": too many requests; try again later";
    default: return number + (status / 100 == 5 ? ": the server is out of order; try again later" : "");
    }
}

} // namespace gpunet::detail

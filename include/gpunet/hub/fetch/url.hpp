// Which addresses the hub fetches from, and how messages show them.
#pragma once

#include <gpunet/detail/printable.hpp>
#include <gpunet/error.hpp>

#include <curl/curl.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace gpunet {

namespace detail {

/// A URL as libcurl takes it apart; what is not there is empty.
struct url_parts {
    std::string scheme, host, path, whole; // of an IPv6 address the host keeps its brackets
    bool credentials = false;
};

/// Nothing, where libcurl refuses it: no scheme, no host, control characters, spaces.
inline std::optional<url_parts> parse_url(const std::string& url) {
    struct clean_up {
        void operator()(::CURLU* u) const noexcept { ::curl_url_cleanup(u); }
    };
    const std::unique_ptr<::CURLU, clean_up> handle(::curl_url());
    if (!handle || url.find('\0') != std::string::npos ||
        ::curl_url_set(handle.get(), ::CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != ::CURLUE_OK)
        return std::nullopt;
    const auto part = [&](::CURLUPart what) {
        char* text = nullptr;
        const bool there = ::curl_url_get(handle.get(), what, &text, 0) == ::CURLUE_OK;
        std::string out = there ? text : "";
        ::curl_free(text);
        return out;
    };
    url_parts p{part(::CURLUPART_SCHEME), part(::CURLUPART_HOST), part(::CURLUPART_PATH), part(::CURLUPART_URL), false};
    p.credentials = !part(::CURLUPART_USER).empty() || !part(::CURLUPART_PASSWORD).empty();
    return p;
}

/// localhost, 127.0.0.0/8 in any notation, [::1].
inline bool is_loopback(const url_parts& url) {
    ::in_addr four{};
    if (::inet_pton(AF_INET, url.host.c_str(), &four) == 1) return ntohl(four.s_addr) >> 24U == 127;
    if (url.host.size() > 2 && url.host.front() == '[') {
        ::in6_addr six{};
        return ::inet_pton(AF_INET6, url.host.substr(1, url.host.size() - 2).c_str(), &six) == 1 &&
               IN6_IS_ADDR_LOOPBACK(&six);
    }
    std::string name = url.host;
    for (char& c : name)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return name == "localhost";
}

/// One line of a text from elsewhere, without what could steer a terminal or is no UTF-8.
inline std::string one_line(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    return printable(text);
}

} // namespace detail

/// A URL as messages show it: without credentials, query and fragment, which may be secrets, and of bearable length.
inline std::string shown_url(const std::string& url) {
    std::string text = url.substr(0, url.find_first_of("?#"));
    const std::size_t scheme = text.find("://");
    const std::size_t from = scheme == std::string::npos ? 0 : scheme + 3;
    // The last @ before the path ends the credentials; of a URL that cannot be read, the last of all.
    const std::size_t path = detail::parse_url(url) ? text.find('/', from) : std::string::npos;
    const std::size_t at = text.substr(0, path).rfind('@');
    if (at != std::string::npos && at >= from) text.erase(from, at + 1 - from);
    return detail::shortened(detail::one_line(text), 300);
}

/// Why a URL is not fetched from: only https is, and http from this very machine (localhost, 127.0.0.0/8, [::1]), both
/// without credentials in the URL. Nothing, where it is allowed.
inline std::optional<std::string> url_refusal(const std::string& url) {
    const std::string where = shown_url(url);
    const auto parts = detail::parse_url(url);
    if (!parts) return where + ": expected a URL, as https://host/path, found text that is none";
    if (parts->credentials) return where + ": expected a URL without a user name or password, found one with";
    const bool http = parts->scheme == "http", https = parts->scheme == "https";
    if (!http && !https) return where + ": expected an https URL, found " + parts->scheme;
    if (http && !detail::is_loopback(*parts))
        return where + ": expected an https URL (plain http only from this machine), found http";
    return std::nullopt;
}

/// Why a server's redirect is not followed: the same rules, and no server elsewhere sends to this machine's own.
inline std::optional<std::string> redirect_refusal(const std::string& from, const std::string& to) {
    const auto source = detail::parse_url(from), target = detail::parse_url(to);
    auto why = url_refusal(to);
    if (!why && source && target && detail::is_loopback(*target) && !detail::is_loopback(*source))
        why = shown_url(to) + ": expected an address elsewhere, found one of this machine";
    if (!why) return std::nullopt;
    return shown_url(from) + ": redirects to an address that is refused: " + *why;
}

/// @throws argument_error for a URL that is refused
inline void require_allowed_url(const std::string& url) {
    if (const auto why = url_refusal(url)) throw argument_error(*why);
}

} // namespace gpunet

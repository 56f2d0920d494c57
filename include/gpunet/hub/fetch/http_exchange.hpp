// One request to one address, as libcurl's callbacks see it.
#pragma once

#include <gpunet/hub/fetch/http.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet::detail {

/// The callbacks call the request's own. What those throw waits here until libcurl has returned.
struct http_exchange {
    const http_request& request;
    http_response response{};
    std::exception_ptr thrown{};
    bool begun = false, cancelled = false, stalled = false, connected = false;
    std::uint64_t received = 0, mark = 0; // `mark` bytes had come at `since`
    std::chrono::steady_clock::time_point since{};

    template <class Work>
    bool guarded(Work&& work) noexcept {
        try {
            work();
        } catch (...) {
            thrown = std::current_exception();
        }
        return !thrown;
    }

    bool wanted() const noexcept { return response.status == 200 || response.status == 206; }

    static int on_connected(void* data, char*, char*, int, int) noexcept {
        auto& x = *static_cast<http_exchange*>(data);
        x.connected = true;
        x.since = std::chrono::steady_clock::now();
        return CURL_PREREQFUNC_OK;
    }

    static std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) noexcept {
        auto& x = *static_cast<http_exchange*>(user);
        const std::string_view line(data, size);
        if (x.begun) return size; // a trailer, after the body
        const bool good = x.guarded([&] {
            if (line.starts_with("HTTP/")) { // after an interim answer, another one
                std::string url = std::move(x.response.url);
                x.response = {};
                x.response.url = std::move(url);
                const std::size_t space = std::min(line.find(' '), size - 1);
                x.response.status = static_cast<long>(decimal(line.substr(space + 1, 3)).value_or(0));
            } else if (line.find_first_not_of("\r\n") != std::string_view::npos) {
                read_header(x.response, line);
            } else if (x.wanted() || x.response.status == 416) {
                x.begun = true;
                x.request.begin(x.response);
            }
        });
        return good ? size : 0;
    }

    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) noexcept {
        auto& x = *static_cast<http_exchange*>(user);
        x.received += size;
        constexpr std::uint64_t max_ignored = 65536; // of what comes with an error
        if (!x.wanted()) return x.received <= max_ignored ? size : 0;
        return x.guarded([&] { x.request.body(std::as_bytes(std::span(data, size))); }) ? size : 0;
    }

    static int on_tick(void* data, ::curl_off_t, ::curl_off_t, ::curl_off_t, ::curl_off_t) noexcept {
        auto& x = *static_cast<http_exchange*>(data);
        const auto now = std::chrono::steady_clock::now();
        const auto patience = x.request.stall_timeout;
        if (x.received - x.mark >= static_cast<std::uint64_t>(patience.count())) {
            x.mark = x.received;
            x.since = now;
        }
        x.stalled = x.connected && now - x.since > patience;
        x.guarded([&] { x.cancelled = x.request.tick && !x.request.tick(); });
        return x.stalled || x.cancelled || x.thrown ? 1 : 0;
    }
};

} // namespace gpunet::detail

// HTTP(S) requests by libcurl: redirects followed by our rules, the body handed on as it comes.
#pragma once

#include <gpunet/detail/no_sigpipe.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/fetch/http.hpp>
#include <gpunet/hub/fetch/http_exchange.hpp>
#include <gpunet/hub/fetch/url.hpp>
#include <gpunet/version.hpp>

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace gpunet::detail {

/// For one thread at a time. Connections are kept from one request to the next.
class http_client {
  public:
    http_client() {
        static const ::CURLcode ready = ::curl_global_init(CURL_GLOBAL_DEFAULT);
        if (ready == ::CURLE_OK) handle_.reset(::curl_easy_init());
        if (!handle_) throw io_error("libcurl: cannot be initialised");
    }

    /// Returns when the whole body has been handed on.
    /// @throws transient_error for what may pass; io_error for what will not: a refused redirect, a certificate that is
    ///         not trusted, any other status, cancelled; argument_error for a URL that is not allowed; and what the
    ///         callbacks throw
    void get(const http_request& request) {
        require_allowed_url(request.url);
        constexpr int max_redirects = 10;
        std::string url = request.url;
        for (int hop = 0; hop <= max_redirects; ++hop) {
            auto next = get_once(request, url);
            if (!next) return;
            if (const auto why = redirect_refusal(url, *next)) throw io_error(*why);
            url = std::move(*next);
        }
        throw io_error(shown_url(request.url) + ": expected at most " + std::to_string(max_redirects) +
                       " redirects, found more");
    }

  private:
    struct cleanup {
        void operator()(::CURL* c) const noexcept { ::curl_easy_cleanup(c); }
        void operator()(::curl_slist* l) const noexcept { ::curl_slist_free_all(l); }
    };
    using list = std::unique_ptr<::curl_slist, cleanup>;

    static void append(list& lines, const std::string& line) {
        ::curl_slist* longer = ::curl_slist_append(lines.get(), line.c_str());
        if (!longer) throw std::bad_alloc();
        static_cast<void>(lines.release());
        lines.reset(longer);
    }

    template <class Value>
    void set(::CURLoption option, Value value) {
        if (const auto code = ::curl_easy_setopt(handle_.get(), option, value); code != ::CURLE_OK)
            throw io_error("libcurl: option " + std::to_string(option) + ": " + ::curl_easy_strerror(code));
    }

    template <class Value>
    Value info(::CURLINFO what) const {
        Value value{};
        static_cast<void>(::curl_easy_getinfo(handle_.get(), what, &value));
        return value;
    }

    /// The address a redirect leads to; nothing, where the request was answered.
    std::optional<std::string> get_once(const http_request& request, const std::string& url) {
        http_exchange exchange{request};
        exchange.response.url = url;
        list headers;
        append(headers, "Accept-Encoding: identity");
        for (const std::string& line : request.headers) append(headers, line);
        std::array<char, CURL_ERROR_SIZE> message{};
        prepare(exchange, headers.get(), message.data());
        const no_sigpipe quiet;
        const ::CURLcode code = ::curl_easy_perform(handle_.get());
        if (exchange.thrown) std::rethrow_exception(exchange.thrown);
        return outcome(exchange, code, message.data());
    }

    void prepare(http_exchange& exchange, ::curl_slist* headers, char* message) {
        const http_request& request = exchange.request;
        const auto url = parse_url(exchange.response.url);
        ::curl_easy_reset(handle_.get());
        set(CURLOPT_URL, url->whole.c_str());
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_FOLLOWLOCATION, 0L); // each address is looked at first
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
        set(CURLOPT_USERAGENT, (std::string("gpunet/") + version).c_str());
        set(CURLOPT_HTTPHEADER, headers);
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::chrono::milliseconds(request.connect_timeout).count()));
        set(CURLOPT_ERRORBUFFER, message);
        // Refused, and as it was before, where the attempt before this one found no host: libcurl then keeps
        // its buffer.
        static_cast<void>(::curl_easy_setopt(handle_.get(), CURLOPT_BUFFERSIZE, 1L << 18));
        if (is_loopback(*url)) set(CURLOPT_NOPROXY, "*"); // a proxy's loopback is not this machine's
        set_authorities();

        void* const data = &exchange;
        set(CURLOPT_PREREQFUNCTION, &http_exchange::on_connected);
        set(CURLOPT_PREREQDATA, data);
        set(CURLOPT_HEADERFUNCTION, &http_exchange::on_header);
        set(CURLOPT_HEADERDATA, data);
        set(CURLOPT_WRITEFUNCTION, &http_exchange::on_body);
        set(CURLOPT_WRITEDATA, data);
        set(CURLOPT_NOPROGRESS, 0L);
        set(CURLOPT_XFERINFOFUNCTION, &http_exchange::on_tick);
        set(CURLOPT_XFERINFODATA, data);
    }

    /// The variables by which other programs are told, and which libcurl leaves to its callers.
    void set_authorities() {
        const auto variable = [](const char* name) -> const char* {
            const char* value = std::getenv(name);
            return value && *value ? value : nullptr;
        };
        const char* file = variable("CURL_CA_BUNDLE");
        if (!file) file = variable("SSL_CERT_FILE");
        if (file) {
            set(CURLOPT_CAINFO, file);
            set(CURLOPT_PROXY_CAINFO, file);
        }
        if (const char* folder = variable("SSL_CERT_DIR")) {
            set(CURLOPT_CAPATH, folder);
            set(CURLOPT_PROXY_CAPATH, folder);
        }
    }

    std::optional<std::string> outcome(const http_exchange& x, ::CURLcode code, const char* message) const {
        const std::string where = shown_url(x.response.url);
        const long status = x.response.status;
        if (x.cancelled) throw io_error(where + ": cancelled");
        if (x.stalled)
            throw transient_error(where + ": expected a byte a second, found fewer for " +
                                  std::to_string(x.request.stall_timeout.count()) + " s");
        if (status >= 300 && status != 416) { // whatever became of its body
            const char* target = info<char*>(CURLINFO_REDIRECT_URL);
            const bool redirect = status <= 303 || status == 307 || status == 308;
            if (target && redirect) return target;
            const std::string what = where + ": expected status 200, found " + describe_status(status);
            if (!may_pass(status)) throw io_error(what);
            throw transient_error(what, std::chrono::seconds(info<::curl_off_t>(CURLINFO_RETRY_AFTER)));
        }
        if (code == ::CURLE_OK && x.begun) return std::nullopt;
        if (code == ::CURLE_OK) throw io_error(where + ": expected status 200, found status " + std::to_string(status));
        const std::string what =
            where + ": cannot be fetched: " + one_line(*message ? message : ::curl_easy_strerror(code));
        const long proxy = info<long>(CURLINFO_HTTP_CONNECTCODE);
        if (proxy >= 400 && !may_pass(proxy)) throw io_error(what);
        if (may_pass(code)) throw transient_error(what);
        const bool certificate = code == ::CURLE_PEER_FAILED_VERIFICATION || code == ::CURLE_SSL_CACERT_BADFILE;
        throw io_error(what + (certificate ? "; name an authority of your own in CURL_CA_BUNDLE" : ""));
    }

    std::unique_ptr<::CURL, cleanup> handle_;
};

} // namespace gpunet::detail

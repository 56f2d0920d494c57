// Files and small documents over HTTPS: resumed where they broke off, verified before they appear.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/download_options.hpp>
#include <gpunet/hub/fetch/file_download.hpp>
#include <gpunet/hub/fetch/http.hpp>
#include <gpunet/hub/fetch/http_client.hpp>
#include <gpunet/hub/sha256.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace gpunet {

/// Fetches `url` into `file`, which appears complete, verified and flushed to the disk, or not at all; a file of that
/// name is replaced. Its folder must exist.
///
/// https only, or http from this machine itself; redirects obey the same rule (see url.hpp). What has come is kept in
/// `<file>.part`, and `<file>.part.json` says of what it is a part; a later call goes on from there, whatever ended the
/// earlier one. All begins again where the server's file has changed or the server gives no ranges. A part of which
/// size or hash turn out wrong, or which grows beyond max_bytes, is removed.
///
/// The environment counts: https_proxy, all_proxy and no_proxy, as libcurl reads them (never for addresses of this
/// machine); CURL_CA_BUNDLE or else SSL_CERT_FILE, and SSL_CERT_DIR, for the authorities that are trusted.
/// May be called by several threads at once, for different files.
/// @throws argument_error for a URL that is not allowed or options that cannot be meant; io_error, naming the URL
///         without what may be secret in it, for all else: status, certificate, size, SHA-256, disk, cancelled
inline downloaded download(const std::string& url, const std::filesystem::path& file,
                           const download_options& options = {}) {
    detail::check_options(url, options);
    return detail::file_download(url, file, options).run();
}

/// A small document of at most `max_bytes` (those of the options do not count); the rest as for download.
/// @throws the same
inline std::string fetch_text(const std::string& url, std::size_t max_bytes, const download_options& options = {}) {
    download_options o = options;
    o.max_bytes = max_bytes;
    detail::check_options(url, o);
    const std::string where = shown_url(url);
    detail::progress_meter meter(o);
    detail::retry_counter retries(o);
    detail::http_client client;
    std::string text;
    std::optional<std::uint64_t> total = o.size;
    const auto tell = [&](bool at_all_events = false) { return meter.at(text.size(), total, at_all_events); };
    detail::http_request request = detail::request_for(url, o);
    request.begin = [&](const detail::http_response& r) {
        if (r.status != 200) throw io_error(where + ": expected status 200, found status " + std::to_string(r.status));
        detail::check_offer(r, r.length, o);
        text.clear();
        if (r.length) total = r.length;
    };
    request.body = [&](std::span<const std::byte> bytes) {
        if (bytes.size() > max_bytes - text.size())
            throw io_error(where + ": expected at most " + std::to_string(max_bytes) + " bytes, found more");
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    request.tick = tell;
    for (;;) {
        try {
            client.get(request);
            break;
        } catch (const detail::transient_error& e) {
            if (!retries.failed(0)) throw io_error(std::string(e.what()) + "; " + retries.tried());
            if (!retries.wait(e.retry_after(), tell)) throw io_error(where + ": cancelled");
        }
    }
    sha256 hash;
    hash.update(text);
    detail::check_content(where, text.size(), hash.hex(), o);
    if (!tell(true)) throw io_error(where + ": cancelled");
    return text;
}

} // namespace gpunet

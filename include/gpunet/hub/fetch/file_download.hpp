// One file on its way: attempts, ranges, and what is made of the answers.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/download_options.hpp>
#include <gpunet/hub/fetch/http.hpp>
#include <gpunet/hub/fetch/http_client.hpp>
#include <gpunet/hub/fetch/part_file.hpp>
#include <gpunet/hub/fetch/url.hpp>
#include <gpunet/hub/sha256.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace gpunet {

struct downloaded {
    std::uint64_t size = 0;
    std::string sha256;
    std::string url; // after redirects; the one asked for, where no request was needed any more
};

namespace detail {

/// What came is not what was expected, or too much: the part is of no use.
class content_error : public io_error {
  public:
    using io_error::io_error;
};

inline std::string bytes_expected(const std::string& where, std::uint64_t expected, std::uint64_t found) {
    return where + ": expected " + std::to_string(expected) + " bytes, found " + std::to_string(found);
}

/// What a server says of a file's size and form, against what is wanted.
inline void check_offer(const http_response& r, std::optional<std::uint64_t> total, const download_options& o) {
    const std::string where = shown_url(r.url);
    if (!r.content_encoding.empty() && r.content_encoding != "identity")
        throw io_error(where + ": expected the file as it is, found it encoded: " + r.content_encoding);
    if (total && *total > o.max_bytes)
        throw content_error(where + ": expected at most " + std::to_string(o.max_bytes) + " bytes, found " +
                            std::to_string(*total) + " announced");
    if (total && o.size && *total != *o.size)
        throw content_error(bytes_expected(where, *o.size, *total) + " announced");
}

inline void check_content(const std::string& where, std::uint64_t size, const std::string& hash,
                          const download_options& o) {
    if (o.size && size != *o.size) throw content_error(bytes_expected(where, *o.size, size));
    if (o.sha256 && hash != *o.sha256)
        throw content_error(where + ": expected SHA-256 " + *o.sha256 + ", found " + hash);
}

inline void check_options(const std::string& url, const download_options& o) {
    require_allowed_url(url);
    if (o.sha256 && !is_sha256(*o.sha256))
        throw argument_error(shown_url(url) + ": expected a SHA-256 of 64 lower-case hexadecimal digits, found \"" +
                             one_line(*o.sha256) + "\"");
    if (o.size && *o.size > o.max_bytes)
        throw argument_error(bytes_expected(shown_url(url) + ": max_bytes", *o.size, o.max_bytes));
}

inline http_request request_for(const std::string& url, const download_options& o) {
    http_request r;
    r.url = url;
    r.connect_timeout = o.connect_timeout;
    r.stall_timeout = o.stall_timeout;
    if (!o.accept.empty()) r.headers.push_back("Accept: " + one_line(o.accept));
    return r;
}

/// One file on its way.
class file_download {
  public:
    file_download(const std::string& url, const std::filesystem::path& file, const download_options& o)
        : url_(url), options_(o), part_(file, url), meter_(o), final_url_(url) {
        if (part_.size() > o.size.value_or(o.max_bytes)) part_.clear();
        old_bytes_ = part_.size() > 0;
    }

    downloaded run() {
        retry_counter retries(options_);
        retries.start_at(part_.size());
        for (;;) {
            try {
                if (!complete()) fetch();
                check_content(shown_url(final_url_), part_.size(), part_.sha256_hex(), options_);
                break;
            } catch (const content_error&) {
                part_.clear();
                // Bytes of an earlier answer may be what is wrong: once more, all of it.
                if (!old_bytes_ || begun_again_) throw;
                begun_again_ = true;
                old_bytes_ = false;
            } catch (const transient_error& e) {
                if (!retries.failed(part_.size()))
                    throw io_error(std::string(e.what()) + "; " + retries.tried() + part_.kept());
                if (!retries.wait(e.retry_after(), [&] { return tell(); })) cancel();
            }
        }
        if (!tell(true)) cancel();
        downloaded d{part_.size(), part_.sha256_hex(), final_url_};
        part_.finish();
        return d;
    }

  private:
    /// By the size the server announced or, should that be wrong, by the hash.
    bool complete() const {
        return part_.version().total == part_.size() ||
               (options_.sha256 && part_.size() > 0 && part_.sha256_hex() == *options_.sha256);
    }

    bool tell(bool at_all_events = false) {
        return meter_.at(part_.size(), part_.version().total ? part_.version().total : options_.size, at_all_events);
    }

    [[noreturn]] void cancel() const { throw io_error(shown_url(url_) + ": cancelled"); }

    /// One attempt: what is missing, or all.
    void fetch() {
        http_request request = request_for(url_, options_);
        // Whether it is still the same file is told by a strong ETag or the date; without either, by the hash at last.
        const file_version& v = part_.version();
        const bool strong = !v.etag.empty() && !v.etag.starts_with("W/");
        const std::string& validator = strong ? v.etag : v.last_modified;
        if (part_.size() > 0 && validator.empty() && !options_.sha256) part_.clear();
        asked_from_ = part_.size();
        if (asked_from_ > 0) {
            request.headers.push_back("Range: bytes=" + std::to_string(asked_from_) + "-");
            if (!validator.empty()) request.headers.push_back("If-Range: " + validator);
        }
        request.begin = [&](const http_response& r) { begin(r); };
        request.body = [&](std::span<const std::byte> bytes) { append(bytes); };
        request.tick = [&] { return tell(); };
        client_.get(request);
        const auto total = part_.version().total;
        if (total && part_.size() < *total)
            throw transient_error(bytes_expected(shown_url(final_url_), *total, part_.size()));
    }

    void begin(const http_response& r) {
        final_url_ = r.url;
        if (r.status == 200) {
            old_bytes_ = false;
            check_offer(r, r.length, options_);
            part_.restart({r.etag, r.last_modified, r.length});
            return;
        }
        const std::string where = shown_url(r.url);
        if (asked_from_ == 0)
            throw io_error(where + ": expected status 200, found status " + std::to_string(r.status) +
                           " though no range was asked for");
        const auto total = r.range ? r.range->total : std::nullopt;
        const auto known = part_.version().total;
        const bool same = same_version(r) && (!known || !total || known == total);
        if (r.status == 416 && same && total == part_.size()) return; // all was there already
        if (r.status == 416 || !same || !r.range || r.range->first != asked_from_ || !(known || total)) {
            part_.clear();
            throw transient_error(where + ": expected the file from byte " + std::to_string(asked_from_) +
                                  ", found other bytes or another file; it has to begin again");
        }
        old_bytes_ = true;
        check_offer(r, total, options_);
        if (total) part_.learn_total(*total);
    }

    /// By the ETags or, where one is missing, by the dates; nothing said is nothing against it.
    bool same_version(const http_response& r) const {
        const file_version& v = part_.version();
        if (!r.etag.empty() && !v.etag.empty()) return r.etag == v.etag;
        return r.last_modified.empty() || v.last_modified.empty() || r.last_modified == v.last_modified;
    }

    void append(std::span<const std::byte> bytes) {
        const std::uint64_t most = part_.version().total.value_or(options_.size.value_or(options_.max_bytes));
        if (bytes.size() > most - part_.size())
            throw content_error(shown_url(final_url_) + ": expected at most " + std::to_string(most) +
                                " bytes, found more");
        part_.write(bytes);
    }

    std::string url_;
    const download_options& options_;
    part_file part_;
    progress_meter meter_;
    http_client client_;
    std::string final_url_;
    std::uint64_t asked_from_ = 0;
    bool old_bytes_ = false, begun_again_ = false;
};

} // namespace detail

} // namespace gpunet

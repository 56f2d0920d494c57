// A model's pretrained weights, fetched from where its record says, verified, and converted to safetensors once.
#pragma once

#include <gpunet/detail/file_lock.hpp>
#include <gpunet/error.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/hub/fetch/fetch_source.hpp>
#include <gpunet/hub/fetch/kept_weights.hpp>
#include <gpunet/hub/fetch/sweep.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/version.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/read.hpp>
#include <gpunet/weights/safetensors.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace gpunet {

/// What a pull gave.
struct pulled {
    kept_weights weights;
    bool fetched = false;   // over the network, by this very call
    bool converted = false; // by this very call; otherwise the weights were there
};

namespace detail {

/// Calls use(weights file, archive's digest, whether it was fetched) while the source's lock is held, and notes digests
/// once that has succeeded. An archive whose weights prove no good at its first use is forgotten.
template <class Use>
auto use_source(const pull_job& job, const weights_source& w, const std::string& scratch_key, Use&& use) {
    const std::string identity = source_identity(w);
    file_lock lock(lock_file(key_of(identity)));
    lock.lock([&] { job.report(pull_stage::waiting, &w); });
    const source_records records;
    auto known = records.read(identity);
    const fetched_file archive = fetch_archive(job, w, known ? &*known : nullptr);
    source_record noted = known.value_or(source_record{identity, archive.digest, utc_now(), {}});
    if (noted.archive.sha256 != archive.digest.sha256) noted = {identity, archive.digest, utc_now(), {}};
    noted.archive = archive.digest;
    if (noted != known) records.write(noted);
    try {
        const scratch_file scratch(incoming_file(scratch_key + ".member"));
        make_folder(scratch.path().parent_path());
        const fetched_file weights = unpack_weights(job, w, archive, known ? &*known : nullptr, scratch.path());
        auto result = use(weights, archive);
        source_record proved = noted;
        proved.members[w.member] = weights.digest;
        if (proved != noted) records.write(proved);
        return result;
    } catch (const weights_error&) {
        if (noted.members.empty()) {
            records.forget(identity);
            if (archive.stored) blob_store().remove(archive.digest.sha256);
        }
        throw;
    }
}

/// Tries a model's sources in order.
/// @throws the error of the only source, or io_error with those of all
template <class Try>
auto first_source_that_works(const pull_job& job, Try&& attempt) {
    const model& m = job.model;
    if (m.weights.empty()) throw io_error(m.name + ": expected a source of weights in its record, found none");
    const bool only = m.weights.size() == 1;
    std::string all;
    const auto note = [&all](const error& e) { all += (all.empty() ? "" : "; ") + std::string(e.what()); };
    bool offline = true;
    for (const weights_source& source : m.weights) {
        try {
            return attempt(source);
        } catch (const pull_cancelled&) {
            throw;
        } catch (const offline_error& e) {
            if (only) throw;
            note(e);
        } catch (const error& e) {
            if (only) throw;
            note(e);
            offline = false;
        }
    }
    all = m.name + ": none of its " + std::to_string(m.weights.size()) + " sources gave weights: " + all;
    if (offline) throw offline_error(all);
    throw io_error(all);
}

/// Reads a weights file that errors call by its source. It stays mapped while the result lives.
inline tensor_store read_named(const std::filesystem::path& file, const std::string& source,
                               const checkpoint_options& options) {
    auto map = std::make_shared<const mapped_file>(file);
    const auto bytes = map->bytes();
    return read_weights(bytes, source, options, std::move(map));
}

/// Reads a weights file as the model's, checks that it fits, and puts it into the cache as safetensors.
inline kept_weights convert_weights(const pull_job& job, const weights_source& w, const fetched_file& weights,
                                    const fetched_file& archive, const std::string& key) {
    job.report(pull_stage::converting, &w);
    const model& m = job.model;
    checkpoint_options limits;
    limits.max_bytes = job.options.checkpoint.max_bytes;
    limits.max_pickle_values = job.options.checkpoint.max_pickle_values;
    kept_weights k{.model = m.name,
                   .file = kept_weights_file(m.name),
                   .sha256 = {},
                   .source = source_identity(w),
                   .member = w.member,
                   .archive_sha256 = archive.digest.sha256,
                   .member_sha256 = weights.digest.sha256,
                   .when = utc_now()};
    const scratch_file made(incoming_file(key + ".safetensors"));
    const tensor_store store = read_named(weights.file, source_and_member(job, w), limits);
    static_cast<void>(fold(lower(m.network), store)); // throws where they are not the model's
    write_safetensors(made.path(), store,
                      {{"format", "pt"},
                       {"gpunet.model", m.name},
                       {"gpunet.source", k.source},
                       {"gpunet.member", k.member},
                       {"gpunet.archive_sha256", k.archive_sha256},
                       {"gpunet.member_sha256", k.member_sha256}});
    const auto found = look_at(made.path());
    if (!found) throw io_error(made.path().string() + ": expected what was just written, found nothing");
    k.size = found->size;
    k.modified = found->modified;
    k.sha256 = sha256_of_file(made.path());
    keep(k, made.path());
    return k;
}

/// The converted weights in the cache, if they are the model's. A file that was touched or copied, but has the digest
/// its note says, is taken as it is.
/// @throws io_error for a file there that is somebody else's
inline std::optional<kept_weights> kept_weights_of(const model& m) {
    const std::filesystem::path file = kept_weights_file(m.name);
    if (auto k = read_kept(file)) return is_current(*k, m) ? k : std::nullopt;
    const auto found = look_at(file);
    if (!found) return std::nullopt;
    std::error_code ignored;
    if (std::filesystem::exists(note_of(file), ignored)) {
        try {
            kept_weights k = read_note(note_of(file));
            if (k.size == found->size && k.sha256 == sha256_of_file(file)) {
                k.modified = found->modified;
                write_note(k);
                return is_current(k, m) ? std::optional(k) : std::nullopt;
            }
        } catch (const io_error&) { // a note that cannot be read is none
        }
    }
    throw io_error(file.string() + ": expected a file that pull has written, found another; move it away, or remove it "
                                   "with: gpunet cache verify --repair");
}

} // namespace detail

/// Makes sure that a model's weights are in the cache: fetched from the first of its sources that works, compared with
/// the published digests or those of the first use, unpacked, found to fit the model, converted to safetensors. What is
/// there is not fetched or converted again. Threads and processes that pull the same do it once. Whatever the moment it
/// is interrupted at, even by SIGKILL, the cache stays whole, and the next pull goes on.
/// @throws io_error where nothing can be fetched or is not what it should be, where offline, and when cancelled;
///         weights_error for archives and files that are malformed or do not fit the model
inline pulled pull(const model& m, const pull_options& o = {}) {
    const detail::pull_job job{m, o};
    const std::string key = detail::key_of("model " + kept_weights_file(m.name).string());
    detail::file_lock lock(detail::lock_file(key));
    lock.lock([&] { job.report(pull_stage::waiting, nullptr); });
    if (auto k = detail::kept_weights_of(m)) return {std::move(*k), false, false};
    detail::sweep(std::chrono::hours(24 * 7));
    return detail::first_source_that_works(job, [&](const weights_source& w) {
        return detail::use_source(job, w, key, [&](const auto& weights, const auto& archive) {
            return pulled{detail::convert_weights(job, w, weights, archive, key), archive.downloaded, true};
        });
    });
}

/// The weights of a checkpoint's entry other than the one that pull converts (see checkpoint_options); read from the
/// publisher's file, which is fetched if it is not in the cache.
/// @throws as pull
inline tensor_store read_source(const model& m, const pull_options& o) {
    const detail::pull_job job{m, o};
    const std::string key = detail::key_of("model " + kept_weights_file(m.name).string());
    detail::file_lock lock(detail::lock_file(key));
    lock.lock([&] { job.report(pull_stage::waiting, nullptr); });
    return detail::first_source_that_works(job, [&](const weights_source& w) {
        return detail::use_source(job, w, key, [&](const auto& weights, const auto&) {
            return detail::read_named(weights.file, detail::source_and_member(job, w), o.checkpoint);
        });
    });
}

} // namespace gpunet

// What the hub keeps on this machine: listed, checked, removed.
#pragma once

#include <gpunet/detail/file_lock.hpp>
#include <gpunet/detail/utc_time.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/fetch/blob_store.hpp>
#include <gpunet/hub/fetch/kept_weights.hpp>
#include <gpunet/hub/fetch/source_records.hpp>
#include <gpunet/hub/fetch/sweep.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/sha256.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

/// A file of the cache.
struct cached_file {
    std::string kind; // "weights", "blob", "source", "kernel", "plan", "records", "unfinished"
    std::string name; // the model, the source, or the file's name
    std::filesystem::path file;
    std::uint64_t size = 0;           // bytes
    std::vector<std::string> sources; // of weights and blobs, where they are known
    std::string when;                 // UTC, ISO 8601, where it is known
    bool own = true;                  // made by this library; false: a weights file that somebody put there
};

namespace detail {

inline std::string utc_time_of(const std::filesystem::path& file) {
    const auto found = look_at(file);
    return found ? utc_time(static_cast<std::time_t>(found->modified / 1'000'000'000)) : "";
}

inline std::uint64_t size_of_file(const std::filesystem::path& file) {
    const auto found = look_at(file);
    return found ? found->size : 0;
}

/// Calls each(path) for the files of a folder of the cache, in the order of their names.
template <class Each>
void for_each_file(const std::filesystem::path& folder, Each&& each) {
    std::vector<std::filesystem::path> all;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
        if (entry.is_regular_file(ignored)) all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    for (const auto& file : all) each(file);
}

} // namespace detail

/// Everything in the cache but its lock files.
inline std::vector<cached_file> cache_contents() {
    const std::filesystem::path root = cache_directory();
    std::vector<cached_file> all;
    const auto add = [&](const char* kind, std::string name, const std::filesystem::path& file) -> cached_file& {
        all.push_back({kind, std::move(name), file, detail::size_of_file(file), {}, detail::utc_time_of(file), true});
        return all.back();
    };
    detail::for_each_file(root / "weights", [&](const std::filesystem::path& file) {
        if (file.extension() == ".json" || detail::is_temporary(file)) return;
        const auto k = read_kept(file);
        cached_file& f = add("weights", k ? k->model : file.filename().string(), file);
        f.own = k.has_value();
        if (k) f.sources = {k->source + (k->member.empty() ? "" : ", " + k->member)};
    });
    std::vector<source_record> known;
    const source_records records;
    for (const auto& file : records.files()) {
        cached_file& f = add("source", file.filename().string(), file);
        try {
            known.push_back(source_records::read_file(file));
            f.name = known.back().source;
            f.sources = {f.name};
            f.when = known.back().when;
        } catch (const io_error&) { // cache verify says so
        }
    }
    for (const blob& b : blob_store().list()) {
        cached_file& f = add("blob", b.sha256, b.file);
        for (const source_record& r : known)
            if (r.archive.sha256 == b.sha256) f.sources.push_back(r.source);
    }
    for (const auto& [kind, folder] : {std::pair("kernel", "kernels"), {"plan", "plans"}})
        detail::for_each_file(root / folder, [&, k = kind](const std::filesystem::path& file) {
            if (!detail::is_temporary(file)) add(k, file.filename().string(), file);
        });
    detail::for_each_file(root, [&](const std::filesystem::path& file) {
        const std::string name = file.filename().string();
        if (name.starts_with("latency.json") && !name.ends_with(".lock")) add("records", name, file);
    });
    for (const auto& file : detail::unfinished_files()) add("unfinished", file.filename().string(), file);
    return all;
}

/// A file that is not what it was.
struct cache_damage {
    std::filesystem::path file;
    std::string problem; // one line: what was expected, what was found
};

/// Reads and hashes all blobs and converted weights, and reads what is noted of the sources. Kernels and plans carry
/// checksums of their own, which are looked at when they are used.
/// @param progress  called before each file
/// @param repair    removes what is damaged: it is made or fetched again when it is next needed
inline std::vector<cache_damage> verify_cache(const std::function<void(const std::filesystem::path&)>& progress = {},
                                              bool repair = false) {
    std::vector<cache_damage> damages;
    const auto check = [&](const std::filesystem::path& file, auto&& problem_of) {
        if (progress) progress(file);
        std::string problem;
        try {
            problem = problem_of();
        } catch (const io_error& e) {
            problem = e.what();
        }
        if (problem.empty()) return;
        damages.push_back({file, problem});
        if (!repair) return;
        detail::remove_file(file);
        if (file.extension() == ".safetensors") detail::remove_file(detail::note_of(file));
    };
    const auto differs = [](const std::filesystem::path& file, const std::string& expected) {
        const std::string found = sha256_of_file(file);
        return found == expected ? "" : "expected SHA-256 " + expected + ", found " + found;
    };
    for (const blob& b : blob_store().list()) check(b.file, [&] { return differs(b.file, b.sha256); });
    const source_records records;
    for (const auto& file : records.files())
        check(file, [&] {
            const source_record r = source_records::read_file(file);
            return records.file_of(r.source) == file ? "" : "expected the record of another source, found " + r.source;
        });
    detail::for_each_file(cache_directory() / "weights", [&](const std::filesystem::path& file) {
        std::error_code ignored;
        if (file.extension() != ".safetensors" || !std::filesystem::exists(detail::note_of(file), ignored)) return;
        check(file, [&] { return differs(file, detail::read_note(detail::note_of(file)).sha256); });
    });
    return damages;
}

/// What clear_cache removes.
struct clear_options {
    std::vector<model> models; // their weights, and what these were made of; empty: everything
    bool forget = false;       // also the digests noted at the first use
    bool records = false;      // also the latencies measured here
};

/// The files that clear_cache would remove: never weights that somebody put there, nor archives that
/// other models' weights came from as well (unless they are to be forgotten).
inline std::vector<cached_file> files_to_clear(const clear_options& o) {
    std::set<std::string> sources, others; // of the models to be cleared, and of those that stay
    const auto named = [&](const std::string& model) {
        return std::any_of(o.models.begin(), o.models.end(), [&](const auto& m) { return m.name == model; });
    };
    for (const model& m : o.models)
        for (const weights_source& w : m.weights) sources.insert(detail::source_identity(w));
    const auto is_part = [&](const cached_file& f) {
        return std::any_of(sources.begin(), sources.end(),
                           [&](const auto& source) { return f.name.starts_with(detail::key_of(source)); });
    };
    for (const kept_weights& k : list_kept()) (named(k.model) ? sources : others).insert(k.source);
    std::vector<cached_file> all = cache_contents();
    std::erase_if(all, [&](const cached_file& f) {
        if (f.kind == "records") return !o.records;
        if (f.kind == "source" && !o.forget) return true;
        if (f.kind == "weights" && !f.own) return true;
        if (o.models.empty()) return false;
        if (f.kind == "weights") return !named(f.name);
        if (f.kind == "unfinished") return !is_part(f);
        if (f.kind != "blob" && f.kind != "source") return true;
        return f.sources.empty() || std::any_of(f.sources.begin(), f.sources.end(), [&](const std::string& s) {
                   return !sources.contains(s) || (others.contains(s) && !o.forget);
               });
    });
    return all;
}

/// Removes files that files_to_clear has listed, but unfinished ones only where nobody works on them.
/// @returns the bytes freed
inline std::uint64_t clear_cache(std::span<const cached_file> files) {
    std::uint64_t freed = 0;
    for (const cached_file& f : files) {
        freed += f.kind == "unfinished" ? detail::remove_unfinished(f.file) : detail::remove_file(f.file);
        if (f.kind == "weights") detail::remove_file(detail::note_of(f.file));
    }
    return freed;
}

} // namespace gpunet

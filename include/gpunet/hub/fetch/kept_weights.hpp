// Pretrained weights converted to safetensors, and the note beside each that says what it was made of.
#pragma once

#include <gpunet/detail/json_file.hpp>
#include <gpunet/detail/object_reader.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/fetch/blob_store.hpp>
#include <gpunet/hub/fetch/source_records.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/sha256.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <sys/stat.h>

namespace gpunet {

/// A converted file. It is taken as it was written as long as size and time of its last change are what the note says;
/// otherwise the file is somebody else's.
struct kept_weights {
    std::string model;
    std::filesystem::path file;
    std::string sha256;         // of the file
    std::uint64_t size = 0;     // bytes
    std::int64_t modified = 0;  // nanoseconds since 1970
    std::string source, member; // of the weights; see source_record
    std::string archive_sha256, member_sha256;
    std::string when; // UTC, ISO 8601
};

namespace detail {

struct size_and_time {
    std::uint64_t size = 0;
    std::int64_t modified = 0; // nanoseconds since 1970
};

inline std::optional<size_and_time> look_at(const std::filesystem::path& file) {
    struct ::stat status {};
    if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
    return size_and_time{static_cast<std::uint64_t>(status.st_size),
                         std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

inline std::filesystem::path note_of(const std::filesystem::path& weights) {
    std::filesystem::path note = weights;
    note += ".json";
    return note;
}

inline kept_weights read_note(const std::filesystem::path& note) {
    const json document = parse_json<io_error>(read_text_file(note, std::size_t{1} << 20), note.string());
    object_reader<io_error> in(document, note.string());
    static_cast<void>(in.integer("schema", 1, 1));
    kept_weights k;
    k.file = note.parent_path() / note.stem();
    k.model = in.string("model");
    k.sha256 = in.string("sha256");
    k.size = static_cast<std::uint64_t>(in.integer("size", 0, INT64_MAX));
    k.modified = in.integer("modified_ns", INT64_MIN, INT64_MAX);
    k.source = in.string("source");
    k.member = in.string("member");
    k.archive_sha256 = in.string("archive_sha256");
    k.member_sha256 = in.string("member_sha256");
    k.when = in.string("when");
    return k;
}

inline ordered_json to_json(const kept_weights& k) {
    return {{"schema", 1},
            {"model", k.model},
            {"sha256", k.sha256},
            {"size", k.size},
            {"modified_ns", k.modified},
            {"source", k.source},
            {"member", k.member},
            {"archive_sha256", k.archive_sha256},
            {"member_sha256", k.member_sha256},
            {"when", k.when}};
}

inline void write_note(const kept_weights& k) { write_document(note_of(k.file), to_json(k)); }

} // namespace detail

/// Where a model's converted weights belong. @throws argument_error for a name that can be no file's
inline std::filesystem::path kept_weights_file(const std::string& model) {
    if (model.empty() || model.front() == '.' || model.find_first_of(std::string_view("/\0", 2)) != std::string::npos)
        throw argument_error("expected a model's name without slashes and with no dot in front, found \"" + model +
                             "\"");
    return cache_directory() / "weights" / (model + ".safetensors");
}

/// What the note beside a weights file says, if there is one and it is of this very file.
inline std::optional<kept_weights> read_kept(const std::filesystem::path& file) {
    const auto found = detail::look_at(file);
    std::error_code ignored;
    if (!found || !std::filesystem::exists(detail::note_of(file), ignored)) return std::nullopt;
    try {
        kept_weights k = detail::read_note(detail::note_of(file));
        if (k.size == found->size && k.modified == found->modified) return k;
    } catch (const io_error&) { // a note that cannot be read is none
    }
    return std::nullopt;
}

namespace detail {

/// The note first, then the file: whoever is interrupted between the two leaves a note that fits nothing, never a file
/// without one.
/// @param made  where the finished file lies, with its size, time and digest in `k`
inline void keep(const kept_weights& k, const std::filesystem::path& made) {
    make_folder(k.file.parent_path());
    if (read_kept(k.file)) { // with another note it would be taken for somebody else's
        std::error_code ignored;
        std::filesystem::remove(k.file, ignored);
    }
    write_note(k);
    move_into_place(made, k.file);
}

} // namespace detail

/// All converted weights in the cache.
inline std::vector<kept_weights> list_kept() {
    std::vector<kept_weights> all;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(cache_directory() / "weights", ignored))
        if (entry.path().extension() == ".safetensors")
            if (auto k = read_kept(entry.path())) all.push_back(std::move(*k));
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.model < b.model; });
    return all;
}

/// Whether converted weights are what the model's record asks for.
inline bool is_current(const kept_weights& k, const model& m) {
    return k.model == m.name && std::any_of(m.weights.begin(), m.weights.end(), [&](const weights_source& w) {
               const auto& archive = w.package ? w.package_sha256 : w.archive_sha256;
               return k.source == detail::source_identity(w) && k.member == w.member &&
                      (!w.sha256 || *w.sha256 == k.member_sha256) && (!archive || *archive == k.archive_sha256);
           });
}

} // namespace gpunet

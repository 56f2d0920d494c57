// One member out of a zip archive, or out of a zip within it, from strangers.
#pragma once

#include <gpunet/atomic_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/hub/fetch/zip_reader.hpp>
#include <gpunet/weights/mapped_file.hpp>
#include <gpunet/weights/read.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

/// What came out of an archive.
struct extracted {
    std::string member; // its path; through a zip within: "inner.zip/weights.pth"
    std::uint64_t size = 0;
};

namespace detail {

/// A file that is removed with it.
class scratch_file {
  public:
    explicit scratch_file(std::filesystem::path path) : path_(std::move(path)) {}
    scratch_file(const scratch_file&) = delete;
    scratch_file& operator=(const scratch_file&) = delete;
    ~scratch_file() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    const std::filesystem::path& path() const noexcept { return path_; }

  private:
    std::filesystem::path path_;
};

/// An archive that is looked into, and what comes before its members' names.
struct opened_archive {
    zip_reader reader;
    std::string prefix; // "", "inner.zip/"
};

struct found_member {
    const opened_archive* archive;
    const zip_reader::entry* entry;
    std::string path() const { return archive->prefix + entry->name; }
};

inline std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

inline std::string some_members(const std::vector<std::string>& names) {
    constexpr std::size_t most = 5;
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < most; ++i) text += (i ? ", " : "") + in_quotes(names[i]);
    if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
    return text.empty() ? "no member" : text;
}

/// The member of that very path, else the one of that file name, among archives of one depth.
/// @throws weights_error where several of that file name are there
inline std::vector<found_member> find_member(const std::vector<const opened_archive*>& archives,
                                             const std::string& member, const std::string& source) {
    std::vector<found_member> by_name;
    for (const opened_archive* archive : archives)
        for (const zip_reader::entry& e : archive->reader.entries()) {
            const found_member found{archive, &e};
            if (found.path() == member) return {found};
            if (file_name(e.name) == file_name(member)) by_name.push_back(found);
        }
    if (by_name.size() > 1)
        throw weights_error(source + ": expected one member called " + in_quotes(file_name(member)) + ", found " +
                            in_quotes(by_name[0].path()) + " and " + in_quotes(by_name[1].path()));
    return by_name;
}

} // namespace detail

/// Takes one member out of a zip archive: the one of that path ("inner.zip/weights.pth" for a zip within), else the
/// only one of its file name, in the archive itself or else in the archives within. Names never become paths: the file
/// written is `into`, and what is written on the way lies beside it. `into` appears complete, or not at all.
/// @param source  what errors call the archive
/// @throws weights_error naming archive and member, for an archive that is damaged, ambiguous or beyond the limits, a
///         member that is not there, damaged, encrypted or no regular file; io_error if a file cannot be read or
///         written
inline extracted extract_member(const std::filesystem::path& archive, const std::string& member,
                                const std::filesystem::path& into, const archive_limits& limits = {},
                                std::string source = {}) {
    using detail::opened_archive;
    if (source.empty()) source = archive.string();
    std::list<detail::scratch_file> unpacked;
    std::list<opened_archive> open; // after the files they lie in
    open.push_back({detail::zip_reader(archive, source, limits), ""});
    std::vector<const opened_archive*> level = {&open.back()};
    std::vector<std::string> names;
    std::uint64_t budget = limits.max_bytes;
    for (int depth = 0;; ++depth) {
        const auto found = detail::find_member(level, member, source);
        if (!found.empty()) {
            found[0].archive->reader.extract(*found[0].entry, into, budget);
            return {found[0].path(), found[0].entry->size};
        }
        std::vector<const opened_archive*> next;
        for (const opened_archive* outer : level)
            for (const detail::zip_reader::entry& e : outer->reader.entries()) {
                names.push_back(outer->prefix + e.name);
                if (depth == limits.max_nesting || !detail::lower_case(e.name).ends_with(".zip")) continue;
                if (unpacked.size() == limits.max_archives)
                    throw weights_error(source + ": expected at most " + std::to_string(limits.max_archives) +
                                        " archives within it, found more");
                std::filesystem::path file = into;
                file += "." + std::to_string(unpacked.size()) + ".zip";
                unpacked.emplace_back(file);
                outer->reader.extract(e, file, budget);
                const std::string path = outer->prefix + e.name;
                open.push_back({detail::zip_reader(file, source + ": " + detail::in_quotes(path), limits), path + "/"});
                next.push_back(&open.back());
            }
        if (next.empty())
            throw weights_error(source + ": expected a member " + detail::in_quotes(member) + ", found " +
                                detail::some_members(names));
        level = std::move(next);
    }
}

namespace detail {

/// Whether a file is weights itself rather than an archive that holds a member: safetensors, or a checkpoint of
/// PyTorch, which may be a zip archive of another kind (with "NAME/data.pkl" in it).
/// @param source  what errors call the file
inline bool is_weights_file(const std::filesystem::path& file, const std::string& member, const std::string& source,
                            const archive_limits& limits) {
    weights_format format{};
    {
        const mapped_file map(file);
        format = recognise_weights(map.bytes());
    }
    if (format != weights_format::pytorch_zip) return format != weights_format::unknown;
    const zip_reader zip(file, source, limits);
    const auto& entries = zip.entries();
    const auto any = [&](auto&& is) { return std::any_of(entries.begin(), entries.end(), is); };
    return any([](const zip_reader::entry& e) {
               return e.name.ends_with("/data.pkl") && e.name.find('/') == e.name.size() - 9;
           }) &&
           !any([&](const zip_reader::entry& e) { return file_name(e.name) == file_name(member); });
}

} // namespace detail
} // namespace gpunet

// Downloaded files, kept under their own SHA-256.
#pragma once

#include <gpunet/detail/folder.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/sha256.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

namespace detail {

/// Renames a file that is complete and on the disk, within one file system; what lies there is replaced in one step.
/// @throws io_error naming the target
inline void move_into_place(const std::filesystem::path& from, const std::filesystem::path& to) {
    make_folder(to.parent_path());
    if (::rename(from.c_str(), to.c_str()) != 0)
        throw io_error(to.string() + ": cannot rename the finished file: " + std::generic_category().message(errno));
    sync_folder_of(to);
}

} // namespace detail

struct blob {
    std::string sha256;
    std::uint64_t size = 0; // bytes
    std::filesystem::path file;
};

/// Files under <folder>/ab/abcd...: the name is the SHA-256 of the content. Several processes may use a store at a
/// time.
class blob_store {
  public:
    explicit blob_store(std::filesystem::path folder = cache_directory() / "blobs" / "sha256")
        : folder_(std::move(folder)) {}

    const std::filesystem::path& folder() const noexcept { return folder_; }

    /// Where a blob lies, whether or not it is there. @throws argument_error for what is no SHA-256
    std::filesystem::path path_of(const std::string& digest) const {
        if (!is_sha256(digest))
            throw argument_error("blob_store: expected 64 lower-case hexadecimal digits, found \"" + digest + "\"");
        return folder_ / digest.substr(0, 2) / digest;
    }

    /// By its name alone: the content is not looked at.
    std::optional<blob> find(const std::string& digest) const {
        const std::filesystem::path file = path_of(digest);
        std::error_code absent;
        const auto size = std::filesystem::file_size(file, absent);
        return absent ? std::nullopt : std::optional(blob{digest, size, file});
    }

    /// The blob, read and found whole; one that is damaged is removed.
    std::optional<blob> find_whole(const std::string& digest) const {
        auto found = find(digest);
        if (!found || is_whole(*found)) return found;
        remove(digest);
        return std::nullopt;
    }

    /// Takes over a file that is complete and on the disk, from the same file system.
    /// @param digest  its SHA-256, which the caller has computed
    /// @throws io_error
    blob add(const std::filesystem::path& file, const std::string& digest) const {
        const std::filesystem::path place = path_of(digest);
        detail::move_into_place(file, place);
        return {digest, std::filesystem::file_size(place), place};
    }

    /// Whether the content has the digest that the name says. @throws io_error if it cannot be read
    static bool is_whole(const blob& b) { return sha256_of_file(b.file) == b.sha256; }

    void remove(const std::string& digest) const {
        std::error_code ignored;
        std::filesystem::remove(path_of(digest), ignored);
    }

    /// In the order of their digests; files that are no blobs are passed over.
    std::vector<blob> list() const {
        std::vector<blob> all;
        std::error_code ignored;
        for (const auto& group : std::filesystem::directory_iterator(folder_, ignored))
            for (const auto& entry : std::filesystem::directory_iterator(group.path(), ignored)) {
                const std::string name = entry.path().filename().string();
                if (is_sha256(name) && path_of(name) == entry.path())
                    if (auto found = find(name)) all.push_back(std::move(*found));
            }
        std::sort(all.begin(), all.end(), [](const blob& a, const blob& b) { return a.sha256 < b.sha256; });
        return all;
    }

  private:
    std::filesystem::path folder_;
};

} // namespace gpunet

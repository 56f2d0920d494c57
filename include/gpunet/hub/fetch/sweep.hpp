// What interrupted work has left in the cache.
#pragma once

#include <gpunet/detail/file_lock.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/fetch/fetch_source.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace gpunet::detail {

inline bool is_older(const std::filesystem::path& file, std::chrono::hours age) {
    std::error_code gone;
    const auto written = std::filesystem::last_write_time(file, gone);
    return !gone && std::filesystem::file_time_type::clock::now() - written >= age;
}

/// Removes a file. @returns its bytes
inline std::uint64_t remove_file(const std::filesystem::path& file) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(file, ignored);
    const bool counted = !ignored;
    return std::filesystem::remove(file, ignored) && counted ? size : 0;
}

/// A temporary of atomic_file. It has no lock.
inline bool is_temporary(const std::filesystem::path& file) {
    return file.filename().string().starts_with(".gpunet-") && file.extension() == ".tmp";
}

/// Removes what was on its way, if nobody works on it: the lock of a download, a member or a conversion is free; of
/// what has no lock, an hour has passed. @returns the bytes freed
inline std::uint64_t remove_unfinished(const std::filesystem::path& file) {
    if (is_temporary(file)) return is_older(file, std::chrono::hours(1)) ? remove_file(file) : 0;
    try {
        const std::string name = file.filename().string();
        file_lock lock(lock_file(name.substr(0, name.find('.'))));
        return lock.try_lock() ? remove_file(file) : 0;
    } catch (const io_error&) { // a cache that cannot be written to
        return 0;
    }
}

/// What was on its way when it was interrupted.
inline std::vector<std::filesystem::path> unfinished_files() {
    std::vector<std::filesystem::path> all;
    std::error_code ignored;
    for (const std::string_view folder : {"", "weights", "sources", "kernels", "plans", "incoming"})
        for (const auto& entry : std::filesystem::directory_iterator(cache_directory() / folder, ignored))
            if ((folder == "incoming" || is_temporary(entry.path())) && entry.is_regular_file(ignored))
                all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    return all;
}

/// Removes what has been unfinished for so long.
inline void sweep(std::chrono::hours age) {
    for (const auto& file : unfinished_files())
        if (is_older(file, age)) remove_unfinished(file);
}

} // namespace gpunet::detail

// Where the hub keeps things on this machine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace gpunet {

namespace detail {

inline std::optional<std::filesystem::path> environment_path(const char* variable) {
    const char* value = std::getenv(variable);
    return value && *value ? std::optional<std::filesystem::path>(value) : std::nullopt;
}

} // namespace detail

/// $GPUNET_CACHE, or gpunet under the XDG cache directory ($XDG_CACHE_HOME, ~/.cache).
inline std::filesystem::path cache_directory() {
    if (const auto own = detail::environment_path("GPUNET_CACHE")) return *own;
    if (const auto xdg = detail::environment_path("XDG_CACHE_HOME"); xdg && xdg->is_absolute()) return *xdg / "gpunet";
    if (const auto home = detail::environment_path("HOME")) return *home / ".cache" / "gpunet";
    return std::filesystem::temp_directory_path() / "gpunet-cache";
}

/// Where weights files are looked for: the directories of $GPUNET_WEIGHTS_DIR (separated by colons), then the cache's.
inline std::vector<std::filesystem::path> weights_directories() {
    std::vector<std::filesystem::path> all;
    if (const auto list = detail::environment_path("GPUNET_WEIGHTS_DIR")) {
        const std::string& text = list->native();
        for (std::size_t from = 0; from <= text.size();) {
            const std::size_t to = std::min(text.find(':', from), text.size());
            if (to > from) all.emplace_back(text.substr(from, to - from));
            from = to + 1;
        }
    }
    all.push_back(cache_directory() / "weights");
    return all;
}

} // namespace gpunet

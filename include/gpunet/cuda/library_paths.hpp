// Where CUDA's libraries may be on a machine, beyond the paths that the loader knows.
#pragma once

#include <gpunet/cuda/shared_library.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace gpunet::cuda {

namespace detail {

inline std::filesystem::path environment_folder(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr ? value : "";
}

/// Appends a folder that exists and is not in the list yet, under whatever name.
inline void append_folder(std::vector<std::filesystem::path>& all, const std::filesystem::path& folder) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored)) return;
    const auto same = [&](const std::filesystem::path& other) {
        std::error_code unknown;
        return std::filesystem::equivalent(folder, other, unknown);
    };
    if (std::none_of(all.begin(), all.end(), same)) all.push_back(folder);
}

/// The folders python3* in `lib`, the newest version first.
inline std::vector<std::filesystem::path> python_folders(const std::filesystem::path& lib) {
    std::vector<std::filesystem::path> found;
    std::error_code failed;
    for (std::filesystem::directory_iterator at(lib, failed), end; !failed && at != end; at.increment(failed))
        if (at->path().filename().string().starts_with("python3")) found.push_back(at->path());
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
        const std::string x = a.filename().string(), y = b.filename().string();
        return x.size() != y.size() ? x.size() > y.size() : x > y; // python3.12, python3.9, python3
    });
    return found;
}

} // namespace detail

/// Library folders of CUDA toolkits that are there: those of $CUDA_HOME, $CUDA_PATH and $CONDA_PREFIX, /usr/local/cuda,
/// /opt/cuda.
inline std::vector<std::filesystem::path> toolkit_directories() {
    std::vector<std::filesystem::path> all;
    for (const std::filesystem::path& root :
         {detail::environment_folder("CUDA_HOME"), detail::environment_folder("CUDA_PATH"),
          detail::environment_folder("CONDA_PREFIX"), std::filesystem::path("/usr/local/cuda"),
          std::filesystem::path("/opt/cuda")})
        if (!root.empty())
            for (const char* folder : {"lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"})
                detail::append_folder(all, root / folder);
    return all;
}

/// Folders of the "nvidia" packages from PyPI that are there: site-packages/nvidia in the active virtual or conda
/// environment, the user's, then the system's.
inline std::vector<std::filesystem::path> python_directories() {
    std::vector<std::filesystem::path> all;
    const auto home = detail::environment_folder("HOME");
    for (const std::filesystem::path& root :
         {detail::environment_folder("VIRTUAL_ENV"), detail::environment_folder("CONDA_PREFIX"),
          home.empty() ? home : home / ".local", std::filesystem::path("/usr/local"), std::filesystem::path("/usr")})
        if (!root.empty())
            for (const auto& python : detail::python_folders(root / "lib"))
                for (const char* packages : {"site-packages", "dist-packages"})
                    detail::append_folder(all, python / packages / "nvidia");
    return all;
}

/// Where a library may be: toolkits first, then PyPI's layouts (nvidia/<package>/lib, and nvidia/cu13/lib as of CUDA
/// 13).
/// @param package  the folder that PyPI's package has under "nvidia": "cudnn", "cuda_nvrtc"
inline std::vector<std::filesystem::path> library_directories(std::string_view package) {
    std::vector<std::filesystem::path> all = toolkit_directories();
    for (const auto& nvidia : python_directories()) {
        detail::append_folder(all, nvidia / package / "lib");
        detail::append_folder(all, nvidia / "cu13" / "lib");
    }
    return all;
}

/// Opens one of CUDA's libraries: the file that the environment variable names, if it is set, and no other; else by
/// name.
/// @throws unsupported_error that says what was tried
inline shared_library open_library(std::span<const std::string> names, std::string_view package, const char* variable) {
    if (const auto file = detail::environment_folder(variable); !file.empty()) {
        try {
            return shared_library::open(file);
        } catch (const unsupported_error& e) {
            throw unsupported_error(std::string(variable) + ": " + e.what());
        }
    }
    return shared_library::open(names, library_directories(package));
}

} // namespace gpunet::cuda

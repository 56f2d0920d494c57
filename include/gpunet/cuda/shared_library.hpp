// A library opened at run time.
#pragma once

#include <gpunet/error.hpp>

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace gpunet::cuda {

/// Owner of a handle of dlopen. What was opened stays mapped when the handle goes: CUDA's libraries keep threads and
/// exit handlers of their own, which must not run in unmapped code.
class shared_library {
  public:
    /// Opens the first that can be opened: for each name in turn what the loader finds by itself, then that name in
    /// each of the directories.
    /// @throws unsupported_error that lists what was tried, with the loader's reason for each file that is there.
    static shared_library open(std::span<const std::string> names, std::span<const std::filesystem::path> directories) {
        std::string tried;
        for (const std::string& name : names) {
            if (void* handle = load(name)) return shared_library(handle, name);
            tried += (tried.empty() ? "" : "; ") + loader_said(name);
            for (const auto& directory : directories) {
                const std::string file = (directory / name).string();
                std::error_code ignored;
                if (!std::filesystem::exists(file, ignored)) continue;
                if (void* handle = load(file)) return shared_library(handle, file);
                tried += "; " + loader_said(file);
            }
        }
        std::string message = (names.empty() ? "shared library" : names.front()) + ": cannot be opened: " + tried;
        for (const char* comma = "; not in "; const auto& directory : directories)
            message += std::exchange(comma, ", ") + directory.string();
        throw unsupported_error(message);
    }

    /// Opens that file and no other. @throws unsupported_error with the loader's reason
    static shared_library open(const std::filesystem::path& file) {
        if (void* handle = load(file.string())) return shared_library(handle, file.string());
        throw unsupported_error(file.string() + ": cannot be opened: " + loader_said(file.string()));
    }

    shared_library(shared_library&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), path_(std::move(other.path_)) {}
    shared_library& operator=(shared_library&& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(path_, other.path_);
        return *this;
    }
    ~shared_library() {
        if (handle_ != nullptr) static_cast<void>(dlclose(handle_));
    }

    /// The function of that name: symbol<decltype(&nvrtcVersion)>("nvrtcVersion").
    /// @throws unsupported_error naming the library and the function
    template <class Function>
    Function symbol(const char* name) const {
        static_assert(std::is_pointer_v<Function>);
        if (void* found = dlsym(handle_, name)) return reinterpret_cast<Function>(found);
        throw unsupported_error(path_ + ": expected a function " + name + ", found none");
    }

    /// Where it was loaded from.
    const std::string& path() const noexcept { return path_; }

  private:
    shared_library(void* handle, const std::string& name) : handle_(handle), path_(name) {
        const ::link_map* map = nullptr;
        if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr && *map->l_name != '\0') path_ = map->l_name;
    }

    static void* load(const std::string& name) noexcept {
        return dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }

    /// The reason of the last failure, on one line and with the name.
    static std::string loader_said(const std::string& name) {
        const char* reason = dlerror();
        std::string text = reason != nullptr ? reason : "no reason given";
        std::replace(text.begin(), text.end(), '\n', ' ');
        return text.find(name) == std::string::npos ? name + ": " + text : text;
    }

    void* handle_;
    std::string path_;
};

} // namespace gpunet::cuda

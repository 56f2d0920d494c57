// cuDNN's run-time-compiled engines need a libcuda.so.1 even to be planned; where no driver is, the toolkit's stub will
// do.
#pragma once

#include <gpunet/cuda/library_paths.hpp>

#include <dlfcn.h>

#include <filesystem>
#include <string_view>
#include <vector>

namespace gpunet::cuda {

/// Which libcuda.so.1 this process has.
enum class driver_library { driver, stub, none };

constexpr std::string_view name_of(driver_library d) noexcept {
    return d == driver_library::driver ? "driver" : d == driver_library::stub ? "stub" : "none";
}

namespace detail {

/// The stub answers every call with CUDA_ERROR_STUB_LIBRARY (34).
inline bool is_stub(void* libcuda) noexcept {
    int version = 0;
    const auto get_version = reinterpret_cast<int (*)(int*)>(dlsym(libcuda, "cuDriverGetVersion"));
    return get_version == nullptr || get_version(&version) == 34;
}

inline driver_library open_driver_library() {
    if (void* libcuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE))
        return is_stub(libcuda) ? driver_library::stub : driver_library::driver;
    std::vector<std::filesystem::path> folders = toolkit_directories();
    for (const auto& nvidia : python_directories()) append_folder(folders, nvidia / "cu13" / "lib");
    folders.emplace_back("/usr/lib/x86_64-linux-gnu");
    folders.emplace_back("/usr/lib/aarch64-linux-gnu");
    for (const auto& folder : folders)
        if (dlopen((folder / "stubs" / "libcuda.so").c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) != nullptr)
            return driver_library::stub;
    return driver_library::none;
}

} // namespace detail

/// Sees to it that whoever opens libcuda.so.1 from now on finds one, for planning without a device: the driver's where
/// there is one, else the toolkit's stub, whose soname that is. It stays open until the process ends. To be called
/// before the first call of cuDNN.
inline driver_library open_driver_or_stub() {
    static const driver_library found = detail::open_driver_library();
    return found;
}

} // namespace gpunet::cuda

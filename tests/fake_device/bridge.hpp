// What the fake CUDA runtime gives the fake cuDNN and the fake NVRTC, which find it by dlsym(RTLD_DEFAULT,
// "gpunet_fake_bridge"). Without it (a process that has no fake runtime) they behave as on a machine without a GPU.
#pragma once

#include <cuda_runtime_api.h>

#include <dlfcn.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace gpunet_fake {

struct bridge {
    int (*device_count)();
    int (*current_device)();
    int (*capability)(int device);                     // 90 for 9.0
    std::optional<int> (*stream_device)(cudaStream_t); // none: no such stream
    cudaError_t (*enqueue)(cudaStream_t, std::string what, std::function<void()> work);
    /// Counts a call; the status it must fail with, where one was injected.
    std::optional<int> (*call)(const char* function);
    void (*fault)(std::string);
    /// Why `bytes` at `p` may not be used on the device; empty where they may.
    std::string (*memory_problem)(const void* p, std::size_t bytes, int device);
    bool (*is_device_memory)(const void* p);
    /// Whether a rule refuses `graph` at "heuristics", "plan" or "execution".
    bool (*refused)(const char* stage, const std::string& graph);
    void (*alive)(const char* kind, int change);
    void (*planned)(const std::string& graph);
    std::size_t (*cudnn_version)();
    bool (*in_place_residual)();
    bool (*spoils_capture)(const char* function);
};

inline const bridge* find_bridge() {
    static const bridge* const found = [] {
        const auto get = reinterpret_cast<const bridge* (*)()>(::dlsym(RTLD_DEFAULT, "gpunet_fake_bridge"));
        return get ? get() : nullptr;
    }();
    return found;
}

} // namespace gpunet_fake

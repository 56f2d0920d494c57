// Kernels from machine code, and launching them.
#pragma once

#include <gpunet/cuda/cubin_cache.hpp>
#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace gpunet::cuda {

/// A kernel; valid as long as its module.
using kernel = cudaKernel_t;

/// The kernels of one cubin. Loaded when the first is asked for, so that making one needs no device; good for every
/// device of the cubin's architecture. May be used from several threads at a time.
class kernel_module {
  public:
    /// @param code  of nvrtc::compile or a cubin_cache
    explicit kernel_module(cubin code) : code_(std::move(code)) {}
    kernel_module(const kernel_module&) = delete;
    kernel_module& operator=(const kernel_module&) = delete;
    ~kernel_module() {
        if (library_ == nullptr) return;
        const beside_captures calls;
        static_cast<void>(cudaLibraryUnload(library_));
    }

    /// The function of that name (declared extern "C"). @throws cuda_error naming it
    cuda::kernel kernel(const std::string& name) const {
        const std::scoped_lock lock(mutex_);
        if (const auto known = kernels_.find(name); known != kernels_.end()) return known->second;
        if (library_ == nullptr) {
            const cudaError_t status =
                cudaLibraryLoadData(&library_, code_->data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
            if (status != cudaSuccess) fail(status, "cudaLibraryLoadData for kernel " + name);
        }
        cuda::kernel found = nullptr;
        if (const cudaError_t status = cudaLibraryGetKernel(&found, library_, name.c_str()); status != cudaSuccess)
            fail(status, "cudaLibraryGetKernel of kernel " + name);
        return kernels_[name] = found;
    }

  private:
    cubin code_;
    mutable std::mutex mutex_;
    mutable cudaLibrary_t library_ = nullptr;
    mutable std::map<std::string, cuda::kernel> kernels_; // found before: captures launch them, and call nothing else
};

/// Dynamic shared memory that a block gets without asking.
inline constexpr std::size_t default_shared_bytes = std::size_t{48} << 10;

/// Puts a kernel into the stream, on the current device, and does not wait.
/// @param parameters    the kernel's one parameter, a struct that is copied
/// @param programmatic  the kernel may start while the one before it in the stream still runs, and waits itself
///                      (griddepcontrol.wait) before it uses what that one writes
/// @throws cuda_error
inline void launch(kernel k, std::array<unsigned, 3> grid, std::array<unsigned, 3> block, std::size_t shared_bytes,
                   cudaStream_t stream, const void* parameters, bool programmatic = false) {
    if (shared_bytes > default_shared_bytes) {
        const cudaError_t status = cudaKernelSetAttributeForDevice(k, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                                   static_cast<int>(shared_bytes), current_device());
        if (status != cudaSuccess) fail(status, "shared memory of " + std::to_string(shared_bytes) + " bytes a block");
    }
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3{grid[0], grid[1], grid[2]};
    config.blockDim = dim3{block[0], block[1], block[2]};
    config.dynamicSmemBytes = shared_bytes;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = programmatic ? 1 : 0;
    void* arguments[] = {const_cast<void*>(parameters)};
    check(cudaLaunchKernelExC(&config, k, arguments), "cudaLaunchKernelExC");
}

} // namespace gpunet::cuda

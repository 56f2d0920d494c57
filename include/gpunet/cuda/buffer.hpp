// Memory on a GPU, and memory on the host that a GPU copies from and to without staging.
#pragma once

#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <utility>

namespace gpunet::cuda {

namespace detail {

/// Frees with the device current that the memory was allocated on; nothing to be done where that fails.
template <cudaError_t (*Free)(void*)>
void free_on(int device, void* data) noexcept {
    if (data == nullptr) return;
    const beside_captures calls;
    int before = device;
    static_cast<void>(cudaGetDevice(&before));
    if (before != device) static_cast<void>(cudaSetDevice(device));
    static_cast<void>(Free(data));
    if (before != device) static_cast<void>(cudaSetDevice(before));
}

/// Owner of bytes that `Free` gives back.
template <cudaError_t (*Free)(void*)>
class owned_bytes {
  public:
    owned_bytes(owned_bytes&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), device_(other.device_) {}
    owned_bytes& operator=(owned_bytes&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(device_, other.device_);
        return *this;
    }
    ~owned_bytes() { free_on<Free>(device_, data_); }

    /// Null where the size is 0.
    std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
    std::size_t size() const noexcept { return size_; }
    /// The device that was current at its allocation.
    int device() const noexcept { return device_; }

  protected:
    owned_bytes(std::size_t bytes, int device) : size_(bytes), device_(device) {}

    void* data_ = nullptr;
    std::size_t size_;
    int device_;
};

} // namespace detail

/// Memory on the device that is current when it is made, aligned to 256 bytes; its content is unspecified.
class device_buffer : public detail::owned_bytes<&cudaFree> {
  public:
    /// @throws cuda_error naming size and device
    explicit device_buffer(std::size_t bytes) : owned_bytes(bytes, current_device()) {
        if (bytes == 0) return;
        if (const cudaError_t status = cudaMalloc(&data_, bytes); status != cudaSuccess)
            fail(status, "cudaMalloc of " + std::to_string(bytes) + " bytes on cuda:" + std::to_string(device()));
    }
};

/// Page-locked host memory.
class pinned_buffer : public detail::owned_bytes<&cudaFreeHost> {
  public:
    /// @throws cuda_error naming the size
    explicit pinned_buffer(std::size_t bytes) : owned_bytes(bytes, current_device()) {
        if (bytes == 0) return;
        if (const cudaError_t status = cudaHostAlloc(&data_, bytes, cudaHostAllocDefault); status != cudaSuccess)
            fail(status, "cudaHostAlloc of " + std::to_string(bytes) + " bytes");
    }
};

} // namespace gpunet::cuda

// A queue of work on a GPU.
#pragma once

#include <gpunet/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <utility>

namespace gpunet::cuda {

/// Waits until all work in the stream is done. @throws cuda_error, of earlier work too
inline void synchronize(cudaStream_t stream) { check(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); }

/// Owner of a stream, which does not wait for the default stream.
class stream {
  public:
    /// On the current device. @throws cuda_error
    stream() { check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
    stream(stream&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    stream& operator=(stream&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    /// Does not wait: work that is queued still runs.
    ~stream() {
        if (handle_ != nullptr) static_cast<void>(cudaStreamDestroy(handle_));
    }

    cudaStream_t get() const noexcept { return handle_; }
    /// @throws cuda_error
    void synchronize() const { cuda::synchronize(handle_); }

  private:
    cudaStream_t handle_ = nullptr;
};

} // namespace gpunet::cuda

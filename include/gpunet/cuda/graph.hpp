// Work that was captured from a stream once, to be launched as one.
#pragma once

#include <gpunet/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <type_traits>
#include <utility>

namespace gpunet::cuda {

/// Shared by those who capture, held alone by those who wait for a whole device: each would fail beside the other.
inline std::shared_mutex& capturing() {
    static std::shared_mutex m;
    return m;
}

/// Owner of a CUDA graph that is ready to run.
class executable_graph {
  public:
    /// Captures what `work()` puts into the stream, none of which runs. `work` must allocate nothing on the device,
    /// wait for nothing, and have launched each of its kernels before; it may be called again. Only this thread's calls
    /// are watched, so that other threads may use CUDA meanwhile; but they may not wait for the whole device, unless
    /// they hold `capturing()`, which `work` must not ask for.
    /// @throws what `work` throws, after the capture is ended; cuda_error
    template <class Work>
    static executable_graph capture(cudaStream_t stream, Work&& work) {
        const std::shared_lock beside_others(capturing());
        for (int left = 3;; --left) {
            check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
            cudaGraph_t captured = nullptr;
            try {
                work();
            } catch (...) {
                const cudaError_t status = cudaStreamEndCapture(stream, &captured);
                const graph_owner unfinished(captured);
                if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
                if (status == cudaErrorStreamCaptureInvalidated && left > 1) continue;
                throw;
            }
            const cudaError_t status = cudaStreamEndCapture(stream, &captured);
            const graph_owner owner(captured);
            if (status == cudaErrorStreamCaptureInvalidated && left > 1) { // a thread of the application waited
                static_cast<void>(cudaGetLastError());
                continue;
            }
            check(status, "cudaStreamEndCapture");
            return executable_graph(captured);
        }
    }

    executable_graph(executable_graph&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), nodes_(std::exchange(other.nodes_, 0)) {}
    executable_graph& operator=(executable_graph&& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(nodes_, other.nodes_);
        return *this;
    }
    ~executable_graph() {
        if (handle_ != nullptr) static_cast<void>(cudaGraphExecDestroy(handle_));
    }

    /// Brings it to the device, which otherwise its first launch does. @throws cuda_error
    void upload(cudaStream_t stream) const { check(cudaGraphUpload(handle_, stream), "cudaGraphUpload"); }

    /// Puts the work into the stream and does not wait; one launch of a graph runs after the other. @throws cuda_error
    void launch(cudaStream_t stream) const { check(cudaGraphLaunch(handle_, stream), "cudaGraphLaunch"); }

    /// Kernels, copies, fills and recorded events.
    std::size_t nodes() const noexcept { return nodes_; }
    cudaGraphExec_t get() const noexcept { return handle_; }

  private:
    struct destroy {
        void operator()(cudaGraph_t graph) const noexcept { static_cast<void>(cudaGraphDestroy(graph)); }
    };
    using graph_owner = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, destroy>;

    explicit executable_graph(cudaGraph_t captured) {
        check(cudaGraphGetNodes(captured, nullptr, &nodes_), "cudaGraphGetNodes");
        check(cudaGraphInstantiate(&handle_, captured, 0), "cudaGraphInstantiate");
    }

    cudaGraphExec_t handle_ = nullptr;
    std::size_t nodes_ = 0;
};

} // namespace gpunet::cuda

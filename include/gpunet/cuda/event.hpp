// A point in a stream, to wait for or to measure from.
#pragma once

#include <gpunet/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <utility>

namespace gpunet::cuda {

/// Owner of an event.
class event {
  public:
    /// On the current device, with the time. @throws cuda_error
    event() : event(cudaEventDefault) {}
    /// Cheaper: orders streams, knows no time.
    static event without_time() { return event(cudaEventDisableTiming); }

    event(event&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    event& operator=(event&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~event() {
        if (handle_ != nullptr) static_cast<void>(cudaEventDestroy(handle_));
    }

    cudaEvent_t get() const noexcept { return handle_; }

    /// The event is the point after the work now in the stream. @throws cuda_error
    void record(cudaStream_t stream) {
        check(cudaEventRecordWithFlags(handle_, stream, cudaEventRecordDefault), "cudaEventRecordWithFlags");
    }
    /// While the stream is captured: a node of the graph, which records the event each time the graph runs, so that
    /// others can wait for it or read its time. @throws cuda_error
    void record_external(cudaStream_t stream) {
        check(cudaEventRecordWithFlags(handle_, stream, cudaEventRecordExternal), "cudaEventRecordWithFlags");
    }
    /// Work put into the stream from now on waits for the event; the caller does not. @throws cuda_error
    void block(cudaStream_t stream) const { check(cudaStreamWaitEvent(stream, handle_, 0), "cudaStreamWaitEvent"); }
    /// The caller waits for the event. @throws cuda_error
    void synchronize() const { check(cudaEventSynchronize(handle_), "cudaEventSynchronize"); }

  private:
    explicit event(unsigned flags) { check(cudaEventCreateWithFlags(&handle_, flags), "cudaEventCreateWithFlags"); }

    cudaEvent_t handle_ = nullptr;
};

/// Between two events that have happened. @throws cuda_error, for one that has not happened, too
inline float milliseconds(const event& from, const event& to) {
    float elapsed = 0;
    check(cudaEventElapsedTime(&elapsed, from.get(), to.get()), "cudaEventElapsedTime");
    return elapsed;
}

} // namespace gpunet::cuda

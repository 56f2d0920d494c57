// The state behind the fake runtime.
#pragma once

#include "fake_device.hpp"

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gpunet_fake {

struct allocation {
    std::size_t bytes = 0;
    int device = 0;
    bool host = false;
    std::byte* block = nullptr; // guard, memory, guard
};

struct injected {
    long in_calls = 0;
    int status = 0;
};

struct state {
    std::recursive_mutex lock;
    report_t seen;
    std::map<std::string, std::vector<injected>> failures;
    std::vector<std::pair<std::string, std::string>> refusals; // stage, words
    std::vector<std::string> plans, trace;
    bool tracing = false, checked_at_exit = true, in_place = false;
    std::atomic<execution> mode = execution::eager;
    std::atomic<std::uint64_t> seed = 0;
    int devices = 2, capability = 90;
    std::size_t memory = std::size_t{16} << 30;
    std::size_t cudnn_version = 91900;
    std::map<std::uintptr_t, allocation> live;
    std::map<std::uintptr_t, std::size_t> freed;
    std::map<cudaStream_t, std::shared_ptr<CUstream_st>> streams; // whoever uses one holds it
    std::map<int, cudaStream_t> default_streams;
    std::map<int, cudaError_t> broken; // devices on which a kernel failed
    launcher launch;

    state();
};

/// Never destroyed: the last handler of the process's exit reads it.
state& the();

inline thread_local int current_device = 0;
inline thread_local cudaError_t last_error = cudaSuccess;

void fault(std::string text);
void alive(const char* kind, int change);

/// Counts a call; the status it must fail with: injected, or for want of a device.
std::optional<int> called(const char* function);

/// Remembers and gives back.
inline cudaError_t result(cudaError_t status) {
    if (status != cudaSuccess) last_error = status;
    return status;
}

/// fault(text), then status.
cudaError_t refuse_call(cudaError_t status, std::string text);

/// Why the range may not be used on `device` (on any where -1); empty where it may.
std::string memory_problem(const void* p, std::size_t bytes, int device);

/// The allocation around p.
std::optional<std::pair<std::uintptr_t, allocation>> find_allocation(const void* p);

/// Looks at an allocation's guards, and reports what overwrote them.
void check_guards(std::uintptr_t base, const allocation& a);

/// Enqueues or captures. Exceptions of `work` break the device.
cudaError_t enqueue(cudaStream_t stream, std::string what, std::function<void()> work);

/// The device of a live stream (of the current device where it is null).
std::optional<int> stream_device(cudaStream_t stream);

/// Waits for all streams of a device.
void synchronize_device(int device);

/// Whether this thread may not call what a capture cannot stand; invalidates the capture.
bool unsafe_in_capture(const char* function);

/// Whether nothing may wait for the whole current device, because a stream of it is captured, in whatever mode;
/// invalidates that capture.
bool spoils_capture(const char* function);

} // namespace gpunet_fake

/// Begins an entry point: counts it, and gives way to injected failures.
#define GPUNET_FAKE_ENTER(function)                                                                                    \
    do {                                                                                                               \
        if (const auto status_ = gpunet_fake::called(#function))                                                       \
            return gpunet_fake::result(static_cast<cudaError_t>(*status_));                                            \
    } while (false)

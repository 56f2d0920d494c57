// Calls of the CUDA runtime that fail.
#pragma once

#include <gpunet/error.hpp>

#include <cuda_runtime_api.h>

#include <string>

namespace gpunet::cuda {

/// @param call  what was called, and on what where that helps: "cudaMalloc of 4096 bytes"
/// @throws cuda_error "<call>: cudaErrorX (code N): <text>", always. The runtime's memory of the error is cleared, so
/// that
///         no later call reports it again.
[[noreturn]] inline void fail(cudaError_t status, const std::string& call) {
    static_cast<void>(cudaGetLastError());
    throw cuda_error(call + ": " + cudaGetErrorName(status) + " (code " + std::to_string(static_cast<int>(status)) +
                     "): " + cudaGetErrorString(status));
}

/// @throws cuda_error as `fail` does, unless the status is cudaSuccess
inline void check(cudaError_t status, const char* call) {
    if (status != cudaSuccess) fail(status, call);
}

} // namespace gpunet::cuda

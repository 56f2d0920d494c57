// Whether this machine can run the GPU backend, for programs that choose when they start.
#pragma once

#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/cudnn/library.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/device.hpp>

#include <string>

namespace gpunet::cudnn {

/// Why the GPU backend cannot be used here, in one line: no driver, no GPU, no cuDNN, no NVRTC. Empty where it can.
inline std::string why_unavailable() {
    if (cuda::device_count() == 0) return cuda::why_no_device();
    try {
        static_cast<void>(library::open());
        static_cast<void>(cuda::nvrtc::open());
    } catch (const error& e) {
        return e.what();
    }
    return {};
}

/// The GPU, with half precision, where it can be used; otherwise the CPU. @throws argument_error for an ordinal that no
/// GPU has
inline gpunet::device this_device(int ordinal = 0) {
    if (!why_unavailable().empty()) return gpunet::this_device();
    return {cuda::describe_device(ordinal).name, "fp16"};
}

} // namespace gpunet::cudnn

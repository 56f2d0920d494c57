// Whether this machine can run the GPU backend, for programs that choose when they start.
#pragma once

#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/cudnn/library.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/device.hpp>

#include <optional>
#include <string>
#include <utility>

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

/// A GPU of this machine as latency records describe it. @throws argument_error for an ordinal that no GPU has;
/// unsupported_error where there is none, or no cuDNN; cuda_error
inline gpunet::device describe_device(int ordinal, std::string precision = "fp16") {
    const cuda::device_info d = cuda::describe_device(ordinal);
    return {d.name, std::move(precision), "cuDNN " + version_text(library::open()->version()), std::nullopt,
            d.uuid, cuda::driver_text(d)};
}

/// The GPU, with half precision, where it can be used; otherwise the CPU. @throws argument_error for an ordinal that no
/// GPU has
inline gpunet::device this_device(int ordinal = 0) {
    if (!why_unavailable().empty()) return gpunet::this_device();
    return describe_device(ordinal);
}

} // namespace gpunet::cudnn

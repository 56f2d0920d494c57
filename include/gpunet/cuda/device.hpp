// The GPUs of this machine.
#pragma once

#include <gpunet/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>

namespace gpunet::cuda {

/// A GPU's compute capability: 9.0.
struct capability {
    int major = 0;
    int minor = 0;
    friend auto operator<=>(const capability&, const capability&) = default;

    /// "sm_90"
    std::string architecture() const { return "sm_" + std::to_string(major * 10 + minor); }
};

/// What is known of a GPU.
struct device_info {
    int ordinal = 0;
    std::string name; // "NVIDIA H100 80GB HBM3"
    std::string uuid; // "GPU-1a2b3c4d-...", as nvidia-smi prints it
    cuda::capability capability;
    int multiprocessors = 0;
    std::size_t memory = 0; // bytes
    std::size_t l2_bytes = 0;
    std::size_t shared_bytes_per_block = 0; // the most a block may ask for
    int driver_version = 0;                 // the CUDA version that the driver supports: 13000 is 13.0
    int runtime_version = 0;                // the CUDA version that this program is built with
};

namespace detail {

/// How many GPUs there are, or why they cannot be counted; the runtime's memory of the error is cleared.
inline cudaError_t count_devices(int& count) noexcept {
    count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess) return status;
    count = 0;
    static_cast<void>(cudaGetLastError());
    return status;
}

inline std::string cuda_version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

inline std::string uuid_text(const cudaUUID_t& uuid) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text = "GPU-";
    for (int i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        const auto byte = static_cast<unsigned char>(uuid.bytes[i]);
        text += digits[byte >> 4];
        text += digits[byte & 15U];
    }
    return text;
}

/// "580.65.06" of "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  ..."; empty if there is no such number.
inline std::string driver_version_in(std::string_view text) {
    constexpr std::string_view number = "0123456789.";
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t end = std::min(text.find_first_of(" \t\n", from), text.size());
        const std::string_view word = text.substr(from, end - from);
        const auto point = word.find('.');
        if (point != 0 && point + 1 < word.size() && word.find_first_not_of(number) == std::string_view::npos)
            return std::string(word);
        from = end + 1;
    }
    return {};
}

} // namespace detail

/// Zero where there is no GPU, no driver, or one that is too old: why_no_device says which.
inline int device_count() noexcept {
    int count = 0;
    static_cast<void>(detail::count_devices(count));
    return count;
}

/// One line that says why there is no device, and what to do; empty where there is one.
inline std::string why_no_device() {
    int count = 0;
    const cudaError_t status = detail::count_devices(count);
    if (count > 0) return {};
    int driver = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess) static_cast<void>(cudaGetLastError());
    if (status == cudaErrorInsufficientDriver && driver == 0)
        return "no NVIDIA driver is installed (libcuda.so.1 was not found)";
    if (status == cudaErrorInsufficientDriver)
        return "the NVIDIA driver is too old: expected one for CUDA " + detail::cuda_version_text(CUDART_VERSION) +
               ", found one for CUDA " + detail::cuda_version_text(driver) + "; install a newer driver";
    if (status == cudaErrorStubLibrary)
        return "no NVIDIA driver is installed (libcuda.so.1 is the CUDA toolkit's stub)";
    if (status == cudaErrorNoDevice || status == cudaSuccess)
        return "the NVIDIA driver finds no GPU (CUDA_VISIBLE_DEVICES may hide it)";
    return std::string("the NVIDIA driver cannot be used: ") + cudaGetErrorName(status) + " (code " +
           std::to_string(static_cast<int>(status)) + "): " + cudaGetErrorString(status);
}

/// @throws argument_error for an ordinal that no GPU has; unsupported_error where there is no GPU at all; cuda_error
inline device_info describe_device(int ordinal) {
    const int count = device_count();
    if (count == 0) throw unsupported_error("cuda:" + std::to_string(ordinal) + ": " + why_no_device());
    if (ordinal < 0 || ordinal >= count)
        throw argument_error("cuda:" + std::to_string(ordinal) + ": expected a GPU from 0 to " +
                             std::to_string(count - 1));
    cudaDeviceProp p{};
    check(cudaGetDeviceProperties(&p, ordinal), "cudaGetDeviceProperties");
    device_info info;
    info.ordinal = ordinal;
    info.name = p.name;
    info.uuid = detail::uuid_text(p.uuid);
    info.capability = {p.major, p.minor};
    info.multiprocessors = p.multiProcessorCount;
    info.memory = p.totalGlobalMem;
    info.l2_bytes = static_cast<std::size_t>(p.l2CacheSize);
    info.shared_bytes_per_block = p.sharedMemPerBlockOptin;
    check(cudaDriverGetVersion(&info.driver_version), "cudaDriverGetVersion");
    check(cudaRuntimeGetVersion(&info.runtime_version), "cudaRuntimeGetVersion");
    return info;
}

/// The driver's version by its kernel module, "580.65.06"; where that says nothing, what it supports, "CUDA 13.0".
inline std::string driver_text(const device_info& d) {
    std::string first;
    std::ifstream module("/proc/driver/nvidia/version");
    std::getline(module, first);
    const std::string version = detail::driver_version_in(first);
    return version.empty() ? "CUDA " + detail::cuda_version_text(d.driver_version) : version;
}

/// The calling thread's current device. @throws cuda_error
inline int current_device() {
    int ordinal = 0;
    check(cudaGetDevice(&ordinal), "cudaGetDevice");
    return ordinal;
}

/// For its lifetime what the calling thread does, allocating and loading too, spoils no other thread's capture of a
/// stream, not even one in the mode cudaStreamCaptureModeGlobal.
class beside_captures {
  public:
    beside_captures() noexcept { exchange(); }
    beside_captures(const beside_captures&) = delete;
    beside_captures& operator=(const beside_captures&) = delete;
    ~beside_captures() { exchange(); }

  private:
    void exchange() noexcept { static_cast<void>(cudaThreadExchangeStreamCaptureMode(&other_)); }

    cudaStreamCaptureMode other_ = cudaStreamCaptureModeThreadLocal; // then the one the thread had before
};

/// For its lifetime that GPU is the calling thread's current one; other threads' captures go on.
class device_scope {
  public:
    /// @throws cuda_error
    explicit device_scope(int ordinal) : before_(current_device()), changed_(ordinal != before_) {
        if (!changed_) return;
        if (const cudaError_t status = cudaSetDevice(ordinal); status != cudaSuccess)
            fail(status, "cudaSetDevice to cuda:" + std::to_string(ordinal));
    }
    device_scope(const device_scope&) = delete;
    device_scope& operator=(const device_scope&) = delete;
    ~device_scope() {
        if (changed_) static_cast<void>(cudaSetDevice(before_));
    }

  private:
    beside_captures calls_;
    int before_;
    bool changed_;
};

} // namespace gpunet::cuda

// GPUs one can plan for without having them: what cuDNN asks of a device, and how fast it can be at most.
#pragma once

#include <gpunet/cuda/element.hpp>
#include <gpunet/error.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpunet::cudnn {

/// One device of a compute capability. Peak rates are dense, with float32 accumulation.
struct gpu_model {
    std::string_view name;    // as CUDA gives it
    std::string_view alias;   // as people write it
    int major = 0, minor = 0; // compute capability
    int multiprocessors = 0;
    double bandwidth = 0;                                                  // bytes/s
    double half_rate = 0, bfloat16_rate = 0, tf32_rate = 0, fp32_rate = 0; // operations/s; a multiply-add is two
    // What cuDNN asks besides.
    std::int64_t shared_bytes_per_block = 0; // at most, by opting in
    int blocks_per_multiprocessor = 0, threads_per_multiprocessor = 0;
    std::int64_t memory = 0, l2_bytes = 0;
    int clock_khz = 0, memory_clock_khz = 0;

    /// "sm_90"
    std::string architecture() const { return "sm_" + std::to_string(major * 10 + minor); }
};

/// Rates are of NVIDIA's data sheets and white papers, halved where those count sparsity, save what was measured:
/// - T4: data sheet (320 GB/s, 65 and 8.1 TFLOP/s); it has no bfloat16 or tf32 unit, so these run as float32.
/// - A100: 1.6 TB/s and 280 TFLOP/s measured on one (data sheet: 2.04, 312), tf32 half of that; 19.5 data sheet.
/// - RTX 3090: GA102 white paper, 936 GB/s, 71, 71, 35.6, 35.6.
/// - L40S: data sheet, 864 GB/s, 362, 362, 183, 91.6.
/// - H100: 3.0 TB/s and 800 TFLOP/s measured on one (data sheet: 3.35, 989), tf32 half of that; 67 data sheet.
/// - B200: HGX B200 data sheet, one GPU: 8 TB/s, 2250, 2250, 1125, 75.
/// - RTX 5090: RTX Blackwell white paper, 1792 GB/s, 209.5, 209.5, 104.8, 104.8.
/// Limits per block and multiprocessor are of the CUDA programming guide's table of compute capabilities.
inline constexpr std::array<gpu_model, 7> gpu_models = {{
    {"Tesla T4", "T4", 7, 5, 40, 320e9, 65e12, 8.1e12, 8.1e12, 8.1e12, 65536, 16, 1024, 15'000'000'000, 4194304,
     1590000, 5001000},
    {"NVIDIA A100-SXM4-80GB", "A100", 8, 0, 108, 1.6e12, 280e12, 280e12, 140e12, 19.5e12, 166912, 32, 2048,
     85'000'000'000, 41943040, 1410000, 1593000},
    {"NVIDIA GeForce RTX 3090", "RTX 3090", 8, 6, 82, 936e9, 71e12, 71e12, 35.6e12, 35.6e12, 101376, 16, 1536,
     25'000'000'000, 6291456, 1695000, 9751000},
    {"NVIDIA L40S", "L40S", 8, 9, 142, 864e9, 362e12, 362e12, 183e12, 91.6e12, 101376, 24, 1536, 47'000'000'000,
     100663296, 2490000, 9001000},
    {"NVIDIA H100 80GB HBM3", "H100", 9, 0, 132, 3.0e12, 800e12, 800e12, 400e12, 67e12, 232448, 32, 2048,
     85'029'158'912, 52428800, 1980000, 2619000},
    {"NVIDIA B200", "B200", 10, 0, 148, 8.0e12, 2250e12, 2250e12, 1125e12, 75e12, 232448, 32, 2048, 190'000'000'000,
     132120576, 1965000, 3996000},
    {"NVIDIA GeForce RTX 5090", "RTX 5090", 12, 0, 170, 1792e9, 209.5e12, 209.5e12, 104.8e12, 104.8e12, 101376, 24,
     1536, 33'000'000'000, 100663296, 2407000, 14001000},
}};

/// The model as CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION takes it: all keys, in this order, no line break.
inline std::string properties_json(const gpu_model& m) {
    const auto field = [](const char* key, std::int64_t value) {
        return std::string("\"") + key + "\":" + std::to_string(value) + ",";
    };
    return "{\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64]," + field("regsPerBlock", 65536) +
           field("multiProcessorCount", m.multiprocessors) + field("warpSize", 32) +
           field("maxSharedMemoryPerBlock", 49152) + field("maxSharedMemoryPerBlockOptin", m.shared_bytes_per_block) +
           field("reservedSharedMemoryPerBlock", 1024) + field("maxRegistersPerSM", 65536) +
           field("maxCtasPerSM", m.blocks_per_multiprocessor) + field("maxThreadsPerBlock", 1024) +
           field("maxThreadsPerSM", m.threads_per_multiprocessor) + field("pciDeviceId", 0) + field("isTccDriver", 0) +
           field("supportCoopLaunch", 1) + field("totalGlobalMem", m.memory) + field("smClockRateKHz", m.clock_khz) +
           field("memClockRateKHz", m.memory_clock_khz) + field("l2CacheSize", m.l2_bytes) + field("cudaDeviceId", 0) +
           field("deviceVer", m.major * 100 + m.minor * 10) + field("driverVer", 13000) + "\"deviceName\":\"" +
           std::string(m.name) + "\"}";
}

namespace detail {

/// Letters and digits, in lower case, without the makes that people leave out.
inline std::string bare(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (std::isalnum(static_cast<unsigned char>(c)))
            out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (const std::string_view make : {"nvidia", "geforce", "tesla"})
        if (out.starts_with(make)) out.erase(0, make.size());
    return out;
}

} // namespace detail

/// The model of that capability, or nullptr.
constexpr const gpu_model* find_gpu(int major, int minor) noexcept {
    for (const gpu_model& m : gpu_models)
        if (m.major == major && m.minor == minor) return &m;
    return nullptr;
}

/// The model meant by "sm_90", "sm90", "9.0", "90", "H100" or a full device name, in any case.
/// @throws argument_error listing what there is
inline const gpu_model& find_gpu(std::string_view spelling) {
    const std::string wanted = detail::bare(spelling);
    for (const gpu_model& m : gpu_models) {
        const std::string number = std::to_string(m.major * 10 + m.minor), name = detail::bare(m.name),
                          alias = detail::bare(m.alias);
        if (wanted == number || wanted == "sm" + number || wanted == name || wanted == alias) return m;
    }
    std::string known;
    for (const gpu_model& m : gpu_models)
        known += (known.empty() ? "" : ", ") + m.architecture() + " (" + std::string(m.alias) + ")";
    throw argument_error("gpu: expected one of " + known + ", found \"" + std::string(spelling) + "\"");
}

/// The least time a kernel takes: launching it, moving its bytes, or its arithmetic, whichever is longest.
constexpr double floor_microseconds(const gpu_model& m, cuda::element type, bool tf32, std::int64_t bytes,
                                    std::int64_t multiply_adds) noexcept {
    const double peak = type == cuda::element::float16    ? m.half_rate
                        : type == cuda::element::bfloat16 ? m.bfloat16_rate
                        : tf32                            ? m.tf32_rate
                                                          : m.fp32_rate;
    return std::max(
        {1.5, static_cast<double>(bytes) / m.bandwidth * 1e6, 2.0 * static_cast<double>(multiply_adds) / peak * 1e6});
}

} // namespace gpunet::cudnn

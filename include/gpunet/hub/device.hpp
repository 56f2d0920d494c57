// Names of devices: this machine's, and whether two spellings mean the same one.
#pragma once

#include <algorithm>
#include <cctype>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace gpunet {

/// A device as latency records name it, what is run there unless the user says otherwise, and what else decides how
/// fast that is, as far as it is known.
struct device {
    std::string name;                                 // "NVIDIA A100", "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"
    std::string precision;                            // the default there
    std::optional<std::string> engine = std::nullopt; // what computes there now: "oneDNN 2.6.3"
    std::optional<int> threads = std::nullopt;        // on a CPU
    std::optional<std::string> uuid = std::nullopt;   // of a GPU
    std::optional<std::string> driver = std::nullopt; // of a GPU: its version
};

/// The processor's name as the system gives it; "CPU" where it gives none.
inline std::string cpu_name() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
    }
    return "CPU";
}

/// The processor, for programs without a backend; see cpu::this_device and cudnn::this_device, which know more.
inline device this_device() { return {cpu_name(), "fp32"}; }

namespace detail {

inline std::string lower_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

/// The words of a device's name that tell it from others: "Tesla V100-SXM2-16GB" is "v100", "sxm2", "16gb".
inline std::vector<std::string> device_words(std::string_view name) {
    std::vector<std::string> words(1);
    for (const char c : lower_case(name)) {
        if (std::isalnum(static_cast<unsigned char>(c)))
            words.back() += c;
        else if (!words.back().empty())
            words.emplace_back();
    }
    constexpr std::string_view makers[] = {"", "nvidia", "tesla", "geforce", "quadro", "gpu", "graphics", "device"};
    std::erase_if(words, [&](const std::string& w) {
        return std::find(std::begin(makers), std::end(makers), w) != std::end(makers);
    });
    for (std::string& w : words) {
        if (w == "gv100") w = "v100"; // the paper calls its card by the chip
        if (w == "ga100") w = "a100";
    }
    return words;
}

} // namespace detail

/// Whether `wanted`, in any common spelling, means the device that a record calls `recorded`: "V100",
/// "Tesla V100-SXM2-16GB" and "gv100" all mean "NVIDIA V100".
inline bool same_device(std::string_view recorded, std::string_view wanted) {
    if (recorded == wanted) return true;
    const auto need = detail::device_words(recorded), have = detail::device_words(wanted);
    return !need.empty() && std::all_of(need.begin(), need.end(), [&](const std::string& w) {
        return std::find(have.begin(), have.end(), w) != have.end();
    });
}

} // namespace gpunet

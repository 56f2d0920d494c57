// What the fake NVRTC makes and the fake runtime loads: a text that says which kernels a source has, and its macros.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace gpunet_fake {

struct cubin_text {
    int architecture = 0; // 90
    std::vector<std::string> kernels;
    std::map<std::string, std::string> defines;
};

inline constexpr char cubin_magic[] = "\177GPUNETFAKE";
inline constexpr std::size_t cubin_header = sizeof cubin_magic - 1 + 8 + 8; // magic, length, check sum, in hexadecimal

inline std::uint32_t cubin_sum(const std::string& body) {
    std::uint32_t sum = 2166136261U;
    for (const char c : body) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619U;
    return sum;
}

inline std::string to_cubin(const cubin_text& text) {
    std::string body = "architecture " + std::to_string(text.architecture) + "\n";
    for (const std::string& name : text.kernels) body += "kernel " + name + "\n";
    for (const auto& [name, value] : text.defines) body += "define " + name + "=" + value + "\n";
    char numbers[17];
    std::snprintf(numbers, sizeof numbers, "%08x%08x", static_cast<unsigned>(body.size()), cubin_sum(body));
    return cubin_magic + std::string(numbers) + body;
}

/// None where the bytes are no cubin, or a damaged one.
inline std::optional<cubin_text> from_cubin(const void* code) {
    const auto* const bytes = static_cast<const char*>(code);
    if (std::memcmp(bytes, cubin_magic, sizeof cubin_magic - 1) != 0) return std::nullopt;
    unsigned length = 0, sum = 0;
    if (std::sscanf(std::string(bytes + sizeof cubin_magic - 1, 16).c_str(), "%8x%8x", &length, &sum) != 2)
        return std::nullopt;
    const std::string body(bytes + cubin_header, length);
    if (cubin_sum(body) != sum) return std::nullopt;
    cubin_text text;
    std::istringstream lines(body);
    for (std::string word, rest; lines >> word && std::getline(lines >> std::ws, rest);) {
        if (word == "architecture") text.architecture = std::stoi(rest);
        if (word == "kernel") text.kernels.push_back(rest);
        const auto equals = rest.find('=');
        if (word == "define" && equals != std::string::npos)
            text.defines[rest.substr(0, equals)] = rest.substr(equals + 1);
    }
    return text;
}

} // namespace gpunet_fake

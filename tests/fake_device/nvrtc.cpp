// A fake NVRTC: it compiles nothing, but says which kernels a source has and with which macros.
#include "bridge.hpp"
#include "cubin.hpp"

#include <nvrtc.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <string_view>

namespace {

constexpr std::array architectures = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

/// The status an injected failure asks for.
std::optional<nvrtcResult> called(const char* function) {
    const gpunet_fake::bridge* const b = gpunet_fake::find_bridge();
    const auto status = b ? b->call(function) : std::nullopt;
    return status ? std::optional(static_cast<nvrtcResult>(*status)) : std::nullopt;
}

void alive(int change) {
    if (const gpunet_fake::bridge* const b = gpunet_fake::find_bridge()) b->alive("nvrtcProgram", change);
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Names of the functions that `keyword` begins: the word before the parenthesis, attributes apart.
void add_kernels(const std::string& source, const std::string& keyword, std::vector<std::string>& names) {
    for (std::size_t at = source.find(keyword); at != std::string::npos; at = source.find(keyword, at + 1)) {
        std::size_t open = at;
        while ((open = source.find('(', open + 1)) != std::string::npos) {
            std::size_t end = open;
            while (end > 0 && !is_word(source[end - 1])) --end;
            std::size_t start = end;
            while (start > 0 && is_word(source[start - 1])) --start;
            const std::string name = source.substr(start, end - start);
            if (name == "__launch_bounds__" || name == "GPUNET_ENTRY") {
                int depth = 0; // past its arguments
                do {
                    if (source[open] == '(') ++depth;
                    if (source[open] == ')') --depth;
                } while (depth > 0 && ++open < source.size());
                continue;
            }
            if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
            break;
        }
    }
}

/// Of CUDA C++, and of our own kernels' sources before their macros are expanded.
std::vector<std::string> kernels_of(const std::string& source) {
    std::vector<std::string> names;
    add_kernels(source, "__global__", names);
    add_kernels(source, "\nGPUNET_ENTRY", names);
    return names;
}

} // namespace

struct _nvrtcProgram {
    std::string source, name, log, cubin;
};

#define GPUNET_FAKE_ENTER(function)                                                                                    \
    do {                                                                                                               \
        if (const auto status_ = called(#function)) return *status_;                                                   \
    } while (false)

extern "C" {

const char* nvrtcGetErrorString(nvrtcResult result) {
    switch (result) {
    case NVRTC_SUCCESS: return "NVRTC_SUCCESS";
    case NVRTC_ERROR_OUT_OF_MEMORY: return "NVRTC_ERROR_OUT_OF_MEMORY";
    case NVRTC_ERROR_INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case NVRTC_ERROR_INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case NVRTC_ERROR_INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case NVRTC_ERROR_COMPILATION: return "NVRTC_ERROR_COMPILATION";
    case NVRTC_ERROR_INTERNAL_ERROR: return "NVRTC_ERROR_INTERNAL_ERROR";
    default: return "NVRTC_ERROR unknown";
    }
}

nvrtcResult nvrtcVersion(int* major, int* minor) {
    GPUNET_FAKE_ENTER(nvrtcVersion);
    *major = CUDART_VERSION / 1000;
    *minor = CUDART_VERSION % 1000 / 10;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
    GPUNET_FAKE_ENTER(nvrtcGetNumSupportedArchs);
    *count = static_cast<int>(architectures.size());
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetSupportedArchs(int* all) {
    GPUNET_FAKE_ENTER(nvrtcGetSupportedArchs);
    std::copy(architectures.begin(), architectures.end(), all);
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCreateProgram(nvrtcProgram* program, const char* source, const char* name, int headers,
                               const char* const*, const char* const*) {
    GPUNET_FAKE_ENTER(nvrtcCreateProgram);
    if (!program || !source || headers != 0) return NVRTC_ERROR_INVALID_INPUT;
    *program = new _nvrtcProgram{source, name ? name : "default_program", {}, {}};
    alive(1);
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
    GPUNET_FAKE_ENTER(nvrtcDestroyProgram);
    if (!program || !*program) return NVRTC_ERROR_INVALID_PROGRAM;
    delete *program;
    *program = nullptr;
    alive(-1);
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char* const* options) {
    if (const auto status = called("nvrtcCompileProgram")) {
        program->log = program->name + "(1): error: a failure that a test asked for\n\n1 error detected.\n";
        return *status;
    }
    gpunet_fake::cubin_text text;
    const auto refuse = [&](nvrtcResult result, const std::string& why) {
        program->log = program->name + "(1): error: " + why + "\n\n1 error detected.\n";
        return result;
    };
    for (int i = 0; i < count; ++i) {
        std::string_view option = options[i];
        constexpr std::string_view architecture = "--gpu-architecture=sm_";
        if (option.starts_with(architecture)) {
            option.remove_prefix(architecture.size());
            const auto found = std::find_if(architectures.begin(), architectures.end(),
                                            [&](int a) { return option == std::to_string(a); });
            if (found == architectures.end())
                return refuse(NVRTC_ERROR_INVALID_OPTION, "invalid value for --gpu-architecture");
            text.architecture = *found;
        } else if (option.starts_with("-D") && option.size() > 2) {
            option.remove_prefix(2);
            const auto equals = option.find('=');
            const std::string name(option.substr(0, equals));
            if (name.empty() || !std::all_of(name.begin(), name.end(), is_word) || text.defines.contains(name))
                return refuse(NVRTC_ERROR_INVALID_OPTION, "macro " + name + " cannot be defined so");
            text.defines[name] = equals == std::string_view::npos ? "1" : std::string(option.substr(equals + 1));
        } else if (option != "-std=c++17" && option != "--std=c++17" && option != "-default-device" &&
                   option != "--device-as-default-execution-space") {
            return refuse(NVRTC_ERROR_INVALID_OPTION, "unrecognized option " + std::string(option));
        }
    }
    if (text.architecture == 0) return refuse(NVRTC_ERROR_INVALID_OPTION, "no architecture, and so no machine code");
    std::size_t hash = program->source.find('#');
    for (; hash != std::string::npos; hash = program->source.find('#', hash + 1)) {
        const auto word = program->source.find_first_not_of(" \t", hash + 1);
        if (word != std::string::npos && program->source.compare(word, 7, "include") == 0)
            return refuse(NVRTC_ERROR_COMPILATION, "cannot open source file");
    }
    text.kernels = kernels_of(program->source);
    if (text.kernels.empty()) return refuse(NVRTC_ERROR_COMPILATION, "no kernel");
    program->cubin = to_cubin(text);
    program->log.clear();
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, std::size_t* size) {
    GPUNET_FAKE_ENTER(nvrtcGetCUBINSize);
    *size = program->cubin.size();
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* cubin) {
    GPUNET_FAKE_ENTER(nvrtcGetCUBIN);
    if (program->cubin.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
    std::memcpy(cubin, program->cubin.data(), program->cubin.size());
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, std::size_t* size) {
    GPUNET_FAKE_ENTER(nvrtcGetProgramLogSize);
    *size = program->log.size() + 1;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* log) {
    GPUNET_FAKE_ENTER(nvrtcGetProgramLog);
    std::memcpy(log, program->log.c_str(), program->log.size() + 1);
    return NVRTC_SUCCESS;
}

} // extern "C"

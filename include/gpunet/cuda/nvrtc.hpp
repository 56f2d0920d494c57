// CUDA's compiler as a library, opened at run time.
#pragma once

#include <gpunet/cuda/library_paths.hpp>
#include <gpunet/error.hpp>

#include <cuda_runtime_api.h>
#include <nvrtc.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet::cuda {

/// Compiles CUDA C++ to the machine code of one architecture; needs no GPU. May be used from several threads at a time.
class nvrtc {
  public:
    /// Opens libnvrtc: the file $GPUNET_NVRTC_LIBRARY, or the one of the CUDA version that this program was built with.
    /// @throws unsupported_error that says what was tried and how to get it
    static nvrtc open() {
        const std::string major = std::to_string(CUDART_VERSION / 1000);
        const std::vector<std::string> names = {"libnvrtc.so." + major};
        try {
            return nvrtc(open_library(names, "cuda_nvrtc", "GPUNET_NVRTC_LIBRARY"));
        } catch (const unsupported_error& e) {
            throw unsupported_error(std::string(e.what()) + "; NVRTC comes with the CUDA " + major +
                                    " toolkit, or by pip install nvidia-cuda-nvrtc" + (major == "12" ? "-cu12" : "") +
                                    "; GPUNET_NVRTC_LIBRARY may name the file");
        }
    }

    /// @throws unsupported_error if that is no NVRTC
    explicit nvrtc(shared_library library) : library_(std::move(library)) {
        get(version_, "nvrtcVersion");
        get(get_architecture_count_, "nvrtcGetNumSupportedArchs");
        get(get_architectures_, "nvrtcGetSupportedArchs");
        get(error_text_, "nvrtcGetErrorString");
        get(create_, "nvrtcCreateProgram");
        get(destroy_, "nvrtcDestroyProgram");
        get(compile_, "nvrtcCompileProgram");
        get(get_log_size_, "nvrtcGetProgramLogSize");
        get(get_log_, "nvrtcGetProgramLog");
        get(get_cubin_size_, "nvrtcGetCUBINSize");
        get(get_cubin_, "nvrtcGetCUBIN");
        int major = 0, minor = 0, count = 0;
        check(version_(&major, &minor), "nvrtcVersion");
        version_text_ = std::to_string(major) + "." + std::to_string(minor);
        open_builtins();
        check(get_architecture_count_(&count), "nvrtcGetNumSupportedArchs");
        architectures_.resize(static_cast<std::size_t>(std::max(count, 0)));
        check(get_architectures_(architectures_.data()), "nvrtcGetSupportedArchs");
    }

    /// "13.0"
    const std::string& version() const noexcept { return version_text_; }
    /// The file it was opened from.
    const std::string& path() const noexcept { return library_.path(); }

    /// Whether it compiles for an architecture: "sm_90".
    bool supports(std::string_view architecture) const {
        return std::any_of(architectures_.begin(), architectures_.end(),
                           [&](int a) { return architecture == "sm_" + std::to_string(a); });
    }

    /// The cubin of a source, which may include nothing; unmarked functions are device functions.
    /// @param name     of the source, in messages
    /// @param defines  macros, "NAME" or "NAME=VALUE"
    /// @throws unsupported_error for an architecture it does not know; cuda_error with the first error of the
    /// compiler's log
    std::vector<std::byte> compile(std::string_view source, std::string_view name, std::string_view architecture,
                                   std::span<const std::string> defines = {}) const {
        const std::string what = std::string(name) + " for " + std::string(architecture);
        if (!supports(architecture)) throw unsupported_error(what + ": " + not_among_architectures());
        const std::string text(source);
        const program compiled(*this, text, std::string(name));

        std::vector<std::string> options = {"--gpu-architecture=" + std::string(architecture), "-std=c++17",
                                            "-default-device"};
        for (const std::string& define : defines) options.push_back("-D" + define);
        std::vector<const char*> arguments;
        arguments.reserve(options.size());
        for (const std::string& option : options) arguments.push_back(option.c_str());
        const nvrtcResult status = compile_(compiled.handle, static_cast<int>(arguments.size()), arguments.data());
        if (status != NVRTC_SUCCESS) {
            const std::string said = first_error(log_of(compiled.handle));
            throw cuda_error(what + ": NVRTC " + version() + " cannot compile it (" + error_text_(status) + ")" +
                             (said.empty() ? "" : ": " + said));
        }
        std::size_t size = 0;
        check(get_cubin_size_(compiled.handle, &size), "nvrtcGetCUBINSize");
        std::vector<std::byte> cubin(size);
        check(get_cubin_(compiled.handle, reinterpret_cast<char*>(cubin.data())), "nvrtcGetCUBIN");
        return cubin;
    }

  private:
    struct program {
        program(const nvrtc& n, const std::string& source, const std::string& name) : owner(n) {
            n.check(n.create_(&handle, source.c_str(), name.c_str(), 0, nullptr, nullptr), "nvrtcCreateProgram");
        }
        program(const program&) = delete;
        program& operator=(const program&) = delete;
        ~program() { static_cast<void>(owner.destroy_(&handle)); }

        const nvrtc& owner;
        nvrtcProgram handle = nullptr;
    };

    template <class Function>
    void get(Function& function, const char* name) {
        function = library_.symbol<Function>(name);
    }

    /// NVRTC opens its builtins when it compiles, and by name alone: the loader may not know the folder, but it knows
    /// what is open. They stay in the process.
    void open_builtins() const {
        const auto file = std::filesystem::path(path()).parent_path() / ("libnvrtc-builtins.so." + version());
        std::error_code ignored;
        if (std::filesystem::exists(file, ignored)) static_cast<void>(shared_library::open(file));
    }

    void check(nvrtcResult status, const char* call) const {
        if (status != NVRTC_SUCCESS)
            throw cuda_error(std::string(call) + ": " + error_text_(status) + " (code " +
                             std::to_string(static_cast<int>(status)) + ")");
    }

    std::string log_of(nvrtcProgram of) const {
        std::size_t size = 0;
        if (get_log_size_(of, &size) != NVRTC_SUCCESS || size == 0) return {};
        std::string log(size, '\0');
        if (get_log_(of, log.data()) != NVRTC_SUCCESS) return {};
        return log.substr(0, log.find('\0'));
    }

    /// The first line that says "error"; the first line of all where none does.
    static std::string first_error(const std::string& log) {
        const std::size_t error = log.find("error");
        const std::size_t before = error == std::string::npos ? error : log.rfind('\n', error);
        const std::size_t from = before == std::string::npos ? 0 : before + 1;
        return log.substr(from, log.find('\n', from) - from);
    }

    std::string not_among_architectures() const {
        std::string text = "NVRTC " + version() + " compiles for";
        for (const char* comma = " "; const int a : architectures_)
            text += std::exchange(comma, ", ") + ("sm_" + std::to_string(a));
        return text;
    }

    shared_library library_;
    decltype(&nvrtcVersion) version_;
    decltype(&nvrtcGetNumSupportedArchs) get_architecture_count_;
    decltype(&nvrtcGetSupportedArchs) get_architectures_;
    decltype(&nvrtcGetErrorString) error_text_;
    decltype(&nvrtcCreateProgram) create_;
    decltype(&nvrtcDestroyProgram) destroy_;
    decltype(&nvrtcCompileProgram) compile_;
    decltype(&nvrtcGetProgramLogSize) get_log_size_;
    decltype(&nvrtcGetProgramLog) get_log_;
    decltype(&nvrtcGetCUBINSize) get_cubin_size_;
    decltype(&nvrtcGetCUBIN) get_cubin_;
    std::string version_text_;
    std::vector<int> architectures_;
};

} // namespace gpunet::cuda

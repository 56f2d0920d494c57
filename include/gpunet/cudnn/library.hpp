// cuDNN 9, opened when a program first asks for it: nothing is linked, so a program also starts where it is missing.
#pragma once

#include <gpunet/cuda/graph.hpp>
#include <gpunet/cuda/library_paths.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/cuda/shared_library.hpp>
#include <gpunet/error.hpp>

#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet::cudnn {

/// The oldest cuDNN this library works with: 9.8.
inline constexpr std::size_t minimum_version = 90800;

/// "9.19.0" for 91900.
inline std::string version_text(std::size_t version) {
    return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
           std::to_string(version % 100);
}

/// The first line of what a library says, without a line break.
inline std::string first_line(std::string text) {
    const auto start = text.find_first_not_of("\n\r ");
    text.erase(0, start == std::string::npos ? text.size() : start);
    return text.substr(0, text.find_first_of("\n\r"));
}

/// The functions of the backend API. Holds no device resource; once loaded, cuDNN stays in the process.
class library {
  public:
    /// The process's cuDNN, opened at the first call.
    /// @throws unsupported_error where there is none, or one older than `minimum_version`; says how to get it
    static std::shared_ptr<const library> open() {
        static std::mutex opening;
        static std::weak_ptr<const library> opened;
        const std::scoped_lock lock(opening);
        std::shared_ptr<const library> result = opened.lock();
        if (!result) opened = result = std::shared_ptr<const library>(new library);
        return result;
    }

    library(const library&) = delete;
    library& operator=(const library&) = delete;

    /// 91900 for 9.19.0.
    std::size_t version() const noexcept { return version_; }
    /// Of its file.
    const std::string& path() const noexcept { return file_->path(); }

    /// What cuDNN says of a failed call of this thread, in one line: "CUDNN_STATUS_BAD_PARAM: reason".
    std::string explain(cudnnStatus_t status) const {
        std::array<char, 1024> reason{};
        last_error_string_(reason.data(), reason.size() - 1);
        const std::string text = first_line(reason.data());
        return error_string_(status) + (text.empty() ? "" : ": " + text);
    }

    /// @throws cudnn_error "call: status: reason" unless the status is success
    void check(cudnnStatus_t status, std::string_view call) const {
        if (status != CUDNN_STATUS_SUCCESS) throw cudnn_error(std::string(call) + ": " + explain(status));
    }

    decltype(&::cudnnCreate) create = nullptr;
    decltype(&::cudnnDestroy) destroy = nullptr;
    decltype(&::cudnnSetStream) set_stream = nullptr;
    decltype(&::cudnnBackendCreateDescriptor) create_descriptor = nullptr;
    decltype(&::cudnnBackendDestroyDescriptor) destroy_descriptor = nullptr;
    decltype(&::cudnnBackendSetAttribute) set_attribute = nullptr;
    decltype(&::cudnnBackendGetAttribute) get_attribute = nullptr;
    decltype(&::cudnnBackendFinalize) finalize = nullptr;
    decltype(&::cudnnBackendExecute) execute = nullptr;

  private:
    library() {
        const std::array<std::string, 2> names = {"libcudnn.so.9", "libcudnn.so"};
        constexpr const char* advice = "; install it with \"pip install nvidia-cudnn-cu13\" or NVIDIA's package "
                                       "cudnn9-cuda-13, or name the file in GPUNET_CUDNN_LIBRARY";
        try {
            file_.emplace(cuda::open_library(names, "cudnn", "GPUNET_CUDNN_LIBRARY"));
        } catch (const unsupported_error& e) {
            throw unsupported_error("cuDNN 9 cannot be opened: " + std::string(e.what()) + advice);
        }
        version_ = file_->symbol<decltype(&::cudnnGetVersion)>("cudnnGetVersion")();
        if (version_ < minimum_version || version_ >= 100000)
            throw unsupported_error(path() + ": expected cuDNN 9.8 or a later 9, found " + version_text(version_) +
                                    advice);
        error_string_ = file_->symbol<decltype(&::cudnnGetErrorString)>("cudnnGetErrorString");
        last_error_string_ = file_->symbol<decltype(&::cudnnGetLastErrorString)>("cudnnGetLastErrorString");
        load(create, "cudnnCreate");
        load(destroy, "cudnnDestroy");
        load(set_stream, "cudnnSetStream");
        load(create_descriptor, "cudnnBackendCreateDescriptor");
        load(destroy_descriptor, "cudnnBackendDestroyDescriptor");
        load(set_attribute, "cudnnBackendSetAttribute");
        load(get_attribute, "cudnnBackendGetAttribute");
        load(finalize, "cudnnBackendFinalize");
        load(execute, "cudnnBackendExecute");
        hold_nvrtc();
    }

    /// cuDNN opens NVRTC at each question to its heuristics and closes it again, unless somebody else has it open: that
    /// takes 13 ms and leaks 72 KB each time.
    static void hold_nvrtc() {
        try {
            static_cast<void>(cuda::nvrtc::open()); // stays in the process
        } catch (const error&) {                    // cuDNN may know better where it is, or do without
        }
    }

    template <class Function>
    void load(Function& function, const char* name) {
        function = file_->symbol<Function>(name);
    }

    std::optional<cuda::shared_library> file_; // stays in the process once opened
    std::size_t version_ = 0;
    decltype(&::cudnnGetErrorString) error_string_ = nullptr;
    decltype(&::cudnnGetLastErrorString) last_error_string_ = nullptr;
};

/// A cuDNN handle of the calling thread's current device. Only one thread may use it at a time. Made and destroyed
/// while nothing of ours is captured: both wait for the device.
class handle {
  public:
    /// @throws cudnn_error, for one where there is no device
    explicit handle(std::shared_ptr<const library> l) : library_(std::move(l)) {
        const std::unique_lock alone(cuda::capturing());
        library_->check(library_->create(&handle_), "cudnnCreate");
    }
    handle(handle&& other) noexcept
        : library_(std::move(other.library_)), handle_(std::exchange(other.handle_, nullptr)) {}
    handle& operator=(handle&& other) noexcept {
        std::swap(library_, other.library_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~handle() {
        if (!handle_) return;
        const std::unique_lock alone(cuda::capturing());
        static_cast<void>(library_->destroy(handle_));
    }

    cudnnHandle_t get() const noexcept { return handle_; }

    /// @throws cudnn_error
    void set_stream(cudaStream_t stream) { library_->check(library_->set_stream(handle_, stream), "cudnnSetStream"); }

  private:
    std::shared_ptr<const library> library_;
    cudnnHandle_t handle_ = nullptr;
};

} // namespace gpunet::cudnn

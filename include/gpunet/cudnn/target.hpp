// What plans are made for: a device of this machine, or a model of GPU that need not be here.
#pragma once

#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/driver_stub.hpp>
#include <gpunet/cuda/error.hpp>
#include <gpunet/cudnn/descriptor.hpp>
#include <gpunet/cudnn/device_properties.hpp>
#include <gpunet/cudnn/library.hpp>

#include <cuda_runtime_api.h>

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// A cheap value; copies share one state. Threads may plan for one target together.
class target {
  public:
    /// The GPU meant by `gpu` (see find_gpu), present or not. Opens CUDA's driver stub first where there is no driver,
    /// so that run-time compilation is tried too.
    /// @throws argument_error for an unknown name; unsupported_error without cuDNN
    static target offline(std::string_view gpu) {
        auto s = std::make_shared<state>();
        s->model = find_gpu(gpu);
        cuda::open_driver_or_stub();
        s->library = cudnn::library::open();
        s->properties.emplace(s->library, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "cuDNN device properties");
        s->properties->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, properties_json(s->model)).finalize();
        s->key = "offline " + std::string(s->model.name) + ", " + s->model.architecture() + ", cuDNN " +
                 version_text(s->library->version());
        return target(std::move(s));
    }

    /// A device of this machine, by CUDA's ordinal.
    /// @throws argument_error, unsupported_error or cuda_error without such a device; unsupported_error without cuDNN
    static target device(int ordinal) {
        auto s = std::make_shared<state>();
        const cuda::device_info info = cuda::describe_device(ordinal);
        s->library = cudnn::library::open();
        s->ordinal = ordinal;
        s->name = info.name;
        s->model = model_of(info, s->name);
        s->key = info.name + ", " + s->model.architecture() + ", " + std::to_string(info.multiprocessors) +
                 " multiprocessors, driver " + std::to_string(info.driver_version) + ", cuDNN " +
                 version_text(s->library->version());
        return target(std::move(s));
    }

    const std::shared_ptr<const cudnn::library>& library() const noexcept { return state_->library; }
    /// Of an offline target: no.
    bool present() const noexcept { return state_->ordinal.has_value(); }
    /// Of a device of this machine: its own name, capability and size, and the rates of the model like it.
    const gpu_model& model() const noexcept { return state_->model; }
    std::string architecture() const { return state_->model.architecture(); }
    /// One line; plans of equal keys are interchangeable.
    const std::string& key() const noexcept { return state_->key; }

    class session;

  private:
    struct state {
        std::shared_ptr<const cudnn::library> library;
        std::optional<int> ordinal;
        std::string name; // of a device: model.name refers to it
        gpu_model model;
        std::string key;
        std::optional<descriptor> properties; // of an offline target
        std::mutex handles_access;
        std::vector<handle> handles; // idle
    };

    /// The known model of its capability, else of the nearest below, else the first; as that device is.
    static gpu_model model_of(const cuda::device_info& info, const std::string& name) {
        gpu_model m = gpu_models.front();
        for (const gpu_model& known : gpu_models)
            if (cuda::capability{known.major, known.minor} <= info.capability) m = known;
        m.name = m.alias = name;
        m.major = info.capability.major;
        m.minor = info.capability.minor;
        m.multiprocessors = info.multiprocessors;
        return m;
    }

    explicit target(std::shared_ptr<state> s) : state_(std::move(s)) {}

    std::shared_ptr<state> state_;
};

/// One thread's means to plan: for a device, a handle of its own, given back at the end.
class target::session {
  public:
    /// @throws cuda_error, cudnn_error
    explicit session(const target& t) : state_(t.state_) {
        if (!state_->ordinal) return;
        scope_.emplace(*state_->ordinal);
        // Binds the device's context to this thread even where the device is current by default: an idle handle's maker
        // was another thread, and cuDNN may call the driver at once.
        cuda::check(cudaSetDevice(*state_->ordinal), "cudaSetDevice");
        {
            const std::scoped_lock lock(state_->handles_access);
            if (!state_->handles.empty()) {
                handle_.emplace(std::move(state_->handles.back()));
                state_->handles.pop_back();
            }
        }
        if (!handle_) handle_.emplace(state_->library);
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session() {
        if (!handle_) return;
        try {
            const std::scoped_lock lock(state_->handles_access);
            state_->handles.push_back(std::move(*handle_));
        } catch (const std::exception&) { // no room to keep it: it is destroyed
        }
    }

    /// To make an operation graph with; nullptr where the target is offline.
    cudnnHandle_t graph_handle() const noexcept { return handle_ ? handle_->get() : nullptr; }

    /// Each tells a descriptor, before it is finalised, which device is meant.
    void mark_heuristics(descriptor& heuristics) const {
        if (!handle_) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *state_->properties);
    }
    void mark_plan(descriptor& plan) const {
        if (handle_)
            plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle_->get());
        else
            plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *state_->properties);
    }

  private:
    std::shared_ptr<state> state_;
    std::optional<cuda::device_scope> scope_;
    std::optional<handle> handle_;
};

} // namespace gpunet::cudnn

// The entry points of the fake libcudnn.
#include "execute.hpp"

#include <mutex>
#include <set>

namespace gpunet_fake::cudnn {

namespace {

std::mutex registry;
std::map<void*, std::shared_ptr<body>>& descriptors() {
    static auto* const all = new std::map<void*, std::shared_ptr<body>>;
    return *all;
}
std::set<void*>& handles() {
    static auto* const all = new std::set<void*>;
    return *all;
}

thread_local std::string last_message;

void fault(const std::string& text) {
    if (const bridge* const b = find_bridge()) b->fault(text);
}

void alive(const char* kind, int change) {
    if (const bridge* const b = find_bridge()) b->alive(kind, change);
}

std::shared_ptr<body> descriptor_of(void* d, const char* call) {
    const std::scoped_lock lock(registry);
    const auto found = descriptors().find(d);
    if (found == descriptors().end()) {
        fault(std::string(call) + ": no such descriptor");
        throw refusal(CUDNN_STATUS_BAD_PARAM, "no such descriptor");
    }
    return found->second;
}

handle_state& handle_of(cudnnHandle_t h, const char* call) {
    const std::scoped_lock lock(registry);
    if (!handles().contains(h)) {
        fault(std::string(call) + ": no such handle");
        throw refusal(CUDNN_STATUS_BAD_PARAM, "no such handle");
    }
    return *reinterpret_cast<handle_state*>(h);
}

/// Counts the call, gives way to an injected failure, and turns exceptions into statuses.
template <class F>
cudnnStatus_t guarded(const char* call, F&& f) {
    last_message.clear();
    const bridge* const b = find_bridge();
    if (const auto injected = b ? b->call(call) : std::nullopt) {
        last_message = "a failure that a test asked for";
        return static_cast<cudnnStatus_t>(*injected);
    }
    try {
        f();
        return CUDNN_STATUS_SUCCESS;
    } catch (const refusal& r) {
        last_message = r.what();
        return r.status;
    } catch (const std::exception& e) {
        last_message = e.what();
        return CUDNN_STATUS_INTERNAL_ERROR;
    }
}

void set(body& d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
         const void* from) {
    need(!d.final, CUDNN_STATUS_BAD_PARAM, "the descriptor is finalised");
    const rule* const r = find_rule(name);
    need(r && r->owner == d.type, CUDNN_STATUS_BAD_PARAM,
         "attribute " + std::to_string(name) + " on another descriptor");
    need(type == r->type || type == r->other, CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
         "type " + std::to_string(type) + " of attribute " + std::to_string(name));
    need(count >= 0 && (count == 0 || from), CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
         "elements of attribute " + std::to_string(name));
    body::attribute a{type, count, {}, {}};
    const auto* const start = static_cast<const std::byte*>(from);
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        for (std::int64_t i = 0; i < count; ++i)
            a.refs.push_back(descriptor_of(static_cast<void* const*>(from)[i], "cudnnBackendSetAttribute"));
    } else {
        a.bytes.assign(start, start + static_cast<std::size_t>(count) * size_of(type));
    }
    d.attributes[name] = std::move(a);
}

void get(const body& d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t requested,
         std::int64_t* count, void* to) {
    need(d.final, CUDNN_STATUS_NOT_INITIALIZED, "the descriptor is not finalised");
    const rule* const r = find_rule(name);
    need(r && r->owner == d.type, CUDNN_STATUS_BAD_PARAM,
         "attribute " + std::to_string(name) + " of another descriptor");
    need(type == r->type || type == r->other, CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
         "type " + std::to_string(type) + " of attribute " + std::to_string(name));
    const auto found = d.attributes.find(name);
    need(found != d.attributes.end(), CUDNN_STATUS_NOT_SUPPORTED,
         "attribute " + std::to_string(name) + " has no value");
    const body::attribute& a = found->second;
    need(a.type == type, CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
         "attribute " + std::to_string(name) + " was set by another type");
    const std::int64_t given = std::min(requested, a.count);
    // cuDNN 9.19 tells the number of knobs only to who asks for them.
    if (count) *count = name == CUDNN_ATTR_ENGINECFG_KNOB_CHOICES ? given : a.count;
    need(given == 0 || to, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "nowhere to write");
    if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        if (given > 0) std::memcpy(to, a.bytes.data(), static_cast<std::size_t>(given) * size_of(type));
        return;
    }
    for (std::int64_t i = 0; i < given; ++i) {
        const auto target = descriptor_of(static_cast<void**>(to)[i], "cudnnBackendGetAttribute");
        const body& source = *a.refs[static_cast<std::size_t>(i)];
        need(target->type == source.type, CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
             "a descriptor of another type to write to");
        *target = source;
    }
}

} // namespace

} // namespace gpunet_fake::cudnn

using namespace gpunet_fake::cudnn;

extern "C" {

std::size_t cudnnGetVersion() { return version(); }
std::size_t cudnnGetMaxDeviceVersion() { return CUDNN_MAX_DEVICE_VERSION; }
std::size_t cudnnGetCudartVersion() { return CUDART_VERSION; }

const char* cudnnGetErrorString(cudnnStatus_t status) {
    switch (status) {
#define GPUNET_FAKE_NAME(name)                                                                                         \
    case name: return #name;
        GPUNET_FAKE_NAME(CUDNN_STATUS_SUCCESS)
        GPUNET_FAKE_NAME(CUDNN_STATUS_NOT_INITIALIZED)
        GPUNET_FAKE_NAME(CUDNN_STATUS_SERIALIZATION_VERSION_MISMATCH)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM_NULL_POINTER)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE)
        GPUNET_FAKE_NAME(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE)
        GPUNET_FAKE_NAME(CUDNN_STATUS_NOT_SUPPORTED)
        GPUNET_FAKE_NAME(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN)
        GPUNET_FAKE_NAME(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE)
        GPUNET_FAKE_NAME(CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH)
        GPUNET_FAKE_NAME(CUDNN_STATUS_INTERNAL_ERROR)
        GPUNET_FAKE_NAME(CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED)
        GPUNET_FAKE_NAME(CUDNN_STATUS_EXECUTION_FAILED)
        GPUNET_FAKE_NAME(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER)
        GPUNET_FAKE_NAME(CUDNN_STATUS_EXECUTION_FAILED_CUDART)
#undef GPUNET_FAKE_NAME
    default: return "CUDNN_UNKNOWN_STATUS";
    }
}

void cudnnGetLastErrorString(char* message, std::size_t size) {
    if (!message || size == 0) return;
    std::strncpy(message, last_message.c_str(), size - 1);
    message[size - 1] = '\0';
    last_message.clear();
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
    return guarded("cudnnCreate", [&] {
        need(device_is_present(), CUDNN_STATUS_NOT_INITIALIZED, "cudaGetDeviceCount(&count) != cudaSuccess");
        need(!gpunet_fake::find_bridge()->spoils_capture("cudnnCreate"), CUDNN_STATUS_INTERNAL_ERROR,
             "a stream is capturing");
        *handle =
            reinterpret_cast<cudnnHandle_t>(new handle_state{gpunet_fake::find_bridge()->current_device(), nullptr});
        const std::scoped_lock lock(registry);
        handles().insert(*handle);
        alive("cudnnHandle", 1);
    });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    return guarded("cudnnDestroy", [&] {
        handle_state* const h = &handle_of(handle, "cudnnDestroy");
        gpunet_fake::find_bridge()->spoils_capture("cudnnDestroy"); // it waits for the device
        {
            const std::scoped_lock lock(registry);
            handles().erase(handle);
        }
        delete h;
        alive("cudnnHandle", -1);
    });
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    return guarded("cudnnSetStream", [&] {
        handle_state& h = handle_of(handle, "cudnnSetStream");
        const auto device = gpunet_fake::find_bridge()->stream_device(stream);
        if (device != h.device) fault("cudnnSetStream: a stream of another device, or none");
        need(device == h.device, CUDNN_STATUS_BAD_PARAM, "a stream of another device, or none");
        h.stream = stream;
    });
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
    return guarded("cudnnGetStream", [&] { *stream = handle_of(handle, "cudnnGetStream").stream; });
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
    return guarded("cudnnBackendCreateDescriptor", [&] {
        auto d = std::make_shared<body>();
        d->type = type;
        *descriptor = d.get();
        const std::scoped_lock lock(registry);
        descriptors()[*descriptor] = std::move(d);
        alive("cudnnDescriptor", 1);
    });
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
    return guarded("cudnnBackendDestroyDescriptor", [&] {
        const auto d = descriptor_of(descriptor, "cudnnBackendDestroyDescriptor"); // dies after the lock is gone
        const std::scoped_lock lock(registry);
        descriptors().erase(descriptor);
        alive("cudnnDescriptor", -1);
    });
}

cudnnStatus_t cudnnBackendInitialize(cudnnBackendDescriptor_t) { return CUDNN_STATUS_SUCCESS; }

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
    return guarded("cudnnBackendFinalize", [&] {
        const auto d = descriptor_of(descriptor, "cudnnBackendFinalize");
        need(!d->final, CUDNN_STATUS_BAD_PARAM, "the descriptor is finalised");
        finalize(*d);
    });
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t count, const void* elements) {
    return guarded("cudnnBackendSetAttribute",
                   [&] { set(*descriptor_of(descriptor, "cudnnBackendSetAttribute"), name, type, count, elements); });
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t requested, std::int64_t* count,
                                       void* elements) {
    return guarded("cudnnBackendGetAttribute", [&] {
        get(*descriptor_of(descriptor, "cudnnBackendGetAttribute"), name, type, requested, count, elements);
    });
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t executed,
                                  cudnnBackendDescriptor_t pack) {
    return guarded("cudnnBackendExecute", [&] {
        const handle_state& h = handle_of(handle, "cudnnBackendExecute");
        const auto p = descriptor_of(executed, "cudnnBackendExecute"), v = descriptor_of(pack, "cudnnBackendExecute");
        need(p->final && v->final, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "plan or variant pack is not finalised");
        need(p->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR && v->type == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
             CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "no plan, or no variant pack");
        execute(h, std::get<plan>(p->meaning), *v);
    });
}

cudnnStatus_t cudnnBackendPopulateCudaGraph(cudnnHandle_t, cudnnBackendDescriptor_t, cudnnBackendDescriptor_t,
                                            cudaGraph_t) {
    last_message = "the fake cuDNN adds to no graph: capture a stream";
    return CUDNN_STATUS_NOT_SUPPORTED_CUDA_GRAPH_NATIVE_API;
}

} // extern "C"

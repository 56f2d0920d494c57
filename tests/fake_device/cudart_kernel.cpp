// Libraries of kernels, and launching them.
#include "cubin.hpp"
#include "state.hpp"

#include <algorithm>
#include <array>

#include <sys/syscall.h>
#include <unistd.h>

struct CUkern_st {
    std::string name;
    std::map<std::string, std::string> defines;
    int architecture = 0;
    std::map<int, int> most_shared; // by device, where it was raised
};

struct CUlib_st {
    std::map<std::string, CUkern_st> kernels;
};

namespace gpunet_fake {

namespace {

std::set<const void*>& kernels() {
    static auto* const all = new std::set<const void*>;
    return *all;
}

CUkern_st* find_kernel(const void* handle) {
    const std::scoped_lock hold(the().lock);
    return kernels().contains(handle) ? static_cast<CUkern_st*>(const_cast<void*>(handle)) : nullptr;
}

struct alignas(16) parameter_copy {
    std::array<std::byte, parameter_bytes> bytes{};
};

/// A copy of what can be read at p. The struct's size is not known here, so the kernel of the operating system copies
/// it, which stops at the end of mapped memory.
std::shared_ptr<const parameter_copy> copy_parameters(const void* p) {
    auto copy = std::make_shared<parameter_copy>();
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    const long written = ::syscall(SYS_write, ends[1], p, copy->bytes.size());
    long done = 0;
    while (done < written) {
        const long more = ::read(ends[0], copy->bytes.data() + done, static_cast<std::size_t>(written - done));
        if (more <= 0) break;
        done += more;
    }
    ::close(ends[0]);
    ::close(ends[1]);
    if (done <= 0) throw std::runtime_error("the parameters cannot be read");
    return copy;
}

cudaError_t set_attribute(const void* function, cudaFuncAttribute attribute, int value, int device, const char* call) {
    CUkern_st* const k = find_kernel(function);
    if (!k) return refuse_call(cudaErrorInvalidDeviceFunction, std::string(call) + ": no such kernel");
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return result(cudaErrorInvalidValue);
    if (value < 0 || value > 227 << 10) return result(cudaErrorInvalidValue);
    const std::scoped_lock hold(the().lock);
    k->most_shared[device] = value;
    return cudaSuccess;
}

std::string launch_problem(const CUkern_st& k, const cudaLaunchConfig_t& c, int device) {
    const std::array<unsigned, 3> g = {c.gridDim.x, c.gridDim.y, c.gridDim.z},
                                  b = {c.blockDim.x, c.blockDim.y, c.blockDim.z};
    if (std::find(g.begin(), g.end(), 0U) != g.end() || std::find(b.begin(), b.end(), 0U) != b.end())
        return "an empty grid or block";
    if (g[0] > 2147483647U || g[1] > 65535 || g[2] > 65535) return "a grid beyond the limits";
    if (b[0] > 1024 || b[1] > 1024 || b[2] > 64 || std::size_t{b[0]} * b[1] * b[2] > 1024)
        return "a block beyond the limits";
    const auto raised = k.most_shared.find(device);
    const std::size_t most =
        std::max<std::size_t>(48 << 10, raised == k.most_shared.end() ? 0 : static_cast<std::size_t>(raised->second));
    if (c.dynamicSmemBytes > most)
        return std::to_string(c.dynamicSmemBytes) + " bytes of shared memory, limit " + std::to_string(most);
    for (unsigned i = 0; i < c.numAttrs; ++i)
        if (c.attrs[i].id != cudaLaunchAttributeProgrammaticStreamSerialization)
            return "an attribute that the fake device does not know";
    return "";
}

} // namespace

} // namespace gpunet_fake

using namespace gpunet_fake;

extern "C" cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void* code, cudaJitOption*, void**,
                                           unsigned int, cudaLibraryOption*, void**, unsigned int) {
    GPUNET_FAKE_ENTER(cudaLibraryLoadData);
    if (unsafe_in_capture("cudaLibraryLoadData")) return result(cudaErrorStreamCaptureUnsupported);
    const auto text = from_cubin(code);
    if (!text) return result(cudaErrorInvalidKernelImage);
    const std::scoped_lock hold(the().lock);
    if (the().devices <= 0) return result(cudaErrorInsufficientDriver);
    if (text->architecture / 10 != the().capability / 10 || text->architecture > the().capability)
        return result(cudaErrorNoKernelImageForDevice);
    *library = new CUlib_st;
    for (const std::string& name : text->kernels) {
        CUkern_st& k = (*library)->kernels[name];
        k = {name, text->defines, text->architecture, {}};
        kernels().insert(&k);
    }
    alive("cudaLibrary", 1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
    GPUNET_FAKE_ENTER(cudaLibraryUnload);
    const std::scoped_lock hold(the().lock);
    for (auto& [name, k] : library->kernels) kernels().erase(&k);
    delete library;
    alive("cudaLibrary", -1);
    return cudaSuccess;
}

extern "C" cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library, const char* name) {
    GPUNET_FAKE_ENTER(cudaLibraryGetKernel);
    const auto found = library->kernels.find(name);
    if (found == library->kernels.end()) return result(cudaErrorSymbolNotFound);
    *kernel = &found->second;
    return cudaSuccess;
}

extern "C" cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
    GPUNET_FAKE_ENTER(cudaFuncSetAttribute);
    return set_attribute(function, attribute, value, current_device, "cudaFuncSetAttribute");
}

extern "C" cudaError_t cudaKernelSetAttributeForDevice(cudaKernel_t kernel, cudaFuncAttribute attribute, int value,
                                                       int device) {
    GPUNET_FAKE_ENTER(cudaKernelSetAttributeForDevice);
    return set_attribute(kernel, attribute, value, device, "cudaKernelSetAttributeForDevice");
}

extern "C" cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** arguments) {
    GPUNET_FAKE_ENTER(cudaLaunchKernelExC);
    CUkern_st* const k = find_kernel(function);
    if (!k) return refuse_call(cudaErrorInvalidDeviceFunction, "cudaLaunchKernelExC: no such kernel");
    const auto device = stream_device(config->stream);
    if (!device) return refuse_call(cudaErrorInvalidResourceHandle, "kernel " + k->name + ": no such stream");
    if (*device != current_device)
        return refuse_call(cudaErrorInvalidResourceHandle, "kernel " + k->name + ": stream of device " +
                                                               std::to_string(*device) + " while device " +
                                                               std::to_string(current_device) + " is current");
    if (const std::string problem = launch_problem(*k, *config, *device); !problem.empty())
        return refuse_call(cudaErrorInvalidConfiguration, "kernel " + k->name + ": " + problem);
    const bool programmatic = std::any_of(config->attrs, config->attrs + config->numAttrs, [](const auto& a) {
        return a.val.programmaticStreamSerializationAllowed != 0;
    });
    launcher run;
    {
        const std::scoped_lock hold(the().lock);
        run = the().launch;
    }
    const std::array<unsigned, 3> grid = {config->gridDim.x, config->gridDim.y, config->gridDim.z};
    const std::array<unsigned, 3> block = {config->blockDim.x, config->blockDim.y, config->blockDim.z};
    return enqueue(config->stream, "kernel " + k->name,
                   [run = std::move(run), name = k->name, defines = k->defines, grid, block, programmatic,
                    shared = config->dynamicSmemBytes, parameters = copy_parameters(arguments[0])] {
                       run(name, defines, grid, block, shared, parameters->bytes.data());
                       const std::scoped_lock hold(the().lock);
                       ++the().seen.kernels;
                       if (programmatic) ++the().seen.programmatic_launches;
                   });
}

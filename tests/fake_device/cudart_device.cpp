// Devices.
#include "state.hpp"

#include <algorithm>
#include <cstring>

using namespace gpunet_fake;

namespace {

/// What a call needs before it can do anything.
cudaError_t device_status() {
    const std::scoped_lock hold(the().lock);
    return the().devices > 0 ? cudaSuccess : cudaErrorInsufficientDriver;
}

} // namespace

extern "C" cudaError_t cudaGetDeviceCount(int* count) {
    GPUNET_FAKE_ENTER(cudaGetDeviceCount);
    if (const cudaError_t status = device_status()) return result(status); // *count stays, as without a driver
    const std::scoped_lock hold(the().lock);
    *count = the().devices;
    return cudaSuccess;
}

extern "C" cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
    GPUNET_FAKE_ENTER(cudaGetDeviceProperties);
    if (const cudaError_t status = device_status()) return result(status);
    const std::scoped_lock hold(the().lock);
    if (device < 0 || device >= the().devices) return result(cudaErrorInvalidDevice);
    *p = {};
    std::strcpy(p->name, "Fake GPU");
    for (int i = 0; i < 16; ++i) p->uuid.bytes[i] = static_cast<char>(16 * i + device);
    p->totalGlobalMem = the().memory;
    p->sharedMemPerBlock = 48 << 10;
    p->sharedMemPerBlockOptin = 227 << 10;
    p->sharedMemPerMultiprocessor = 228 << 10;
    p->reservedSharedMemPerBlock = 1 << 10;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 2147483647;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->maxThreadsPerMultiProcessor = 2048;
    p->maxBlocksPerMultiProcessor = 32;
    p->major = the().capability / 10;
    p->minor = the().capability % 10;
    p->multiProcessorCount = 132;
    p->l2CacheSize = 50 << 20;
    p->memoryBusWidth = 5120;
    p->unifiedAddressing = 1;
    p->concurrentKernels = 1;
    p->cooperativeLaunch = 1;
    p->clusterLaunch = the().capability >= 90 ? 1 : 0;
    p->pciBusID = device + 1;
    return cudaSuccess;
}

extern "C" cudaError_t cudaSetDevice(int device) {
    GPUNET_FAKE_ENTER(cudaSetDevice);
    if (const cudaError_t status = device_status()) return result(status);
    const std::scoped_lock hold(the().lock);
    if (device < 0 || device >= the().devices) return result(cudaErrorInvalidDevice);
    current_device = device;
    return cudaSuccess;
}

extern "C" cudaError_t cudaGetDevice(int* device) {
    GPUNET_FAKE_ENTER(cudaGetDevice);
    if (const cudaError_t status = device_status()) return result(status);
    *device = current_device;
    return cudaSuccess;
}

extern "C" cudaError_t cudaDriverGetVersion(int* version) {
    GPUNET_FAKE_ENTER(cudaDriverGetVersion);
    *version = device_status() ? 0 : CUDART_VERSION; // 0: no driver
    return cudaSuccess;
}

extern "C" cudaError_t cudaRuntimeGetVersion(int* version) {
    GPUNET_FAKE_ENTER(cudaRuntimeGetVersion);
    *version = CUDART_VERSION;
    return cudaSuccess;
}

extern "C" cudaError_t cudaDeviceSynchronize() {
    GPUNET_FAKE_ENTER(cudaDeviceSynchronize);
    if (const cudaError_t status = device_status()) return result(status);
    if (spoils_capture("cudaDeviceSynchronize")) return result(cudaErrorStreamCaptureUnsupported);
    synchronize_device(current_device);
    const std::scoped_lock hold(the().lock);
    const auto broken = the().broken.find(current_device);
    return broken == the().broken.end() ? cudaSuccess : result(broken->second);
}

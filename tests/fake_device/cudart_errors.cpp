// Names of errors: of those a program of this library can meet.
#include "state.hpp"

#include <algorithm>
#include <iterator>

namespace {

struct named_error {
    cudaError_t error;
    const char* name;
};

#define GPUNET_FAKE_NAMED(name)                                                                                        \
    { name, #name }
constexpr named_error names[] = {
    GPUNET_FAKE_NAMED(cudaSuccess),
    GPUNET_FAKE_NAMED(cudaErrorInvalidValue),
    GPUNET_FAKE_NAMED(cudaErrorMemoryAllocation),
    GPUNET_FAKE_NAMED(cudaErrorInitializationError),
    GPUNET_FAKE_NAMED(cudaErrorCudartUnloading),
    GPUNET_FAKE_NAMED(cudaErrorInvalidConfiguration),
    GPUNET_FAKE_NAMED(cudaErrorInvalidDevicePointer),
    GPUNET_FAKE_NAMED(cudaErrorInvalidMemcpyDirection),
    GPUNET_FAKE_NAMED(cudaErrorNotYetImplemented),
    GPUNET_FAKE_NAMED(cudaErrorStubLibrary),
    GPUNET_FAKE_NAMED(cudaErrorInsufficientDriver),
    GPUNET_FAKE_NAMED(cudaErrorCallRequiresNewerDriver),
    GPUNET_FAKE_NAMED(cudaErrorDevicesUnavailable),
    GPUNET_FAKE_NAMED(cudaErrorInvalidDeviceFunction),
    GPUNET_FAKE_NAMED(cudaErrorNoDevice),
    GPUNET_FAKE_NAMED(cudaErrorInvalidDevice),
    GPUNET_FAKE_NAMED(cudaErrorInvalidKernelImage),
    GPUNET_FAKE_NAMED(cudaErrorDeviceUninitialized),
    GPUNET_FAKE_NAMED(cudaErrorNoKernelImageForDevice),
    GPUNET_FAKE_NAMED(cudaErrorECCUncorrectable),
    GPUNET_FAKE_NAMED(cudaErrorInvalidPtx),
    GPUNET_FAKE_NAMED(cudaErrorUnsupportedPtxVersion),
    GPUNET_FAKE_NAMED(cudaErrorJitCompilationDisabled),
    GPUNET_FAKE_NAMED(cudaErrorFileNotFound),
    GPUNET_FAKE_NAMED(cudaErrorOperatingSystem),
    GPUNET_FAKE_NAMED(cudaErrorInvalidResourceHandle),
    GPUNET_FAKE_NAMED(cudaErrorIllegalState),
    GPUNET_FAKE_NAMED(cudaErrorSymbolNotFound),
    GPUNET_FAKE_NAMED(cudaErrorNotReady),
    GPUNET_FAKE_NAMED(cudaErrorIllegalAddress),
    GPUNET_FAKE_NAMED(cudaErrorLaunchOutOfResources),
    GPUNET_FAKE_NAMED(cudaErrorLaunchTimeout),
    GPUNET_FAKE_NAMED(cudaErrorContextIsDestroyed),
    GPUNET_FAKE_NAMED(cudaErrorHostMemoryAlreadyRegistered),
    GPUNET_FAKE_NAMED(cudaErrorIllegalInstruction),
    GPUNET_FAKE_NAMED(cudaErrorMisalignedAddress),
    GPUNET_FAKE_NAMED(cudaErrorLaunchFailure),
    GPUNET_FAKE_NAMED(cudaErrorNotPermitted),
    GPUNET_FAKE_NAMED(cudaErrorNotSupported),
    GPUNET_FAKE_NAMED(cudaErrorSystemDriverMismatch),
    GPUNET_FAKE_NAMED(cudaErrorStreamCaptureUnsupported),
    GPUNET_FAKE_NAMED(cudaErrorStreamCaptureInvalidated),
    GPUNET_FAKE_NAMED(cudaErrorStreamCaptureMerge),
    GPUNET_FAKE_NAMED(cudaErrorStreamCaptureUnmatched),
    GPUNET_FAKE_NAMED(cudaErrorStreamCaptureUnjoined),
    GPUNET_FAKE_NAMED(cudaErrorStreamCaptureIsolation),
    GPUNET_FAKE_NAMED(cudaErrorStreamCaptureImplicit),
    GPUNET_FAKE_NAMED(cudaErrorCapturedEvent),
    GPUNET_FAKE_NAMED(cudaErrorStreamCaptureWrongThread),
    GPUNET_FAKE_NAMED(cudaErrorTimeout),
    GPUNET_FAKE_NAMED(cudaErrorGraphExecUpdateFailure),
    GPUNET_FAKE_NAMED(cudaErrorUnknown),
};
#undef GPUNET_FAKE_NAMED

} // namespace

extern "C" const char* cudaGetErrorName(cudaError_t error) {
    const auto* const found =
        std::find_if(std::begin(names), std::end(names), [&](const auto& n) { return n.error == error; });
    return found == std::end(names) ? "unrecognized error code" : found->name;
}

extern "C" const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorStubLibrary: return "CUDA driver is a stub library";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidKernelImage: return "device kernel image is invalid";
    case cudaErrorNoKernelImageForDevice: return "no kernel image is available for execution on the device";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorSymbolNotFound: return "named symbol not found";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    default: return cudaGetErrorName(error);
    }
}

extern "C" cudaError_t cudaGetLastError() {
    const cudaError_t last = gpunet_fake::last_error;
    gpunet_fake::last_error = cudaSuccess;
    return last;
}

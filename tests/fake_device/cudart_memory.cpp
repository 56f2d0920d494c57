// Memory: allocations between guards, fresh ones full of NaN, freed ones remembered.
#include "state.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GPUNET_FAKE_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define GPUNET_FAKE_ASAN 1
#endif
#ifdef GPUNET_FAKE_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace gpunet_fake {

namespace {

constexpr std::size_t guard = 256;
constexpr unsigned char guard_byte = 0xA5;

std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

cudaError_t allocate(void** p, std::size_t bytes, bool host, const char* kind) {
    state& s = the();
    if (unsafe_in_capture(kind)) return result(cudaErrorStreamCaptureUnsupported);
    const std::scoped_lock hold(s.lock);
    if (s.devices <= 0) return result(cudaErrorInsufficientDriver);
    *p = nullptr;
    if (bytes == 0) return cudaSuccess;
    if (!host) {
        std::size_t used = 0;
        for (const auto& [base, a] : s.live)
            if (!a.host && a.device == current_device) used += a.bytes;
        if (bytes > s.memory || used > s.memory - bytes) return result(cudaErrorMemoryAllocation);
    }
    void* block = nullptr;
    if (::posix_memalign(&block, guard, bytes + 2 * guard) != 0) return result(cudaErrorMemoryAllocation);
    auto* const start = static_cast<std::byte*>(block);
    std::memset(start, guard_byte, guard);
    std::memset(start + guard, 0xFF, bytes); // NaN in every floating-point type
    std::memset(start + guard + bytes, guard_byte, guard);
#ifdef GPUNET_FAKE_ASAN
    __asan_poison_memory_region(start, guard);
    __asan_poison_memory_region(start + guard + bytes, guard);
#endif
    *p = start + guard;
    const std::uintptr_t base = address(*p);
    s.live[base] = {bytes, current_device, host, start};
    for (auto old = s.freed.begin(); old != s.freed.end();)
        old = old->first < base + bytes && base < old->first + old->second ? s.freed.erase(old) : std::next(old);
    ++s.seen.alive[kind];
    if (!host) {
        s.seen.device_bytes += bytes;
        s.seen.peak_device_bytes = std::max(s.seen.peak_device_bytes, s.seen.device_bytes);
    }
    return cudaSuccess;
}

cudaError_t release(void* p, bool host, const char* kind, const char* function) {
    state& s = the();
    if (p == nullptr) return cudaSuccess;
    if (unsafe_in_capture(function)) return result(cudaErrorStreamCaptureUnsupported);
    {
        const std::scoped_lock hold(s.lock);
        if (s.devices <= 0) return result(cudaErrorInsufficientDriver);
    }
    const auto of = find_allocation(p);
    if (of) synchronize_device(of->second.device); // as the real one does
    const std::scoped_lock hold(s.lock);
    const auto found = s.live.find(address(p));
    if (found == s.live.end()) {
        const bool twice = s.freed.contains(address(p));
        return refuse_call(cudaErrorInvalidValue,
                           std::string(function) + (twice ? ": freed twice" : ": not an allocation"));
    }
    const allocation a = found->second;
    if (a.host != host) return refuse_call(cudaErrorInvalidValue, std::string(function) + ": memory of the other kind");
    if (!host && a.device != current_device)
        fault(std::string(function) + ": memory of device " + std::to_string(a.device) + " freed on device " +
              std::to_string(current_device));
    check_guards(found->first, a);
#ifdef GPUNET_FAKE_ASAN
    __asan_unpoison_memory_region(a.block, a.bytes + 2 * guard);
#endif
    s.freed[found->first] = a.bytes;
    s.live.erase(found);
    std::free(a.block);
    --s.seen.alive[kind];
    if (!host) s.seen.device_bytes -= a.bytes;
    return cudaSuccess;
}

/// Why the range cannot be what the copy says it is; empty where it can.
std::string side_problem(const void* p, std::size_t bytes, bool device) {
    const auto found = find_allocation(p);
    if (device) {
        if (found && found->second.host) return "host memory where device memory is meant";
        return memory_problem(p, bytes, -1);
    }
    if (found && !found->second.host) return "device memory where host memory is meant";
    return found ? memory_problem(p, bytes, -1) : "";
}

} // namespace

void check_guards([[maybe_unused]] std::uintptr_t base, [[maybe_unused]] const allocation& a) {
#ifndef GPUNET_FAKE_ASAN // which has told already
    const auto whole = [](const std::byte* p) {
        return std::all_of(p, p + guard, [](std::byte b) { return b == std::byte{guard_byte}; });
    };
    std::byte* const after = a.block + guard + a.bytes;
    if (whole(a.block) && whole(after)) return;
    fault("memory written outside an allocation of " + std::to_string(a.bytes) + " bytes" +
          (whole(a.block) ? ", after its end" : ", before its start"));
    std::memset(a.block, guard_byte, guard);
    std::memset(after, guard_byte, guard);
#endif
}

std::optional<std::pair<std::uintptr_t, allocation>> find_allocation(const void* p) {
    state& s = the();
    const std::scoped_lock hold(s.lock);
    auto found = s.live.upper_bound(address(p));
    if (found == s.live.begin()) return std::nullopt;
    --found;
    if (address(p) >= found->first + found->second.bytes) return std::nullopt;
    return *found;
}

std::string memory_problem(const void* p, std::size_t bytes, int device) {
    state& s = the();
    const std::scoped_lock hold(s.lock);
    if (bytes == 0) return "";
    const auto found = find_allocation(p);
    if (!found) {
        auto old = s.freed.upper_bound(address(p));
        if (old != s.freed.begin() && address(p) < std::prev(old)->first + std::prev(old)->second)
            return "memory that was freed";
        return "memory that was never allocated";
    }
    const auto& [base, a] = *found;
    const std::size_t offset = address(p) - base;
    if (bytes > a.bytes - offset)
        return std::to_string(bytes) + " bytes at offset " + std::to_string(offset) + " of an allocation of " +
               std::to_string(a.bytes);
    if (device >= 0 && !a.host && a.device != device)
        return "memory of device " + std::to_string(a.device) + " on device " + std::to_string(device);
    return "";
}

} // namespace gpunet_fake

using namespace gpunet_fake;

extern "C" cudaError_t cudaMalloc(void** p, std::size_t bytes) {
    GPUNET_FAKE_ENTER(cudaMalloc);
    return allocate(p, bytes, false, "cudaMalloc");
}

extern "C" cudaError_t cudaFree(void* p) {
    GPUNET_FAKE_ENTER(cudaFree);
    return release(p, false, "cudaMalloc", "cudaFree");
}

extern "C" cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
    GPUNET_FAKE_ENTER(cudaHostAlloc);
    return allocate(p, bytes, true, "cudaHostAlloc");
}

extern "C" cudaError_t cudaFreeHost(void* p) {
    GPUNET_FAKE_ENTER(cudaFreeHost);
    return release(p, true, "cudaHostAlloc", "cudaFreeHost");
}

extern "C" cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
    GPUNET_FAKE_ENTER(cudaMemGetInfo);
    state& s = the();
    const std::scoped_lock hold(s.lock);
    if (s.devices <= 0) return result(cudaErrorInsufficientDriver);
    *free = *total = s.memory;
    for (const auto& [base, a] : s.live)
        if (!a.host && a.device == current_device) *free -= std::min(*free, a.bytes);
    return cudaSuccess;
}

extern "C" cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
    GPUNET_FAKE_ENTER(cudaPointerGetAttributes);
    *attributes = {};
    const auto found = find_allocation(p);
    attributes->device = found ? found->second.device : -2;
    attributes->type = !found               ? cudaMemoryTypeUnregistered
                       : found->second.host ? cudaMemoryTypeHost
                                            : cudaMemoryTypeDevice;
    if (found) attributes->devicePointer = const_cast<void*>(p);
    if (!found || found->second.host) attributes->hostPointer = const_cast<void*>(p);
    return cudaSuccess;
}

extern "C" cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                       cudaStream_t stream) {
    GPUNET_FAKE_ENTER(cudaMemcpyAsync);
    if (kind == cudaMemcpyDefault) {
        const auto is_device = [](const void* p) {
            const auto found = find_allocation(p);
            return found && !found->second.host;
        };
        kind = is_device(to) ? (is_device(from) ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice)
                             : (is_device(from) ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost);
    }
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    const std::string what = std::string("copy ") + (from_device ? "device" : "host") + " to " +
                             (to_device ? "device " : "host ") + std::to_string(bytes) + " bytes";
    const auto problem = [=]() -> std::string {
        if (const std::string p = side_problem(to, bytes, to_device); !p.empty()) return what + ": to " + p;
        if (const std::string p = side_problem(from, bytes, from_device); !p.empty()) return what + ": from " + p;
        if (address(to) < address(from) + bytes && address(from) < address(to) + bytes)
            return what + ": source and destination overlap";
        return "";
    };
    if (bytes > 0)
        if (std::string p = problem(); !p.empty()) return refuse_call(cudaErrorInvalidValue, std::move(p));
    return enqueue(stream, what, [=] {
        if (bytes == 0) return;
        if (const std::string p = problem(); !p.empty()) throw std::runtime_error(p); // freed since it was enqueued
        std::memcpy(to, from, bytes);
        const std::scoped_lock hold(the().lock);
        ++the().seen.copies;
    });
}

extern "C" cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
    GPUNET_FAKE_ENTER(cudaMemsetAsync);
    const std::string what = "set " + std::to_string(bytes) + " bytes";
    if (const std::string problem = memory_problem(p, bytes, -1); !problem.empty())
        return refuse_call(cudaErrorInvalidValue, what + ": " + problem);
    return enqueue(stream, what, [=] {
        if (const std::string problem = memory_problem(p, bytes, -1); !problem.empty())
            throw std::runtime_error(what + ": " + problem);
        std::memset(p, value, bytes);
        const std::scoped_lock hold(the().lock);
        ++the().seen.sets;
    });
}

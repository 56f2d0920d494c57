// Our own convolutions, as machine code made for their exact shapes, where the processor has AVX-512 and Xbyak was at
// hand when the program was compiled. Everything else is oneDNN's.
#pragma once

#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/threads.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/fold.hpp>

#if defined(__x86_64__) && __has_include(<xbyak/xbyak.h>)
#define GPUNET_HAS_XBYAK 1
#include <gpunet/cpu/jit/convolution.hpp>
#include <gpunet/cpu/jit/depthwise.hpp>
#include <gpunet/cpu/jit/winograd.hpp>
#else
#define GPUNET_HAS_XBYAK 0
#endif

#include <cstdint>
#include <memory>

namespace gpunet::cpu::jit {

#if GPUNET_HAS_XBYAK

/// Whether such code can run here, on so many threads.
inline bool available(const openmp& runtime, int threads) noexcept {
    return __builtin_cpu_supports("avx512f") && (threads == 1 || runtime.can_fork());
}

/// @returns null if there is no code for it
inline std::shared_ptr<const operation> make_operation(std::int64_t batch, const graph::convolution& c, bool residual,
                                                       const folded& weights, code_cache& cache, int threads) {
    if (!has_code(c)) return nullptr;
    if (c.depthwise()) return std::make_shared<depthwise_operation>(batch, c, residual, weights, cache);
    if (winograd_operation::takes(c))
        return std::make_shared<winograd_operation>(batch, c, residual, weights, cache, threads);
    return std::make_shared<convolution_operation>(batch, c, residual, weights, cache, threads);
}

#else

struct code_cache {};

inline bool available(const openmp&, int) noexcept { return false; }
inline bool takes_plain_input(const graph::convolution&) noexcept { return false; }
inline std::shared_ptr<const operation> make_operation(std::int64_t, const graph::convolution&, bool, const folded&,
                                                       code_cache&, int) {
    return nullptr;
}

#endif

} // namespace gpunet::cpu::jit

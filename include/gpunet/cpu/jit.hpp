// Our own convolutions, as machine code made for their exact shapes, where the processor has AVX-512 and Xbyak was at
// hand when the program was compiled. Everything else is oneDNN's.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/thread_team.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/constants.hpp>

#if defined(__x86_64__) && __has_include(<xbyak/xbyak.h>)
#define GPUNET_HAS_XBYAK 1
#include <gpunet/cpu/jit/byte_vectors.hpp>
#include <gpunet/cpu/jit/convolution.hpp>
#include <gpunet/cpu/jit/depthwise.hpp>
#include <gpunet/cpu/jit/vectors.hpp>
#include <gpunet/cpu/jit/winograd.hpp>
#else
#define GPUNET_HAS_XBYAK 0
#endif

#include <cstdint>
#include <memory>

namespace gpunet::cpu::jit {

#if GPUNET_HAS_XBYAK

/// Whether such code can run here.
inline bool available() noexcept { return __builtin_cpu_supports("avx512f"); }

/// Whether it can on bytes, too.
inline bool available_for_bytes() noexcept {
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw");
}

/// Whether there is code for it with input in float32 or bytes and output in bytes.
inline bool has_byte_code(const graph::convolution& c, const folded& weights) noexcept {
    return has_code(c) && weights.output_scale && (weights.int8 || !c.depthwise());
}

/// @returns null if there is no code for it
inline std::shared_ptr<const operation> make_operation(std::int64_t batch, const graph::convolution& c, bool residual,
                                                       const folded& weights, const number_format& f, code_cache& cache,
                                                       const thread_team& team) {
    if (!has_code(c)) return nullptr;
    if (c.depthwise()) return std::make_shared<depthwise_operation>(batch, c, residual, weights, f, cache);
    if (f.output == element::float32 && suits_winograd(c))
        return std::make_shared<winograd_operation>(batch, c, residual, weights, cache, team);
    return std::make_shared<convolution_operation>(batch, c, residual, weights, f, cache, team);
}

/// A matrix product on vectors in blocks of 16 channels. @returns null if there is no code for it
inline std::shared_ptr<const operation> make_operation(std::int64_t batch, const graph::dense& d, const folded& weights,
                                                       code_cache& cache, const thread_team& team) {
    return make_operation(batch, as_convolution(d), false, weights, {}, cache, team);
}
inline std::shared_ptr<const operation> make_mean(std::int64_t batch, const graph::features& f) {
    code_cache cache;
    return std::make_shared<mean_operation>(batch, f, cache);
}
inline std::shared_ptr<const operation> make_gate(std::int64_t batch, const graph::features& f) {
    code_cache cache;
    return std::make_shared<gate_operation>(batch, f, cache);
}
inline std::shared_ptr<const operation> make_plain(std::int64_t batch, const graph::features& f) {
    return std::make_shared<unblock_operation>(batch, f);
}
inline std::shared_ptr<const operation> make_byte_mean(std::int64_t batch, const graph::features& f, float scale) {
    code_cache cache;
    return std::make_shared<byte_mean_operation>(batch, f, scale, cache);
}
inline std::shared_ptr<const operation> make_byte_gate(std::int64_t batch, const graph::features& f, float input_scale,
                                                       float output_scale) {
    code_cache cache;
    return std::make_shared<byte_gate_operation>(batch, f, input_scale, output_scale, cache);
}

#else

struct code_cache {};

inline bool available() noexcept { return false; }
inline bool available_for_bytes() noexcept { return false; }
inline bool has_byte_code(const graph::convolution&, const folded&) noexcept { return false; }
inline std::shared_ptr<const operation> make_operation(std::int64_t, const graph::convolution&, bool, const folded&,
                                                       const number_format&, code_cache&, const thread_team&) {
    return nullptr;
}
inline std::shared_ptr<const operation> make_operation(std::int64_t, const graph::dense&, const folded&, code_cache&,
                                                       const thread_team&) {
    return nullptr;
}
inline std::shared_ptr<const operation> make_mean(std::int64_t, const graph::features&) { return nullptr; }
inline std::shared_ptr<const operation> make_gate(std::int64_t, const graph::features&) { return nullptr; }
inline std::shared_ptr<const operation> make_plain(std::int64_t, const graph::features&) { return nullptr; }
inline std::shared_ptr<const operation> make_byte_mean(std::int64_t, const graph::features&, float) { return nullptr; }
inline std::shared_ptr<const operation> make_byte_gate(std::int64_t, const graph::features&, float, float) {
    return nullptr;
}

#endif

} // namespace gpunet::cpu::jit

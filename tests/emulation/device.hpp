// The device, as kernel texts see it on the host.
#pragma once

#include <gpunet/float16.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace gpunet::emulation {

struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct index3 {
    unsigned x, y, z;
};

/// What one thread sees.
struct thread_view {
    index3 thread{}, block{}, block_size{}, grid_size{};
    void* shared = nullptr;
};
extern thread_local thread_view view;

/// Macros that need no instantiation of their own.
struct run_time_defines {
    int act = 0, input_act = 0, gate_act = 0, gate = 0, residual = 0, sums = 0, mean = 0, to_map = 0, channels = 0,
        rows = 0;
};
extern thread_local run_time_defines run_time;

/// Waits for all threads of the block. @param line  where in the text: all must wait at the same barrier
void block_barrier(int line);
/// Lane `source`'s value; all lanes of the warp call it together.
float exchange(unsigned mask, float value, unsigned source);

inline float exchange_xor(unsigned mask, float value, int lanes) {
    const index3 &t = view.thread, &b = view.block_size;
    const unsigned lane = ((t.z * b.y + t.y) * b.x + t.x) % 32;
    return exchange(mask, value, lane ^ static_cast<unsigned>(lanes));
}

/// This thread has waited for the kernels before.
void wait_for_previous();
/// Makes the launch an error unless it has.
void check_waited();
/// What the lanes of a warp gave: all call it together, each with its own numbers.
using lane_values = std::array<std::array<float, 12>, 32>;
const lane_values& exchange_all(std::span<const float> mine);

/// The instantiations: by name and the macros they were compiled with.
struct instance {
    std::map<std::string, int> defines;
    void (*run)(const void* parameters);
};
using registry = std::multimap<std::string, instance>;

namespace device {

template <class T>
T __ldg(const T* from) {
    return *from;
}
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline float exp2_fast(float x) { return std::exp2(x); }
inline float reciprocal_fast(float x) { return 1.0F / x; }
inline float half_to_float(unsigned short bits) { return static_cast<float>(half::from_bits(bits)); }
inline unsigned short float_to_half(float x) { return half(x).bits; }
inline unsigned floats_to_halves(float low, float high) {
    return static_cast<unsigned>(float_to_half(high)) << 16 | float_to_half(low);
}
inline void follow_previous() { wait_for_previous(); }
inline void touch() { check_waited(); }
/// cvt.rna: to the nearest number with 10 bits after the leading one, away from zero in the middle.
inline unsigned float_to_tf32(float x) { return (std::bit_cast<unsigned>(x) + 0x1000U) & 0xFFFFE000U; }

/// mma.sync as PTX lays operands out: lane 4 g + t has the terms t and t + 4 (or pairs of terms) of rows g and g + 8 of
/// the left matrix and of column g of the right one, and the sums in columns 2 t and 2 t + 1 of these rows.
/// @param terms  row g: low, high; row g + 8: low, high; column g: low, high; `each` terms to each
template <int each>
void multiply_in_warp(const float* terms, float (&sum)[4]) {
    const lane_values& lanes = exchange_all({terms, 6 * each});
    const index3 &thread = view.thread, &size = view.block_size;
    const std::size_t lane = ((thread.z * size.y + thread.y) * size.x + thread.x) % 32, g = lane / 4, t = lane % 4;
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t row_terms = i / 2 * 2 * each, column = 2 * t + i % 2;
        for (std::size_t k = 0; k < 4; ++k)
            for (std::size_t term = 0; term < 2 * each; ++term)
                sum[i] += lanes[4 * g + k][row_terms + term] * lanes[4 * column + k][4 * each + term];
    }
}
using emulation::float4;
using emulation::uint2;
using emulation::uint4;
using std::fmaxf;
using std::fminf;

} // namespace device
} // namespace gpunet::emulation

#define GPUNET_EMULATION
#define GPUNET_ENTRY(threads, blocks) [[maybe_unused]] static void
#define GPUNET_DEVICE [[maybe_unused]] static inline
#define GPUNET_GRID_CONSTANT
#define GPUNET_SHARED(type, name) type* const name = static_cast<type*>(::gpunet::emulation::view.shared)
#define __syncthreads() ::gpunet::emulation::block_barrier(__LINE__)
#define __shfl_xor_sync(mask, value, lanes) ::gpunet::emulation::exchange_xor(mask, value, lanes)
#define __shfl_sync(mask, value, source)                                                                               \
    std::bit_cast<int>(::gpunet::emulation::exchange(mask, std::bit_cast<float>(value), static_cast<unsigned>(source)))
#define threadIdx (::gpunet::emulation::view.thread)
#define blockIdx (::gpunet::emulation::view.block)
#define blockDim (::gpunet::emulation::view.block_size)
#define gridDim (::gpunet::emulation::view.grid_size)

#define GPUNET_ACT (::gpunet::emulation::run_time.act)
#define GPUNET_INPUT_ACT (::gpunet::emulation::run_time.input_act)
#define GPUNET_GATE_ACT (::gpunet::emulation::run_time.gate_act)
#define GPUNET_GATE (::gpunet::emulation::run_time.gate)
#define GPUNET_RESIDUAL (::gpunet::emulation::run_time.residual)
#define GPUNET_SUMS (::gpunet::emulation::run_time.sums)
#define GPUNET_MEAN (::gpunet::emulation::run_time.mean)
#define GPUNET_TO_MAP (::gpunet::emulation::run_time.to_map)
#define GPUNET_CHANNELS (::gpunet::emulation::run_time.channels)
#define GPUNET_ROWS (::gpunet::emulation::run_time.rows)

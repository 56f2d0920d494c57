R"cuda(
// What the kernels share. Compiled by NVRTC with no header at all, and by the tests for the host, where
// GPUNET_EMULATION is defined and tests/emulation/device.hpp stands in for the device. Element types: GPUNET_ELEMENT
// 0 float32, 1 float16, 2 bfloat16. Conditions on GPUNET_... are plain ifs, so that the host may choose at run time.
#ifndef GPUNET_EMULATION
#define GPUNET_ENTRY(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)
#define GPUNET_DEVICE [[maybe_unused]] static __device__ __forceinline__
#define GPUNET_GRID_CONSTANT __grid_constant__
#define GPUNET_SHARED(type, name)                                                                                      \
    extern __shared__ uint4 gpunet_shared[];                                                                           \
    type* const name = reinterpret_cast<type*>(gpunet_shared)

// Waits for the kernels before this one; nothing they wrote, or read and this one writes, may be touched earlier. Then
// lets the next kernel start up.
GPUNET_DEVICE void follow_previous() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// What may be another kernel's memory is touched: the emulator sees to it that this one has waited.
GPUNET_DEVICE void touch() {}

GPUNET_DEVICE float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

GPUNET_DEVICE float reciprocal_fast(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

GPUNET_DEVICE float half_to_float(unsigned short bits) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(bits));
    return y;
}

GPUNET_DEVICE unsigned short float_to_half(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}

GPUNET_DEVICE unsigned floats_to_halves(float low, float high) {
#if __CUDA_ARCH__ >= 800
    unsigned bits;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
#else
    return static_cast<unsigned>(float_to_half(high)) << 16 | float_to_half(low);
#endif
}
#endif

GPUNET_DEVICE unsigned short float_to_bfloat16(float x) {
    const unsigned bits = __float_as_uint(x);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<unsigned short>(bits >> 16 | 0x40u);
    return static_cast<unsigned short>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

GPUNET_DEVICE unsigned floats_to_bfloat16s(float low, float high) {
#if !defined(GPUNET_EMULATION) && __CUDA_ARCH__ >= 800
    unsigned bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
#else
    return static_cast<unsigned>(float_to_bfloat16(high)) << 16 | float_to_bfloat16(low);
#endif
}

// element: one number in memory. quad: four, to be moved at once; a wide: 16 bytes of `wide_length`.
#if GPUNET_ELEMENT == 0
typedef float element;
typedef uint4 quad;
[[maybe_unused]] constexpr int wide_length = 4;
GPUNET_DEVICE float to_float(element e) { return e; }
GPUNET_DEVICE element to_element(float x) { return x; }
GPUNET_DEVICE quad zero_quad() { return uint4{0, 0, 0, 0}; }
GPUNET_DEVICE void unpack(uint4 bits, float* x) {
    x[0] = __uint_as_float(bits.x);
    x[1] = __uint_as_float(bits.y);
    x[2] = __uint_as_float(bits.z);
    x[3] = __uint_as_float(bits.w);
}
GPUNET_DEVICE quad pack_quad(const float* x) {
    return uint4{__float_as_uint(x[0]), __float_as_uint(x[1]), __float_as_uint(x[2]), __float_as_uint(x[3])};
}
GPUNET_DEVICE uint4 pack_wide(const float* x) { return pack_quad(x); }
#else
typedef unsigned short element;
typedef uint2 quad;
[[maybe_unused]] constexpr int wide_length = 8;
#if GPUNET_ELEMENT == 1
GPUNET_DEVICE float to_float(element e) { return half_to_float(e); }
GPUNET_DEVICE element to_element(float x) { return float_to_half(x); }
GPUNET_DEVICE unsigned pack_pair(float low, float high) { return floats_to_halves(low, high); }
GPUNET_DEVICE void unpack_pair(unsigned bits, float* x) {
    x[0] = half_to_float(static_cast<unsigned short>(bits & 0xFFFFu));
    x[1] = half_to_float(static_cast<unsigned short>(bits >> 16));
}
#else
GPUNET_DEVICE float to_float(element e) { return __uint_as_float(static_cast<unsigned>(e) << 16); }
GPUNET_DEVICE element to_element(float x) { return float_to_bfloat16(x); }
GPUNET_DEVICE unsigned pack_pair(float low, float high) { return floats_to_bfloat16s(low, high); }
GPUNET_DEVICE void unpack_pair(unsigned bits, float* x) {
    x[0] = __uint_as_float(bits << 16);
    x[1] = __uint_as_float(bits & 0xFFFF0000u);
}
#endif
GPUNET_DEVICE quad zero_quad() { return uint2{0, 0}; }
GPUNET_DEVICE void unpack(uint2 bits, float* x) {
    unpack_pair(bits.x, x);
    unpack_pair(bits.y, x + 2);
}
GPUNET_DEVICE void unpack(uint4 bits, float* x) {
    unpack_pair(bits.x, x);
    unpack_pair(bits.y, x + 2);
    unpack_pair(bits.z, x + 4);
    unpack_pair(bits.w, x + 6);
}
GPUNET_DEVICE quad pack_quad(const float* x) { return uint2{pack_pair(x[0], x[1]), pack_pair(x[2], x[3])}; }
GPUNET_DEVICE uint4 pack_wide(const float* x) {
    return uint4{pack_pair(x[0], x[1]), pack_pair(x[2], x[3]), pack_pair(x[4], x[5]), pack_pair(x[6], x[7])};
}
#endif

// Vectors at an element's place, aligned. `constant` is for weights, which no kernel writes, and which may be loaded
// before follow_previous(). No load goes through the read-only cache: of what kernels write it might give what lay there
// before, and ptxas moves such loads of weights behind the wait.
GPUNET_DEVICE quad load_quad(const element* from) {
    touch();
    return *reinterpret_cast<const quad*>(from);
}
GPUNET_DEVICE quad load_constant_quad(const element* from) { return *reinterpret_cast<const quad*>(from); }
GPUNET_DEVICE void store_quad(element* to, quad value) {
    touch();
    *reinterpret_cast<quad*>(to) = value;
}
GPUNET_DEVICE uint4 load_wide(const element* from) {
    touch();
    return *reinterpret_cast<const uint4*>(from);
}
GPUNET_DEVICE uint4 load_constant_wide(const element* from) { return *reinterpret_cast<const uint4*>(from); }
GPUNET_DEVICE void store_wide(element* to, uint4 value) {
    touch();
    *reinterpret_cast<uint4*>(to) = value;
}

// Four floats at a place of 16-byte alignment.
GPUNET_DEVICE void load_floats(const float* from, float* x) {
    touch();
    const float4 v = *reinterpret_cast<const float4*>(from);
    x[0] = v.x;
    x[1] = v.y;
    x[2] = v.z;
    x[3] = v.w;
}
GPUNET_DEVICE void load_constant_floats(const float* from, float* x) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    x[0] = v.x;
    x[1] = v.y;
    x[2] = v.z;
    x[3] = v.w;
}
GPUNET_DEVICE void store_floats(float* to, const float* x) {
    *reinterpret_cast<float4*>(to) = float4{x[0], x[1], x[2], x[3]};
}

// With 16-bit elements to about 2^-21, with float32 to the last bits.
GPUNET_DEVICE float sigmoid(float x) {
    if (GPUNET_ELEMENT == 0) return 1.0f / (1.0f + expf(-x));
    return reciprocal_fast(1.0f + exp2_fast(x * -1.44269504f));
}

GPUNET_DEVICE float relu6(float x) { return fminf(fmaxf(x, 0.0f), 6.0f); }

// By the number of gpunet::activation.
GPUNET_DEVICE float activate(int act, float x) {
    switch (act) {
    case 1: return fmaxf(x, 0.0f);
    case 2: return relu6(x);
    case 3: return GPUNET_ELEMENT == 0 ? x / (1.0f + expf(-x)) : x * sigmoid(x);
    case 4: return x * (relu6(x + 3.0f) * (1.0f / 6.0f));
    case 5: return sigmoid(x);
    case 6: return relu6(x + 3.0f) * (1.0f / 6.0f);
    case 7: return 0.5f * x * (1.0f + erff(x * 0.707106781f));
    default: return x;
    }
}

// Whether activate(act, 0) is not 0.
GPUNET_DEVICE bool moves_zero(int act) { return act == 5 || act == 6; }

// The sigmoids of two numbers for one reciprocal; of numbers below -41 that of -41, which no 16-bit product shows.
GPUNET_DEVICE void sigmoid_pair(float x, float y, float* result) {
    const float a = 1.0f + exp2_fast(fminf(x * -1.44269504f, 60.0f));
    const float b = 1.0f + exp2_fast(fminf(y * -1.44269504f, 60.0f));
    const float r = reciprocal_fast(a * b);
    result[0] = r * b;
    result[1] = r * a;
}

// An even count.
template <int count>
GPUNET_DEVICE void activate_all(int act, float* x) {
    if (GPUNET_ELEMENT != 0 && (act == 3 || act == 5)) {
#pragma unroll
        for (int i = 0; i < count; i += 2) {
            float s[2];
            sigmoid_pair(x[i], x[i + 1], s);
            x[i] = act == 3 ? x[i] * s[0] : s[0];
            x[i + 1] = act == 3 ? x[i + 1] * s[1] : s[1];
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < count; ++i) x[i] = activate(act, x[i]);
}
)cuda"

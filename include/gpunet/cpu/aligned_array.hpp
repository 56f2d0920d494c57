// Memory on a boundary of a cache line, which is a vector register of AVX-512 as well.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace gpunet::cpu {

inline constexpr std::size_t cache_line = 64; // bytes

struct aligned_release {
    void operator()(void* p) const noexcept { ::operator delete[](p, std::align_val_t{cache_line}); }
};

template <class T>
using aligned_array = std::unique_ptr<T[], aligned_release>;

/// Uninitialised. T is a plain number or byte.
template <class T>
aligned_array<T> make_aligned(std::size_t count) {
    return aligned_array<T>(static_cast<T*>(::operator new[](count * sizeof(T), std::align_val_t{cache_line})));
}

} // namespace gpunet::cpu

// Memory on a boundary of a cache line, which is a vector register of AVX-512 as well; large pieces in huge pages where
// the system has them, for which it asks far less often and which fewer entries of the TLB cover.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <sys/mman.h>

namespace gpunet::cpu {

inline constexpr std::size_t cache_line = 64; // bytes
inline constexpr std::size_t huge_page = std::size_t{2} << 20;

struct aligned_release {
    std::align_val_t alignment{cache_line};
    void operator()(void* p) const noexcept { ::operator delete[](p, alignment); }
};

template <class T>
using aligned_array = std::unique_ptr<T[], aligned_release>;

/// Uninitialised. T is a plain number or byte.
template <class T>
aligned_array<T> make_aligned(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    const std::align_val_t alignment{bytes < huge_page ? cache_line : huge_page};
    aligned_array<T> array(static_cast<T*>(::operator new[](bytes, alignment)), {alignment});
    if (bytes >= huge_page) static_cast<void>(::madvise(array.get(), bytes / huge_page * huge_page, MADV_HUGEPAGE));
    return array;
}

} // namespace gpunet::cpu

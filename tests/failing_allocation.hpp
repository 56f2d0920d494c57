// Memory that runs out when a test says so. Of use in programs whose operator new asks allocation_fails().
#pragma once

#include <atomic>
#include <new>

namespace gpunet_test {

/// How many more allocations succeed; below 0: all do.
inline std::atomic<long> allocations_left{-1};
/// Whether all after the first one that fails do so too.
inline std::atomic<bool> memory_stays_out = false;
inline std::atomic<bool> an_allocation_failed = false;

inline bool allocation_fails() noexcept {
    if (allocations_left.load(std::memory_order_relaxed) < 0) return false;
    if (memory_stays_out) {
        if (allocations_left > 0 && --allocations_left >= 0) return false;
    } else if (allocations_left-- != 0) {
        return false;
    }
    an_allocation_failed = true;
    return true;
}

/// Calls work() again and again, of whose allocations first the first one fails, then the second, until none is left to
/// fail; with `lasting` all that follow fail as well. It must end by itself or by std::bad_alloc. After each time
/// check(whether it ended by itself) is called.
/// @param dense  so many are tried one by one, those behind them ever more sparsely
/// @returns how many times work() did not come to its end
template <class Work, class Check>
long run_out_of_memory(bool lasting, long dense, Work&& work, Check&& check) {
    long failures = 0;
    for (long k = 0;; k += 1 + k / dense) {
        an_allocation_failed = false;
        memory_stays_out = lasting;
        allocations_left = k;
        bool ended = false;
        try {
            work();
            ended = true;
        } catch (const std::bad_alloc&) {
        }
        allocations_left = -1;
        failures += ended ? 0 : 1;
        check(ended);
        if (!an_allocation_failed) return failures;
    }
}

} // namespace gpunet_test

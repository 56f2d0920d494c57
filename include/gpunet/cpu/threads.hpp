// How many threads oneDNN uses, and work for them. Debian's oneDNN, like most, runs on OpenMP, which keeps the number
// per calling thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

#include <dlfcn.h>
#include <sched.h>

namespace gpunet::cpu {

/// The OpenMP runtime oneDNN was loaded with, found by name so that no second one is linked in. Where oneDNN was built
/// without OpenMP both functions do nothing.
class openmp {
  public:
    openmp() noexcept
        : get_(reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"))),
          set_(reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))),
          number_(reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"))),
          count_(reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"))),
          parallel_(reinterpret_cast<parallel_region>(dlsym(RTLD_DEFAULT, "GOMP_parallel"))) {}

    int max_threads() const noexcept { return get_ ? get_() : 1; }
    void set_threads(int n) const noexcept {
        if (set_) set_(n);
    }

    /// Whether `parallel` can use more than the calling thread.
    bool can_fork() const noexcept { return number_ && count_ && parallel_; }

    /// Calls work(number, count) on so many threads, or fewer: the same that oneDNN uses. It must not throw.
    template <class Work>
    void parallel(int threads, const Work& work) const {
        if (threads == 1 || !can_fork()) return work(0, 1);
        struct region {
            const openmp& runtime;
            const Work& work;
        } r{*this, work};
        const auto enter = [](void* p) {
            const region& all = *static_cast<region*>(p);
            all.work(all.runtime.number_(), all.runtime.count_());
        };
        parallel_(enter, &r, static_cast<unsigned>(threads), 0);
    }

    /// Calls work(thread, i) for each i below `count`, below 2^32. Each thread has a part of them, in order; one that
    /// has done its own takes the last ones of others, so that nobody waits long for a thread that something keeps from
    /// running. It must not throw.
    template <class Work>
    void for_each(int threads, std::int64_t count, const Work& work) const {
        const std::int64_t parts = threads == 1 || !can_fork() ? 1 : std::min(threads, most_parts);
        std::array<share, most_parts> shares;
        for (std::int64_t i = 0; i < parts; ++i)
            shares[static_cast<std::size_t>(i)].assign(count * i / parts, count * (i + 1) / parts);
        parallel(static_cast<int>(parts), [&](int number, int) {
            for (std::int64_t i = 0; i < parts; ++i) {
                share& s = shares[static_cast<std::size_t>((number + i) % parts)];
                for (std::int64_t next = s.take(i == 0); next >= 0; next = s.take(i == 0)) work(number, next);
            }
        });
    }

  private:
    static constexpr int most_parts = 64;

    /// Numbers from a first to before an end, taken from either side.
    class alignas(64) share {
      public:
        void assign(std::int64_t first, std::int64_t end) noexcept {
            both_ = static_cast<std::uint64_t>(end) << 32 | static_cast<std::uint64_t>(first);
        }
        /// @returns -1 if none is left
        std::int64_t take(bool first) noexcept {
            for (std::uint64_t now = both_;;) {
                const std::uint64_t begin = now & 0xFFFFFFFFU, end = now >> 32;
                if (begin >= end) return -1;
                const std::uint64_t rest = first ? now + 1 : now - (std::uint64_t{1} << 32);
                if (both_.compare_exchange_weak(now, rest)) return static_cast<std::int64_t>(first ? begin : end - 1);
            }
        }

      private:
        std::atomic<std::uint64_t> both_{0};
    };

    using parallel_region = void (*)(void (*)(void*), void*, unsigned,
                                     unsigned); // what compilers make of `omp parallel`

    int (*get_)();
    void (*set_)(int);
    int (*number_)();
    int (*count_)();
    parallel_region parallel_;
};

/// All cores this process may use.
inline int all_cores() noexcept {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// For its lifetime oneDNN, called from this thread, uses so many threads.
class thread_scope {
  public:
    thread_scope(const openmp& runtime, int threads) noexcept : runtime_(runtime), before_(runtime.max_threads()) {
        if (before_ != threads) runtime_.set_threads(threads);
    }
    ~thread_scope() { runtime_.set_threads(before_); }
    thread_scope(const thread_scope&) = delete;
    thread_scope& operator=(const thread_scope&) = delete;

  private:
    const openmp& runtime_;
    int before_;
};

} // namespace gpunet::cpu

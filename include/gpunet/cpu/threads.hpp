// How many threads oneDNN uses. Debian's, like most, runs on OpenMP, which keeps the number per calling thread.
#pragma once

#include <algorithm>
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
          set_(reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))) {}

    int max_threads() const noexcept { return get_ ? get_() : 1; }
    void set_threads(int n) const noexcept {
        if (set_) set_(n);
    }

  private:
    int (*get_)();
    void (*set_)(int);
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

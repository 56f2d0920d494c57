// Threads that share the loops of our own kernels. The calling thread does all that no other has begun, so that a
// thread which something keeps from running holds up nobody: on a busy machine a loop takes as long as on fewer cores.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include <csignal>
#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

namespace gpunet::cpu {

/// What a thread does while it waits for another that will not be long.
inline void spin() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

class thread_team {
  public:
    /// @param threads  that work on a loop, the calling one included. Where the system has no more, fewer do.
    explicit thread_team(int threads) : threads_(std::clamp(threads, 1, most_threads)) {
        if (threads_ == 1) return;
        for (std::size_t i = 0; i < most_loops; ++i) loops_.emplace_back(threads_);
        workers_ = std::make_unique<std::vector<std::thread>>();
        workers_->reserve(static_cast<std::size_t>(threads_ - 1));
        // Signals are for the program's own threads.
        sigset_t all, before;
        sigfillset(&all);
        const bool blocked = pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
        try {
            for (int number = 1; number < threads_; ++number) workers_->emplace_back([this, number] { serve(number); });
        } catch (const std::system_error&) { // those there are do it
        } catch (const std::bad_alloc&) {    // so too: what lacks memory here is a thread's handle
        }
        if (blocked) pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    thread_team(const thread_team&) = delete;
    thread_team& operator=(const thread_team&) = delete;

    ~thread_team() {
        if (!workers_) return;
        if (::getpid() != process_) { // a child, which has this memory and none of the threads: there is nobody to join
            static_cast<void>(workers_.release());
            return;
        }
        ending_ = true;
        tell();
        for (std::thread& t : *workers_) t.join();
    }

    int threads() const noexcept { return threads_; }

    /// Calls work(thread, i) for each i below `count`, below 2^31; `thread` is less than threads(), and no two threads
    /// that work on this loop have the same. Each has a part of them, in order; one that has done its own takes the
    /// last ones of others. It must not throw. Any number of threads may call; they share the team.
    template <class Work>
    void for_each(std::int64_t count, const Work& work) const noexcept {
        loop* const l = count > 1 && workers_ && !workers_->empty() ? claim() : nullptr;
        if (!l) {
            for (std::int64_t i = 0; i < count; ++i) work(0, i);
            return;
        }
        for (std::int64_t part = 0; part < threads_; ++part)
            l->shares[static_cast<std::size_t>(part)].assign(count * part / threads_, count * (part + 1) / threads_);
        l->work = &work;
        l->call = [](const void* w, int thread, std::int64_t i) { (*static_cast<const Work*>(w))(thread, i); };
        l->open = true;
        tell();
        take_part(*l, 0);
        l->open = false;
        for (int turns = 0; l->helpers != 0; ++turns) turns < 1000 ? spin() : std::this_thread::yield();
        l->taken.clear();
    }

  private:
    static constexpr int most_threads = 256;
    static constexpr std::size_t most_loops = 16; // at a time; the callers of more do them alone
    static constexpr int turns_awake = 3000;      // of waiting for the next loop, some 100 us, before a thread sleeps

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

    /// What a caller wants done. A thread that helps says so before it looks whether the loop is open, and its caller
    /// closes it before he looks whether anyone helps: so nobody helps with a loop that is over.
    struct loop {
        explicit loop(int threads) : shares(static_cast<std::size_t>(threads)) {}

        std::atomic_flag taken;
        std::vector<share> shares;
        const void* work = nullptr;
        void (*call)(const void* work, int thread, std::int64_t i) = nullptr;
        alignas(64) std::atomic<bool> open{false};
        std::atomic<int> helpers{0};
    };

    loop* claim() const noexcept {
        for (loop& l : loops_)
            if (!l.taken.test(std::memory_order_relaxed) && !l.taken.test_and_set()) return &l;
        return nullptr;
    }

    void take_part(loop& l, int thread) const noexcept {
        for (int i = 0; i < threads_; ++i) {
            share& s = l.shares[static_cast<std::size_t>((thread + i) % threads_)];
            for (std::int64_t next = s.take(i == 0); next >= 0; next = s.take(i == 0)) l.call(l.work, thread, next);
        }
    }

    /// That there is news.
    void tell() const noexcept {
        ++news_;
        if (asleep_ != 0) news_.notify_all();
    }

    void serve(int thread) const noexcept {
        while (!ending_) {
            const std::uint32_t known = news_;
            for (loop& l : loops_) {
                if (!l.open) continue;
                ++l.helpers;
                if (l.open) take_part(l, thread);
                --l.helpers;
            }
            for (int turn = 0; news_ == known && turn < turns_awake; ++turn) spin();
            ++asleep_;
            if (news_ == known) news_.wait(known);
            --asleep_;
        }
    }

    int threads_;
    mutable std::deque<loop> loops_;
    alignas(64) mutable std::atomic<std::uint32_t> news_{0};
    mutable std::atomic<int> asleep_{0};
    std::atomic<bool> ending_{false};
    std::unique_ptr<std::vector<std::thread>> workers_; // none of a team of one
    ::pid_t process_ = ::getpid();                      // that they are of
};

} // namespace gpunet::cpu

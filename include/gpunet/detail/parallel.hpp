// A loop shared among a few threads that live as long as it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace gpunet::detail {

/// Calls work(i) for each i below `count`, on at most so many threads, of which the caller's is one.
/// @throws what the call for the lowest i threw that did; the others are made all the same
template <class Work>
void parallel_for(std::size_t count, int threads, const Work& work) {
    std::atomic<std::size_t> next{0};
    std::mutex access;
    std::size_t failed = count;
    std::exception_ptr failure;
    const auto take = [&]() noexcept {
        for (std::size_t i = next++; i < count; i = next++) {
            try {
                work(i);
            } catch (...) {
                const std::scoped_lock lock(access);
                if (i < failed) {
                    failed = i;
                    failure = std::current_exception();
                }
            }
        }
    };
    std::vector<std::thread> others;
    const std::size_t most = std::min(count, static_cast<std::size_t>(std::max(threads, 1)));
    others.reserve(most);
    try {
        while (others.size() + 1 < most) others.emplace_back(take);
    } catch (const std::system_error&) { // those there are do it
    } catch (const std::bad_alloc&) {    // so too: what lacks memory here is a thread's handle
    }
    take();
    for (std::thread& t : others) t.join();
    if (failure) std::rethrow_exception(failure);
}

} // namespace gpunet::detail

// A few threads that work off tasks in the order they came.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// Threads start when there is work for them. The destructor drops tasks not yet begun (their futures then hold
/// std::future_error, broken promise) and waits for those that are.
class worker_pool {
  public:
    /// @param threads  at most; 0: as many as the machine runs at once, up to 16
    explicit worker_pool(int threads = 0)
        : most_(threads > 0 ? static_cast<std::size_t>(threads)
                            : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 16)) {}
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;

    ~worker_pool() {
        {
            const std::scoped_lock lock(access_);
            ending_ = true;
            tasks_.clear();
        }
        changed_.notify_all();
        for (std::thread& t : threads_) t.join();
    }

    /// @throws std::system_error where not even one thread can be started; std::bad_alloc
    template <class Work>
    std::future<std::invoke_result_t<Work>> run(Work work) {
        auto task = std::make_shared<std::packaged_task<std::invoke_result_t<Work>()>>(std::move(work));
        auto result = task->get_future();
        {
            const std::scoped_lock lock(access_);
            tasks_.emplace_back([task] { (*task)(); });
            if (tasks_.size() > idle_ && threads_.size() < most_) start();
        }
        changed_.notify_one();
        return result;
    }

  private:
    void start() {
        try {
            threads_.emplace_back([this] { work(); });
        } catch (const std::exception&) { // no thread to be had, or no memory for one: those there are do it
            if (!threads_.empty()) return;
            tasks_.pop_back();
            throw;
        }
    }

    void work() {
        std::unique_lock lock(access_);
        while (true) {
            ++idle_;
            changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
            --idle_;
            if (ending_) return;
            const std::function<void()> task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            lock.lock();
        }
    }

    std::size_t most_;
    std::mutex access_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> tasks_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    bool ending_ = false;
};

} // namespace gpunet::cudnn

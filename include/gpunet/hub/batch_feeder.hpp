// Batches prepared by threads while the one before is computed.
#pragma once

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace gpunet::detail {

/// Fills batch after batch of `batch` places, `each` floats long, one call of fill(item, place) for each of `items`
/// items in order, on several threads; two batches are in memory. The places behind the last item stay zero.
/// For one thread that takes and releases.
class batch_feeder {
  public:
    using fill_place = std::function<void(std::size_t item, std::span<float> place)>;

    /// @param threads  at least one
    /// @throws std::system_error where no thread can be started; std::bad_alloc
    batch_feeder(std::size_t items, std::size_t batch, std::size_t each, std::size_t threads, fill_place fill)
        : items_(items), batch_(batch), each_(each), fill_(std::move(fill)) {
        for (slot& s : slots_) s.values.resize(batch * each);
        const std::size_t most = std::min(threads, items);
        threads_.reserve(most);
        try {
            while (threads_.size() < most) threads_.emplace_back([this] { work(); });
        } catch (const std::exception&) { // no thread to be had, or no memory for one: those there are do it
            if (threads_.empty()) throw;
        }
    }
    batch_feeder(const batch_feeder&) = delete;
    batch_feeder& operator=(const batch_feeder&) = delete;
    /// Waits for the places that are being filled.
    ~batch_feeder() {
        stop();
        for (std::thread& t : threads_) t.join();
    }

    /// The next batch, once all of it is filled. Valid until release().
    /// @throws what fill threw
    std::span<const float> take() {
        std::unique_lock lock(access_);
        slot& s = slots_[taken_ % slots_.size()];
        const std::size_t expected = std::min(batch_, items_ - taken_ * batch_);
        filled_.wait(lock, [&] { return failure_ || s.filled == expected; });
        if (failure_) std::rethrow_exception(failure_);
        if (expected < batch_)
            std::fill(s.values.begin() + static_cast<std::ptrdiff_t>(expected * each_), s.values.end(), 0.0F);
        return s.values;
    }

    /// Gives the memory of the batch taken to the one after the next.
    void release() {
        {
            const std::scoped_lock lock(access_);
            slots_[taken_ % slots_.size()].filled = 0;
            ++taken_;
        }
        room_.notify_all();
    }

  private:
    struct slot {
        std::vector<float> values;
        std::size_t filled = 0;
    };

    void stop() {
        {
            const std::scoped_lock lock(access_);
            next_ = items_;
        }
        room_.notify_all();
    }

    void work() {
        try {
            while (true) {
                std::unique_lock lock(access_);
                room_.wait(lock, [&] { return next_ == items_ || next_ / batch_ < taken_ + slots_.size(); });
                if (next_ == items_) return;
                const std::size_t item = next_++;
                slot& s = slots_[item / batch_ % slots_.size()];
                lock.unlock();
                fill_(item, std::span(s.values).subspan(item % batch_ * each_, each_));
                lock.lock();
                ++s.filled;
                lock.unlock();
                filled_.notify_one();
            }
        } catch (...) {
            {
                const std::scoped_lock lock(access_);
                failure_ = std::current_exception();
                next_ = items_;
            }
            filled_.notify_one();
            room_.notify_all();
        }
    }

    std::size_t items_, batch_, each_;
    fill_place fill_;
    std::array<slot, 2> slots_;
    std::mutex access_;
    std::condition_variable filled_, room_;
    std::size_t next_ = 0;  // the first item nobody has begun
    std::size_t taken_ = 0; // batches released
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

} // namespace gpunet::detail

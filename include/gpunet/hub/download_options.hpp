// How a download is to go, what it tells of itself, and how long it waits after a failure.
#pragma once

#include <gpunet/error.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>

namespace gpunet {

/// How far a download is.
struct download_progress {
    std::uint64_t received = 0; // of the file, with what earlier calls left; less than before only where the server's
                                // file has changed and all begins again
    std::optional<std::uint64_t> total;
    double bytes_per_second = 0;        // of late, by this call
    std::optional<double> seconds_left; // where the total is known and something comes
};

/// What is expected of a file, and how patiently it is fetched.
struct download_options {
    std::uint64_t max_bytes = std::uint64_t{4} << 30; // of the file: what the server says, and what it sends
    std::optional<std::uint64_t> size;                // expected
    std::optional<std::string> sha256;                // expected: 64 lower-case hexadecimal digits
    /// Called about ten times a second, and once at the end, on the thread of the caller. Returning false cancels.
    std::function<bool(const download_progress&)> progress;
    /// That may fail in a row, none having got beyond those before it; in all, at most twenty times as many are made.
    int attempts = 5;
    /// After the first failure in a row; doubled after each further one, up to 30 s, and shortened by up to a half at
    /// random. What the server asks for in Retry-After is waited for, up to a minute.
    std::chrono::milliseconds back_off{500};
    std::chrono::seconds connect_timeout{20}; // for the name, the connection and TLS
    std::chrono::seconds stall_timeout{30};   // how long less than a byte a second may come; 0: for ever
    std::string accept;                       // media types, for the header Accept; empty: any
};

namespace detail {

/// Tells the caller how a download goes.
class progress_meter {
  public:
    explicit progress_meter(const download_options& o) : tell_(o.progress) {}

    /// Tells, if it is time to. False cancels.
    bool at(std::uint64_t received, std::optional<std::uint64_t> total, bool now_at_all_events = false) {
        constexpr std::chrono::milliseconds interval{100};
        const auto now = clock::now();
        if (received < before_) before_ = received; // all began again
        if (!started_) {
            started_ = true;
            before_ = received;
        } else if (now - then_ < interval && !now_at_all_events) {
            return true;
        } else {
            take_in(static_cast<double>(received - before_), std::chrono::duration<double>(now - then_).count());
            before_ = received;
        }
        then_ = now;
        if (!tell_) return true;
        download_progress p{received, total, rate_, std::nullopt};
        if (total && rate_ > 0 && *total >= received) p.seconds_left = static_cast<double>(*total - received) / rate_;
        return tell_(p);
    }

  private:
    using clock = std::chrono::steady_clock;

    /// The rate is a mean in which a byte weighs less the longer ago it came: e times less in 3 s.
    void take_in(double bytes, double seconds) {
        const double keep = std::exp(-seconds / 3);
        bytes_ = bytes_ * keep + bytes;
        seconds_ = seconds_ * keep + seconds;
        if (seconds_ > 0) rate_ = bytes_ / seconds_;
    }

    const std::function<bool(const download_progress&)>& tell_;
    clock::time_point then_{};
    std::uint64_t before_ = 0;
    double bytes_ = 0, seconds_ = 0, rate_ = 0;
    bool started_ = false;
};

/// Counts failures, and waits.
class retry_counter {
  public:
    /// @throws argument_error for no attempts at all
    explicit retry_counter(const download_options& o) : options_(o), random_(std::random_device{}()) {
        if (o.attempts < 1) throw argument_error("attempts: expected at least 1, found " + std::to_string(o.attempts));
    }

    /// Whether to try again, now that `received` bytes have come.
    bool failed(std::uint64_t received) {
        constexpr int all_in_all = 20;
        in_a_row_ = received > furthest_ ? 1 : in_a_row_ + 1;
        furthest_ = std::max(furthest_, received);
        return ++in_all_ < options_.attempts * all_in_all && in_a_row_ < options_.attempts;
    }

    /// What was there before the first attempt is no progress.
    void start_at(std::uint64_t received) { furthest_ = received; }
    std::string tried() const { return in_all_ == 1 ? "tried once" : "tried " + std::to_string(in_all_) + " times"; }

    /// Waits as long as it should be; false where `tick`, called ten times a second, does.
    template <class Tick>
    bool wait(std::chrono::seconds retry_after, Tick&& tick) {
        using std::chrono::milliseconds;
        constexpr milliseconds longest{30000}, slice{100};
        constexpr std::chrono::seconds longest_asked{60};
        milliseconds delay = options_.back_off;
        for (int k = 1; k < in_a_row_ && delay < longest; ++k) delay *= 2;
        delay = std::min(delay, longest);
        delay =
            milliseconds(std::uniform_int_distribution<milliseconds::rep>(delay.count() / 2, delay.count())(random_));
        delay = std::max<milliseconds>(delay, std::min(retry_after, longest_asked));
        const auto end = std::chrono::steady_clock::now() + delay;
        for (;;) {
            const auto left = end - std::chrono::steady_clock::now();
            if (left <= left.zero()) return true;
            std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, slice));
            if (!tick()) return false;
        }
    }

  private:
    const download_options& options_;
    std::minstd_rand random_;
    std::uint64_t furthest_ = 0;
    int in_a_row_ = 0, in_all_ = 0;
};

} // namespace detail

} // namespace gpunet

// Timing a run on this machine: warmed up until it is steady, with how far the result is to be trusted.
#pragma once

#include <gpunet/hub/latency.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gpunet {

/// How long is measured, and what counts as steady.
struct measure_options {
    // Warming up ends when the medians of two windows that follow each other agree.
    std::int64_t min_warmup_runs = 3;
    milliseconds warmup{200};      // at least
    milliseconds max_warmup{3000}; // after which it is measured as it is
    std::int64_t window = 5;       // runs
    double steady = 0.02;          // the share of the median by which the windows may differ

    std::int64_t min_runs = 20;
    std::int64_t max_runs = 1000;
    milliseconds duration{1500}; // after which no more than min_runs are made
    std::int64_t few_runs = 5;
    milliseconds max_duration{10000}; // after which no more than few_runs are made

    // A measurement is noisy if it never got steady, or beyond these shares of the median.
    double max_spread = 0.10; // the interquartile range
    double max_drift = 0.05;  // the difference between the medians of the first half and of the second
};

/// What the times of many runs come to.
struct measurement {
    milliseconds median{}, p95{}, p99{};
    milliseconds spread{}; // the interquartile range
    std::int64_t runs = 0;
    std::int64_t warmup_runs = 0;
    std::int64_t outliers = 0; // runs longer than the third quartile by more than three times the spread
    double drift = 0;          // from the first half's median to the second's, as a share of the median
    bool steady = true;        // false if the last windows of warming up still differed
    bool noisy = false;
};

/// The steady clock.
struct steady_time {
    milliseconds operator()() const { return std::chrono::steady_clock::now().time_since_epoch(); }
};

/// The smallest value that at least a share `q` of the sorted values does not exceed (nearest rank).
inline milliseconds percentile(std::span<const milliseconds> sorted, double q) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
    return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

namespace detail {

inline milliseconds median_of(std::span<const milliseconds> times) {
    std::vector<milliseconds> sorted(times.begin(), times.end());
    std::sort(sorted.begin(), sorted.end());
    return percentile(sorted, 0.5);
}

/// |a - b| as a share of `whole`; 0 where all are 0.
inline double share(milliseconds a, milliseconds b, milliseconds whole) {
    const double difference = std::fabs((a - b).count());
    return difference > 0 ? difference / whole.count() : 0.0;
}

} // namespace detail

/// What the times of runs, in the order they were made, say. At least one run.
inline measurement summarise(std::span<const milliseconds> times, const measure_options& o = {}) {
    measurement m;
    std::vector<milliseconds> sorted(times.begin(), times.end());
    std::sort(sorted.begin(), sorted.end());
    m.runs = static_cast<std::int64_t>(times.size());
    m.median = percentile(sorted, 0.5);
    m.p95 = percentile(sorted, 0.95);
    m.p99 = percentile(sorted, 0.99);
    const milliseconds third = percentile(sorted, 0.75);
    m.spread = third - percentile(sorted, 0.25);
    m.outliers = std::count_if(sorted.begin(), sorted.end(), [&](milliseconds t) { return t > third + 3 * m.spread; });
    if (const std::size_t half = times.size() / 2; half > 0)
        m.drift = detail::share(detail::median_of(times.first(half)), detail::median_of(times.last(half)), m.median);
    m.noisy = detail::share(m.spread, milliseconds(0), m.median) > o.max_spread || m.drift > o.max_drift;
    return m;
}

/// Calls run() until it is warm, then times it: run() returns what it took.
/// @param now  a clock that returns milliseconds
template <class Run, class Clock = steady_time>
measurement measure_by(Run&& run, const measure_options& o = {}, Clock&& now = {}) {
    const milliseconds start = now();
    const auto size = static_cast<std::size_t>(std::max<std::int64_t>(1, o.window));
    std::vector<milliseconds> window;
    std::optional<milliseconds> before; // the median of the last full window
    bool steady = false;
    std::int64_t warmups = 0;
    const auto warm_up = [&] {
        window.push_back(run());
        ++warmups;
        if (window.size() < size) return;
        const milliseconds median = detail::median_of(window);
        steady = before && detail::share(*before, median, *before) <= o.steady;
        before = median;
        window.clear();
    };
    for (milliseconds elapsed{}; !(steady && elapsed >= o.warmup) && elapsed < o.max_warmup; elapsed = now() - start)
        warm_up();
    while (warmups < o.min_warmup_runs) warm_up();

    std::vector<milliseconds> times;
    times.reserve(static_cast<std::size_t>(o.max_runs));
    const milliseconds first = now();
    const auto goes_on = [&](std::int64_t done) {
        const milliseconds spent = now() - first;
        const std::int64_t least = spent < o.max_duration ? o.min_runs : std::min(o.min_runs, o.few_runs);
        return done < o.max_runs && (done < least || spent < o.duration);
    };
    for (std::int64_t i = 0; goes_on(i); ++i) times.push_back(run());
    measurement m = summarise(times, o);
    m.warmup_runs = warmups;
    m.steady = steady || warmups < 2 * static_cast<std::int64_t>(size); // else drift has to tell
    m.noisy = m.noisy || !m.steady;
    return m;
}

/// The same by a clock of the host's.
template <class Run, class Clock = steady_time>
measurement measure(Run&& run, const measure_options& o = {}, Clock&& now = {}) {
    return measure_by(
        [&]() -> milliseconds {
            const milliseconds before = now();
            run();
            return now() - before;
        },
        o, now);
}

} // namespace gpunet

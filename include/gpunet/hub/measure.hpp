// Timing a run on this machine.
#pragma once

#include <gpunet/hub/latency.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpunet {

struct measure_options {
    std::int64_t min_warmup_runs = 3;
    milliseconds warmup{200};
    std::int64_t min_runs = 20;
    std::int64_t max_runs = 1000;
    milliseconds duration{1500}; // after which no more than min_runs are made
};

struct measurement {
    milliseconds median{}, p95{}, p99{};
    std::int64_t runs = 0;
};

/// The smallest value that at least a share `q` of the sorted values does not exceed (nearest rank).
inline milliseconds percentile(const std::vector<milliseconds>& sorted, double q) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
    return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

/// Calls run() to warm up, then times it: run() returns what it took.
template <class Run>
measurement measure_by(Run&& run, const measure_options& o = {}) {
    using clock = std::chrono::steady_clock;
    const clock::time_point start = clock::now();
    for (std::int64_t i = 0; i < o.min_warmup_runs || clock::now() - start < o.warmup; ++i) run();
    std::vector<milliseconds> times;
    times.reserve(static_cast<std::size_t>(o.max_runs));
    const clock::time_point first = clock::now();
    for (std::int64_t i = 0; i < o.max_runs && (i < o.min_runs || clock::now() - first < o.duration); ++i)
        times.push_back(run());
    std::sort(times.begin(), times.end());
    return {percentile(times, 0.5), percentile(times, 0.95), percentile(times, 0.99),
            static_cast<std::int64_t>(times.size())};
}

/// The same by the steady clock.
template <class Run>
measurement measure(Run&& run, const measure_options& o = {}) {
    return measure_by(
        [&]() -> milliseconds {
            const auto before = std::chrono::steady_clock::now();
            run();
            return std::chrono::steady_clock::now() - before;
        },
        o);
}

} // namespace gpunet

// Scales of a plot and the numbers along them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace gpunet::detail::report {

/// Where values lie along an axis, linearly or by their logarithm.
struct scale {
    double low = 0, high = 1;  // values, both above 0 where logarithmic
    double start = 0, end = 1; // coordinates
    bool logarithmic = false;

    double operator()(double value) const {
        const auto f = [&](double v) { return logarithmic ? std::log10(v) : v; };
        return start + (end - start) * (f(value) - f(low)) / (f(high) - f(low));
    }
};

/// The largest of 1, 2, 5 times a power of ten that is at most `value`, which is above 0; or the smallest that is at
/// least.
inline double round_below(double value) {
    const double decade = std::pow(10.0, std::floor(std::log10(value) + 1e-9));
    for (const double m : {5.0, 2.0})
        if (m * decade <= value * (1 + 1e-9)) return m * decade;
    return decade;
}
inline double round_above(double value) {
    const double decade = std::pow(10.0, std::floor(std::log10(value) + 1e-9));
    for (const double m : {1.0, 2.0, 5.0})
        if (m * decade >= value * (1 - 1e-9)) return m * decade;
    return 10.0 * decade;
}

/// Round numbers from low to high, at most about `most`.
inline std::vector<double> linear_ticks(double low, double high, std::size_t most) {
    const double step = round_above((high - low) / static_cast<double>(most));
    std::vector<double> ticks;
    for (double n = std::ceil(low / step - 1e-9); n * step <= high + step * 1e-9; ++n) ticks.push_back(n * step);
    return ticks;
}

/// 1, 2, 5 of every decade, or only 1, or not of every one, as many as there is room for; evenly spread round numbers
/// where low and high are near each other.
inline std::vector<double> log_ticks(double low, double high, std::size_t most) {
    if (high < 4 * low) return linear_ticks(low, high, std::min<std::size_t>(most, 6));
    std::vector<double> fine, coarse;
    for (double decade = std::pow(10.0, std::floor(std::log10(low))); decade <= high; decade *= 10)
        for (const double m : {1.0, 2.0, 5.0}) {
            if (m * decade < low * (1 - 1e-9) || m * decade > high * (1 + 1e-9)) continue;
            fine.push_back(m * decade);
            if (m == 1.0) coarse.push_back(m * decade);
        }
    if (fine.size() <= most || coarse.size() < 2) return fine;
    const std::size_t every = (coarse.size() + most - 1) / std::max<std::size_t>(most, 1);
    for (std::size_t i = 0; i < coarse.size(); ++i)
        if (i % every == 0) coarse[i / every] = coarse[i];
    coarse.resize((coarse.size() + every - 1) / every);
    return coarse;
}

} // namespace gpunet::detail::report

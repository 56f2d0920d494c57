// How the absolute values of a feature map are distributed, and the scale that suits them.
#pragma once

#include <gpunet/quantize/round.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace gpunet::quantize {

/// How a scale is chosen. mse: least mean squared error of clipping and rounding; max: nothing is clipped.
enum class method : std::uint8_t { mse, max };

/// Counts |x| in bins of 1/64 of an octave, so that no range need be known beforehand. Zeros, which any scale can say,
/// are left out.
class histogram {
  public:
    histogram() : counts_(bins), sums_(bins) {}

    void add(std::span<const float> values) {
        for (const float value : values) {
            const float x = std::fabs(value);
            if (!(x <= std::numeric_limits<float>::max())) {
                finite_ = false;
                continue;
            }
            if (x == 0) continue;
            const std::size_t i = std::bit_cast<std::uint32_t>(x) >> 17;
            ++counts_[i];
            sums_[i] += double{x};
            largest_ = std::max(largest_, x);
        }
    }

    /// Whether no infinity and no NaN was added.
    bool finite() const noexcept { return finite_; }
    /// The greatest |x|.
    float max() const noexcept { return largest_; }

    /// For nothing but zeros any scale is right, and 1 is given.
    float best_scale(method m) const {
        if (largest_ == 0) return 1;
        const float widest = scale_up_to(largest_);
        if (m == method::max) return widest;
        const std::vector<point> all = points();
        float best = widest;
        double least = std::numeric_limits<double>::infinity();
        for (int i = 0; i <= candidates; ++i) {
            const float scale = scale_up_to(largest_ * std::exp2(-static_cast<float>(i) / per_octave));
            if (const double e = error_of(all, scale); e < least) {
                least = e;
                best = scale;
            }
        }
        return best;
    }

  private:
    static constexpr std::size_t bins = std::size_t{1} << 14;
    static constexpr float per_octave = 32; // candidates for the largest number not clipped
    static constexpr int candidates = 160;  // down to 1/32 of the maximum

    struct point {
        double x, count; // the mean of a bin's numbers, and how many they are
    };

    static float scale_up_to(float x) noexcept { return std::max(x / largest, std::numeric_limits<float>::min()); }

    std::vector<point> points() const {
        std::vector<point> all;
        for (std::size_t i = 0; i < bins; ++i)
            if (counts_[i] != 0) {
                const auto count = static_cast<double>(counts_[i]);
                all.push_back({sums_[i] / count, count});
            }
        return all;
    }

    /// The sum of squares, where rounding errors are taken to be uniform: scale^2 / 12 each.
    static double error_of(const std::vector<point>& all, float scale) noexcept {
        const double s = double{scale}, end = double{largest} * s, rounding = s * s / 12;
        double sum = 0;
        for (const point& p : all) {
            const double beyond = p.x - end;
            sum += p.count * (p.x < s / 2 ? p.x * p.x : beyond > s / 2 ? beyond * beyond : rounding);
        }
        return sum;
    }

    std::vector<std::uint64_t> counts_;
    std::vector<double> sums_;
    float largest_ = 0;
    bool finite_ = true;
};

} // namespace gpunet::quantize

// How scaled widths and depths become whole numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace gpunet::spec {

/// The nearest multiple of a divisor, itself at least; the next one if that is less than `limit` of what was asked for.
/// (MobileNet's and EfficientNet's rule.)
inline std::int64_t round_to_multiple(double value, std::int64_t divisor, double limit) noexcept {
    const double half = static_cast<double>(divisor) / 2;
    const auto rounded = std::max(divisor, static_cast<std::int64_t>(value + half) / divisor * divisor);
    return static_cast<double>(rounded) < limit * value ? rounded + divisor : rounded;
}

/// How many layers `repeat` of them become: rounded up.
inline std::int64_t scaled_depth(std::int64_t repeat, double multiplier) noexcept {
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(repeat) * multiplier));
}

} // namespace gpunet::spec

// One number as int8 times a scale.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

namespace gpunet::quantize {

inline constexpr float largest = 127; // of |q|: -128 is not used

/// x / scale to the nearest whole number, halves to the even one, within -127 to 127.
inline float nearest(float x, float scale) noexcept { return std::clamp(std::nearbyint(x / scale), -largest, largest); }

inline std::int8_t to_int8(float x, float scale) noexcept { return static_cast<std::int8_t>(nearest(x, scale)); }

/// Each number becomes the nearest that int8 at that scale can say.
inline void round_to(float scale, std::span<float> values) noexcept {
    for (float& x : values) x = nearest(x, scale) * scale;
}

} // namespace gpunet::quantize

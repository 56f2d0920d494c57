// How pictures are resampled, by name.
#pragma once

#include <gpunet/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace gpunet {

/// Resampling filters, antialiased as in Pillow: the filter widens as the picture shrinks.
enum class interpolation : std::uint8_t {
    bilinear, ///< triangle of support 1
    bicubic   ///< Keys' cubic convolution with a = -0.5, support 2
};

/// "bicubic", as timm's configurations name it.
constexpr const char* to_string(interpolation filter) noexcept {
    return filter == interpolation::bilinear ? "bilinear" : "bicubic";
}

/// The inverse of `to_string`. @throws argument_error naming the word, for any other.
inline interpolation parse_interpolation(std::string_view name) {
    for (const interpolation filter : {interpolation::bilinear, interpolation::bicubic})
        if (name == to_string(filter)) return filter;
    throw argument_error("interpolation: expected bilinear or bicubic, found \"" + std::string(name) + "\"");
}

} // namespace gpunet

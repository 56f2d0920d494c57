// Bounds on what untrusted files may ask for.
#pragma once

#include <cstdint>

namespace gpunet {

/// Raise these to run larger networks.
struct limits {
    std::int64_t max_parameter_bytes = std::int64_t{4} << 30; // of all parameters as float32
    std::int64_t max_activation_bytes = std::int64_t{4}
                                        << 30; // of one feature map as float32, and of a context's arena
};

/// The longest side of an input, in pixels.
inline constexpr std::int64_t max_input_side = 1 << 16;

} // namespace gpunet

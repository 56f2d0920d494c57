// Extents and shapes, with arithmetic that cannot overflow unnoticed.
#pragma once

#include <gpunet/error.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace gpunet {

/// Height and width of a picture or feature map, in pixels.
struct extent2 {
    std::int64_t height = 0;
    std::int64_t width = 0;
    friend bool operator==(const extent2&, const extent2&) = default;
};

/// The sizes of a tensor's dimensions, outermost first. Activations are N, C, H, W; weights O, I, H, W.
using shape = std::vector<std::int64_t>;

/// The most elements a tensor may have: a product within it times 8 bytes stays far from overflow.
inline constexpr std::int64_t max_elements = std::int64_t{1} << 48;

/// "[2, 3, 224, 224]"
inline std::string to_string(const shape& s) {
    std::string text = "[";
    for (std::size_t i = 0; i < s.size(); ++i) text += (i ? ", " : "") + std::to_string(s[i]);
    return text + "]";
}

/// The number of elements; 1 for a scalar (no dimensions).
/// @throws argument_error if a size is negative or the product exceeds `max_elements`.
inline std::int64_t element_count(const shape& s) {
    std::int64_t count = 1;
    bool empty = false;
    for (const std::int64_t size : s) {
        if (size < 0) throw argument_error("shape " + to_string(s) + ": a size is negative");
        if (size == 0)
            empty = true;
        else if (count > max_elements / size)
            throw argument_error("shape " + to_string(s) + ": too many elements");
        else
            count *= size;
    }
    return empty ? 0 : count;
}

} // namespace gpunet

// Pictures in host memory: an owner and a view of 8-bit, three-channel, interleaved pixels.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/shape.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// The order of a pixel's three bytes in memory.
enum class pixel_order : std::uint8_t { rgb, bgr };

/// The longest side a view may have, in pixels.
inline constexpr std::int64_t max_image_side = std::int64_t{1} << 30;

/// A view of somebody else's pixels, three bytes each; an application fills it in place:
/// `image_view{pixels, width, height, stride, pixel_order::bgr}`. The pixels must outlive it.
struct image_view {
    const std::uint8_t* pixels = nullptr; ///< the first byte of the top row
    std::int64_t width = 0;
    std::int64_t height = 0;
    std::ptrdiff_t stride = 0; ///< bytes from a row to the one below it; negative if rows are stored bottom-up
    pixel_order order = pixel_order::rgb;

    /// The first byte of row `y`, counted from the top. Unchecked.
    const std::uint8_t* row(std::int64_t y) const noexcept { return pixels + static_cast<std::ptrdiff_t>(y) * stride; }
};

/// Owns a picture: RGB, interleaved, rows dense and top-down.
struct image {
    std::int64_t width = 0;
    std::int64_t height = 0;
    std::vector<std::uint8_t> pixels; ///< height * width * 3 bytes

    image() = default;
    /// A black picture. @throws argument_error if a side is not in 1..max_image_side.
    image(std::int64_t columns, std::int64_t rows);

    std::uint8_t* row(std::int64_t y) noexcept { return pixels.data() + y * width * 3; }
    const std::uint8_t* row(std::int64_t y) const noexcept { return pixels.data() + y * width * 3; }

    /// @throws argument_error if `pixels` does not hold exactly height * width * 3 bytes.
    image_view view() const;
    operator image_view() const { return view(); }
};

namespace detail {

inline void require_sides(const char* what, std::int64_t width, std::int64_t height) {
    if (width < 1 || height < 1 || width > max_image_side || height > max_image_side)
        throw argument_error(std::string(what) + ": expected sides of 1 to " + std::to_string(max_image_side) +
                             " pixels, found " + std::to_string(width) + " x " + std::to_string(height));
}

} // namespace detail

/// Checks that a view can be read: pixels, sides, and rows that neither overlap nor leave the address space.
/// @throws argument_error naming the offending member.
inline void validate(const image_view& picture) {
    if (!picture.pixels) throw argument_error("image_view: pixels is null");
    detail::require_sides("image_view", picture.width, picture.height);
    if (picture.order != pixel_order::rgb && picture.order != pixel_order::bgr)
        throw argument_error("image_view: order is neither rgb nor bgr");
    constexpr auto most = std::numeric_limits<std::ptrdiff_t>::max();
    const auto dense = static_cast<std::ptrdiff_t>(picture.width * 3);
    if (picture.stride > -dense && picture.stride < dense)
        throw argument_error("image_view: stride: expected at least 3 * width = " + std::to_string(dense) +
                             " bytes, found " + std::to_string(picture.stride));
    const std::ptrdiff_t farthest = most / static_cast<std::ptrdiff_t>(picture.height);
    if (picture.stride > farthest || picture.stride < -farthest)
        throw argument_error("image_view: stride: " + std::to_string(picture.stride) + " bytes times a height of " +
                             std::to_string(picture.height) + " exceeds the address space");
}

inline image::image(std::int64_t columns, std::int64_t rows) {
    detail::require_sides("image", columns, rows);
    width = columns;
    height = rows;
    pixels.resize(static_cast<std::size_t>(element_count({rows, columns, 3})));
}

inline image_view image::view() const {
    if (std::cmp_not_equal(element_count({height, width, 3}), pixels.size()))
        throw argument_error(
            "image: expected height * width * 3 = " + std::to_string(element_count({height, width, 3})) +
            " bytes, found " + std::to_string(pixels.size()));
    return {pixels.data(), width, height, static_cast<std::ptrdiff_t>(width * 3), pixel_order::rgb};
}

} // namespace gpunet

// Antialiased resampling of 8-bit pictures, bit for bit as Pillow's `Image.resize` does it.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/image/image.hpp>
#include <gpunet/image/interpolation.hpp>
#include <gpunet/image/resampling.hpp>
#include <gpunet/shape.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace gpunet {

/// A part of a picture, in pixels from its top left corner.
struct pixel_box {
    std::int64_t left = 0;
    std::int64_t top = 0;
    std::int64_t width = 0;
    std::int64_t height = 0;
    friend bool operator==(const pixel_box&, const pixel_box&) = default;
};

/// Which axis is resampled first. The picture in between is rounded and clipped to 8 bits, so results differ a little.
enum class pass_order : std::uint8_t {
    rows_first, ///< Pillow before version 13
    pillow_13   ///< columns first where the height shrinks by more than twice what the width shrinks by, else rows
};

namespace detail {

inline image_view part_of(const image_view& picture, const pixel_box& box) noexcept {
    return {picture.row(box.top) + box.left * 3, box.width, box.height, picture.stride, picture.order};
}

/// Copies as the bytes stand, whatever their order.
inline image copy(const image_view& picture) {
    image out(picture.width, picture.height);
    for (std::int64_t y = 0; y < picture.height; ++y) std::copy_n(picture.row(y), picture.width * 3, out.row(y));
    return out;
}

inline void require_part(extent2 size, const pixel_box& part) {
    constexpr std::int64_t most = std::int64_t{1} << 60; // what plan_crop may ask for
    if (size.width < 1 || size.height < 1 || size.width > most || size.height > most)
        throw argument_error("resize: expected sides of 1 to 2^60 pixels, found " + std::to_string(size.width) + " x " +
                             std::to_string(size.height));
    const auto within = [](std::int64_t begin, std::int64_t length, std::int64_t whole) {
        return begin >= 0 && length >= 1 && length <= whole && begin <= whole - length;
    };
    if (!within(part.left, part.width, size.width) || !within(part.top, part.height, size.height))
        throw argument_error("resize: the part at " + std::to_string(part.left) + ", " + std::to_string(part.top) +
                             " of " + std::to_string(part.width) + " x " + std::to_string(part.height) +
                             " pixels does not lie within " + std::to_string(size.width) + " x " +
                             std::to_string(size.height));
}

} // namespace detail

/// The part `part` of `picture` resized to `size`, without computing the rest: equal to resizing all and then cropping.
/// Each pass is computed in 22-bit fixed point and rounded to 8 bits, and an axis whose size stays is left alone. All
/// this is as in Pillow, so results are those of its `Image.resize(size, filter)` bit for bit.
/// @return an RGB picture of the part's size, whatever the view's order
/// @throws argument_error for a bad view or size, or a part that is empty or does not lie within `size`.
inline image resize(const image_view& picture, extent2 size, interpolation filter, const pixel_box& part,
                    pass_order order = pass_order::pillow_13) {
    validate(picture);
    detail::require_part(size, part);
    detail::resampling across, down;
    pixel_box needed = part; // of the picture
    if (size.width != picture.width) {
        across = detail::plan_resampling(picture.width, size.width, part.left, part.width, filter);
        needed.left = across.input_begin();
        needed.width = across.input_end() - across.input_begin();
    }
    if (size.height != picture.height) {
        down = detail::plan_resampling(picture.height, size.height, part.top, part.height, filter);
        needed.top = down.input_begin();
        needed.height = down.input_end() - down.input_begin();
    }
    const bool columns_first = order == pass_order::pillow_13 && size.height < picture.height &&
                               picture.height - size.height > 2 * (picture.width - size.width);
    image_view current = detail::part_of(picture, needed);
    image result;
    const auto pass = [&](const detail::resampling& plan,
                          image (*resample)(const image_view&, const detail::resampling&)) {
        if (plan.first.empty()) return;
        result = resample(current, plan);
        current = result;
    };
    if (columns_first) pass(down, detail::resample_columns);
    pass(across, detail::resample_rows);
    if (!columns_first) pass(down, detail::resample_columns);
    if (result.pixels.empty()) result = detail::copy(current);
    if (picture.order == pixel_order::bgr)
        for (std::size_t i = 0; i < result.pixels.size(); i += 3) std::swap(result.pixels[i], result.pixels[i + 2]);
    return result;
}

/// All of `picture` resized to `size`.
inline image resize(const image_view& picture, extent2 size, interpolation filter,
                    pass_order order = pass_order::pillow_13) {
    return resize(picture, size, filter, {0, 0, size.width, size.height}, order);
}

} // namespace gpunet

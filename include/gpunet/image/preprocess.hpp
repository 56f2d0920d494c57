// From a picture of any size to a network's input: timm's evaluation transform.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/image/image.hpp>
#include <gpunet/image/interpolation.hpp>
#include <gpunet/image/resize.hpp>
#include <gpunet/shape.hpp>
#include <gpunet/tensor.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace gpunet {

/// What a network expects of its pictures, in timm's terms.
struct preprocessing {
    extent2 size;                                                 ///< of the network's input
    double crop = 1.0;                                            ///< crop_pct: input size over resized size
    gpunet::interpolation interpolation = interpolation::bicubic; ///< of the resizing
    std::array<float, 3> mean{0.485F, 0.456F, 0.406F};            ///< red, green, blue, on the scale of 0 to 1
    std::array<float, 3> std{0.229F, 0.224F, 0.225F};             ///< the same
    pass_order order = pass_order::pillow_13; ///< of the resizing; concerns pictures over twice as high as wide
};

/// The geometry of one preprocessing: the picture is resized to `resized`, of which `kept` becomes the network's input,
/// its left top corner at (`left`, `top`) there; what it does not cover is black.
struct crop_plan {
    extent2 resized;
    pixel_box kept;
    std::int64_t left = 0;
    std::int64_t top = 0;
};

namespace detail {

/// Half of a whole number as Python's `round` has it: a half goes to the even neighbour.
constexpr std::int64_t round_half(std::int64_t value) noexcept {
    const std::int64_t down = value / 2;
    return value % 2 == 0 || down % 2 == 0 ? down : down + 1;
}

/// One axis of torchvision's CenterCrop: {first sample kept, samples kept, black samples before them}.
constexpr std::array<std::int64_t, 3> center_crop(std::int64_t have, std::int64_t want) noexcept {
    if (have < want) return {0, have, (want - have) / 2};
    return {round_half(have - want), want, 0};
}

} // namespace detail

/// @throws argument_error naming the member that is impossible.
inline void validate(const preprocessing& settings) {
    detail::require_sides("preprocessing: size", settings.size.width, settings.size.height);
    if (!(settings.crop > 0) || !std::isfinite(settings.crop))
        throw argument_error("preprocessing: crop: expected a positive number, found " + std::to_string(settings.crop));
    const auto shorter = static_cast<double>(std::min(settings.size.height, settings.size.width));
    const auto longer = static_cast<double>(std::max(settings.size.height, settings.size.width));
    if (shorter / settings.crop < 1 || longer / settings.crop > static_cast<double>(max_image_side))
        throw argument_error("preprocessing: crop: " + std::to_string(settings.crop) +
                             " makes the resized picture empty or too large");
    for (std::size_t c = 0; c < 3; ++c)
        if (!std::isfinite(settings.mean[c]) || !std::isfinite(settings.std[c]) || settings.std[c] == 0)
            throw argument_error("preprocessing: mean and std of channel " + std::to_string(c) +
                                 ": expected finite numbers and a std that is not 0");
}

/// Where the pixels of a picture of extent `picture` go. With s = floor(size / crop): for a square s, the shorter edge
/// becomes s and the longer int(s * longer / shorter) (torchvision's Resize); for any other, both are divided by
/// min(height / s.height, width / s.width) and rounded, halves to even (timm's ResizeKeepRatio). Then torchvision's
/// CenterCrop: offsets rounded, halves to even; black borders where the resized picture is the smaller.
/// @throws argument_error for an impossible picture or impossible settings.
inline crop_plan plan_crop(extent2 picture, const preprocessing& settings) {
    validate(settings);
    detail::require_sides("picture", picture.width, picture.height);
    const auto scaled = [&](std::int64_t side) {
        return static_cast<std::int64_t>(std::floor(static_cast<double>(side) / settings.crop));
    };
    const extent2 target{scaled(settings.size.height), scaled(settings.size.width)};
    crop_plan plan;
    if (target.height == target.width) {
        const std::int64_t shorter = std::min(picture.height, picture.width);
        // The product stays below 2^60, and a quotient of integers below 2^53 truncates in double as it does here.
        plan.resized = {target.height * picture.height / shorter, target.width * picture.width / shorter};
    } else {
        const double tall = static_cast<double>(picture.height) / static_cast<double>(target.height);
        const double wide = static_cast<double>(picture.width) / static_cast<double>(target.width);
        const double ratio = std::min(tall, wide);
        plan.resized = {std::max<std::int64_t>(std::llrint(static_cast<double>(picture.height) / ratio), 1),
                        std::max<std::int64_t>(std::llrint(static_cast<double>(picture.width) / ratio), 1)};
    }
    const auto rows = detail::center_crop(plan.resized.height, settings.size.height);
    const auto columns = detail::center_crop(plan.resized.width, settings.size.width);
    plan.kept = {columns[0], rows[0], columns[1], rows[1]};
    plan.left = columns[2];
    plan.top = rows[2];
    return plan;
}

/// The picture resized and cropped to `settings.size`, before scaling: pixel for pixel what Pillow gives timm.
/// @throws argument_error for a bad view or impossible settings.
inline image preprocess_pixels(const image_view& picture, const preprocessing& settings) {
    validate(picture);
    const crop_plan plan = plan_crop({picture.height, picture.width}, settings);
    image kept = resize(picture, plan.resized, settings.interpolation, plan.kept, settings.order);
    if (kept.width == settings.size.width && kept.height == settings.size.height) return kept;
    image framed(settings.size.width, settings.size.height);
    for (std::int64_t y = 0; y < kept.height; ++y)
        std::copy_n(kept.row(y), kept.width * 3, framed.row(plan.top + y) + plan.left * 3);
    return framed;
}

/// Scales pixels to a network's input: (value / 255 - mean) / std in float32, red plane first.
/// @param chw  3 * height * width floats, [3, H, W]
/// @throws argument_error for a bad view, impossible settings or a span of another length.
inline void normalize(const image_view& picture, const preprocessing& settings, std::span<float> chw) {
    validate(picture);
    validate(settings);
    const auto plane = static_cast<std::size_t>(element_count({picture.height, picture.width}));
    if (chw.size() != 3 * plane)
        throw argument_error("normalize: expected room for " + std::to_string(3 * plane) + " floats, found " +
                             std::to_string(chw.size()));
    for (std::size_t c = 0; c < 3; ++c) {
        std::array<float, 256> scaled;
        for (std::size_t v = 0; v < 256; ++v)
            scaled[v] = (static_cast<float>(v) / 255.0F - settings.mean[c]) / settings.std[c];
        float* out = chw.data() + c * plane;
        const std::size_t offset = picture.order == pixel_order::rgb ? c : 2 - c;
        for (std::int64_t y = 0; y < picture.height; ++y) {
            const std::uint8_t* in = picture.row(y) + offset;
            for (std::int64_t x = 0; x < picture.width; ++x, in += 3) *out++ = scaled[*in];
        }
    }
}

/// Makes a network's input of a picture: resize, centre crop, scale. [1, 3, H, W], or one picture's place in a batch.
/// @throws argument_error for a bad view, impossible settings or a span of another length than 3 * H * W.
inline void preprocess(const image_view& picture, const preprocessing& settings, std::span<float> nchw) {
    const shape expected{1, 3, settings.size.height, settings.size.width};
    if (std::cmp_not_equal(nchw.size(), element_count(expected)))
        throw argument_error("preprocess: expected room for " + to_string(expected) + ", found " +
                             std::to_string(nchw.size()) + " floats");
    normalize(preprocess_pixels(picture, settings), settings, nchw);
}

/// The same into a tensor of its own, [1, 3, H, W].
inline tensor<float> preprocess(const image_view& picture, const preprocessing& settings) {
    validate(settings);
    tensor<float> input({1, 3, settings.size.height, settings.size.width});
    preprocess(picture, settings, input.elements());
    return input;
}

/// The same into place `index` of a batch, [N, 3, H, W] with H and W those of `settings.size`. Places may be filled by
/// several threads at once.
/// @throws argument_error also if the batch has another shape, or no such place.
inline void preprocess(const image_view& picture, const preprocessing& settings, const tensor_view<float>& batch,
                       std::int64_t index) {
    const shape& found = batch.shape();
    if (found.size() != 4 || found[1] != 3 || found[2] != settings.size.height || found[3] != settings.size.width)
        throw argument_error("preprocess: expected a batch of shape [N, 3, " + std::to_string(settings.size.height) +
                             ", " + std::to_string(settings.size.width) + "], found " + to_string(found));
    if (index < 0 || index >= found[0])
        throw argument_error("preprocess: picture " + std::to_string(index) + " of a batch of " +
                             std::to_string(found[0]));
    const std::size_t each = batch.size() / static_cast<std::size_t>(found[0]);
    preprocess(picture, settings, batch.elements().subspan(static_cast<std::size_t>(index) * each, each));
}

/// A batch of pictures, [N, 3, H, W]. @throws argument_error also if there is none.
inline tensor<float> preprocess(std::span<const image_view> pictures, const preprocessing& settings) {
    if (pictures.empty()) throw argument_error("preprocess: expected at least one picture");
    validate(settings);
    tensor<float> batch({std::ssize(pictures), 3, settings.size.height, settings.size.width});
    for (std::size_t i = 0; i < pictures.size(); ++i)
        preprocess(pictures[i], settings, batch.view(), static_cast<std::int64_t>(i));
    return batch;
}

} // namespace gpunet

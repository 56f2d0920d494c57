// From a picture of 8-bit pixels to a network's input, as gpunet::preprocess does it on the host, bit for bit: one or
// two passes of resampling, by the host's own tables, the last of which crops, scales and writes float32 N C H W.
#pragma once

#include <gpunet/cuda/kernels/launch.hpp>
#include <gpunet/image/image.hpp>
#include <gpunet/image/preprocess.hpp>
#include <gpunet/image/resampling.hpp>
#include <gpunet/image/resize.hpp>
#include <gpunet/shape.hpp>

#include <array>
#include <utility>

namespace gpunet::cuda::kernels {

/// What to compute: one pass over a picture. A first pass reads interleaved bytes, three a pixel, in rows of any stride
/// and alignment; others read words, dense rows of 32 bits a pixel (red lowest), as a pass that is not the last wrote.
struct preprocess {
    std::int64_t rows = 0, columns = 0; // of the result
    bool across = false;                // resamples along rows; else along columns
    bool first = true, last = true;
    /// The network's input, and where the result lies in it; the rest is black. Where `last`.
    std::int64_t height = 0, width = 0, top = 0, left = 0;
};

// clang-format off
#define GPUNET_PREPROCESS_FIELDS                                                                                       \
    const unsigned char* input; /* the first pixel that the pass reads */                                              \
    const int* table;           /* pack_table() */                                                                     \
    const float* scaled;        /* pack_scale(); where last */                                                         \
    void* output;               /* float32 [3][height][width] where last, else words [height][width] */                \
    long long stride;           /* bytes from a row of the input to the next: the caller's, in a first pass too */     \
    int rows; int columns; int height; int width; int top; int left; int blocks;                                       \
    int across; int words; int last; int bgr;
// clang-format on
struct preprocess_parameters {
    GPUNET_PREPROCESS_FIELDS
};

inline constexpr std::string_view preprocess_source =
#include <gpunet/cuda/kernels/common.cuh>
    GPUNET_KERNEL_TEXT("preprocess_parameters", GPUNET_PREPROCESS_FIELDS)
#include <gpunet/cuda/kernels/preprocess.cuh>
    ;
#undef GPUNET_PREPROCESS_FIELDS

/// The caller sets the pointers, `stride`, and `bgr` in a first pass. @throws argument_error, unsupported_error
inline preprocess_parameters parameters(const preprocess& d) {
    using detail::number;
    preprocess_parameters p{};
    p.rows = number("preprocess", "rows", d.rows, 1, max_image_side);
    p.columns = number("preprocess", "columns", d.columns, 1, max_image_side);
    p.height = d.last ? number("preprocess", "height", d.height, 1, max_image_side) : p.rows;
    p.width = d.last ? number("preprocess", "width", d.width, 1, max_image_side) : p.columns;
    p.top = d.last ? number("preprocess", "top", d.top, 0, d.height - d.rows) : 0;
    p.left = d.last ? number("preprocess", "left", d.left, 0, d.width - d.columns) : 0;
    p.blocks = static_cast<int>(detail::divide_up(p.width, 32));
    p.across = d.across;
    p.words = !d.first;
    p.last = d.last;
    return p;
}

/// @throws argument_error, unsupported_error
inline kernel_launch describe(const preprocess& d) {
    const preprocess_parameters p = parameters(d);
    kernel_launch launch;
    launch.name = "preprocess";
    launch.source = preprocess_source;
    launch.defines = {detail::define(element::float32)};
    launch.grid = detail::grid("preprocess", p.blocks * detail::divide_up(p.height, 4));
    launch.block = {32, 4, 1};
    return launch;
}

/// The samples and weights of each result along the pass's axis: int32 first[length], count[length],
/// weights[taps][length]. @throws unsupported_error
inline std::vector<std::byte> pack_table(const gpunet::detail::resampling& plan) {
    const std::size_t length = plan.first.size();
    std::vector<std::int32_t> all((2 + plan.taps) * length);
    for (std::size_t i = 0; i < length; ++i) {
        all[i] = detail::number("preprocess", "first sample", plan.first[i] - plan.input_begin(), 0);
        all[length + i] = detail::number("preprocess", "samples", static_cast<std::int64_t>(plan.count[i]), 0);
        for (std::size_t t = 0; t < plan.count[i]; ++t) all[(2 + t) * length + i] = plan.weights[i * plan.taps + t];
    }
    std::vector<std::byte> bytes(all.size() * sizeof(std::int32_t));
    std::memcpy(bytes.data(), all.data(), bytes.size());
    return bytes;
}

/// What each of the 256 values becomes, [3][256]. @throws argument_error
inline std::vector<std::byte> pack_scale(const preprocessing& settings) {
    image ramp(256, 1);
    for (std::size_t i = 0; i < ramp.pixels.size(); ++i) ramp.pixels[i] = static_cast<std::uint8_t>(i / 3);
    std::vector<float> scaled(ramp.pixels.size());
    normalize(ramp, settings, scaled);
    return detail::to_bytes(scaled, element::float32);
}

/// All that pictures of one size need.
struct preprocess_plan {
    struct pass {
        kernel_launch launch;
        preprocess_parameters parameters; // less pointers, and in the first pass `stride` and `bgr`
        std::size_t table = 0;            // offset in `tables`
    };
    extent2 picture;
    pixel_box needed;              // what is read of the picture at all
    std::vector<pass> passes;      // one or two
    std::vector<std::byte> tables; // at 0 pack_scale(), then each pass's; a multiple of 256 bytes
    std::size_t words = 0;         // bytes of what the first of two passes writes
};

/// The passes of gpunet::resize, for what is kept only. @throws argument_error, unsupported_error
inline preprocess_plan plan_preprocess(extent2 picture, const preprocessing& settings) {
    using gpunet::detail::resampling;
    const crop_plan crop = plan_crop(picture, settings);
    const auto along = [&](std::int64_t in, std::int64_t out, std::int64_t begin, std::int64_t length) {
        if (in != out) return gpunet::detail::plan_resampling(in, out, begin, length, settings.interpolation);
        resampling same; // each sample as it is
        same.taps = 1;
        for (std::int64_t i = 0; i < length; ++i) same.first.push_back(begin + i);
        same.count.assign(same.first.size(), 1);
        same.weights.assign(same.first.size(), 1 << gpunet::detail::weight_bits);
        return same;
    };
    const resampling across = along(picture.width, crop.resized.width, crop.kept.left, crop.kept.width);
    const resampling down = along(picture.height, crop.resized.height, crop.kept.top, crop.kept.height);
    preprocess_plan plan;
    plan.picture = picture;
    plan.needed = {across.input_begin(), down.input_begin(), across.input_end() - across.input_begin(),
                   down.input_end() - down.input_begin()};

    preprocess last;
    last.rows = crop.kept.height;
    last.columns = crop.kept.width;
    last.height = settings.size.height;
    last.width = settings.size.width;
    last.top = crop.top;
    last.left = crop.left;
    plan.tables = pack_scale(settings);
    const auto add = [&](preprocess pass, bool is_across) {
        pass.across = is_across;
        plan.passes.push_back({describe(pass), parameters(pass), plan.tables.size()});
        const std::vector<std::byte> table = pack_table(is_across ? across : down);
        plan.tables.insert(plan.tables.end(), table.begin(), table.end());
    };
    const bool wide = crop.resized.width != picture.width, tall = crop.resized.height != picture.height;
    if (wide && tall) {
        const bool columns_first = settings.order == pass_order::pillow_13 && crop.resized.height < picture.height &&
                                   picture.height - crop.resized.height > 2 * (picture.width - crop.resized.width);
        preprocess first;
        first.last = last.first = false;
        first.rows = columns_first ? crop.kept.height : plan.needed.height;
        first.columns = columns_first ? plan.needed.width : crop.kept.width;
        plan.words = static_cast<std::size_t>(element_count({first.rows, first.columns, 4}));
        add(first, !columns_first);
        add(last, columns_first);
        plan.passes[1].parameters.stride = first.columns * 4;
    } else {
        add(last, wide);
    }
    plan.tables.resize((plan.tables.size() + 255) / 256 * 256);
    return plan;
}

} // namespace gpunet::cuda::kernels

// Entries of a spec that stand for several layers, and for scaled ones: what EfficientNet's multipliers and stages are.
#pragma once

#include <gpunet/detail/object_reader.hpp>
#include <gpunet/error.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/spec/rounding.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace gpunet::detail {

/// How an entry's width and depth are scaled. Widths are left alone where there is no multiplier.
struct spec_scaling {
    std::optional<double> width;               // "width_multiplier"
    std::optional<double> depth;               // "depth_multiplier": 1
    std::optional<std::int64_t> width_divisor; // 8
    std::optional<double> width_round_limit;   // 0.9
};

inline spec_scaling read_scaling(object_reader<spec_error>& in) {
    constexpr double most = 64;
    spec_scaling s;
    s.width = in.optional_number("width_multiplier", 0.0, most);
    s.width_divisor = in.optional_integer("width_divisor", 1, 1 << 10);
    s.width_round_limit = in.optional_share("width_round_limit");
    s.depth = in.optional_number("depth_multiplier", 0.0, most);
    return s;
}

/// An entry's own, then that of all.
inline spec_scaling merged(const spec_scaling& own, const spec_scaling& all) {
    const auto first = [](const auto& a, const auto& b) { return a ? a : b; };
    return {first(own.width, all.width), first(own.depth, all.depth), first(own.width_divisor, all.width_divisor),
            first(own.width_round_limit, all.width_round_limit)};
}

inline std::int64_t scaled_width(std::int64_t channels, const spec_scaling& s) noexcept {
    if (!s.width) return channels;
    return spec::round_to_multiple(static_cast<double>(channels) * *s.width, s.width_divisor.value_or(8),
                                   s.width_round_limit.value_or(0.9));
}

/// The layer after the first of an entry: it keeps width and extent.
inline spec::layer following(spec::layer layer) {
    std::visit(
        [](auto& l) {
            l.in_channels = l.out_channels;
            if constexpr (requires { l.space_to_depth; }) l.space_to_depth.reset();
            if constexpr (requires { l.residual; }) l.stride = 1;
        },
        layer);
    return layer;
}

/// Says of every layer of an entry whose "residual" is "where_possible" whether it has one.
inline void settle_residual(spec::layer& layer) {
    std::visit(
        [](auto& l) {
            bool keeps_extent = true;
            if constexpr (requires { l.space_to_depth; }) keeps_extent = !l.space_to_depth.value_or(false);
            if constexpr (requires { l.residual; })
                l.residual = keeps_extent && l.stride == 1 && l.in_channels == l.out_channels;
        },
        layer);
}

} // namespace gpunet::detail

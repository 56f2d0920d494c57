// The fields of one entry of a spec.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/detail/object_reader.hpp>
#include <gpunet/error.hpp>
#include <gpunet/spec/names.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/spec/unroll.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace gpunet::detail {

/// Bounds on what a spec may say; wider than any published network, narrow enough that no product overflows.
inline constexpr std::int64_t max_spec_layers = 1000;
inline constexpr std::int64_t max_spec_channels = 1 << 16;
inline constexpr std::int64_t max_spec_kernel = 31;
inline constexpr std::int64_t max_spec_stride = 16;
inline constexpr std::int64_t max_spec_resolution = 1 << 16;
inline constexpr std::size_t max_spec_bytes = std::size_t{1} << 24;

using spec_reader = object_reader<spec_error>;

inline std::optional<activation> read_activation(spec_reader& in, const std::string& key) {
    if (const json* value = in.find(key); value && value->is_string())
        if (const auto act = parse_activation(value->get<std::string>())) return act;
    return in.optional_name<activation>(key, activation_names);
}

inline std::optional<spec::padding> read_padding(spec_reader& in) {
    const json* value = in.find("padding");
    if (!value) return std::nullopt;
    if (value->is_number()) return in.as_integer("padding", *value, 0, max_spec_kernel);
    return in.optional_name<spec::padding_rule>("padding", spec::padding_names);
}

inline std::int64_t odd(spec_reader& in, const std::string& key, std::int64_t value) {
    if (value % 2 == 0) in.fail(key, "an odd integer from 1 to " + std::to_string(max_spec_kernel), json(value));
    return value;
}

/// Odd, or 0 for none.
inline std::int64_t odd_or_none(spec_reader& in, const std::string& key, std::int64_t value) {
    if (value != 0 && value % 2 == 0)
        in.fail(key, "0 or an odd integer up to " + std::to_string(max_spec_kernel), json(value));
    return value;
}

inline spec::squeeze_rules read_squeeze_rules(spec_reader& in) {
    spec::squeeze_rules r;
    r.se_ratio = in.optional_number("se_ratio", 0.0, 64.0);
    r.se_from = in.optional_name<spec::squeeze_from>("se_from", spec::squeeze_from_names);
    r.se_divisor = in.optional_integer("se_divisor", 1, 1 << 10);
    r.se_round_limit = in.optional_share("se_round_limit");
    r.se_act = read_activation(in, "se_act");
    r.se_gate = read_activation(in, "se_gate");
    return r;
}

inline constexpr const char* residual_where_possible = "where_possible";

/// true, false or "where_possible", which is settled when the entry's layers are known.
inline std::optional<bool> read_residual(spec_reader& in) {
    const json* value = in.find("residual");
    if (!value || (value->is_string() && value->get_ref<const std::string&>() == residual_where_possible))
        return std::nullopt;
    if (!value->is_boolean()) in.fail("residual", "true, false or \"where_possible\"", *value);
    return value->get<bool>();
}

inline void read_fields(spec_reader& in, spec::head& l) {
    l.kernel_size = in.optional_integer("kernel_size", 1, max_spec_kernel);
    if (l.kernel_size) odd(in, "kernel_size", *l.kernel_size);
    l.stride = in.optional_integer("stride", 1, max_spec_stride);
}

inline void read_fields(spec_reader& in, spec::conv& l) {
    l.kernel_size = odd(in, "kernel_size", in.integer("kernel_size", 1, max_spec_kernel));
    l.stride = in.integer("stride", 1, max_spec_stride);
    l.groups = in.optional_integer("groups", 1, max_spec_channels);
    l.residual = read_residual(in);
}

/// What all blocks have but the kernel, which comes first.
inline void read_block(spec_reader& in, spec::expansion_base& l) {
    l.stride = in.integer("stride", 1, max_spec_stride);
    l.residual = read_residual(in);
    l.use_se = in.optional_boolean("use_se");
    static_cast<spec::squeeze_rules&>(l) = read_squeeze_rules(in);
    l.se_channels = in.optional_integer("se_channels", 1, max_spec_channels);
}

inline void read_expansion(spec_reader& in, spec::expansion_base& l) {
    l.expansion = in.number("expansion", 0.0, 64.0);
    l.rounding = in.optional_name<spec::rounding>("expansion_rounding", spec::rounding_names);
    l.groups = in.optional_integer("groups", 1, max_spec_channels);
}

inline void read_fields(spec_reader& in, spec::expansion_base& l) {
    l.kernel_size = odd(in, "kernel_size", in.integer("kernel_size", 1, max_spec_kernel));
    read_block(in, l);
    read_expansion(in, l);
}

inline void read_fields(spec_reader& in, spec::irb& l) {
    read_fields(in, static_cast<spec::expansion_base&>(l));
    l.skip_unit_expansion = in.optional_boolean("skip_unit_expansion");
}

inline void read_fields(spec_reader& in, spec::separable& l) {
    l.kernel_size = odd(in, "kernel_size", in.integer("kernel_size", 1, max_spec_kernel));
    read_block(in, l);
    l.space_to_depth = in.optional_boolean("space_to_depth");
}

inline void read_fields(spec_reader& in, spec::uib& l) {
    l.kernel_size = odd_or_none(in, "kernel_size", in.integer("kernel_size", 0, max_spec_kernel));
    l.start_kernel_size = in.optional_integer("start_kernel_size", 0, max_spec_kernel);
    if (l.start_kernel_size) odd_or_none(in, "start_kernel_size", *l.start_kernel_size);
    read_block(in, l);
    read_expansion(in, l);
}

inline void read_fields(spec_reader& in, spec::tail& l) {
    l.num_classes = in.optional_integer("num_classes", 1, max_spec_channels);
    l.form = in.optional_name<spec::tail_form>("tail_form", spec::tail_form_names);
    l.mid_channels = in.optional_integer("num_mid_channels", 1, max_spec_channels);
    l.pooled_norm = in.optional_boolean("pooled_norm");
}

/// Channels as the entry's scaling makes them.
/// @param given  the channels of the layer before, 0 if there is none
inline void read_base(spec_reader& in, spec::layer_base& l, std::int64_t given, const spec_scaling& s) {
    l.in_channels = in.optional_integer("num_in_channels", 1, max_spec_channels).value_or(given);
    if (l.in_channels == 0) l.in_channels = in.integer("num_in_channels", 1, max_spec_channels);
    const std::int64_t base = in.integer("num_out_channels", 1, max_spec_channels);
    l.out_channels = scaled_width(base, s);
    if (l.out_channels > max_spec_channels)
        in.fail("num_out_channels", "at most " + std::to_string(max_spec_channels) + " when scaled", json(base));
    l.stage = in.optional_integer("stage", 0, max_spec_layers);
    l.act = read_activation(in, "act");
    l.padding = read_padding(in);
    l.bn_epsilon = in.optional_number("bn_epsilon", 0.0, 1.0);
}

template <class Layer>
inline constexpr bool has_expansion =
    std::is_base_of_v<spec::expansion_base, Layer> && !std::is_same_v<Layer, spec::separable>;

/// The layers of one entry.
template <class Layer>
std::vector<spec::layer> read_layers_as(spec_reader& in, std::int64_t given, const spec_scaling& all) {
    const spec_scaling s = merged(read_scaling(in), all);
    Layer first;
    read_base(in, first, given, s);
    read_fields(in, first);
    std::vector<spec::layer> layers = {first};
    if constexpr (requires { first.residual; }) {
        const std::int64_t repeat = in.optional_integer("repeat", 1, max_spec_layers).value_or(1);
        const std::int64_t count = spec::scaled_depth(repeat, s.depth.value_or(1));
        if (count > max_spec_layers)
            in.fail("repeat", "at most " + std::to_string(max_spec_layers) + " when scaled", json(repeat));
        layers.resize(static_cast<std::size_t>(count), following(first));
        if constexpr (has_expansion<Layer>)
            if (const auto e = in.optional_number("first_expansion", 0.0, 64.0))
                std::get<Layer>(layers.front()).expansion = *e;
        const json* residual = in.find("residual");
        if (residual && residual->is_string())
            for (spec::layer& l : layers) settle_residual(l);
    }
    return layers;
}

} // namespace gpunet::detail

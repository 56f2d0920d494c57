// Spec to JSON: what spec/read.hpp reads back as an equal spec.
#pragma once

#include <gpunet/detail/json.hpp>
#include <gpunet/spec/names.hpp>
#include <gpunet/spec/network.hpp>

#include <string>

namespace gpunet {

namespace detail {

inline json spec_value(std::int64_t v) { return v; }
inline json spec_value(double v) {
    // Whole numbers without a fraction, as the published files have them.
    if (v == std::floor(v) && std::fabs(v) < 1e15) return static_cast<std::int64_t>(v);
    return v;
}
inline json spec_value(bool v) { return v; }
inline json spec_value(activation v) { return to_string(v); }
inline json spec_value(spec::rounding v) { return spec::rounding_names[static_cast<std::size_t>(v)]; }
inline json spec_value(spec::naming v) { return spec::naming_names[static_cast<std::size_t>(v)]; }
inline json spec_value(spec::tail_form v) { return spec::tail_form_names[static_cast<std::size_t>(v)]; }
inline json spec_value(spec::squeeze_from v) { return spec::squeeze_from_names[static_cast<std::size_t>(v)]; }
inline json spec_value(const spec::padding& v) {
    if (const auto* pixels = std::get_if<std::int64_t>(&v)) return *pixels;
    return spec::padding_names[static_cast<std::size_t>(std::get<spec::padding_rule>(v))];
}

template <class T>
void put(json& out, const char* key, const std::optional<T>& value) {
    if (value) out[key] = spec_value(*value);
}

inline void write_fields(json& out, const spec::head& l) {
    put(out, "kernel_size", l.kernel_size);
    put(out, "stride", l.stride);
}

inline void write_fields(json& out, const spec::conv& l) {
    out["kernel_size"] = l.kernel_size;
    out["stride"] = l.stride;
    put(out, "groups", l.groups);
    put(out, "residual", l.residual);
}

inline void put(json& out, const spec::squeeze_rules& r) {
    put(out, "se_ratio", r.se_ratio);
    put(out, "se_from", r.se_from);
    put(out, "se_divisor", r.se_divisor);
    put(out, "se_round_limit", r.se_round_limit);
    put(out, "se_act", r.se_act);
    put(out, "se_gate", r.se_gate);
}

inline void write_block(json& out, const spec::expansion_base& l) {
    out["kernel_size"] = l.kernel_size;
    out["stride"] = l.stride;
    put(out, "residual", l.residual);
    put(out, "use_se", l.use_se);
    put(out, l);
    put(out, "se_channels", l.se_channels);
}

inline void write_fields(json& out, const spec::expansion_base& l) {
    write_block(out, l);
    out["expansion"] = spec_value(l.expansion);
    put(out, "expansion_rounding", l.rounding);
    put(out, "groups", l.groups);
}

inline void write_fields(json& out, const spec::separable& l) {
    write_block(out, l);
    put(out, "space_to_depth", l.space_to_depth);
}

inline void write_fields(json& out, const spec::uib& l) {
    write_fields(out, static_cast<const spec::expansion_base&>(l));
    put(out, "start_kernel_size", l.start_kernel_size);
}

inline void write_fields(json& out, const spec::irb& l) {
    write_fields(out, static_cast<const spec::expansion_base&>(l));
    put(out, "skip_unit_expansion", l.skip_unit_expansion);
}

inline void write_fields(json& out, const spec::tail& l) {
    put(out, "num_classes", l.num_classes);
    put(out, "tail_form", l.form);
    put(out, "num_mid_channels", l.mid_channels);
    put(out, "pooled_norm", l.pooled_norm);
}

} // namespace detail

/// The list of layers as JSON text, one layer a line, repetitions written out.
inline std::string write_spec(const spec::network& net) {
    using detail::json;
    using detail::put;
    json data = {{"layer_type", "data"}};
    const extent2 size = net.data.resolution;
    data["img_resolution"] = size.height == size.width ? json(size.height) : json{size.height, size.width};
    put(data, "distill", net.data.distill);
    put(data, "naming", net.data.naming);
    put(data, "padding", net.data.padding);
    put(data, "bn_epsilon", net.data.bn_epsilon);
    put(data, "expansion_rounding", net.data.rounding);
    put(data, "skip_unit_expansion", net.data.skip_unit_expansion);
    put(data, "act", net.data.act);
    put(data, net.data.squeeze);
    std::string text = "[\n  " + data.dump();
    for (const spec::layer& layer : net.layers) {
        json out = {{"layer_type", spec::kind_name(layer)}};
        std::visit(
            [&](const auto& l) {
                out["num_in_channels"] = l.in_channels;
                out["num_out_channels"] = l.out_channels;
                detail::write_fields(out, l);
                put(out, "act", l.act);
                put(out, "padding", l.padding);
                put(out, "bn_epsilon", l.bn_epsilon);
                put(out, "stage", l.stage);
            },
            layer);
        text += ",\n  " + out.dump();
    }
    return text + "\n]\n";
}

} // namespace gpunet

// Spec to JSON: what spec/read.hpp reads back as an equal spec.
#pragma once

#include <gpunet/detail/json.hpp>
#include <gpunet/spec/names.hpp>
#include <gpunet/spec/network.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace gpunet {

namespace detail {

/// A value as JSON text.
inline std::string spec_text(std::int64_t v) { return std::to_string(v); }
inline std::string spec_text(double v) {
    // Whole numbers without a fraction, as the published files have them.
    return v == std::floor(v) && std::fabs(v) < 1e15 ? std::to_string(static_cast<std::int64_t>(v)) : json(v).dump();
}
inline std::string spec_text(bool v) { return v ? "true" : "false"; }
std::string spec_text(const char*) = delete;                                            // would be a bool
inline std::string spec_text(std::string_view v) { return '"' + std::string(v) + '"'; } // of names without escapes
inline std::string spec_text(activation v) { return spec_text(to_string(v)); }
inline std::string spec_text(spec::rounding v) { return spec_text(spec::rounding_names[static_cast<std::size_t>(v)]); }
inline std::string spec_text(spec::naming v) { return spec_text(spec::naming_names[static_cast<std::size_t>(v)]); }
inline std::string spec_text(spec::tail_form v) {
    return spec_text(spec::tail_form_names[static_cast<std::size_t>(v)]);
}
inline std::string spec_text(spec::squeeze_from v) {
    return spec_text(spec::squeeze_from_names[static_cast<std::size_t>(v)]);
}
inline std::string spec_text(const spec::padding& v) {
    if (const auto* pixels = std::get_if<std::int64_t>(&v)) return spec_text(*pixels);
    return spec_text(spec::padding_names[static_cast<std::size_t>(std::get<spec::padding_rule>(v))]);
}

/// A JSON object on one line, in the order its fields are put.
class spec_object {
  public:
    explicit spec_object(std::string_view kind) { put("layer_type", spec_text(kind)); }
    void put(const char* key, const std::string& value) {
        (text_ += text_.empty() ? "{\"" : ",\"") += key;
        (text_ += "\":") += value;
    }
    std::string text() const { return text_ + "}"; }

  private:
    std::string text_;
};

template <class T>
void put(spec_object& out, const char* key, const std::optional<T>& value) {
    if (value) out.put(key, spec_text(*value));
}

inline void write_fields(spec_object& out, const spec::head& l) {
    put(out, "kernel_size", l.kernel_size);
    put(out, "stride", l.stride);
}

inline void write_fields(spec_object& out, const spec::conv& l) {
    out.put("kernel_size", spec_text(l.kernel_size));
    out.put("stride", spec_text(l.stride));
    put(out, "groups", l.groups);
    put(out, "residual", l.residual);
}

inline void put(spec_object& out, const spec::squeeze_rules& r) {
    put(out, "se_ratio", r.se_ratio);
    put(out, "se_from", r.se_from);
    put(out, "se_divisor", r.se_divisor);
    put(out, "se_round_limit", r.se_round_limit);
    put(out, "se_act", r.se_act);
    put(out, "se_gate", r.se_gate);
}

inline void write_block(spec_object& out, const spec::expansion_base& l) {
    out.put("kernel_size", spec_text(l.kernel_size));
    out.put("stride", spec_text(l.stride));
    put(out, "residual", l.residual);
    put(out, "use_se", l.use_se);
    put(out, l);
    put(out, "se_channels", l.se_channels);
}

inline void write_fields(spec_object& out, const spec::expansion_base& l) {
    write_block(out, l);
    out.put("expansion", spec_text(l.expansion));
    put(out, "expansion_rounding", l.rounding);
    put(out, "groups", l.groups);
}

inline void write_fields(spec_object& out, const spec::separable& l) {
    write_block(out, l);
    put(out, "space_to_depth", l.space_to_depth);
}

inline void write_fields(spec_object& out, const spec::uib& l) {
    write_fields(out, static_cast<const spec::expansion_base&>(l));
    put(out, "start_kernel_size", l.start_kernel_size);
}

inline void write_fields(spec_object& out, const spec::irb& l) {
    write_fields(out, static_cast<const spec::expansion_base&>(l));
    put(out, "skip_unit_expansion", l.skip_unit_expansion);
}

inline void write_fields(spec_object& out, const spec::tail& l) {
    put(out, "num_classes", l.num_classes);
    put(out, "tail_form", l.form);
    put(out, "num_mid_channels", l.mid_channels);
    put(out, "pooled_norm", l.pooled_norm);
}

} // namespace detail

/// The list of layers as JSON text, one layer a line, repetitions written out.
inline std::string write_spec(const spec::network& net) {
    using detail::put;
    using detail::spec_text;
    detail::spec_object data("data");
    const extent2 size = net.data.resolution;
    const std::string height = spec_text(size.height);
    data.put("img_resolution", size.height == size.width ? height : "[" + height + "," + spec_text(size.width) + "]");
    put(data, "distill", net.data.distill);
    put(data, "naming", net.data.naming);
    put(data, "padding", net.data.padding);
    put(data, "bn_epsilon", net.data.bn_epsilon);
    put(data, "expansion_rounding", net.data.rounding);
    put(data, "skip_unit_expansion", net.data.skip_unit_expansion);
    put(data, "act", net.data.act);
    put(data, net.data.squeeze);
    std::string text = "[\n  " + data.text();
    for (const spec::layer& layer : net.layers) {
        detail::spec_object out(spec::kind_name(layer));
        std::visit(
            [&](const auto& l) {
                out.put("num_in_channels", spec_text(l.in_channels));
                out.put("num_out_channels", spec_text(l.out_channels));
                detail::write_fields(out, l);
                put(out, "act", l.act);
                put(out, "padding", l.padding);
                put(out, "bn_epsilon", l.bn_epsilon);
                put(out, "stage", l.stage);
            },
            layer);
        text += ",\n  " + out.text();
    }
    return text + "\n]\n";
}

} // namespace gpunet

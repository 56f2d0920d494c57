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

inline std::string spec_text(const extent2& v) {
    const std::string height = spec_text(v.height);
    return v.height == v.width ? height : "[" + height + "," + spec_text(v.width) + "]";
}

/// A JSON object on one line, in the order its fields are put.
class spec_object {
  public:
    explicit spec_object(std::string_view kind) { put("layer_type", kind); }
    template <class T>
    void put(const char* key, const T& value) {
        (text_ += text_.empty() ? "{\"" : ",\"") += key;
        (text_ += "\":") += spec_text(value);
    }
    template <class T>
    void put(const char* key, const std::optional<T>& value) {
        if (value) put(key, *value);
    }
    std::string text() const { return text_ + "}"; }

  private:
    std::string text_;
};

inline void write_fields(spec_object& out, const spec::head& l) {
    out.put("kernel_size", l.kernel_size);
    out.put("stride", l.stride);
}

inline void write_fields(spec_object& out, const spec::conv& l) {
    out.put("kernel_size", l.kernel_size);
    out.put("stride", l.stride);
    out.put("groups", l.groups);
    out.put("residual", l.residual);
}

inline void write_squeeze_rules(spec_object& out, const spec::squeeze_rules& r) {
    out.put("se_ratio", r.se_ratio);
    out.put("se_from", r.se_from);
    out.put("se_divisor", r.se_divisor);
    out.put("se_round_limit", r.se_round_limit);
    out.put("se_act", r.se_act);
    out.put("se_gate", r.se_gate);
}

inline void write_block(spec_object& out, const spec::expansion_base& l) {
    out.put("kernel_size", l.kernel_size);
    out.put("stride", l.stride);
    out.put("residual", l.residual);
    out.put("use_se", l.use_se);
    write_squeeze_rules(out, l);
    out.put("se_channels", l.se_channels);
}

inline void write_fields(spec_object& out, const spec::expansion_base& l) {
    write_block(out, l);
    out.put("expansion", l.expansion);
    out.put("expansion_rounding", l.rounding);
    out.put("groups", l.groups);
}

inline void write_fields(spec_object& out, const spec::separable& l) {
    write_block(out, l);
    out.put("space_to_depth", l.space_to_depth);
}

inline void write_fields(spec_object& out, const spec::uib& l) {
    write_fields(out, static_cast<const spec::expansion_base&>(l));
    out.put("start_kernel_size", l.start_kernel_size);
}

inline void write_fields(spec_object& out, const spec::irb& l) {
    write_fields(out, static_cast<const spec::expansion_base&>(l));
    out.put("skip_unit_expansion", l.skip_unit_expansion);
}

inline void write_fields(spec_object& out, const spec::tail& l) {
    out.put("num_classes", l.num_classes);
    out.put("tail_form", l.form);
    out.put("num_mid_channels", l.mid_channels);
    out.put("pooled_norm", l.pooled_norm);
}

} // namespace detail

/// The list of layers as JSON text, one layer a line, repetitions written out.
inline std::string write_spec(const spec::network& net) {
    detail::spec_object data("data");
    data.put("img_resolution", net.data.resolution);
    data.put("distill", net.data.distill);
    data.put("naming", net.data.naming);
    data.put("padding", net.data.padding);
    data.put("bn_epsilon", net.data.bn_epsilon);
    data.put("expansion_rounding", net.data.rounding);
    data.put("skip_unit_expansion", net.data.skip_unit_expansion);
    data.put("act", net.data.act);
    detail::write_squeeze_rules(data, net.data.squeeze);
    std::string text = "[\n  " + data.text();
    for (const spec::layer& layer : net.layers) {
        detail::spec_object out(spec::kind_name(layer));
        std::visit(
            [&](const auto& l) {
                out.put("num_in_channels", l.in_channels);
                out.put("num_out_channels", l.out_channels);
                detail::write_fields(out, l);
                out.put("act", l.act);
                out.put("padding", l.padding);
                out.put("bn_epsilon", l.bn_epsilon);
                out.put("stage", l.stage);
            },
            layer);
        text += ",\n  " + out.text();
    }
    return text + "\n]\n";
}

} // namespace gpunet

// JSON to spec: NVIDIA's published files (a list of layers) and this library's (an object with the list under
// "network").
#pragma once

#include <gpunet/detail/json.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/spec/names.hpp>
#include <gpunet/spec/network.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet {

namespace detail {

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

inline void read_base(spec_reader& in, spec::layer_base& l) {
    l.in_channels = in.integer("num_in_channels", 1, max_spec_channels);
    l.out_channels = in.integer("num_out_channels", 1, max_spec_channels);
    l.stage = in.optional_integer("stage", 0, max_spec_layers);
    l.act = read_activation(in, "act");
    l.padding = read_padding(in);
    l.bn_epsilon = in.optional_number("bn_epsilon", 0.0, 1.0);
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
}

inline void read_fields(spec_reader& in, spec::expansion_base& l) {
    l.kernel_size = odd(in, "kernel_size", in.integer("kernel_size", 1, max_spec_kernel));
    l.stride = in.integer("stride", 1, max_spec_stride);
    l.expansion = in.number("expansion", 0.0, 64.0);
    l.rounding = in.optional_name<spec::rounding>("expansion_rounding", spec::rounding_names);
    l.groups = in.optional_integer("groups", 1, max_spec_channels);
    l.residual = in.optional_boolean("residual");
    l.use_se = in.optional_boolean("use_se");
    l.se_ratio = in.optional_number("se_ratio", 0.0, 64.0);
    l.se_channels = in.optional_integer("se_channels", 1, max_spec_channels);
    l.se_act = read_activation(in, "se_act");
    l.se_gate = read_activation(in, "se_gate");
}

inline void read_fields(spec_reader& in, spec::irb& l) {
    read_fields(in, static_cast<spec::expansion_base&>(l));
    l.skip_unit_expansion = in.optional_boolean("skip_unit_expansion");
}

inline void read_fields(spec_reader& in, spec::tail& l) {
    l.num_classes = in.optional_integer("num_classes", 1, max_spec_channels);
    l.form = in.optional_name<spec::tail_form>("tail_form", spec::tail_form_names);
    l.mid_channels = in.optional_integer("num_mid_channels", 1, max_spec_channels);
}

template <class Layer>
Layer read_layer_as(spec_reader& in) {
    Layer l;
    read_base(in, l);
    read_fields(in, l);
    return l;
}

inline spec::layer read_layer(spec_reader& in, const std::string& kind) {
    if (kind == "head") return read_layer_as<spec::head>(in);
    if (kind == "head_large") return read_layer_as<spec::head_large>(in);
    if (kind == "conv") return read_layer_as<spec::conv>(in);
    if (kind == "irb") return read_layer_as<spec::irb>(in);
    if (kind == "fused_irb") return read_layer_as<spec::fused_irb>(in);
    if (kind == "tail") return read_layer_as<spec::tail>(in);
    in.fail("layer_type", "one of head, head_large, conv, irb, fused_irb, tail", json(kind));
}

inline spec::data read_data(spec_reader& in) {
    spec::data d;
    const std::string expected = "an integer from 1 to " + std::to_string(max_spec_resolution) + ", or two";
    const json& size = in.required("img_resolution", expected);
    const auto side = [&](const json& v) { return in.as_integer("img_resolution", v, 1, max_spec_resolution); };
    if (size.is_array()) {
        if (size.size() != 2) in.fail("img_resolution", expected, size);
        d.resolution = {side(size[0]), side(size[1])};
    } else {
        d.resolution = {side(size), side(size)};
    }
    d.distill = in.optional_boolean("distill");
    d.naming = in.optional_name<spec::naming>("naming", spec::naming_names);
    d.padding = read_padding(in);
    d.bn_epsilon = in.optional_number("bn_epsilon", 0.0, 1.0);
    d.rounding = in.optional_name<spec::rounding>("expansion_rounding", spec::rounding_names);
    d.skip_unit_expansion = in.optional_boolean("skip_unit_expansion");
    return d;
}

/// Checks the order of the layers and that each takes as many channels as the one before it gives.
inline void check_chain(const spec::network& net) {
    const auto where = [&](std::size_t i) {
        return net.source + ": layer " + std::to_string(spec::layer_number(i)) + " (" +
               std::string(spec::kind_name(net.layers[i])) + ")";
    };
    if (net.layers.empty()) throw spec_error(net.source + ": expected layers after \"data\", found none");
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
        const bool is_tail = std::holds_alternative<spec::tail>(net.layers[i]);
        const bool is_head = std::holds_alternative<spec::head>(net.layers[i]) ||
                             std::holds_alternative<spec::head_large>(net.layers[i]);
        const bool last = i + 1 == net.layers.size();
        if (is_tail && !last)
            throw spec_error(where(i) + ": expected the tail to be the last layer, found more after it");
        if (last && !is_tail) throw spec_error(where(i) + ": expected the last layer to be a tail");
        if (is_head && i > 0) throw spec_error(where(i) + ": expected a head only as the first layer after \"data\"");
        if (i == 0) continue;
        const std::int64_t given = spec::base_of(net.layers[i - 1]).out_channels;
        const std::int64_t taken = spec::base_of(net.layers[i]).in_channels;
        if (given != taken)
            throw spec_error(where(i) + ": num_in_channels: expected " + std::to_string(given) + " (what layer " +
                             std::to_string(spec::layer_number(i - 1)) + " gives), found " + std::to_string(taken));
    }
}

/// @param list  the JSON list of layers
inline spec::network read_layers(const json& list, const std::string& source) {
    if (!list.is_array()) throw spec_error(source + ": expected a list of layers, found " + shown(list));
    if (std::cmp_greater(list.size(), max_spec_layers))
        throw spec_error(source + ": expected at most " + std::to_string(max_spec_layers) + " layers, found " +
                         std::to_string(list.size()));
    spec::network net;
    net.source = source;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string number = source + ": layer " + std::to_string(i + 1);
        const std::string kind = spec_reader(list[i], number).string("layer_type");
        spec_reader in(list[i], number + " (" + shown_name(kind) + ")");
        static_cast<void>(in.find("layer_type"));
        if ((i == 0) != (kind == "data"))
            in.fail("layer_type", i == 0 ? "\"data\" as the first layer" : "\"data\" only as the first layer",
                    json(kind));
        if (i == 0)
            net.data = read_data(in);
        else
            net.layers.push_back(read_layer(in, kind));
        for (std::string& key : in.unread())
            net.unknown_keys.push_back({static_cast<std::int64_t>(i) + 1, std::move(key)});
    }
    check_chain(net);
    return net;
}

} // namespace detail

/// Parses the text of a spec. Keys nobody knows are kept in `unknown_keys` and otherwise ignored.
/// @param source  what errors call the text, usually the file's path
/// @throws spec_error naming source, layer number, layer kind, field, what was expected and what was found
inline spec::network parse_spec(std::string_view text, const std::string& source) {
    const auto document = detail::parse_json<spec_error>(text, source);
    if (!document.is_object()) return detail::read_layers(document, source);
    detail::spec_reader in(document, source);
    return detail::read_layers(in.required("network", "a list of layers"), source);
}

/// Reads a spec file. @throws io_error if it cannot be read, spec_error if it is no valid spec.
inline spec::network read_spec(const std::filesystem::path& path) {
    return parse_spec(detail::read_text_file(path, detail::max_spec_bytes), path.string());
}

} // namespace gpunet

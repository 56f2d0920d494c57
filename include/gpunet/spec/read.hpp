// JSON to spec: NVIDIA's published files (a list of layers) and this library's (an object with the list under
// "network").
#pragma once

#include <gpunet/detail/json.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/spec/names.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/spec/read_layer.hpp>
#include <gpunet/spec/unroll.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet {

namespace detail {

inline std::vector<spec::layer> read_entry(spec_reader& in, const std::string& kind, std::int64_t given,
                                           const spec_scaling& all) {
    if (kind == "head") return read_layers_as<spec::head>(in, given, all);
    if (kind == "head_large") return read_layers_as<spec::head_large>(in, given, all);
    if (kind == "conv") return read_layers_as<spec::conv>(in, given, all);
    if (kind == "irb") return read_layers_as<spec::irb>(in, given, all);
    if (kind == "fused_irb") return read_layers_as<spec::fused_irb>(in, given, all);
    if (kind == "separable") return read_layers_as<spec::separable>(in, given, all);
    if (kind == "uib") return read_layers_as<spec::uib>(in, given, all);
    if (kind == "tail") return read_layers_as<spec::tail>(in, given, all);
    in.fail("layer_type", "one of head, head_large, conv, irb, fused_irb, separable, uib, tail", json(kind));
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
    d.act = read_activation(in, "act");
    d.squeeze = read_squeeze_rules(in);
    return d;
}

/// Checks the order of the layers and that each takes as many channels as the one before it gives.
inline void check_chain(const spec::network& net) {
    const auto where = [&](std::size_t i) { return spec::where(net, i); };
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
    spec_scaling scaling;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string number = source + ": layer " + std::to_string(i + 1);
        const std::string kind = spec_reader(list[i], number).string("layer_type");
        spec_reader in(list[i], number + " (" + shown_name(kind) + ")");
        static_cast<void>(in.find("layer_type"));
        if ((i == 0) != (kind == "data"))
            in.fail("layer_type", i == 0 ? "\"data\" as the first layer" : "\"data\" only as the first layer",
                    json(kind));
        if (i == 0) {
            net.data = read_data(in);
            scaling = read_scaling(in);
        } else {
            const std::int64_t given = net.layers.empty() ? 0 : spec::base_of(net.layers.back()).out_channels;
            for (spec::layer& layer : read_entry(in, kind, given, scaling)) {
                net.layers.push_back(std::move(layer));
                net.entries.push_back(static_cast<std::int64_t>(i) + 1);
            }
        }
        for (std::string& key : in.unread())
            net.unknown_keys.push_back({static_cast<std::int64_t>(i) + 1, std::move(key)});
    }
    if (std::cmp_greater(net.layers.size(), max_spec_layers))
        throw spec_error(source + ": expected at most " + std::to_string(max_spec_layers) + " layers, found " +
                         std::to_string(net.layers.size()));
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

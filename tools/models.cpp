// list, show, and what all commands share about models.
#include "commands.hpp"
#include "gpu.hpp"
#include "pull.hpp"

#include <gpunet/cpu/this_device.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/graph/pyramid.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

namespace gpunet::tool {

void print(const detail::ordered_json& j) { std::cout << j.dump(2) << '\n'; }

void warn(const std::string& message) { std::cerr << "gpunet: warning: " << message << '\n'; }

registry open_registry() {
    std::optional<std::string> warning;
    registry r = local_registry(&warning);
    if (warning) warn(*warning);
    return r;
}

model open_model(const registry& known, const std::string& name_or_path) {
    if (const model* m = known.lookup(name_or_path)) return *m;
    std::error_code ignored;
    if (!std::filesystem::exists(name_or_path, ignored)) {
        if (name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".json"))
            throw io_error(name_or_path + ": cannot open: no such file");
        static_cast<void>(known.find(name_or_path));
    }
    model m;
    m.network = read_spec(name_or_path);
    for (const spec::unknown_key& key : m.network.unknown_keys)
        warn(name_or_path + ": layer " + std::to_string(key.layer) + ": unknown key \"" + key.key + "\" ignored");
    m.name = name_or_path;
    m.input.size = m.network.data.resolution;
    const graph::network g = lower(m.network);
    const graph::counts c = graph::count(g);
    m.parameters = c.parameters;
    m.multiply_adds = c.multiply_adds;
    if (g.classes == 1000) m.labels = "imagenet-1k";
    return m;
}

std::vector<model> models_of(const registry& known, const std::string& family) {
    const std::string wanted = detail::name_letters(family);
    std::vector<std::string> families;
    for (const model& m : known)
        if (std::find(families.begin(), families.end(), m.family) == families.end()) families.push_back(m.family);
    const auto is = [&](const std::string& f) { return detail::name_letters(f) == wanted; };
    const bool exact = std::any_of(families.begin(), families.end(), is);
    std::vector<model> found;
    for (const model& m : known)
        if (exact ? is(m.family) : detail::name_letters(m.family).starts_with(wanted)) found.push_back(m);
    std::string names;
    for (const std::string& f : families) names += (names.empty() ? "" : ", ") + f;
    if (found.empty()) throw usage_error("--family: expected one of " + names + ", found \"" + family + "\"");
    const auto place = [&](const model& m) { return std::find(families.begin(), families.end(), m.family); };
    std::stable_sort(found.begin(), found.end(), [&](const model& a, const model& b) {
        return std::pair(place(a), a.multiply_adds) < std::pair(place(b), b.multiply_adds);
    });
    return found;
}

std::string in_short(const registry& known, const std::function<bool(const model&)>& named) {
    std::map<std::string, std::pair<std::size_t, std::size_t>> families; // how many are named, how many there are
    for (const model& m : known) {
        auto& [some, all] = families[m.family];
        some += named(m) ? 1 : 0;
        ++all;
    }
    std::string text;
    for (const model& m : known) {
        auto& [some, all] = families[m.family];
        if (!named(m) || all == 0) continue;
        const bool whole = some == all && all > 1;
        text += (text.empty() ? "" : ", ") + (whole ? "all " + std::to_string(all) + " of " + m.family : m.name);
        if (whole) all = 0; // told
    }
    return text;
}

CLI::Option* add_family_option(CLI::App& command, std::string& family) {
    return command.add_option("--family", family, "only models of this family: GPUNet, EfficientNet-X, ...");
}

tensor_store open_weights(const model& m, const model_choice& choice, const options& common) {
    load_options o;
    o.checkpoint.select = choice.entry;
    o.offline = common.offline;
    o.progress = pull_display();
    if (choice.weights == "synthetic") return synthetic_weights(lower(m.network));
    if (!choice.weights.empty()) return read_weights(choice.weights, o.checkpoint);
    return load_weights(m, o);
}

namespace {

/// N of "cuda:N", 0 of "cuda"; nothing of anything else.
std::optional<int> ordinal_of(const std::string& device) {
    if (device == "cuda") return 0;
    int n = 0;
    const char* end = device.data() + device.size();
    if (!device.starts_with("cuda:")) return std::nullopt;
    const auto [stop, status] = std::from_chars(device.data() + 5, end, n);
    return status == std::errc() && stop == end && n >= 0 ? std::optional(n) : std::nullopt;
}

} // namespace

device_choice choose_device(const options& o) {
    const std::string device = detail::lower_case(o.device), precision = detail::lower_case(o.precision);
    std::optional<int> gpu = ordinal_of(device);
    if (!gpu && device != "auto" && device != "cpu")
        throw usage_error("--device: expected cpu or cuda[:N], found \"" + o.device + "\"");
    if (gpu) {
        if (const std::string why = gpu::why_not(); !why.empty())
            throw unsupported_error("--device " + o.device + ": " + why + "; use cpu");
        static_cast<void>(gpu::name(*gpu));
    } else if (device == "auto" && gpu::why_not().empty()) {
        gpu = 0;
    }
    if (gpu) return {gpu, precision.empty() ? "fp16" : precision};
    if (!precision.empty() && precision != "fp32")
        throw unsupported_error("--precision " + o.precision + ": the CPU backend computes in fp32");
    return {std::nullopt, "fp32"};
}

std::string name_of(const device_choice& d) { return d.gpu ? gpu::name(*d.gpu) : cpu_name(); }

device describe(const device_choice& d, const options& o) {
    return d.gpu ? gpu::describe(*d.gpu, d.precision) : cpu::this_device(o.threads);
}

milliseconds parse_budget(const std::string& text) {
    try {
        return parse_duration(text);
    } catch (const argument_error& e) {
        throw usage_error(std::string("--budget: ") + e.what());
    }
}

int thread_count(const options& o) { return o.threads > 0 ? o.threads : cpu::all_cores(); }

any_network open_network(const model& m, const tensor_store& weights, const options& o) {
    const device_choice device = choose_device(o);
    if (device.gpu) return gpu::open(m.network, weights, *device.gpu, device.precision, o);
    return network(m.network, weights, cpu::backend({.threads = o.threads}));
}

namespace {

/// "0.63 (TensorRT 8)" for the fastest batch-1 record of a device, or a dash.
std::string latency_cell(const model& m, const selection_query& q) {
    const latency_record* r = detail::record_that_counts(m, q);
    if (!r) return "-";
    std::ostringstream out;
    out << std::setprecision(3) << r->latency.count();
    return out.str();
}

/// "here" where they are at hand, "yes" where they can be pulled.
const char* weights_cell(const model& m) { return has_weights(m) ? "here" : can_load(m) ? "yes" : "-"; }

void list(const std::string& family, const options& o) {
    const registry known = open_registry();
    const std::vector<model> models = models_of(known, family);
    if (o.json) {
        auto all = detail::ordered_json::array();
        for (const model& m : family.empty() ? known.models() : std::span<const model>(models))
            all.push_back(detail::to_json(m));
        return print(all);
    }
    selection_query v100, a100;
    v100.device = "NVIDIA V100";
    a100.device = "NVIDIA A100";
    const selection_query here = query_for(describe(choose_device(o), o));
    std::cout << std::left << std::setw(20) << "model" << std::right << std::setw(7) << "input" << std::setw(7)
              << "top-1" << std::setw(10) << "params M" << std::setw(8) << "GMAC" << std::setw(9) << "V100 ms"
              << std::setw(9) << "A100 ms" << std::setw(9) << "here ms" << std::setw(9) << "weights" << '\n'
              << std::fixed;
    const model* before = nullptr;
    for (const model& m : models) {
        if (before && before->family != m.family) std::cout << '\n';
        before = &m;
        std::cout << std::left << std::setw(20) << m.name << std::right << std::setw(7) << m.input.size.height
                  << std::setprecision(1) << std::setw(7) << m.top1 << std::setprecision(2) << std::setw(10)
                  << static_cast<double>(m.parameters) / 1e6 << std::setw(8)
                  << static_cast<double>(m.multiply_adds) / 1e9 << std::setw(9) << latency_cell(m, v100) << std::setw(9)
                  << latency_cell(m, a100) << std::setw(9) << latency_cell(m, here) << std::setw(9) << weights_cell(m)
                  << '\n';
    }
    std::cout << "V100, A100: published, fp16, batch 1. Here: " << here.device << ", " << here.precision
              << ", batch 1, measured by `gpunet bench --save`.\n"
              << "Weights: here, at hand on this machine; yes, to be pulled; -, published nowhere.\n";
}

std::string features_text(const graph::features& f) {
    return std::to_string(f.channels) + " x " + std::to_string(f.size.height) + " x " + std::to_string(f.size.width);
}

void show(const std::string& name, const options& o) {
    const model m = open_model(open_registry(), name);
    const graph::network g = lower(m.network);
    const graph::counts total = graph::count(g);
    const std::vector<std::int64_t> strides = graph::strides(g);
    if (o.json) {
        const auto sizes = [](const graph::features& f) {
            return detail::ordered_json{f.channels, f.size.height, f.size.width};
        };
        detail::ordered_json out = {{"name", m.name},
                                    {"input", sizes(g.input)},
                                    {"classes", g.classes},
                                    {"parameters", total.parameters},
                                    {"multiply_adds", total.multiply_adds},
                                    {"layers", detail::ordered_json::array()}};
        for (std::size_t i = 0; i < g.blocks.size(); ++i) {
            const graph::block& b = g.blocks[i];
            const graph::counts c = graph::count(b);
            detail::ordered_json layer = {{"layer", b.layer}, {"kind", b.kind}};
            if (b.stage) layer["stage"] = *b.stage;
            if (i + 1 < g.blocks.size()) layer["stride"] = strides[i];
            layer["output"] = sizes(b.output);
            layer["parameters"] = c.parameters;
            layer["multiply_adds"] = c.multiply_adds;
            out["layers"].push_back(std::move(layer));
        }
        return print(out);
    }
    std::cout << m.name << ", input " << features_text(g.input) << '\n'
              << std::right << std::setw(5) << "layer"
              << "  " << std::left << std::setw(12) << "kind" << std::right << std::setw(5) << "stage" << std::setw(8)
              << "stride" << std::setw(18) << "output" << std::setw(13) << "parameters" << std::setw(16)
              << "multiply-adds" << '\n';
    for (std::size_t i = 0; i < g.blocks.size(); ++i) {
        const graph::block& b = g.blocks[i];
        const graph::counts c = graph::count(b);
        std::cout << std::setw(5) << b.layer << "  " << std::left << std::setw(12) << b.kind << std::right
                  << std::setw(5) << (b.stage ? std::to_string(*b.stage) : "") << std::setw(8)
                  << (i + 1 < g.blocks.size() ? std::to_string(strides[i]) : "") << std::setw(18)
                  << features_text(b.output) << std::setw(13) << c.parameters << std::setw(16) << c.multiply_adds
                  << '\n';
    }
    std::cout << std::setw(50) << "total" << std::setw(13) << total.parameters << std::setw(16) << total.multiply_adds
              << '\n';
}

} // namespace

void add_list(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("list", "All models: size, accuracy, latencies");
    auto family = std::make_shared<std::string>();
    add_family_option(*command, *family);
    command->add_flag("--json", common.json, "complete records as JSON");
    command->callback([family, &common] { list(*family, common); });
}

void add_show(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("show", "A model's layers");
    auto name = std::make_shared<std::string>();
    command->add_option("MODEL", *name, "a registry name or a spec file")->required();
    command->add_flag("--json", common.json, "as JSON");
    command->callback([name, &common] { show(*name, common); });
}

} // namespace gpunet::tool

// quantize: a network's weights in int8, by pictures that show what its feature maps hold.
#include "commands.hpp"
#include "progress.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/hub/image_folder.hpp>
#include <gpunet/image.hpp>
#include <gpunet/quantize.hpp>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

namespace gpunet::tool {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t pictures_compared = 16;

struct quantize_arguments {
    model_choice choice;
    std::string images, output, method = "mse";
    std::size_t samples = 64;
};

/// Evenly spread over all that the folder holds, however deep, in the order of their paths.
std::vector<fs::path> choose_pictures(const quantize_arguments& a) {
    std::error_code unreadable;
    if (!fs::is_directory(a.images, unreadable))
        throw io_error(a.images + ": expected a folder of pictures, found " +
                       (fs::exists(a.images, unreadable) ? "a file" : "nothing"));
    std::vector<labelled_picture> all;
    detail::for_each_entry(a.images, true, [&](const fs::directory_entry& entry) {
        if (detail::has_picture_name(entry.path())) all.push_back({entry.path(), 0});
    });
    if (all.empty()) throw io_error(a.images + ": expected pictures, found none");
    std::sort(all.begin(), all.end(), [](const auto& x, const auto& y) { return x.path.native() < y.path.native(); });
    std::vector<fs::path> chosen;
    for (const labelled_picture& p : thinned(all, a.samples)) chosen.push_back(p.path);
    return chosen;
}

quantize::pictures preprocessed(const std::vector<fs::path>& paths, const model& m) {
    return {paths.size(),
            [&paths, &m](std::size_t i, std::span<float> chw) { preprocess(read_image(paths[i]), m.input, chw); }};
}

std::string decibels_text(const quantize::power& p) {
    if (!std::isfinite(p.decibels())) return "exact";
    std::ostringstream out;
    out << std::fixed << std::setprecision(1) << p.decibels();
    return out.str();
}

detail::ordered_json decibels_json(const quantize::power& p) {
    return std::isfinite(p.decibels()) ? detail::ordered_json(p.decibels()) : detail::ordered_json();
}

/// The layer in the spec that each feature map belongs to.
std::map<std::string, std::int64_t> layers_of(const model& m) {
    std::map<std::string, std::int64_t> layers;
    for (const graph::block& b : lower(m.network).blocks)
        graph::for_each_operation(b, [&](const auto& op) { layers[op.weights] = b.layer; });
    return layers;
}

void print_text(const quantize_arguments& a, const model& m, std::size_t pictures, const quantize::comparison& c) {
    const auto layers = layers_of(m);
    std::size_t widest = 0;
    for (const quantize::map_quality& q : c.maps) widest = std::max(widest, q.name.size());
    const int width = static_cast<int>(widest) + 2;
    std::cout << "layer  " << std::left << std::setw(width) << "output of" << std::right << std::setw(12) << "scale"
              << std::setw(8) << "dB" << '\n';
    for (const quantize::map_quality& q : c.maps)
        std::cout << std::setw(5) << layers.at(q.name) << "  " << std::left << std::setw(width) << q.name << std::right
                  << std::setw(12) << std::setprecision(6) << q.scale << std::setw(8) << decibels_text(q.power) << '\n';
    std::cout << a.output << ": " << m.name << " in int8, scales by " << a.method << " of " << pictures
              << (pictures == 1 ? " picture" : " pictures") << "; against float32 on " << c.pictures << ": logits "
              << decibels_text(c.logits) << " dB, the same top-1 " << c.same_top1
              << (c.same_top1 == 1 ? " time\n" : " times\n");
}

detail::ordered_json summary_json(const quantize_arguments& a, const model& m, std::size_t pictures,
                                  const quantize::comparison& c) {
    const auto layers = layers_of(m);
    auto maps = detail::ordered_json::array();
    for (const quantize::map_quality& q : c.maps)
        maps.push_back({{"layer", layers.at(q.name)},
                        {"output_of", q.name},
                        {"scale", q.scale},
                        {"decibels", decibels_json(q.power)}});
    return {{"model", m.name},          {"output", a.output},     {"method", a.method},
            {"pictures", pictures},     {"compared", c.pictures}, {"logits_decibels", decibels_json(c.logits)},
            {"same_top1", c.same_top1}, {"maps", std::move(maps)}};
}

void run(const quantize_arguments& a, const options& common) {
    if (common.device != "auto" && common.device != "cpu")
        throw usage_error("--device: expected cpu, which quantization runs on, found \"" + common.device + "\"");
    if (!common.precision.empty() && detail::lower_case(common.precision) != "fp32")
        throw usage_error("--precision: expected fp32 or nothing, found \"" + common.precision + "\"");
    const registry known = open_registry();
    const model m = open_model(known, a.choice.name);
    const std::vector<fs::path> paths = choose_pictures(a);
    const tensor_store weights = open_weights(m, a.choice, common);
    const quantize::pictures pictures = preprocessed(paths, m);
    const cpu::backend device({.threads = common.threads});

    quantize::result made;
    quantize::comparison against;
    {
        progress_line line(m.name);
        const auto tell = [&](const char* what) {
            return [&line, what](std::size_t done, std::size_t total) {
                line.show(static_cast<double>(done) / static_cast<double>(total),
                          what + std::to_string(done) + " of " + std::to_string(total));
            };
        };
        quantize::options o;
        o.method = a.method == "max" ? quantize::method::max : quantize::method::mse;
        o.progress = tell("calibrating, picture ");
        made = quantize::post_training(m.network, weights, pictures, device, o);
        against = quantize::compare(m.network, weights, made.weights, pictures, pictures_compared, device,
                                    tell("comparing, picture "));
    }
    made.metadata["gpunet.model"] = known.lookup(a.choice.name) ? m.name : fs::path(m.name).stem().string();
    write_safetensors(a.output, made.weights, made.metadata);
    if (common.json) return print(summary_json(a, m, paths.size(), against));
    print_text(a, m, paths.size(), against);
}

} // namespace

void add_quantize(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("quantize", "A model's weights in int8, by pictures like those it will see");
    auto a = std::make_shared<quantize_arguments>();
    command->add_option("MODEL", a->choice.name, "a registry name or a spec file")->required();
    command->add_option("OUT", a->output, "OUT.safetensors")->required();
    add_weights_options(*command, a->choice, false);
    command->add_option("--images", a->images, "a folder of JPEG and PNG files, however deep they lie")->required();
    command
        ->add_option("--method", a->method,
                     "how scales are chosen: mse, the least squared error, or max, nothing is clipped")
        ->check(CLI::IsMember({"mse", "max"}));
    command->add_option("--samples", a->samples, "pictures to use, evenly spread over all; 64 by default")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20));
    command->add_flag("--json", common.json, "the summary as JSON");
    command->callback([a, &common] { run(*a, common); });
}

} // namespace gpunet::tool

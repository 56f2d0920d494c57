// eval: how good a model is on labelled pictures.
#include "commands.hpp"
#include "progress.hpp"

#include <gpunet/hub/evaluate.hpp>
#include <gpunet/image.hpp>

#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

namespace gpunet::tool {

namespace {

struct eval_arguments {
    std::string folder, classes;
    model_choice choice;
    std::int64_t batch = 8;
    std::size_t limit = 0; // 0: all
    bool per_class = false;
};

model model_to_evaluate(const eval_arguments& a) {
    const registry known = open_registry();
    if (!a.choice.name.empty()) return open_model(known, a.choice.name);
    const model* best = nullptr;
    for (const model& m : known)
        if (has_weights(m) && (!best || m.top1 > best->top1)) best = &m;
    if (!best) throw usage_error("--model: expected the name of a model, found none, and no model's weights at hand");
    return *best;
}

image_folder open_folder(const eval_arguments& a, const model& m) {
    std::vector<std::string> names;
    if (!a.classes.empty()) names = read_labels(a.classes);
    image_folder data = [&] {
        try {
            return list_image_folder(a.folder, m, std::move(names));
        } catch (const argument_error& e) { // only --classes can give a wrong one
            throw io_error(a.classes + ": " + e.what());
        }
    }();
    if (data.pictures.empty()) throw io_error(a.folder + ": expected pictures in the class folders, found none");
    if (data.passed_over > 0)
        warn(a.folder + ": " + std::to_string(data.passed_over) +
             (data.passed_over == 1 ? " file that is no picture by its name"
                                    : " files that are no pictures by their names") +
             " left out");
    if (a.limit > 0) data.pictures = thinned(data.pictures, a.limit);
    return data;
}

/// "29.69", or a dash where nothing was judged.
std::string percent_text(std::int64_t part, std::int64_t whole) {
    if (whole == 0) return "-";
    std::ostringstream out;
    out << std::fixed << std::setprecision(2) << evaluation::percent(part, whole);
    return out.str();
}

/// The same as JSON has it: null where nothing was judged.
detail::ordered_json percent_json(std::int64_t part, std::int64_t whole) {
    return whole == 0 ? detail::ordered_json() : detail::ordered_json(evaluation::percent(part, whole));
}

std::string folder_of(const image_folder& data, std::int64_t target) {
    for (const class_folder& f : data.folders)
        if (f.target == target) return f.name;
    return "";
}

void print_classes(const evaluation& e, const image_folder& data, const model& m) {
    std::cout << "class  folder            pictures    top-1    top-5  most often taken for\n";
    for (const class_score& c : e.classes) {
        std::cout << std::setw(5) << c.target << "  " << std::left << std::setw(16) << folder_of(data, c.target)
                  << std::right << std::setw(10) << c.count << std::setw(9) << percent_text(c.top1, c.count)
                  << std::setw(9) << percent_text(c.top5, c.count) << "  ";
        if (c.mistaken_for)
            std::cout << class_label(m, *c.mistaken_for) << " (" << *c.mistaken_for << "), " << c.mistaken
                      << (c.mistaken == 1 ? " time" : " times");
        else
            std::cout << '-';
        std::cout << '\n';
    }
}

detail::ordered_json classes_json(const evaluation& e, const image_folder& data, const model& m) {
    auto rows = detail::ordered_json::array();
    for (const class_score& c : e.classes) {
        detail::ordered_json row = {{"index", c.target},
                                    {"folder", folder_of(data, c.target)},
                                    {"label", class_label(m, c.target)},
                                    {"count", c.count},
                                    {"top1", percent_json(c.top1, c.count)},
                                    {"top5", percent_json(c.top5, c.count)},
                                    {"top1_count", c.top1},
                                    {"top5_count", c.top5}};
        if (c.mistaken_for)
            row["mistaken_for"] = {
                {"index", *c.mistaken_for}, {"label", class_label(m, *c.mistaken_for)}, {"count", c.mistaken}};
        rows.push_back(std::move(row));
    }
    return rows;
}

void eval(const eval_arguments& a, const options& o) {
    using clock = std::chrono::steady_clock;
    const device_choice device = choose_device(o); // before the work of reading
    const model m = model_to_evaluate(a);
    const image_folder data = open_folder(a, m);
    const any_network net = open_network(m, open_weights(m, a.choice, o), o);

    evaluation e;
    const clock::time_point start = clock::now();
    const auto seconds = [&] { return std::chrono::duration<double>(clock::now() - start).count(); };
    {
        progress_line line(m.name);
        evaluation_options with;
        with.batch = a.batch;
        with.threads = thread_count(o);
        with.progress = [&](const evaluation_progress& p) {
            const double rate = static_cast<double>(p.done) / seconds();
            std::ostringstream note;
            note << p.done << " of " << p.total << ", " << std::fixed << std::setprecision(1) << rate << " pictures/s, "
                 << seconds_text(static_cast<double>(p.total - p.done) / rate) << " left, top-1 "
                 << percent_text(p.top1, p.count) << " %";
            line.show(static_cast<double>(p.done) / static_cast<double>(p.total), note.str());
        };
        e = evaluate(
            net, m, data.pictures, [](const std::filesystem::path& path) { return read_image(path); }, with);
    }
    const double took = seconds();

    if (o.json) {
        auto failures = detail::ordered_json::array();
        for (const picture_failure& f : e.failures)
            failures.push_back({{"image", f.path.string()}, {"error", f.message}});
        print({{"model", m.name},
               {"folder", a.folder},
               {"naming", to_string(data.naming)},
               {"device", name_of(device)},
               {"engine", net.engine()},
               {"precision", device.precision},
               {"batch", a.batch},
               {"pictures", data.pictures.size()},
               {"count", e.count},
               {"top1", percent_json(e.top1, e.count)},
               {"top5", percent_json(e.top5, e.count)},
               {"top1_count", e.top1},
               {"top5_count", e.top5},
               {"seconds", took},
               {"classes", classes_json(e, data, m)},
               {"failures", std::move(failures)}});
    } else {
        std::cout << m.name << ": top-1 " << percent_text(e.top1, e.count) << " %, top-5 "
                  << percent_text(e.top5, e.count) << " % of " << e.count << " pictures\n"
                  << data.folders.size() << (data.folders.size() == 1 ? " folder" : " folders") << ", classes by "
                  << describe(data.naming) << "; " << name_of(device) << ", " << net.engine() << ", "
                  << device.precision << ", batch " << a.batch << std::fixed << std::setprecision(1) << ", "
                  << static_cast<double>(data.pictures.size()) / took << " pictures/s\n";
        if (a.per_class) print_classes(e, data, m);
    }
    std::cout.flush();
    for (const picture_failure& f : e.failures) std::cerr << "gpunet: " << f.message << '\n';
    if (!e.failures.empty()) {
        std::cerr << "gpunet: " << e.failures.size() << " of " << data.pictures.size() << " pictures were not judged\n";
        throw partial_failure();
    }
}

} // namespace

void add_eval(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("eval", "Top-1 and top-5 over a folder of class folders");
    auto a = std::make_shared<eval_arguments>();
    command
        ->add_option("DIR", a->folder,
                     "a folder for each class: called by WordNet ids of ImageNet, by numbers, or as --classes says")
        ->required();
    auto* name = command->add_option("--model", a->choice.name,
                                     "a registry name or a spec file; by default the best with weights at hand");
    add_weights_options(*command, a->choice, false)->needs(name); // a file fits one model
    command->add_option("--classes", a->classes, "a text file: the folders' names, one a line in the order of classes");
    command->add_option("--batch", a->batch, "pictures at once; 8 by default")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 16));
    command->add_option("--limit", a->limit, "judge only so many, evenly spread over all")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
    command->add_flag("--per-class", a->per_class, "a table of all classes as well");
    command->add_flag("--json", common.json, "as JSON");
    command->callback([a, &common] { eval(*a, common); });
}

} // namespace gpunet::tool

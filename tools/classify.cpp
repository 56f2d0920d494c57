// classify: what pictures show, by a model that is named or chosen by a budget.
#include "commands.hpp"

#include <gpunet/image.hpp>

#include <algorithm>
#include <iomanip>
#include <iostream>

namespace gpunet::tool {

namespace {

struct classify_arguments {
    std::vector<std::string> paths;
    model_choice choice;
    std::string budget;
    std::size_t top = 5;
};

bool may_fetch(const options& o) { return !o.offline && !offline_by_environment(); }

/// The best model within the budget of those whose weights are at hand or may be fetched; measures those whose speed
/// here is not known. Where the weights cannot be had after all, the best of those at hand.
model choose_within(registry& known, const classify_arguments& a, const options& o) {
    const device_choice device = choose_device(o);
    selection_query q = query_for(describe(device, o), parse_budget(a.budget));
    q.eligible = [fetch = may_fetch(o)](const model& m) { return has_weights(m) || (fetch && !m.weights.empty()); };
    measure_missing(known, q, device, o);
    const model& best = *known.select(q).model;
    if (has_weights(best)) return best;
    try {
        static_cast<void>(open_weights(best, a.choice, o));
        return best;
    } catch (const error& e) {
        if (std::none_of(known.begin(), known.end(), has_weights)) throw;
        warn(std::string(e.what()) + "; only models with weights at hand are considered");
    }
    q.eligible = has_weights;
    return *known.select(q).model;
}

/// The model that is named, or chosen by the budget, or the most accurate one with weights at hand; where there is
/// none, the first of the registry, to be fetched.
model choose(const classify_arguments& a, const options& o) {
    registry known = open_registry();
    if (!a.choice.name.empty()) return open_model(known, a.choice.name);
    if (!a.budget.empty()) static_cast<void>(parse_budget(a.budget)); // before the work
    const model* best = nullptr;
    for (const model& m : known)
        if (has_weights(m) && (!best || m.top1 > best->top1)) best = &m;
    if (!best && !may_fetch(o)) static_cast<void>(open_weights(*known.begin(), a.choice, o)); // says where they belong
    if (!a.budget.empty()) return choose_within(known, a, o);
    return best ? *best : *known.begin();
}

void classify_pictures(const classify_arguments& a, const options& o) {
    static_cast<void>(choose_device(o));
    const model m = choose(a, o);
    const any_network net = open_network(m, open_weights(m, a.choice, o), o);
    any_context c = net.make_context({.size = m.input.size});
    std::vector<float> input(static_cast<std::size_t>(element_count(c.input_shape())));
    auto results = detail::ordered_json::array();
    bool failed = false;
    for (const std::string& path : a.paths) {
        try {
            preprocess(read_image(path), m.input, input);
            const tensor<float> scores = c.run(input);
            const classification found(m, {scores.elements().begin(), scores.elements().end()});
            if (!o.json) std::cout << path << ": " << m.name << '\n' << std::fixed << std::setprecision(4);
            auto top = detail::ordered_json::array();
            for (const prediction& p : found.predictions(a.top)) {
                const std::string label = class_label(m, p.index);
                top.push_back({{"label", label}, {"index", p.index}, {"probability", p.probability}});
                if (!o.json) std::cout << "  " << p.probability << "  " << label << " (" << p.index << ")\n";
            }
            results.push_back({{"image", path}, {"model", m.name}, {"top", std::move(top)}});
        } catch (const error& e) {
            std::cerr << "gpunet: " << e.what() << '\n';
            failed = true;
        }
    }
    if (o.json) print(results);
    if (failed) throw partial_failure();
}

} // namespace

void add_classify(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("classify", "What pictures show");
    auto a = std::make_shared<classify_arguments>();
    command->add_option("PATH", a->paths, "JPEG or PNG files")->required();
    auto* name = command->add_option("--model", a->choice.name, "a registry name or a spec file");
    auto* budget = command->add_option("--budget", a->budget, "choose the best model that takes at most so long: 50ms");
    name->excludes(budget);
    add_weights_options(*command, a->choice, false)->needs(name); // a file fits one model
    command->add_option("--top", a->top, "how many classes")->check(CLI::Range(1, 100000));
    command->add_flag("--json", common.json, "as JSON");
    command->callback([a, &common] { classify_pictures(*a, common); });
}

} // namespace gpunet::tool

// select: the best model that meets conditions, and why.
#include "commands.hpp"
#include "gpu.hpp"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <set>

namespace gpunet::tool {

namespace {

struct select_arguments {
    std::string budget;
    std::string objective = "accuracy";
    std::string max_memory;
    std::optional<double> min_top1;
    std::optional<std::string> engine;
    std::int64_t batch = 1;
    bool measure = false;
    bool any_weights = false;
};

/// The question, and the device of this machine that it is about, if it is.
struct question {
    selection_query query;
    std::optional<device_choice> local;
};

/// The device of --device with its default precision.
question where(const options& o, const registry& known) {
    const std::string name = detail::lower_case(o.device);
    if (name == "auto" || name == "cpu" || name.starts_with("cuda")) {
        const device_choice local = choose_device(o);
        return {query_for(describe(local, o)), local};
    }
    if (o.device == cpu_name()) {
        options cpu = o;
        cpu.device = "cpu";
        return where(cpu, known);
    }
    question other;
    other.query.device = o.device;
    other.query.precision = o.precision.empty() ? "fp16" : detail::lower_case(o.precision);
    std::vector<std::string> devices;
    for (const model& m : known)
        for (const latency_record& r : m.latency) {
            if (same_device(r.device, o.device)) return other;
            if (std::find(devices.begin(), devices.end(), r.device) == devices.end()) devices.push_back(r.device);
        }
    std::string names;
    for (const std::string& d : devices) names += ", " + d;
    throw usage_error("--device: expected cpu, cuda[:N]" + names + ", found \"" + o.device + "\"");
}

question ask(const select_arguments& a, const options& o, const registry& known) {
    std::optional<milliseconds> budget;
    std::optional<std::int64_t> memory;
    const bool fastest = detail::lower_case(a.objective) == "latency";
    if (!a.budget.empty()) budget = parse_budget(a.budget);
    if (!budget && !fastest) throw usage_error("--budget is required, except with --objective latency");
    try {
        if (!a.max_memory.empty()) memory = parse_bytes(a.max_memory);
    } catch (const argument_error& e) {
        throw usage_error(std::string("--max-memory: ") + e.what());
    }
    question asked = where(o, known);
    selection_query& q = asked.query;
    q.budget = budget;
    q.max_memory = memory;
    q.objective = fastest ? objective::latency : objective::accuracy;
    q.min_top1 = a.min_top1;
    q.engine = a.engine;
    q.batch = a.batch;
    if (!a.any_weights) q.eligible = can_load;
    if (!a.measure) return asked;
    if (!asked.local) throw usage_error("--measure: expected a device of this machine, found \"" + o.device + "\"");
    const latency_record here = make_record(q.now, q.batch, {});
    if (q.engine && !detail::matches(here, q))
        throw usage_error("--measure: expected the engine that measures, " + here.engine + ", found \"" + *q.engine +
                          "\"");
    return asked;
}

void print_json(const selection& s) {
    detail::ordered_json out = {{"model", s.model->name},
                                {"latency_ms", s.record->latency.count()},
                                {"top1", s.model->top1},
                                {"record", detail::to_json(*s.record)}};
    if (s.published_choice) out["published_choice"] = s.published_choice->name;
    if (!s.explanation.empty()) out["explanation"] = s.explanation;
    out["considered"] = detail::ordered_json::array();
    for (const candidate& c : s.considered) {
        detail::ordered_json entry = {
            {"model", c.model->name}, {"top1", c.model->top1}, {"fits", c.fits}, {"reason", c.reason}};
        if (c.record) entry["latency_ms"] = c.record->latency.count();
        if (c.published) entry["published_ms"] = c.published->latency.count();
        if (c.memory) entry["memory_bytes"] = *c.memory;
        if (c.memory && c.model == s.model) out["memory_bytes"] = *c.memory;
        out["considered"].push_back(std::move(entry));
    }
    print(out);
}

void print_text(const registry& known, const selection& s, const selection_query& q) {
    const std::string limits = detail::limits_of(q);
    std::cout << s.model->name << '\n';
    if (q.objective == objective::latency)
        std::cout << detail::shown(s.record->latency) << ", the fastest" << (limits.empty() ? "" : " ") << limits;
    else
        std::cout << "top-1 " << s.model->top1 << " %, the best " << limits;
    std::cout << " on " << detail::conditions(q) << '\n';
    if (!s.explanation.empty()) std::cout << s.explanation << '\n';
    std::set<const model*> unknown;
    for (const candidate& c : s.considered) {
        if (!c.record) {
            unknown.insert(c.model);
            continue;
        }
        std::cout << "  " << (c.model == s.model ? '*' : ' ') << ' ' << std::left << std::setw(20) << c.model->name
                  << std::right << std::fixed << std::setprecision(1) << c.model->top1 << " %  " << c.reason;
        if (c.memory && c.fits) std::cout << ", needs " << detail::shown_bytes(*c.memory);
        std::cout << '\n';
    }
    if (!unknown.empty())
        std::cout << "no record: " << in_short(known, [&](const model& m) { return unknown.contains(&m); }) << '\n';
    std::cout << "source: " << s.record->source << ", " << s.record->date << '\n';
}

void select_model(const select_arguments& a, const options& o) {
    registry known = open_registry();
    const question asked = ask(a, o, known);
    if (a.measure) measure_missing(known, asked.query, *asked.local, o);
    const selection s = known.select(asked.query);
    o.json ? print_json(s) : print_text(known, s, asked.query);
}

} // namespace

void add_select(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("select", "The most accurate model within a latency budget");
    auto a = std::make_shared<select_arguments>();
    command->add_option("--budget", a->budget, "inclusive, with its unit: 0.65ms, 800us, 1s");
    command->add_option("--objective", a->objective, "accuracy, or latency: the fastest model that will do")
        ->check(CLI::IsMember({"accuracy", "latency"}, CLI::ignore_case));
    command->add_option("--min-top1", a->min_top1, "least accuracy, per cent")->check(CLI::Range(0.0, 100.0));
    command->add_option("--max-memory", a->max_memory, "for weights and activations, with its unit: 500MB, 0.5GiB");
    command->add_option("--engine", a->engine, "only records of this engine, e.g. TensorRT");
    command->add_option("--batch", a->batch, "pictures at once; the budget is for all of them")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
    command->add_flag("--any-weights", a->any_weights, "also models of which no weights are at hand or published");
    command->add_flag("--measure", a->measure, "first measure here, and keep, what has not been measured yet");
    command->add_flag("--json", common.json, "as JSON");
    command->callback([a, &common] { select_model(*a, common); });
}

} // namespace gpunet::tool

// report: a page about the models on this machine.
#include "commands.hpp"
#include "gpu.hpp"
#include "progress.hpp"

#include <gpunet/atomic_file.hpp>
#include <gpunet/cpu/backend.hpp>
#include <gpunet/hub/report.hpp>
#include <gpunet/version.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>

#include <sys/utsname.h>

namespace gpunet::tool {

namespace {

struct report_arguments {
    std::string output = "report.html";
    std::string title, budget;
    bool layers = false;
    std::string layered; // empty: the most accurate model measured
};

std::string today() {
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%d", &parts)};
}

/// A path for a page that others may read: without the user's name.
std::string without_home(const std::string& path) {
    const char* home = std::getenv("HOME");
    return home && *home && path.starts_with(std::string(home) + "/") ? "~" + path.substr(std::string(home).size())
                                                                      : path;
}

std::string counted_threads(int n) { return std::to_string(n) + (n == 1 ? " thread" : " threads"); }

std::vector<std::pair<std::string, std::string>> environment(const device& here, const options& o) {
    std::vector<std::pair<std::string, std::string>> rows;
    rows.emplace_back("Processor", cpu_name() + ", " + std::to_string(thread_count(o)) + " of " +
                                       counted_threads(cpu::all_cores()) + " used");
    rows.emplace_back("CPU engine", cpu::backend().name());
    for (int i = 0; i < gpu::count(); ++i) rows.emplace_back("GPU " + std::to_string(i), gpu::name(i));
    if (!gpu::why_not().empty()) rows.emplace_back("GPU engine", "none to be used: gpunet doctor says why");
    if (here.uuid || here.driver) {
        rows.emplace_back("GPU engine", here.engine.value_or("unknown"));
        if (here.driver) rows.emplace_back("Driver", *here.driver);
        if (here.uuid) rows.emplace_back("This page is of", here.name + ", " + *here.uuid);
    }
    ::utsname system{};
    if (::uname(&system) == 0)
        rows.emplace_back("System", std::string(system.sysname) + ' ' + system.release + ", " + system.machine);
    rows.emplace_back("Library", std::string("gpunet ") + version);
    rows.emplace_back("Measurements from", without_home(records_file().path().string()));
    return rows;
}

/// The model whose layers are asked for: by default the most accurate one measured on this device.
model layered_model(const std::string& name, const registry& known, const device& here) {
    if (!name.empty()) return open_model(known, name);
    const model* best = nullptr;
    for (const model& m : known)
        if (detail::measured_record(m, query_for(here)) && (!best || m.top1 > best->top1)) best = &m;
    if (!best)
        throw usage_error("--layers: expected the name of a model, for none is measured here: see gpunet bench --save");
    return *best;
}

layer_report time_layers(const model& m, const device_choice& d, const device& here, const options& o) {
    progress_line line("measuring the layers of " + m.name);
    line.show(-1, "");
    any_context c = open_measurable(m, d, o).net.make_context({.size = m.input.size});
    layer_report r;
    r.model = m.name;
    r.conditions = detail::report::short_name(here.name) + (here.engine ? ", " + *here.engine : "") + ", " +
                   d.precision + ", batch 1";
    if (!d.gpu) r.conditions += ", " + counted_threads(thread_count(o));
    r.layers = measure_layers(c);
    return r;
}

void report(const report_arguments& a, const options& o) {
    report_data data;
    if (!a.budget.empty()) data.budget = parse_budget(a.budget);
    const device_choice d = choose_device(o);
    data.here = describe(d, o);
    data.title = a.title;
    data.date = today();
    const registry known = open_registry();
    const bool to_file = a.output != "-";
    if (to_file) const atomic_file check(a.output); // before the work: whether it can be written
    if (a.layers) data.layers = time_layers(layered_model(a.layered, known, data.here), d, data.here, o);
    data.environment = environment(data.here, o);
    const std::string page = report_html(known.models(), data);
    if (!to_file) {
        std::cout << page;
        return;
    }
    atomic_file file(a.output);
    file.write(page);
    file.commit();
    std::cout << a.output << ": " << known.models().size() << " models\n";
}

} // namespace

void add_report(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("report", "A page about the models on this machine: latency against accuracy");
    auto a = std::make_shared<report_arguments>();
    command->add_option("-o,--output", a->output, "the HTML file; - for standard output")->capture_default_str();
    command->add_option("--title", a->title, "of the page");
    command->add_option("--budget", a->budget, "what the first sentence is about: 50ms; by default a round time");
    auto* layers =
        command
            ->add_option(
                "--layers", a->layered,
                "measure the time of each layer of this model; without a name, of the most accurate one measured")
            ->expected(0, 1);
    command->callback([a, layers, &common] {
        a->layers = layers->count() > 0;
        report(*a, common);
    });
}

} // namespace gpunet::tool

// bench: how long models take on this machine; and measuring what a budget needs to know.
#include "commands.hpp"
#include "gpu.hpp"
#include "progress.hpp"

#include <gpunet/cpu/this_device.hpp>
#include <gpunet/hub/layer_times.hpp>

#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>

namespace gpunet::tool {

namespace {

struct bench_arguments {
    std::vector<std::string> names;
    std::vector<std::int64_t> batches = {1};
    std::optional<std::int64_t> runs;
    std::string weights, family;
    bool all = false;
    bool layers = false;
    bool save = false;
};

/// What is measured on: the device and precision that the options say or imply, or all that they do not rule out.
std::vector<device_choice> targets(const options& o, bool all) {
    const device_choice one = choose_device(o);
    if (!all) return {one};
    const bool any_device = detail::lower_case(o.device) == "auto";
    std::vector<device_choice> found;
    for (int i = 0; i < (one.gpu ? gpu::count() : 0); ++i) {
        if (!any_device && one.gpu != i) continue;
        if (!o.precision.empty()) {
            found.push_back({i, one.precision});
            continue;
        }
        for (std::string& precision : gpu::precisions(i)) found.push_back({i, std::move(precision)});
    }
    if ((any_device || !one.gpu) && (o.precision.empty() || detail::lower_case(o.precision) == "fp32"))
        found.insert(found.begin(), {std::nullopt, "fp32"});
    return found;
}

/// Says on standard error that a measurement is not to be relied on.
void warn_if_noisy(const std::string& name, const latency_record& r) {
    if (!r.noisy) return;
    std::cerr << "gpunet: warning: " << name << ", " << r.precision << ", batch " << r.batch
              << ": a noisy measurement, spread " << std::lround(100.0 * r.spread->count() / r.latency.count())
              << " % of the median; let nothing else run, and repeat it\n";
}

detail::ordered_json to_json(const std::string& name, const latency_record& r) {
    detail::ordered_json entry = {{"model", name},
                                  {"device", r.device},
                                  {"engine", r.engine},
                                  {"precision", r.precision},
                                  {"batch", r.batch},
                                  {"runs", *r.runs},
                                  {"median_ms", r.latency.count()},
                                  {"p95_ms", r.p95->count()},
                                  {"p99_ms", r.p99->count()},
                                  {"spread_ms", r.spread->count()},
                                  {"noisy", r.noisy}};
    if (r.uuid) entry["uuid"] = *r.uuid;
    if (r.driver) entry["driver"] = *r.driver;
    if (r.threads) entry["threads"] = *r.threads;
    if (r.host) entry["host_median_ms"] = r.host->count();
    return entry;
}

void print_line(const std::string& name, const latency_record& r) {
    const int digits = r.threads ? 2 : 4; // a GPU takes microseconds
    std::cout << std::left << std::setw(20) << name << std::right << " batch " << std::setw(3) << r.batch << std::fixed
              << std::setprecision(digits) << "  median " << std::setw(9) << r.latency.count() << " ms  p95 "
              << std::setw(9) << r.p95->count() << "  p99 " << std::setw(9) << r.p99->count() << "  spread "
              << std::setw(9) << r.spread->count();
    if (r.host) std::cout << "  host to host " << std::setw(9) << r.host->count();
    std::cout << "  (" << r.engine << ", " << r.precision << ", ";
    if (r.threads) std::cout << *r.threads << (*r.threads == 1 ? " thread, " : " threads, ");
    std::cout << *r.runs << " runs" << (r.noisy ? ", noisy" : "") << ")\n";
}

detail::ordered_json layer_profile(const any_network& net, const context_options& shape) {
    any_context c = net.make_context(shape);
    auto profile = detail::ordered_json::array();
    for (const layer_time& l : measure_layers(c))
        profile.push_back({{"layer", l.layer},
                           {"kind", l.kind},
                           {"median_ms", l.median.count()},
                           {"multiply_adds", l.multiply_adds / shape.batch},
                           {"gflops", 2e-6 * static_cast<double>(l.multiply_adds) / l.median.count()}});
    return profile;
}

void print_profile(const detail::ordered_json& profile) {
    for (const auto& l : profile)
        std::cout << "    layer " << std::setw(3) << l["layer"].get<std::int64_t>() << "  " << std::left
                  << std::setw(11) << l["kind"].get<std::string>() << std::right << std::setprecision(3) << std::setw(9)
                  << l["median_ms"].get<double>() << " ms" << std::setprecision(1) << std::setw(9)
                  << l["gflops"].get<double>() << " GFLOP/s\n";
}

/// How far a run of many measurements is.
class measuring {
  public:
    explicit measuring(std::size_t count) : count_(count) {}

    template <class Measure>
    latency_record next(const std::string& what, Measure&& measure) {
        progress_line line("measuring " + what);
        std::string note = std::to_string(done_ + 1) + " of " + std::to_string(count_);
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
        const auto done = static_cast<double>(done_), count = static_cast<double>(count_);
        if (done_ > 0) note += ", about " + seconds_text(spent.count() / done * (count - done)) + " left";
        line.show(done / count, note);
        ++done_;
        return measure();
    }

  private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::size_t done_ = 0, count_;
};

void bench(const bench_arguments& a, const options& o) {
    const std::vector<device_choice> devices = targets(o, a.all || a.save);
    measure_options how;
    if (a.runs) {
        how.few_runs = how.min_runs = how.max_runs = *a.runs;
        how.max_warmup = milliseconds(0);
    }
    const registry known = open_registry();
    std::vector<model> models;
    for (const std::string& name : a.names) models.push_back(open_model(known, name));
    if (!a.weights.empty() && (models.size() != 1 || a.save))
        throw usage_error("--weights: expected one model, and not --save");
    if (models.empty()) models = models_of(known, a.family);
    if (a.save) {
        for (const model& m : models)
            if (!known.lookup(m.name)) throw usage_error("--save: expected models of the registry, found " + m.name);
        keep({}); // before the work: whether it can be kept
    }
    auto results = detail::ordered_json::array();
    bool failed = false;
    measuring progress(devices.size() * models.size() * a.batches.size());
    const auto measure_one = [&](const model& m, const measurable& opened, std::int64_t batch,
                                 const std::string& what) {
        const context_options shape = {.batch = batch, .size = m.input.size};
        const latency_record r = progress.next(what, [&] { return opened.measure(shape, how); });
        if (a.save) keep({{m.name, r}});
        warn_if_noisy(m.name, r);
        detail::ordered_json entry = to_json(m.name, r);
        if (!o.json) print_line(m.name, r);
        if (a.layers) {
            entry["layers"] = layer_profile(opened.net, shape);
            if (!o.json) print_profile(entry["layers"]);
        }
        std::cout.flush();
        results.push_back(std::move(entry));
    };
    for (const model& m : models)
        for (const device_choice& d : devices) {
            std::optional<measurable> opened;
            for (const std::int64_t batch : a.batches) {
                const std::string what = m.name + ", " + d.precision + ", batch " + std::to_string(batch);
                try {
                    if (!opened)
                        opened = a.weights.empty() ? open_measurable(m, d, o)
                                                   : open_measurable(m, d, o, read_weights(a.weights));
                    measure_one(m, *opened, batch, what);
                } catch (const io_error&) {
                    throw;                 // nothing can be kept
                } catch (const error& e) { // others may do
                    std::cerr << "gpunet: " << what << ": " << e.what() << '\n';
                    failed = true;
                }
                if (!opened) break;
            }
        }
    if (a.save && !results.empty()) std::cerr << "gpunet: kept in " << records_file().path().string() << '\n';
    if (o.json && (!results.empty() || !failed)) print(results);
    if (failed) throw partial_failure();
}

} // namespace

measurable open_measurable(const model& m, const device_choice& d, const options& o) {
    return open_measurable(m, d, o, synthetic_weights(lower(m.network)));
}

measurable open_measurable(const model& m, const device_choice& d, const options& o, const tensor_store& weights) {
    if (d.gpu) return gpu::open_measurable(m.network, weights, *d.gpu, d.precision, o);
    const network opened(m.network, weights, cpu::backend({.threads = o.threads}));
    const bool int8 = opened.device().has_int8() && is_quantized(lower(m.network), weights);
    return {opened, [opened, int8](const context_options& shape, const measure_options& how) {
                latency_record r = measure_network(opened, shape, how);
                if (int8) r.precision = "int8";
                return r;
            }};
}

void keep(const std::vector<model_record>& records) {
    std::optional<std::string> warning;
    records_file().add(records, warning);
    if (warning) warn(*warning);
}

void measure_missing(registry& known, const selection_query& q, const device_choice& d, const options& o) {
    bool kept = true;
    const auto measure = [&](const model& m, const selection_query& asked) {
        const latency_record r = open_measurable(m, d, o).measure({.batch = asked.batch, .size = m.input.size}, {});
        warn_if_noisy(m.name, r);
        try {
            if (kept) keep({{m.name, r}});
        } catch (const io_error& e) {
            warn(std::string("the measurement is not kept: ") + e.what());
            kept = false;
        }
        return r;
    };
    static_cast<void>(known.measure_missing(q, measure, [](const model& m, std::size_t done, std::size_t count) {
        std::cerr << "gpunet: measuring " << m.name << " on this machine, once";
        if (count > 1) std::cerr << " (" << done + 1 << " of " << count << ')';
        std::cerr << '\n';
    }));
}

void add_bench(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("bench", "How long models take on this machine");
    auto a = std::make_shared<bench_arguments>();
    auto* names =
        command->add_option("MODEL", a->names, "registry names or spec files; all of the registry by default");
    add_family_option(*command, a->family)->excludes(names);
    command->add_option("--batch", a->batches, "batch sizes, separated by commas")
        ->delimiter(',')
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 16));
    command->add_option("--weights", a->weights,
                        "of one model, to measure a quantized file; times do not depend on others");
    command->add_flag("--layers", a->layers, "the time of every layer as well");
    command->add_option("--runs", a->runs, "so many timed runs, with little warming up, for a rough idea")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
    command->add_flag("--all", a->all, "every device and precision that --device and --precision leave open");
    command->add_flag("--save", a->save, "keep the results, so that budgets mean this machine; implies --all");
    command->add_flag("--json", common.json, "as JSON");
    command->callback([a, &common] { bench(*a, common); });
}

} // namespace gpunet::tool

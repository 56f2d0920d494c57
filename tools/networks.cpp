// run, classify, bench: the commands that compute.
#include "commands.hpp"
#include "gpu.hpp"

#include <gpunet/cpu/backend.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/image.hpp>
#include <gpunet/npy.hpp>
#include <gpunet/version.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iomanip>
#include <iostream>
#include <map>
#include <utility>

#include <unistd.h>

namespace gpunet::tool {

namespace {

namespace fs = std::filesystem;

/// Files that are removed again unless all of them could be written.
class output_files {
  public:
    output_files() = default;
    output_files(const output_files&) = delete;
    output_files& operator=(const output_files&) = delete;
    ~output_files() {
        if (keep_) return;
        std::error_code ignored;
        for (const fs::path& p : new_) fs::remove(p, ignored);
        for (auto d = directories_.rbegin(); d != directories_.rend(); ++d) fs::remove(*d, ignored);
    }

    void directory(const fs::path& path) {
        std::error_code failed;
        if (fs::create_directory(path, failed)) directories_.push_back(path);
        if (failed || !fs::is_directory(path)) throw io_error(path.string() + ": cannot create this directory");
    }
    void npy(const fs::path& path, const tensor_view<const float>& values) {
        const bool existed = fs::exists(path);
        write_npy(path, values);
        if (!existed) new_.push_back(path);
    }
    void keep() noexcept { keep_ = true; }

  private:
    std::vector<fs::path> new_;
    std::vector<fs::path> directories_;
    bool keep_ = false;
};

struct run_arguments {
    model_choice choice;
    std::string input, output, features;
};

void run(const run_arguments& a, const options& o) {
    static_cast<void>(choose_device(o)); // before the work of reading
    const model m = open_model(open_registry(), a.choice.name);
    const tensor<float> input = read_npy(a.input);
    const std::int64_t channels = lower(m.network).input.channels;
    const shape& s = input.shape();
    if (s.size() != 4 || s[1] != channels || element_count(s) == 0)
        throw io_error(a.input + ": expected shape [N, " + std::to_string(channels) + ", H, W], found " + to_string(s));
    const any_network net = open_network(m, open_weights(m, a.choice), o);
    any_context c =
        net.make_context({.batch = s[0], .size = {s[2], s[3]}, .taps = a.features.empty() ? taps::none : taps::layers});
    const tensor<float> scores = c.run(input.elements());
    output_files files;
    if (!a.features.empty()) {
        files.directory(a.features);
        for (const feature_map& f : c.features())
            files.npy(fs::path(a.features) / (std::to_string(f.layer) + ".npy"), f.values);
    }
    files.npy(a.output, scores);
    files.keep();
}

struct classify_arguments {
    std::vector<std::string> paths;
    model_choice choice;
    std::string budget;
    std::size_t top = 5;
};

/// The best model within the budget of those with weights at hand; measures those whose speed here is not known.
model choose(const classify_arguments& a, const options& o) {
    registry known = open_registry();
    if (!a.choice.name.empty()) return open_model(known, a.choice.name);
    selection_query q;
    if (!a.budget.empty()) q.budget = parse_budget(a.budget);
    const model* best = nullptr;
    for (const model& m : known)
        if (has_weights(m) && (!best || m.top1 > best->top1)) best = &m;
    if (!best) static_cast<void>(load_weights(*known.begin())); // says where weights are looked for
    if (a.budget.empty()) return *best;
    const device_choice device = choose_device(o);
    q.device = name_of(device);
    q.precision = device.precision;
    if (!device.gpu) q.threads = thread_count(o);
    q.eligible = has_weights;
    std::vector<model_record> measured;
    for (const model& m : known) {
        if (!has_weights(m) || detail::record_that_counts(m, q)) continue;
        std::cerr << "gpunet: measuring " << m.name << " on this machine, once\n";
        for (model_record& r : bench_model(m, {1}, o)) measured.push_back(std::move(r));
    }
    for (const auto& [name, record] : measured) known.add_record(name, record);
    if (!measured.empty()) {
        try {
            std::optional<std::string> warning;
            records_file().add(measured, warning);
            if (warning) warn(*warning);
        } catch (const io_error& e) {
            warn(std::string("the measurement is not kept: ") + e.what());
        }
    }
    return *known.select(q).model;
}

void classify_pictures(const classify_arguments& a, const options& o) {
    static_cast<void>(choose_device(o));
    const model m = choose(a, o);
    const any_network net = open_network(m, open_weights(m, a.choice), o);
    any_context c = net.make_context({.size = m.input.size});
    std::vector<float> input(static_cast<std::size_t>(element_count(c.input_shape())));
    auto results = detail::json::array();
    bool failed = false;
    for (const std::string& path : a.paths) {
        try {
            preprocess(read_image(path), m.input, input);
            const tensor<float> scores = c.run(input);
            const classification found(m, {scores.elements().begin(), scores.elements().end()});
            if (!o.json) std::cout << path << ": " << m.name << '\n' << std::fixed << std::setprecision(4);
            auto top = detail::json::array();
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

std::string now_utc() {
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

struct bench_arguments {
    std::vector<std::string> names;
    std::vector<std::int64_t> batches = {1};
    bool layers = false;
    bool save = false;
};

/// Median time of every layer of a model, over as many runs as a second holds.
detail::json layer_profile(const model& m, std::int64_t batch, const options& o) {
    const any_network net = open_network(m, synthetic_weights(lower(m.network)), o);
    any_context c = net.make_context({.batch = batch, .size = m.input.size});
    std::vector<float> input(static_cast<std::size_t>(element_count(c.input_shape())));
    std::vector<float> scores(static_cast<std::size_t>(element_count(c.output_shape())));
    synthetic_input(input);
    const auto& blocks = c.graph().blocks;
    std::vector<std::vector<milliseconds>> times(blocks.size());
    std::vector<double> once(blocks.size());
    measure([&] {
        c.profile(input, scores, once);
        for (std::size_t i = 0; i < blocks.size(); ++i) times[i].push_back(milliseconds(once[i]));
    });
    auto profile = detail::json::array();
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        std::sort(times[i].begin(), times[i].end());
        const graph::counts k = graph::count(blocks[i]);
        const double ms = percentile(times[i], 0.5).count();
        profile.push_back({{"layer", blocks[i].layer},
                           {"kind", blocks[i].kind},
                           {"median_ms", ms},
                           {"multiply_adds", k.multiply_adds},
                           {"gflops", 2e-6 * static_cast<double>(k.multiply_adds * batch) / ms}});
    }
    return profile;
}

void print_profile(const detail::json& profile) {
    for (const auto& l : profile)
        std::cout << "    layer " << std::setw(3) << l["layer"].get<std::int64_t>() << "  " << std::left
                  << std::setw(11) << l["kind"].get<std::string>() << std::right << std::setprecision(3) << std::setw(9)
                  << l["median_ms"].get<double>() << " ms" << std::setprecision(1) << std::setw(9)
                  << l["gflops"].get<double>() << " GFLOP/s\n";
}

void bench(const bench_arguments& a, const options& o) {
    static_cast<void>(choose_device(o));
    const registry known = open_registry();
    std::vector<model> models;
    for (const std::string& name : a.names) models.push_back(open_model(known, name));
    if (models.empty()) models.assign(known.begin(), known.end());
    if (a.save)
        for (const model& m : models)
            if (!known.lookup(m.name)) throw usage_error("--save: expected models of the registry, found " + m.name);
    std::vector<model_record> records;
    auto results = detail::json::array();
    for (const model& m : models) {
        if (isatty(STDERR_FILENO)) std::cerr << "measuring " << m.name << "\r";
        for (model_record& r : bench_model(m, a.batches, o)) {
            const latency_record& l = r.second;
            detail::json entry = {{"model", m.name},
                                  {"device", l.device},
                                  {"engine", l.engine},
                                  {"precision", l.precision},
                                  {"batch", l.batch},
                                  {"runs", *l.runs},
                                  {"median_ms", l.latency.count()},
                                  {"p95_ms", l.p95->count()},
                                  {"p99_ms", l.p99->count()}};
            if (l.threads) entry["threads"] = *l.threads;
            if (l.host) entry["host_median_ms"] = l.host->count();
            if (a.layers) entry["layers"] = layer_profile(m, l.batch, o);
            if (!o.json) {
                const int digits = l.threads ? 2 : 4; // a GPU takes microseconds
                std::cout << std::left << std::setw(20) << m.name << std::right << " batch " << std::setw(3) << l.batch
                          << std::fixed << std::setprecision(digits) << "  median " << std::setw(9) << l.latency.count()
                          << " ms  p95 " << std::setw(9) << l.p95->count() << "  p99 " << std::setw(9)
                          << l.p99->count();
                if (l.host) std::cout << "  host to host " << std::setw(9) << l.host->count();
                std::cout << "  (" << l.engine << ", " << l.precision << ", ";
                if (l.threads) std::cout << *l.threads << (*l.threads == 1 ? " thread, " : " threads, ");
                std::cout << *l.runs << " runs)\n";
                if (a.layers) print_profile(entry["layers"]);
                std::cout.flush();
            }
            results.push_back(std::move(entry));
            records.push_back(std::move(r));
        }
    }
    if (a.save) {
        std::optional<std::string> warning;
        const records_file file;
        file.add(records, warning);
        if (warning) warn(*warning);
        std::cerr << "gpunet: kept in " << file.path().string() << '\n';
    }
    if (o.json) print(results);
}

std::vector<gpu::timing> bench_on_cpu(const model& m, const tensor_store& weights, const options& o,
                                      const std::vector<context_options>& shapes) {
    const any_network net = open_network(m, weights, o);
    std::vector<gpu::timing> timings;
    for (const context_options& shape : shapes) {
        any_context c = net.make_context(shape);
        std::vector<float> input(static_cast<std::size_t>(element_count(c.input_shape())));
        std::vector<float> scores(static_cast<std::size_t>(element_count(c.output_shape())));
        synthetic_input(input);
        const measurement t = measure([&] { c.run(input, scores); });
        timings.push_back({net.engine(), t, t});
    }
    return timings;
}

} // namespace

std::vector<model_record> bench_model(const model& m, const std::vector<std::int64_t>& batches, const options& o) {
    const device_choice device = choose_device(o);
    const tensor_store weights = synthetic_weights(lower(m.network));
    std::vector<context_options> shapes;
    for (const std::int64_t batch : batches) shapes.push_back({.batch = batch, .size = m.input.size});
    std::vector<gpu::timing> timings;
    if (device.gpu)
        timings = gpu::bench(m.network, weights, *device.gpu, device.precision, shapes, o);
    else
        timings = bench_on_cpu(m, weights, o, shapes);
    std::vector<model_record> records;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const measurement& t = timings[i].device;
        latency_record r;
        if (device.gpu)
            r.host = timings[i].host.median;
        else
            r.threads = thread_count(o);
        r.device = name_of(device);
        r.engine = timings[i].engine;
        r.precision = device.precision;
        r.batch = shapes[i].batch;
        r.latency = t.median;
        r.kind = latency_record::origin::measured;
        r.source = std::string("gpunet ") + version;
        r.date = now_utc();
        r.runs = t.runs;
        r.p95 = t.p95;
        r.p99 = t.p99;
        records.emplace_back(m.name, std::move(r));
    }
    return records;
}

namespace {

CLI::Option* add_weights_options(CLI::App& command, model_choice& choice, bool required) {
    auto* weights =
        command.add_option("--weights", choice.weights, "safetensors or PyTorch checkpoint, or \"synthetic\"");
    if (required) weights->required();
    command.add_option("--checkpoint-entry", choice.entry,
                       "which state_dict of a training checkpoint; by default the EMA weights, as timm chooses");
    return weights;
}

} // namespace

void add_run(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("run", "Scores of a batch of normalised pictures");
    auto a = std::make_shared<run_arguments>();
    command->add_option("MODEL", a->choice.name, "a registry name or a spec file")->required();
    add_weights_options(*command, a->choice, true);
    command->add_option("--input", a->input, "float32 N C H W, .npy")->required();
    command->add_option("--output", a->output, "float32 N x classes, .npy")->required();
    command->add_option("--features", a->features, "a directory for every layer's output, <layer>.npy");
    command->callback([a, &common] { run(*a, common); });
}

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

void add_bench(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("bench", "How long models take on this machine");
    auto a = std::make_shared<bench_arguments>();
    command->add_option("MODEL", a->names, "registry names or spec files; all of the registry by default");
    command->add_option("--batch", a->batches, "batch sizes, separated by commas")
        ->delimiter(',')
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 16));
    command->add_flag("--layers", a->layers, "the time of every layer as well");
    command->add_flag("--save", a->save, "keep the results, so that budgets mean this machine");
    command->add_flag("--json", common.json, "as JSON");
    command->callback([a, &common] { bench(*a, common); });
}

} // namespace gpunet::tool

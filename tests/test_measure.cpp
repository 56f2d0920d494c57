// Measuring by a clock that the test turns, and the memory that networks need.
#include "affordable.hpp"
#include "hub_support.hpp"

#include <gpunet/cpu.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace test_measure { // tests of a program are compiled together

using Catch::Contains;
using core_test::message_of;
using gpunet::measure_options;
using gpunet::measurement;
using gpunet::milliseconds;
using hub_test::measured;
using hub_test::model;
using hub_test::record;

namespace {

/// Runs that take what a script says, by a clock that only they advance.
class scripted {
  public:
    /// @param take  what run i takes, from 0, in milliseconds
    explicit scripted(std::function<double(int)> take) : take_(std::move(take)) {}

    measurement measure(const measure_options& o = {}) {
        return gpunet::measure([this] { now_ += take_(runs++); }, o, [this] { return milliseconds(now_); });
    }
    double now() const { return now_; }

    int runs = 0;

  private:
    std::function<double(int)> take_;
    double now_ = 1e6;
};

std::vector<milliseconds> times(const std::vector<double>& ms) {
    std::vector<milliseconds> all;
    for (const double t : ms) all.emplace_back(t);
    return all;
}

} // namespace

TEST_CASE("a percentile is the nearest rank") {
    std::vector<milliseconds> sorted;
    for (int i = 1; i <= 100; ++i) sorted.emplace_back(i);
    CHECK(gpunet::percentile(sorted, 0.5).count() == 50);
    CHECK(gpunet::percentile(sorted, 0.95).count() == 95);
    CHECK(gpunet::percentile(sorted, 0.99).count() == 99);
    CHECK(gpunet::percentile(sorted, 1.0).count() == 100);
    CHECK(gpunet::percentile(sorted, 0.0).count() == 1);
    sorted.resize(20);
    CHECK(gpunet::percentile(sorted, 0.5).count() == 10);
    CHECK(gpunet::percentile(sorted, 0.95).count() == 19);
    CHECK(gpunet::percentile(sorted, 0.99).count() == 20);
    CHECK(gpunet::percentile(times({3}), 0.5).count() == 3);
    CHECK(gpunet::percentile(times({3, 4, 9}), 0.5).count() == 4);
}

TEST_CASE("measuring warms up for the least time, then makes as many runs as the time allows") {
    scripted steady([](int) { return 2.0; });
    const measurement m = steady.measure();
    CHECK(m.steady);
    CHECK_FALSE(m.noisy);
    CHECK(m.warmup_runs == 100); // 200 ms
    CHECK(m.runs == 750);        // 1500 ms
    CHECK(steady.runs == 850);
    CHECK(m.median.count() == 2);
    CHECK(m.p99.count() == 2);
    CHECK(m.spread.count() == 0);
    CHECK(m.drift == 0);
    CHECK(m.outliers == 0);

    scripted quick([](int) { return 0.001; });
    CHECK(quick.measure().runs == 1000); // no more
    scripted slow([](int) { return 400.0; });
    const measurement few = slow.measure();
    CHECK(few.runs == 20); // no fewer
    CHECK(few.steady);
    CHECK(few.warmup_runs == 8); // 3 s, too short for a second window
    CHECK_FALSE(few.noisy);
    scripted slower([](int) { return 900.0; });
    CHECK(slower.measure().runs == 12); // 10 s
    scripted slowest([](int) { return 6000.0; });
    const measurement least = slowest.measure();
    CHECK(least.runs == 5); // no fewer
    CHECK(least.warmup_runs == 3);
    CHECK_FALSE(least.noisy);
    measure_options asked;
    asked.few_runs = asked.min_runs = asked.max_runs = 7;
    CHECK(scripted([](int) { return 6000.0; }).measure(asked).runs == 7); // as many as were asked for
    asked.min_runs = asked.max_runs = 2;
    CHECK(scripted([](int) { return 6000.0; }).measure(asked).runs == 2);
    scripted slowing([](int i) { return 400.0 + 4.0 * i; }); // which the drift betrays
    CHECK(slowing.measure().noisy);
}

TEST_CASE("warming up goes on until two windows agree") {
    // 40 runs that get faster by 5 % a window, then steady.
    scripted settling([](int i) { return i < 40 ? 100.0 * std::pow(0.95, i / 5) : 60.0; });
    measure_options o;
    o.max_warmup = milliseconds(1e6);
    const measurement m = settling.measure(o);
    CHECK(m.steady);
    CHECK(m.warmup_runs == 50);
    CHECK(m.median.count() == 60);
    CHECK_FALSE(m.noisy);

    o.steady = 0.06; // the first two windows are near enough
    scripted again([](int i) { return i < 40 ? 100.0 * std::pow(0.95, i / 5) : 60.0; });
    CHECK(again.measure(o).warmup_runs == 10);
}

TEST_CASE("what never gets steady is measured after the most time, and said to be noisy") {
    scripted restless([](int i) { return i / 5 % 2 ? 10.0 : 12.0; });
    const double start = restless.now();
    const measurement m = restless.measure();
    CHECK_FALSE(m.steady);
    CHECK(m.noisy);
    const double warm = static_cast<double>(m.warmup_runs) * 11;
    CHECK(warm >= 2990);
    CHECK(warm < 3025);
    CHECK(restless.now() - start < 3025 + 1525);

    measure_options none;
    none.max_warmup = milliseconds(0);
    none.duration = milliseconds(0);
    scripted impatient([](int) { return 1.0; });
    const measurement rough = impatient.measure(none);
    CHECK(rough.warmup_runs == none.min_warmup_runs);
    CHECK(rough.runs == none.min_runs);
    CHECK_FALSE(rough.noisy);
}

TEST_CASE("spread, outliers and drift are of the runs, and decide whether they are noisy") {
    std::vector<double> ms(100, 10.0);
    for (std::size_t i = 0; i < 100; i += 2) ms[i] = 10.5; // quartiles 10 and 10.5
    ms[50] = 100;
    ms[70] = 12.1; // beyond 10.5 + 3 * 0.5
    measurement m = gpunet::summarise(times(ms));
    CHECK(m.runs == 100);
    CHECK(m.median.count() == 10);
    CHECK(m.spread.count() == 0.5);
    CHECK(m.outliers == 2);
    CHECK(m.drift == Approx(0.0));
    CHECK_FALSE(m.noisy); // two slow runs move neither median nor spread

    for (std::size_t i = 0; i < 100; ++i) ms[i] = i % 2 ? 10.0 : 11.1; // a spread of 11 %
    m = gpunet::summarise(times(ms));
    CHECK(m.spread.count() == Approx(1.1));
    CHECK(m.outliers == 0);
    CHECK(m.noisy);
    measure_options lenient;
    lenient.max_spread = 0.2;
    CHECK_FALSE(gpunet::summarise(times(ms), lenient).noisy);

    for (std::size_t i = 0; i < 100; ++i) ms[i] = i < 50 ? 10.0 : 10.6; // slower and slower, by 6 %
    m = gpunet::summarise(times(ms));
    CHECK(m.drift == Approx(0.06));
    CHECK(m.spread.count() == Approx(0.6));
    CHECK(m.noisy);
    lenient.max_drift = 0.07;
    CHECK_FALSE(gpunet::summarise(times(ms), lenient).noisy);

    CHECK(gpunet::summarise(times({5})).median.count() == 5); // one run has no halves
    CHECK_FALSE(gpunet::summarise(times({0, 0, 0})).noisy);
}

TEST_CASE("the steady clock measures, too") {
    measure_options o;
    o.warmup = o.max_warmup = o.duration = milliseconds(0);
    int runs = 0;
    const measurement m = gpunet::measure([&] { ++runs; }, o);
    CHECK(runs == o.min_warmup_runs + o.min_runs);
    CHECK(m.runs == o.min_runs);
    CHECK(m.median <= m.p95);
    CHECK(m.p95 <= m.p99);
}

TEST_CASE("a network is measured on a backend as a record of it") {
    const auto net = gpunet::read_spec(test::checkpoints + "small0.json");
    const gpunet::cpu::backend one({.threads = 1});
    measure_options o;
    o.warmup = o.max_warmup = o.duration = milliseconds(0);
    const auto r = gpunet::measure_network(gpunet::network(net, gpunet::synthetic_weights(gpunet::lower(net)), one),
                                           {.batch = 2, .size = {64, 48}}, o);
    CHECK(r.device == gpunet::cpu_name());
    CHECK(r.engine == one.name());
    CHECK(r.precision == "fp32");
    CHECK(r.batch == 2);
    CHECK(r.kind == gpunet::latency_record::origin::measured);
    CHECK(r.source == std::string("gpunet ") + gpunet::version);
    CHECK(r.date.size() == std::string("2026-11-22T10:30:00Z").size());
    CHECK(r.threads == 1);
    CHECK(r.runs == o.min_runs);
    CHECK(r.latency.count() > 0);
    CHECK(r.spread);
    CHECK_FALSE(r.uuid);
    CHECK_FALSE(r.driver);
    CHECK_FALSE(r.host);
    CHECK(gpunet::cpu::this_device(1).threads == 1);
    CHECK(gpunet::cpu::this_device().threads == gpunet::cpu::all_cores());

    gpunet::registry own;
    gpunet::model m = model("small", 50, {});
    m.network = net;
    m.input.size = net.data.resolution;
    own.add(m);
    const auto q = gpunet::query_for(gpunet::cpu::this_device(1), milliseconds(60000));
    CHECK(own.measure_missing(q, gpunet::measure_on(one, o)).size() == 1);
    CHECK(own.select(q).model->name == "small");
    CHECK(own.measure_missing(q, gpunet::measure_on(one, o)).empty());
}

TEST_CASE("what a selection lacks is measured, and nothing else") {
    gpunet::registry own;
    own.add(model("published only", 80, {record("C", "E", "fp32", 1, 1)}));
    own.add(model("measured", 70, {measured(record("C", "E", "fp32", 1, 2))}));
    own.add(model("of another batch", 75, {measured(record("C", "E", "fp32", 8, 2))}));
    own.add(model("not accurate", 10, {}));
    own.add(model("not at hand", 90, {}));
    own.add(model("new", 60, {}));
    gpunet::selection_query q;
    q.device = "C";
    q.precision = "fp32";
    q.budget = milliseconds(5);
    q.min_top1 = 50;
    q.eligible = [](const gpunet::model& m) { return m.name != "not at hand"; };

    std::vector<std::string> asked, told;
    const auto measure = [&](const gpunet::model& m, const gpunet::selection_query& under) {
        CHECK(under.batch == q.batch);
        asked.push_back(m.name);
        return measured(record("C", "E", "fp32", under.batch, m.name == "published only" ? 9 : 3));
    };
    CHECK(own.select(q).model->name == "published only");
    const auto found = own.measure_missing(q, measure, [&](const auto& m, std::size_t done, std::size_t count) {
        told.push_back(m.name + " " + std::to_string(done) + "/" + std::to_string(count));
        CHECK(asked.size() == done); // before it is measured
    });
    CHECK(asked == std::vector<std::string>{"published only", "of another batch", "new"});
    CHECK(told == std::vector<std::string>{"published only 0/3", "of another batch 1/3", "new 2/3"});
    REQUIRE(found.size() == 3);
    CHECK(found[0].first == "published only");
    CHECK(found[0].second.latency.count() == 9);
    const auto s = own.select(q);
    CHECK(s.model->name == "of another batch"); // what was published takes 9 ms here
    CHECK(s.published_choice->name == "published only");
    CHECK(own.measure_missing(q, measure).empty());

    q.batch = 2;
    const auto failing = [&](const gpunet::model& m, const gpunet::selection_query& under) {
        if (m.name == "measured") throw gpunet::unsupported_error("measured: no");
        return measure(m, under);
    };
    CHECK_THROWS_AS(own.measure_missing(q, failing), gpunet::unsupported_error);
    CHECK(own.measure_missing(q, measure).size() == 3); // the one before it is there
    q.batch = 3;
    for (const auto& wrong : {measured(record("D", "E", "fp32", 3, 1)), measured(record("C", "E", "fp16", 3, 1)),
                              measured(record("C", "E", "fp32", 1, 1)), record("C", "E", "fp32", 3, 1)})
        CHECK_THAT(message_of<gpunet::argument_error>([&] {
                       static_cast<void>(own.measure_missing(q, [&](const auto&, const auto&) { return wrong; }));
                   }),
                   Contains("published only: expected a measurement for C, fp32, batch 3, found one for " +
                            wrong.device + ", " + wrong.precision));
}

TEST_CASE("an amount of memory is a positive number and its unit") {
    for (const auto& [text, bytes] : std::vector<std::pair<const char*, std::int64_t>>{{"1B", 1},
                                                                                       {"500MB", 500000000},
                                                                                       {"0.5GiB", 536870912},
                                                                                       {"1.5kB", 1500},
                                                                                       {"2KB", 2000},
                                                                                       {"1KiB", 1024},
                                                                                       {"64MiB", 67108864},
                                                                                       {"8GB", 8000000000},
                                                                                       {"1TB", 1000000000000},
                                                                                       {"1TiB", 1099511627776},
                                                                                       {".5kB", 500},
                                                                                       {"1e3MB", 1000000000}}) {
        INFO(text);
        CHECK(gpunet::parse_bytes(text) == bytes);
    }
    for (const std::string text :
         {"",    "1",  "MB",   "-1MB",  "0MB",    "0.1B",   "nanMB", "infGB", "1 MB", " 1MB",    "1MB ",
          "1mb", "1M", "1MBs", "1,5MB", "1e99GB", "1e-9MB", "+1MB",  "0x1MB", "GB1",  "1e400MB", "many"}) {
        INFO("amount \"" << text << "\"");
        CHECK_THAT(message_of<gpunet::argument_error>([&] { static_cast<void>(gpunet::parse_bytes(text)); }),
                   Contains("expected an amount of memory with its unit") && Contains("found \"" + text + "\""));
    }
}

TEST_CASE("the memory counted is the memory that contexts on the CPU take") {
    using plan = gpunet::execution_plan<gpunet::cpu::backend>;
    const gpunet::cpu::backend device({.threads = 2});
    for (const gpunet::model& m : gpunet::registry::builtin()) {
        if (!gpunet_test::affordable(m)) continue;
        const auto net = gpunet::lower(m.network);
        gpunet::constants zeros;
        std::int64_t weights = 0, larger = 0;
        for (const auto& b : net.blocks)
            gpunet::graph::for_each_operation(b, [&](const auto& op) {
                using operation = std::remove_cvref_t<decltype(op)>;
                auto& f = zeros[op.weights];
                if constexpr (std::is_same_v<operation, gpunet::graph::convolution>) {
                    const auto each = op.input.channels / op.groups * op.kernel * op.kernel;
                    f.weights.resize(static_cast<std::size_t>(op.output.channels * each));
                    f.bias.resize(static_cast<std::size_t>(op.output.channels));
                    if (gpunet::cpu::jit::suits_winograd(op)) // 36 positions, of 5x5 kernels in 4 phases
                        larger += op.output.channels * op.input.channels * (op.kernel == 3 ? 36 - 9 : 4 * 36 - 25);
                } else {
                    f.weights.resize(static_cast<std::size_t>(op.inputs * op.outputs));
                    f.bias.resize(static_cast<std::size_t>(op.has_bias() ? op.outputs : 0));
                }
                weights += static_cast<std::int64_t>(f.weights.size() + f.bias.size());
            });
        gpunet::cpu::packed packed;
        for (const std::int64_t batch : {1, 2}) {
            INFO(m.name << ", batch " << batch);
            const plan real(device, net, batch, gpunet::taps::none, zeros, packed, {});
            const auto need = gpunet::count_memory(net, batch, gpunet::memory_model::cpu());
            std::size_t workspace = 0; // the largest
            for (const auto& s : real.steps()) workspace = std::max(workspace, s.info.workspace);
            const double share = static_cast<double>(need.activations) / static_cast<double>(real.map().bytes);
            CHECK(static_cast<double>(need.activations) > 0.99 * static_cast<double>(real.map().bytes - workspace));
            CHECK(share < 1.25); // where oneDNN pads no channels
            CHECK(need.weights == 4 * (2 * weights + larger));
        }
        const auto full = gpunet::count_memory(net, 1, gpunet::memory_model::gpu("tf32"));
        const auto half = gpunet::count_memory(net, 1, gpunet::memory_model::gpu("fp16"));
        CHECK(full.weights == 4 * weights);
        CHECK(half.weights == 2 * weights);
        const auto input = 3 * net.input.size.height * net.input.size.width * 4; // float32 in any precision
        CHECK(half.activations - input <= (full.activations - input) / 2 + 4096);
        CHECK(gpunet::count_memory(net, 8, gpunet::memory_model::gpu("fp16")).activations ==
              Approx(8.0 * static_cast<double>(half.activations)).epsilon(0.01));
    }
}

} // namespace test_measure

// Budgets, devices, and which model is chosen.
#include "hub_support.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

using Catch::Contains;
using core_test::message_of;
using gpunet::milliseconds;
using gpunet::parse_duration;
using gpunet::same_device;
using gpunet::selection_query;
using hub_test::measured;
using hub_test::model;
using hub_test::record;

namespace {

selection_query query(const char* device, double budget_ms) {
    selection_query q;
    q.device = device;
    q.budget = milliseconds(budget_ms);
    return q;
}

std::string chosen(const std::vector<gpunet::model>& models, const selection_query& q) {
    return gpunet::select(models, q).model->name;
}

/// What a selection points into.
const gpunet::registry& hub() {
    static const gpunet::registry r = gpunet::registry::builtin();
    return r;
}

std::string chosen(const selection_query& q) { return hub().select(q).model->name; }

std::string refusal(const selection_query& q) {
    return message_of<gpunet::unsupported_error>([&] { static_cast<void>(hub().select(q)); });
}

} // namespace

TEST_CASE("a duration is a positive number and its unit") {
    CHECK(parse_duration("0.65ms").count() == 0.65);
    CHECK(parse_duration("1ms").count() == 1);
    for (int us = 1; us < 3000; ++us) { // exactly the published figures: budgets are inclusive
        CHECK(parse_duration(std::to_string(us) + "us").count() == us / 1000.0);
        CHECK(parse_duration(std::to_string(us) + "e0us").count() == Approx(us / 1000.0).epsilon(1e-15));
    }
    CHECK(parse_duration("0.00082s").count() == 0.82);
    CHECK(parse_duration("800\u00b5s").count() == Approx(0.8).epsilon(1e-15));
    CHECK(parse_duration("1s").count() == 1000);
    CHECK(parse_duration("1.5e-3s").count() == Approx(1.5).epsilon(1e-15));
    CHECK(parse_duration("2e2us").count() == Approx(0.2).epsilon(1e-15));
    CHECK(parse_duration(".5ms").count() == 0.5);
    CHECK(parse_duration("10s").count() == 10000);
}

TEST_CASE("nonsense is no duration, and the message quotes it") {
    for (const std::string text :
         {"1",     "ms",      "-1ms",   "0ms",  "-0ms", "1e400s", "1e-400s", "nan", "nanms", "inf",
          "infs",  "1 ms",    " 1ms",   "1ms ", "",     "1msx",   "1m",      "1h",  "+1ms",  "0x1ms",
          "1,5ms", "1.5.2ms", "1e10ms", "1MS",  "ms1",  "one ms", "s",       "1e",  "1ems",  "--1ms"}) {
        INFO("duration \"" << text << "\"");
        const std::string message =
            message_of<gpunet::argument_error>([&] { static_cast<void>(parse_duration(text)); });
        CHECK_THAT(message, Contains("expected a positive time with its unit") && Contains("found \"" + text + "\""));
    }
}

TEST_CASE("a device is known by any common spelling") {
    for (const char* name : {"V100", "v100", "NVIDIA V100", "nvidia-v100", "Tesla V100", "Tesla V100-SXM2-16GB",
                             "Tesla V100-PCIE-32GB", "gv100", "NVIDIA_V100", "GPU V100"}) {
        INFO(name);
        CHECK(same_device("NVIDIA V100", name));
        CHECK_FALSE(same_device("NVIDIA A100", name));
    }
    for (const char* name : {"A100", "a100", "NVIDIA A100-SXM4-40GB", "NVIDIA A100 80GB PCIe", "GA100"}) {
        INFO(name);
        CHECK(same_device("NVIDIA A100", name));
        CHECK_FALSE(same_device("NVIDIA V100", name));
    }
    for (const char* name : {"", "NVIDIA", "Tesla", "100", "A10", "A1000", "V10", "H100", "V", "GPU"}) {
        INFO(name);
        CHECK_FALSE(same_device("NVIDIA V100", name));
        CHECK_FALSE(same_device("NVIDIA A100", name));
    }
    const std::string cpu = "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz";
    CHECK(same_device(cpu, cpu));
    CHECK_FALSE(same_device(cpu, "Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz"));
    CHECK_FALSE(same_device(cpu, "Intel"));
    CHECK(same_device("NVIDIA", "NVIDIA")); // nothing but a maker means only itself
    CHECK_FALSE(same_device("NVIDIA", "NVIDIA V100"));
    CHECK(same_device(gpunet::cpu_name(), gpunet::this_device().name));
}

TEST_CASE("a budget is inclusive") {
    CHECK(chosen(query("V100", 2.17)) == "GPUNet-D2");
    CHECK(chosen(query("V100", std::nextafter(2.17, 0.0))) == "GPUNet-D1");
    CHECK(chosen(query("V100", parse_duration("630us").count())) == "GPUNet-P0");
    CHECK(chosen(query("V100", 0.63)) == "GPUNet-P0");
}

TEST_CASE("the published figures choose") {
    CHECK(chosen(query("V100", 0.82)) == "GPUNet-1");
    CHECK(chosen(query("V100", 1)) == "GPUNet-P1");
    CHECK(chosen(query("Tesla V100-SXM2-16GB", 1.7)) == "GPUNet-D1");
    CHECK(chosen(query("A100", 0.6)) == "GPUNet-1");
    CHECK(chosen(query("a100", 0.61)) == "GPUNet-P1");
    CHECK(chosen(query("A100", 1.4)) == "GPUNet-D2");
    const auto s = hub().select(query("A100", 0.6));
    CHECK(s.record->latency.count() == 0.59);
    CHECK(s.record->engine == "TensorRT 8");
    REQUIRE(s.considered.size() == 8);
    CHECK(s.considered[0].reason == "no record");
    CHECK(s.considered[1].reason == "0.46 ms (TensorRT 8, published)");
    CHECK(s.considered[1].fits);
    CHECK(s.considered[3].model->name == "GPUNet-2");
    CHECK(s.considered[3].reason == "1.25 ms (TensorRT 8, published), over the budget");
    CHECK_FALSE(s.considered[3].fits);
}

TEST_CASE("the fastest engine counts unless one is named") {
    selection_query q = query("V100", 2.5);
    CHECK(chosen(q) == "GPUNet-D2");
    for (const char* engine : {"PyTorch", "pytorch", "PYT"}) {
        q.engine = engine;
        CHECK(chosen(q) == "GPUNet-P1"); // 2.47 ms; GPUNet-P0 takes 2.11
    }
    q.engine = "tensorrt";
    CHECK(chosen(q) == "GPUNet-D2");
    q.engine = "TensorRT 8";
    CHECK(chosen(q) == "GPUNet-D2");
    q.engine = "ONNX Runtime";
    CHECK_THAT(refusal(q), Contains("no latency is known for V100, fp16, batch 1, engine ONNX Runtime") &&
                               Contains("gpunet bench --save"));
}

TEST_CASE("a batch has records of its own") {
    selection_query q = query("A100", 3);
    q.batch = 8;
    CHECK(chosen(q) == "GPUNet-2"); // 2.79 ms
    q.budget = milliseconds(2.78);
    CHECK(chosen(q) == "GPUNet-1");
    q.batch = 64;
    q.budget = milliseconds(5.13);
    CHECK(chosen(q) == "GPUNet-0"); // 5.12 ms, GPUNet-1 5.14
    q.batch = 3;
    CHECK_THAT(refusal(q), Contains("batch 3"));
    q = query("V100", 100);
    q.batch = 8;
    CHECK_THAT(refusal(q), Contains("no latency is known for V100, fp16, batch 8"));
}

TEST_CASE("a precision has records of its own") {
    selection_query q = query("V100", 100);
    q.precision = "fp32";
    CHECK_THAT(refusal(q), Contains("no latency is known for V100, fp32, batch 1"));
    const std::vector<gpunet::model> models = {
        model("a", 70, {record("X1", "E", "fp16", 1, 1), record("X1", "E", "fp32", 1, 4)})};
    q = query("x1", 4);
    q.precision = "fp32";
    CHECK(gpunet::select(models, q).record->latency.count() == 4);
    q.precision = "fp16";
    CHECK(gpunet::select(models, q).record->latency.count() == 1);
}

TEST_CASE("a least accuracy excludes") {
    selection_query q = query("V100", 1);
    q.min_top1 = 81.1; // inclusive
    CHECK(chosen(q) == "GPUNet-P1");
    q.min_top1 = 81.2;
    CHECK_THAT(refusal(q), Contains("no model within 1 ms and of top-1 81.2 % on V100, fp16, batch 1") &&
                               Contains("the nearest is GPUNet-D1 at 1.24 ms (TensorRT 8), top-1 82.5 %"));
    q.min_top1 = 99;
    CHECK_THAT(refusal(q), Contains("of top-1 99.0 %") && Contains("the nearest is GPUNet-D2 at 2.17 ms"));
}

TEST_CASE("what cannot be had is refused naming what came nearest") {
    CHECK_THAT(refusal(query("V100", 0.6)),
               Contains("no model within 0.6 ms on V100, fp16, batch 1") &&
                   Contains("the nearest is GPUNet-P0 at 0.63 ms (TensorRT 8), top-1 80.3 %"));
    CHECK_THAT(refusal(query("A100", 0.1)), Contains("the nearest is GPUNet-P0 at 0.45 ms"));
    CHECK_THAT(refusal(query("abacus", 100)),
               Contains("no latency is known for abacus") && Contains("name a device that has records"));
    CHECK_THAT(refusal(query("", 100)), Contains("no latency is known"));
    CHECK_THROWS_AS(gpunet::select({}, query("V100", 1)), gpunet::unsupported_error);
}

TEST_CASE("what was measured here comes before what was published") {
    std::vector<gpunet::model> models = {
        model("a", 70, {record("X1", "E", "fp16", 1, 1), measured(record("X1", "F", "fp16", 1, 3))}),
        model("b", 60, {record("X1", "E", "fp16", 1, 2)})};
    CHECK(chosen(models, query("X1", 3)) == "a");
    CHECK(chosen(models, query("X1", 2)) == "b"); // though a publication says a takes 1 ms
    CHECK(gpunet::select(models, query("X1", 3)).considered[0].reason == "3 ms (F, measured here)");
    std::swap(models[0].latency[0], models[0].latency[1]); // the order does not matter
    CHECK(chosen(models, query("X1", 2)) == "b");
    selection_query q = query("X1", 2);
    q.engine = "E";
    CHECK(chosen(models, q) == "a");
    models[0].latency.push_back(measured(record("X1", "G", "fp16", 1, 2.5)));
    CHECK(gpunet::select(models, query("X1", 3)).record->engine == "G"); // the fastest of those measured
}

TEST_CASE("threads tell measurements apart, and records without any fit all") {
    const std::vector<gpunet::model> models = {
        model("a", 70, {measured(record("C", "E", "fp32", 1, 9), 1), measured(record("C", "E", "fp32", 1, 3), 4)}),
        model("b", 60, {record("C", "E", "fp32", 1, 2)})};
    selection_query q = query("C", 9);
    q.precision = "fp32";
    CHECK(gpunet::select(models, q).record->threads == 4); // the fastest where nothing is asked
    q.threads = 1;
    CHECK(gpunet::select(models, q).record->threads == 1);
    q.budget = milliseconds(8);
    CHECK(chosen(models, q) == "b");
    q.budget = milliseconds(1);
    CHECK_THAT(message_of<gpunet::unsupported_error>([&] { static_cast<void>(gpunet::select(models, q)); }),
               Contains("C, fp32, batch 1, 1 thread: the nearest is b at 2 ms (E)"));
}

TEST_CASE("of equally accurate models the faster is chosen, then the first") {
    std::vector<gpunet::model> models = {model("slow", 70, {record("X1", "E", "fp16", 1, 3)}),
                                         model("fast", 70, {record("X1", "E", "fp16", 1, 2)}),
                                         model("as fast", 70, {record("X1", "E", "fp16", 1, 2)})};
    CHECK(chosen(models, query("X1", 3)) == "fast");
    std::swap(models[0], models[1]);
    CHECK(chosen(models, query("X1", 3)) == "fast");
}

TEST_CASE("models that are not eligible are passed over, and not named as the nearest") {
    selection_query q = query("V100", 3);
    q.eligible = [](const gpunet::model& m) { return m.name == "GPUNet-0" || m.name == "GPUNet-2"; };
    CHECK(chosen(q) == "GPUNet-2");
    const auto s = hub().select(q);
    CHECK(s.considered[5].reason == "2.17 ms (TensorRT 8, published), no weights at hand");
    q.eligible = [](const gpunet::model& m) { return m.name == "GPUNet-2"; };
    q.budget = milliseconds(1);
    CHECK_THAT(refusal(q), Contains("the nearest is GPUNet-2 at 1.68 ms"));

    const gpunet::device v100{"V100", "fp16"};
    CHECK(hub().most_accurate_within(milliseconds(1), v100).name == "GPUNet-P1");
    CHECK(hub()
              .most_accurate_within(milliseconds(1), v100, [](const gpunet::model& m) { return m.name == "GPUNet-0"; })
              .name == "GPUNet-0");
    CHECK_THROWS_AS(hub().most_accurate_within(milliseconds(0.1), v100), gpunet::unsupported_error);
}

TEST_CASE("a measurement joins the registry and replaces an older one of the same thing") {
    gpunet::registry own = hub();
    const std::size_t before = own.find("GPUNet-0").latency.size();
    own.add_record("GPUNet-0", measured(record("C", "E", "fp32", 1, 9), 2));
    own.add_record("GPUNet-0", measured(record("C", "E", "fp32", 1, 7), 2));
    own.add_record("GPUNet-0", measured(record("C", "E", "fp32", 1, 8), 1));
    own.add_record("no such model", measured(record("C", "E", "fp32", 1, 1), 1));
    CHECK(own.find("GPUNet-0").latency.size() == before + 2);
    selection_query q = query("C", 9);
    q.precision = "fp32";
    CHECK(own.select(q).record->latency.count() == 7);
}

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
    CHECK(gpunet::percentile({milliseconds(3)}, 0.5).count() == 3);
    CHECK(gpunet::percentile({milliseconds(3), milliseconds(4), milliseconds(9)}, 0.5).count() == 4);
}

TEST_CASE("measuring warms up, then times as many runs as it was told") {
    int runs = 0;
    gpunet::measure_options o;
    o.warmup = o.duration = milliseconds(0);
    const auto m = gpunet::measure([&] { ++runs; }, o);
    CHECK(runs == o.min_warmup_runs + o.min_runs);
    CHECK(m.runs == o.min_runs);
    CHECK(m.median <= m.p95);
    CHECK(m.p95 <= m.p99);
    o.duration = milliseconds(1e6);
    o.max_runs = 30;
    CHECK(gpunet::measure([] {}, o).runs == 30);
}

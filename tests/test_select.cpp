// Budgets, devices, and which model is chosen.
#include "hub_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace test_select { // tests of a program are compiled together

using Catch::Contains;
using core_test::message_of;
using gpunet::latency_record;
using gpunet::milliseconds;
using gpunet::parse_duration;
using gpunet::same_device;
using gpunet::selection_query;
using hub_test::hub;
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

std::string chosen(const selection_query& q) { return hub().select(q).model->name; }

/// What was said of one model. By value, for the selection may be a temporary.
gpunet::candidate considered(const gpunet::selection& s, const std::string& name) {
    const auto c = std::find_if(s.considered.begin(), s.considered.end(),
                                [&](const gpunet::candidate& x) { return x.model->name == name; });
    REQUIRE(c != s.considered.end());
    return *c;
}

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
    REQUIRE(s.considered.size() == hub().models().size());
    CHECK(considered(s, "EfficientNet-Lite0").reason == "no record");
    CHECK(considered(s, "GPUNet-0").reason == "0.46 ms (TensorRT 8, published)");
    CHECK(considered(s, "GPUNet-0").fits);
    CHECK(considered(s, "GPUNet-2").reason == "1.25 ms (TensorRT 8, published), over the budget");
    CHECK_FALSE(considered(s, "GPUNet-2").fits);
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
    CHECK(gpunet::select(models, query("X1", 3)).considered[0].reason ==
          "3 ms (F, measured here; published for this device: 1 ms, E)");
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
    CHECK(considered(s, "GPUNet-D2").reason == "2.17 ms (TensorRT 8, published), no weights at hand");
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

TEST_CASE("where the measured order is not the published one, the choice differs and is explained") {
    std::vector<gpunet::model> models = {model("a", 70, {record("X1", "T", "fp16", 1, 1)}),
                                         model("b", 80, {record("X1", "T", "fp16", 1, 2)})};
    const auto before = gpunet::select(models, query("X1", 2));
    CHECK(before.model->name == "b");
    CHECK(before.published_choice == before.model);
    CHECK(before.explanation == "");
    CHECK(before.considered[1].published == before.record);
    models[0].latency.push_back(measured(record("X1", "E 1", "fp16", 1, 1.9)));
    models[1].latency.push_back(measured(record("X1", "E 1", "fp16", 1, 2.5)));
    const auto after = gpunet::select(models, query("X1", 2));
    CHECK(after.model->name == "a");
    CHECK(after.published_choice->name == "b");
    CHECK(after.explanation == "by the published figures it would be b, 2 ms (T); measured here it takes 2.5 ms");
    CHECK(after.considered[0].reason == "1.9 ms (E 1, measured here; published for this device: 1 ms, T)");
    CHECK(after.considered[1].reason ==
          "2.5 ms (E 1, measured here; published for this device: 2 ms, T), over the budget");
    CHECK(after.considered[1].published->latency.count() == 2);

    models[1].latency.pop_back(); // a measurement for one of them only
    models[0].latency.back().latency = milliseconds(2.1);
    const auto mixed = gpunet::select(models, query("X1", 2));
    CHECK(mixed.model->name == "b");
    CHECK(mixed.explanation == "");
    models[1].latency.clear();
    models[1].latency.push_back(measured(record("X1", "E 1", "fp16", 1, 0.5)));
    models[0].latency.pop_back();
    CHECK(gpunet::select(models, query("X1", 2)).explanation ==
          "by the published figures it would be a, 1 ms (T)"); // which is not measured here
}

TEST_CASE("of measurements of one engine the newest counts, and one of now before any") {
    const auto at = [](const char* engine, const char* date, double ms) {
        latency_record r = measured(record("C", engine, "fp32", 1, ms), 4);
        r.date = date;
        return r;
    };
    std::vector<gpunet::model> models = {model(
        "a", 70,
        {at("oneDNN 2.6.3", "2026-01-02", 3), at("oneDNN 2.7", "2026-01-03", 5), at("oneDNN 2.6.3", "2026-01-01", 1)})};
    selection_query q = query("C", 10);
    q.precision = "fp32";
    q.threads = 4;
    const auto chosen_ms = [&] { return gpunet::select(models, q).record->latency.count(); };
    const auto reason = [&] { return gpunet::select(models, q).considered[0].reason; };
    CHECK(chosen_ms() == 5); // though the others were faster
    CHECK(reason() == "5 ms (oneDNN 2.7, measured here)");
    q.now = {"C", "fp32", "oneDNN 2.6.3"};
    CHECK(chosen_ms() == 3);
    CHECK(reason() == "3 ms (oneDNN 2.6.3, measured here)");
    q.now.engine = "oneDNN 3.0"; // no record is of now: the newest, saying so
    CHECK(chosen_ms() == 5);
    CHECK(reason() == "5 ms (oneDNN 2.7, measured here; now oneDNN 3.0)");
    q.now.engine = "cuDNN 9.19.0"; // is no later version of oneDNN
    CHECK(reason() == "5 ms (oneDNN 2.7, measured here)");

    models[0].latency.push_back(at("Other 1", "2025", 4)); // another engine is an alternative: the faster counts
    CHECK(chosen_ms() == 4);
    q.now.engine = "Other 2";
    CHECK(chosen_ms() == 5); // but not one that is out of date

    models[0].latency = {at("oneDNN 2.7", "2026", 2)};
    models[0].latency[0].noisy = true;
    models[0].latency[0].source = "gpunet 0.0.1";
    q.now.engine = "oneDNN 2.7";
    CHECK(reason() == std::string("2 ms (oneDNN 2.7, measured here, noisy; now gpunet ") + gpunet::version + ")");
}

TEST_CASE("a measurement with another driver, or on another GPU of the same name, gives way and says so") {
    const auto on = [](const char* uuid, const char* driver, double ms) {
        latency_record r = measured(record("NVIDIA X1", "cuDNN 9.19.0", "fp16", 1, ms));
        r.uuid = uuid;
        r.driver = driver;
        return r;
    };
    std::vector<gpunet::model> models = {model("a", 70, {on("GPU-1", "570.1", 1), on("GPU-2", "580.2", 2)})};
    const gpunet::device first = {"NVIDIA X1", "fp16", "cuDNN 9.19.0", {}, "GPU-1", "570.1"};
    gpunet::device now = first;
    const auto reason = [&] {
        return gpunet::select(models, gpunet::query_for(now, milliseconds(5))).considered[0].reason;
    };
    CHECK(reason() == "1 ms (cuDNN 9.19.0, measured here)");
    now.uuid = "GPU-2";
    now.driver = "580.2";
    CHECK(reason() == "2 ms (cuDNN 9.19.0, measured here)");
    now.uuid = "GPU-3";
    CHECK(reason() == "1 ms (cuDNN 9.19.0, measured here; now driver 580.2, another GPU of that name)");
    now = first;
    now.driver = "590.3";
    CHECK(reason() == "1 ms (cuDNN 9.19.0, measured here; now driver 590.3)");
    now.engine = "cuDNN 9.20.0";
    CHECK(reason() == "1 ms (cuDNN 9.19.0, measured here; now cuDNN 9.20.0, driver 590.3)");
    models[0].latency[0].uuid.reset(); // of an older file: nothing is known to have changed
    models[0].latency[0].driver.reset();
    now.engine = "cuDNN 9.19.0";
    CHECK(reason() == "1 ms (cuDNN 9.19.0, measured here)");
    selection_query q = gpunet::query_for(now, milliseconds(5));
    CHECK(q.device == now.name);
    CHECK(q.precision == "fp16");
    CHECK(gpunet::query_for(gpunet::this_device()).device == gpunet::cpu_name());
}

TEST_CASE("the objective latency chooses the fastest model that will do") {
    selection_query q;
    q.device = "V100";
    q.objective = gpunet::objective::latency;
    CHECK(chosen(q) == "GPUNet-P0"); // as fast as GPUNet-0 and more accurate
    q.min_top1 = 82;
    CHECK(chosen(q) == "GPUNet-D1");
    CHECK(hub().select(q).published_choice->name == "GPUNet-D1");
    q.min_top1 = 82.6;
    CHECK(chosen(q) == "GPUNet-D2");
    q.budget = milliseconds(2);
    CHECK_THAT(refusal(q), Contains("no model within 2 ms and of top-1 82.6 % on V100") &&
                               Contains("the nearest is GPUNet-D2 at 2.17 ms"));
    q.min_top1 = 99;
    q.budget.reset();
    CHECK_THAT(refusal(q), Contains("no model of top-1 99.0 % on V100"));
    q = query("V100", 1);
    q.budget.reset(); // the most accurate, whatever it takes
    CHECK(chosen(q) == "GPUNet-D2");
}

TEST_CASE("a model may need no more memory than asked") {
    selection_query q = query("V100", 5);
    q.max_memory = std::int64_t{1} << 40;
    const auto all = hub().select(q);
    CHECK(all.model->name == "GPUNet-D2");
    CHECK_FALSE(considered(all, "EfficientNet-Lite0").memory); // no record
    std::int64_t d2 = 0, least = *q.max_memory;
    for (const auto& c : all.considered) {
        if (!c.record) continue;
        REQUIRE(c.memory);
        const auto net = gpunet::lower(c.model->network);
        CHECK(*c.memory == gpunet::count_memory(net, 1, gpunet::memory_model::gpu("fp16")).total());
        if (c.model == all.model) d2 = *c.memory;
        least = std::min(least, *c.memory);
    }
    q.max_memory = d2; // inclusive
    CHECK(chosen(q) == "GPUNet-D2");
    q.max_memory = d2 - 1;
    const auto smaller = hub().select(q);
    CHECK(smaller.model->name == "GPUNet-D1");
    CHECK_THAT(considered(smaller, "GPUNet-D2").reason, Contains(", needs ") && Contains(" MB, more than asked"));
    q.max_memory = least - 1;
    CHECK_THAT(refusal(q), Contains("no model within 5 ms and in ") && Contains("the nearest is ") && Contains(" MB"));

    // On a CPU: float32, with the second copy of the weights.
    gpunet::registry own = hub();
    own.add_record("GPUNet-0", measured(record("C", "oneDNN 2.6.3", "fp32", 4, 9), 2));
    selection_query cpu = query("C", 10);
    cpu.precision = "fp32";
    cpu.batch = 4;
    cpu.max_memory = std::int64_t{1} << 40;
    CHECK(considered(own.select(cpu), "GPUNet-0").memory ==
          gpunet::count_memory(gpunet::lower(own.find("GPUNet-0").network), 4, gpunet::memory_model::cpu()).total());
}

TEST_CASE("whether a model is eligible is asked once") {
    int asked = 0;
    selection_query q = query("V100", 3);
    q.eligible = [&](const gpunet::model&) { return ++asked, true; };
    static_cast<void>(hub().select(q));
    CHECK(asked == 7); // of the models with records
    q.eligible = [](const gpunet::model&) { return false; };
    CHECK_THAT(refusal(q), Contains("no model with weights at hand has a known latency for V100, fp16, batch 1"));
}

} // namespace test_select

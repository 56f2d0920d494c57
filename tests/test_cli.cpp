// The gpunet program as scripts see it: what it prints, where, with which status, and what it leaves behind.
#include "cli_support.hpp"
#include "core_support.hpp"
#include "weights_support.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>
#include <gpunet/image.hpp>
#include <gpunet/npy.hpp>
#include <gpunet/weights/read.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace test_cli { // tests of a program are compiled together

using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;
using core_test::relative_l2;
using namespace cli_test;
using json = nlohmann::ordered_json;

namespace fs = std::filesystem;

namespace {

const std::string spec_small = test::checkpoints + "small0.json";
const std::string specs = core_test::data_folder + "/nvidia-specs/";
const std::string images = core_test::data_folder + "/images/";

/// Standard error without what a busy machine makes the program say of its measurements.
std::string without_noise(const std::string& err) {
    std::string kept;
    for (std::size_t from = 0; from < err.size();) {
        const std::size_t end = std::min(err.find('\n', from), err.size() - 1) + 1;
        const std::string line = err.substr(from, end - from);
        if (line.find(": a noisy measurement, ") == std::string::npos) kept += line;
        from = end;
    }
    return kept;
}

/// Standard output, of a run that must succeed without another word on standard error than `warning`.
std::string output_of(const workplace& w, const std::vector<std::string>& arguments, const std::string& warning = "") {
    INFO(joined(arguments));
    const outcome r = w.run(arguments);
    CHECK(r.err == warning);
    REQUIRE(r.status == 0);
    return r.out;
}

json json_of(const workplace& w, const std::vector<std::string>& arguments) {
    return json::parse(output_of(w, arguments));
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::vector<std::string> keys(const json& object) {
    std::vector<std::string> names;
    for (const auto& item : object.items()) names.push_back(item.key());
    return names;
}

bool has_keys(const json& object, const std::vector<std::string>& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& key) { return object.contains(key); });
}

void write_input(const fs::path& path, const gpunet::shape& s) {
    gpunet::tensor<float> t(s);
    gpunet::synthetic_input(t.elements());
    gpunet::write_npy(path, t);
}

/// What is said of small D's spec, which has the slip of NVIDIA's 2.25ms-D.
std::string unknown_key(const std::string& spec) {
    return spec == test::checkpoints + "smallD.json"
               ? "gpunet: warning: " + spec + ": layer 10: unknown key \"stage:\" ignored\n"
               : "";
}

/// One layer's output against the reference's statistics of it.
void check_layer(const gpunet::tensor<float>& found, const nlohmann::json& golden) {
    REQUIRE(found.shape() == golden["shape"].get<gpunet::shape>());
    const auto v = found.elements();
    double sum = 0, squares = 0;
    for (const float x : v) {
        sum += double{x};
        squares += double{x} * double{x};
    }
    const double scale = golden["std"].get<double>(), mean = sum / static_cast<double>(v.size());
    CHECK(std::fabs(mean - golden["mean"].get<double>()) < 1e-4 * scale);
    CHECK(std::fabs(std::sqrt(squares) / golden["l2"].get<double>() - 1) < 1e-4);
    for (std::size_t i = 0; i < 8; ++i) {
        CHECK(std::fabs(double{v[i]} - golden["first8"][i].get<double>()) < 1e-4 * golden["max_abs"].get<double>());
        CHECK(std::fabs(double{v[v.size() - 8 + i]} - golden["last8"][i].get<double>()) <
              1e-4 * golden["max_abs"].get<double>());
    }
}

void check_golden(const std::string& model, const std::string& file) {
    const workplace w;
    const auto golden = core_test::read_json("goldens/" + file + ".json");
    const auto side = golden["resolution"].get<std::int64_t>();
    write_input(w / "x.npy", {golden["batch"].get<std::int64_t>(), 3, side, side});
    CHECK(output_of(w, {"run", model, "--weights", "synthetic", "--input", "x.npy", "--output", "y.npy", "--features",
                        "layers"}) == "");
    const auto scores = gpunet::read_npy(w / "y.npy");
    CHECK(scores.shape() == golden["logits_shape"].get<gpunet::shape>());
    CHECK(relative_l2(scores.elements(), golden["logits"].get<std::vector<float>>()) < 1e-5);
    const auto& layers = golden["modules"];
    for (std::size_t i = 0; i < layers.size(); ++i) {
        INFO("layer " << i + 2 << ", " << layers[i]["name"]); // 1 is the data entry
        check_layer(gpunet::read_npy(w / "layers" / (std::to_string(i + 2) + ".npy")), layers[i]);
    }
    CHECK(std::distance(fs::directory_iterator(w / "layers"), {}) == static_cast<std::ptrdiff_t>(layers.size()));
    CHECK(w.content() == std::vector<std::string>{"layers", "x.npy", "y.npy"});
}

/// EfficientNet-Lite0's synthetic weights in the place's weights directory.
void give_weights(const workplace& w) {
    gpunet::write_safetensors(w.weights() / "lite0.safetensors",
                              gpunet::synthetic_weights(gpunet::lower(gpunet::registry::builtin().find("lite0"))));
}

std::vector<gpunet::prediction> predictions(const gpunet::network<gpunet::cpu::backend>& net,
                                            const gpunet::preprocessing& settings, const std::string& path) {
    const auto scores = net(gpunet::preprocess(gpunet::read_image(path), settings));
    return gpunet::top_k(scores.elements(), 1000);
}

} // namespace

TEST_CASE("version and help are results") {
    const workplace w;
    CHECK_THAT(output_of(w, {"--version"}), StartsWith("gpunet "));
    const std::string help = output_of(w, {"--help"});
    for (const char* command : {"list", "show", "select", "classify", "run", "bench", "convert", "export", "doctor"}) {
        CHECK_THAT(help, Contains(command));
        CHECK_THAT(output_of(w, {command, "--help"}), Contains("Usage: "));
    }
}

TEST_CASE("list shows every model, and complete records as JSON") {
    const workplace w;
    const std::string text = output_of(w, {"list"});
    const json all = json_of(w, {"list", "--json"});
    REQUIRE(all.is_array());
    const auto hub = gpunet::registry::builtin();
    REQUIRE(all.size() == hub.models().size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const gpunet::model& m = hub.models()[i];
        CHECK_THAT(text, Contains("\n" + m.name + " "));
        CHECK(has_keys(all[i], {"name", "aliases", "parameters", "multiply_adds", "input", "top1", "latency", "weights",
                                "licence", "labels"}));
        CHECK(all[i]["name"] == m.name);
        CHECK(all[i]["parameters"] == m.parameters);
        CHECK(all[i]["multiply_adds"] == m.multiply_adds);
        CHECK(all[i]["top1"] == m.top1);
        CHECK(all[i]["input"]["height"] == m.input.size.height);
        CHECK(all[i]["latency"].is_array());
        for (const auto& r : all[i]["latency"])
            CHECK(has_keys(r, {"device", "engine", "precision", "batch", "latency_ms", "kind", "source", "date"}));
    }
    CHECK_THAT(text, Contains("0.63") && Contains("0.46") && Contains("83.6"));
    CHECK(w.content().empty());
}

TEST_CASE("list keeps families together, each from small to large, and says where weights are") {
    const workplace w;
    give_weights(w);
    const auto hub = gpunet::registry::builtin();
    const std::string text = output_of(w, {"list"});
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line); // the heading
    CHECK_THAT(line, EndsWith("weights"));
    std::vector<std::string> families = {""};
    std::int64_t before = 0;
    std::size_t models = 0;
    while (std::getline(lines, line) && !line.starts_with("V100, ")) {
        if (line.empty()) {
            families.emplace_back();
            before = 0;
            continue;
        }
        INFO(line);
        ++models;
        const gpunet::model& m = hub.find(line.substr(0, line.find(' ')));
        if (families.back().empty()) {
            CHECK(std::count(families.begin(), families.end(), m.family) == 0);
            families.back() = m.family;
        }
        CHECK(m.family == families.back());
        CHECK(m.multiply_adds > before);
        before = m.multiply_adds;
        CHECK_THAT(line, EndsWith(m.name == "EfficientNet-Lite0" ? " here" : m.weights.empty() ? " -" : " yes"));
    }
    CHECK(models == hub.models().size());
    CHECK(families.size() == 7);

    const auto names = [&](const char* family) {
        std::vector<std::string> found;
        for (const json& m : json_of(w, {"list", "--json", "--family", family})) found.push_back(m["name"]);
        return found;
    };
    CHECK(names("fbnetv3") == std::vector<std::string>{"FBNetV3-B", "FBNetV3-D", "FBNetV3-G"});
    CHECK(names("EfficientNet_V2") ==
          std::vector<std::string>{"EfficientNetV2-B0", "EfficientNetV2-S", "EfficientNetV2-M", "EfficientNetV2-L"});
    CHECK(names("mobilenet").size() == 3);
    CHECK(names("efficientnet").size() == 8); // its own name, not the beginning of others
    CHECK_THAT(output_of(w, {"list", "--family", "mobilenetv4"}),
               Contains("\nMobileNetV4-Conv-L ") && !Contains("GPUNet-0 "));
    check_refused(w.run({"list", "--family", "resnet"}), 2,
                  Contains("--family: expected one of EfficientNet, ") && Contains("found \"resnet\""));
}

TEST_CASE("show lists a model's layers") {
    const workplace w;
    for (const gpunet::model& m : gpunet::registry::builtin()) {
        INFO(m.name);
        const json shown = json_of(w, {"show", m.name, "--json"});
        CHECK(shown["name"] == m.name);
        CHECK(shown["input"] == json{3, m.input.size.height, m.input.size.width});
        CHECK(shown["classes"] == 1000);
        REQUIRE(shown["layers"].size() == m.network.layers.size());
        std::int64_t parameters = 0, multiply_adds = 0, number = 2;
        for (const auto& layer : shown["layers"]) {
            CHECK(has_keys(layer, {"layer", "kind", "output", "parameters", "multiply_adds"}));
            CHECK(layer["layer"] == number++);
            CHECK(layer.contains("stride") == (layer["kind"] != "tail"));
            parameters += layer["parameters"].get<std::int64_t>();
            multiply_adds += layer["multiply_adds"].get<std::int64_t>();
        }
        CHECK(parameters == m.parameters);
        CHECK(shown["parameters"] == m.parameters);
        CHECK(multiply_adds == m.multiply_adds);
        CHECK(shown["multiply_adds"] == m.multiply_adds);
        CHECK(shown["layers"].back()["kind"] == "tail");
    }
    const std::string text = output_of(w, {"show", "gpunet-0"}); // any case
    CHECK_THAT(text, StartsWith("GPUNet-0, input 3 x 320 x 320\n") && Contains("32 x 160 x 160") &&
                         Contains("32 x 79 x 79") && Contains("11885432") && Contains("3254209280"));
    CHECK(output_of(w, {"show", "0.65ms"}) == text);
    const json x = json_of(w, {"show", "efficientnet-x-b3", "--json"})["layers"];
    CHECK(x[0]["stride"] == 2);
    CHECK(x[1]["stride"] == 4); // space-to-depth's
    CHECK(x[x.size() - 2]["stride"] == 32);
}

TEST_CASE("show takes a spec file, and warns of keys it does not know") {
    const workplace w;
    const json shown = json_of(w, {"show", specs + "0.65ms.json", "--json"});
    CHECK(shown["layers"] == json_of(w, {"show", "GPUNet-0", "--json"})["layers"]);
    CHECK(shown["name"] == specs + "0.65ms.json");
    CHECK_THAT(output_of(w, {"show", spec_small}), Contains("fused_irb") && Contains("13047") && Contains("1587840"));

    const outcome r = w.run({"show", "--json", specs + "2.25ms-D.json"});
    CHECK(r.status == 0);
    CHECK(json::parse(r.out)["parameters"] == 19036728);
    CHECK(r.err == "gpunet: warning: " + specs + "2.25ms-D.json: layer 28: unknown key \"stage:\" ignored\n");

    check_refused(w.run({"show", "GPUNet-9"}), 1, Contains("no model is called \"GPUNet-9\"") && Contains("GPUNet-D2"));
    check_refused(w.run({"show", "absent.json"}), 1, Contains("absent.json: cannot open"));
    check_refused(w.run({"show", "."}), 1, Contains("cannot read"));
    test::write_file(w / "bad.json", R"([{"layer_type": "data", "img_resolution": 8}, {"layer_type": "pool"}])");
    check_refused(w.run({"show", "bad.json", "--json"}), 1, Contains("bad.json: layer 2 (pool): layer_type"));
}

TEST_CASE("select chooses by the published figures, the name alone on the first line") {
    const workplace w;
    const std::vector<std::vector<std::string>> choices = {
        {"GPUNet-P0", "--budget", "0.65ms", "--device", "V100"},
        {"GPUNet-P0", "--budget", "630us", "--device", "Tesla V100-SXM2-16GB"},
        {"GPUNet-1", "--budget", "0.82ms", "--device", "v100"},
        {"GPUNet-D2", "--budget", "1s", "--device", "NVIDIA V100"},
        {"GPUNet-P1", "--budget", "2.5ms", "--device", "V100", "--engine", "pytorch"},
        {"GPUNet-1", "--budget", "0.6ms", "--device", "A100"},
        {"GPUNet-2", "--budget", "3ms", "--device", "a100", "--batch", "8"},
        {"GPUNet-D1", "--budget", "1ms", "--device", "A100", "--min-top1", "82"},
        {"GPUNet-P1", "--budget", "0.61ms", "--device", "A100", "--precision", "fp16"},
    };
    for (auto arguments : choices) {
        const std::string expected = arguments[0];
        arguments[0] = "select";
        const std::string text = output_of(w, arguments);
        CHECK(first_line(text) == expected);
        CHECK_THAT(text, Contains("published") && Contains("NVIDIA DeepLearningExamples"));
        arguments.push_back("--json");
        const json chosen = json_of(w, arguments);
        CHECK(chosen["model"] == expected);
        CHECK(has_keys(chosen, {"model", "latency_ms", "record", "considered"}));
        CHECK(chosen["record"]["latency_ms"] == chosen["latency_ms"]);
        CHECK(chosen["record"]["kind"] == "published");
        REQUIRE(chosen["considered"].size() == gpunet::registry::builtin().models().size());
        for (const auto& c : chosen["considered"]) CHECK(has_keys(c, {"model", "top1", "fits", "reason"}));
    }
    const json record = json_of(w, {"select", "--budget", "0.65ms", "--device", "V100", "--json"})["record"];
    CHECK(keys(record) ==
          std::vector<std::string>{"device", "engine", "precision", "batch", "latency_ms", "kind", "source", "date"});
    CHECK(record["latency_ms"] == 0.63);
    CHECK(record["device"] == "NVIDIA V100");
}

TEST_CASE("select says what came nearest, or that nothing is known") {
    const workplace w;
    check_refused(w.run({"select", "--budget", "0.62ms", "--device", "V100"}), 1,
                  Contains("no model within 0.62 ms on V100") && Contains("the nearest is GPUNet-P0 at 0.63 ms"));
    check_refused(w.run({"select", "--budget", "1ms", "--device", "V100", "--min-top1", "83", "--json"}), 1,
                  Contains("the nearest is GPUNet-D2 at 2.17 ms"));
    for (const char* device : {"cpu", "CPU", "auto"})
        check_refused(w.run({"select", "--budget", "1s", "--device", device}), 1,
                      Contains("no latency is known for " + gpunet::cpu_name()) && Contains("gpunet bench --save"));
    check_refused(w.run({"select", "--budget", "1s", "--device", "V100", "--batch", "2"}), 1, Contains("batch 2"));
}

TEST_CASE("select passes over models of which no weights can be had, unless they are asked for") {
    const workplace w;
    gpunet::latency_record here;
    here.device = gpunet::cpu_name();
    here.engine = gpunet::cpu::backend().name();
    here.precision = "fp32";
    here.threads = gpunet::cpu::all_cores();
    here.kind = gpunet::latency_record::origin::measured;
    here.source = std::string("gpunet ") + gpunet::version;
    here.date = "2026-11-23T10:30:00Z";
    here.latency = gpunet::milliseconds(5);
    std::optional<std::string> warning;
    gpunet::records_file(w.cache() / "latency.json")
        .add({{"EfficientNet-X-B7", here}, {"GPUNet-1", here}, {"FBNetV3-B", here}}, warning);
    const std::string text = output_of(w, {"select", "--budget", "10ms"});
    CHECK(first_line(text) == "GPUNet-1");
    CHECK_THAT(text, Contains("EfficientNet-X-B7   84.7 %  5 ms (") &&
                         Contains(", no weights at hand, and no source of any\n") &&
                         Contains("\nno record: all 8 of EfficientNet, ") && Contains("FBNetV3-D, FBNetV3-G, ") &&
                         !Contains("FBNetV3-B, ") && !Contains("%  no record"));
    CHECK(first_line(output_of(w, {"select", "--budget", "10ms", "--any-weights"})) == "EfficientNet-X-B7");

    gpunet::registry hub = gpunet::registry::builtin();
    for (const char* name : {"EfficientNet-X-B7", "GPUNet-1"}) hub.add_record(name, here);
    const gpunet::device cpu = gpunet::cpu::this_device();
    CHECK(hub.most_accurate_within(gpunet::milliseconds(10), cpu).name == "GPUNet-1");
    CHECK(hub.most_accurate_within(gpunet::milliseconds(10), cpu, {}).name == "EfficientNet-X-B7");

    // The user's own weights are as good as published ones.
    test::write_file(w.weights() / "efficientnet_x_b7.safetensors", "");
    CHECK(first_line(output_of(w, {"select", "--budget", "10ms"})) == "EfficientNet-X-B7");

    check_refused(w.run({"export", "EfficientNet-X-B0", "x.onnx"}), 1,
                  Contains("EfficientNet-X-B0: expected weights called EfficientNet-X-B0.safetensors") &&
                      Contains("found none; its record names no source of any"));
}

TEST_CASE("wrong usage ends with status 2 and a line that says what") {
    const workplace w;
    const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
        {{}, "subcommand"},
        {{"frobnicate"}, ""},
        {{"list", "--frobnicate"}, "--frobnicate"},
        {{"list", "extra"}, "extra"},
        {{"bench", "--family", "resnet"}, "--family: expected one of EfficientNet, "},
        {{"bench", "GPUNet-0", "--family", "GPUNet"}, "--family"},
        {{"show"}, "MODEL"},
        {{"select"}, "--budget"},
        {{"select", "--budget"}, "--budget"},
        {{"select", "--budget", "1", "--device", "V100"}, "found \"1\""},
        {{"select", "--budget", "soon"}, "--budget: expected a positive time with its unit"},
        {{"select", "--budget=-1ms"}, "found \"-1ms\""},
        {{"select", "--budget", "0ms"}, "found \"0ms\""},
        {{"select", "--budget", "1ms", "--device", "abacus"},
         "--device: expected cpu, cuda[:N], NVIDIA V100, NVIDIA A100"},
        {{"select", "--budget", "1ms", "--batch", "0"}, "--batch"},
        {{"select", "--budget", "1ms", "--batch", "x"}, "--batch"},
        {{"select", "--budget", "1ms", "--min-top1", "101"}, "--min-top1"},
        {{"select", "--budget", "1ms", "--precision", "fp128"}, "--precision"},
        {{"select", "--objective", "speed"}, "--objective"},
        {{"select", "--objective", "accuracy"}, "--budget is required, except with --objective latency"},
        {{"select", "--budget", "1ms", "--max-memory", "much"},
         "--max-memory: expected an amount of memory with its unit, as 500MB or 0.5GiB, found \"much\""},
        {{"select", "--budget", "1ms", "--max-memory=-1MB"}, "found \"-1MB\""},
        {{"select", "--budget", "1ms", "--device", "V100", "--measure"},
         "--measure: expected a device of this machine, found \"V100\""},
        {{"select", "--budget", "1ms", "--engine", "TensorRT", "--measure"}, "--measure: expected the engine"},
        {{"classify"}, "PATH"},
        {{"classify", "x.png", "--model", "lite0", "--budget", "1ms"}, "--budget"},
        {{"classify", "x.png", "--budget", "never"}, "found \"never\""},
        {{"classify", "x.png", "--top", "0"}, "--top"},
        {{"classify", "x.png", "--threads", "0"}, "--threads"},
        {{"classify", "x.png", "--model", "lite0", "--device", "abacus"},
         "--device: expected cpu or cuda[:N], found \"abacus\""},
        {{"run", "lite0", "--input", "x.npy", "--output", "y.npy"}, "--weights"},
        {{"run", "lite0", "--weights", "synthetic", "--output", "y.npy"}, "--input"},
        {{"run", "lite0", "--weights", "synthetic", "--input", "x.npy"}, "--output"},
        {{"bench", "lite0", "--batch", "1,0"}, "--batch"},
        {{"bench", "lite0", "--runs", "0"}, "--runs"},
        {{"bench", spec_small, "--save"}, "--save: expected models of the registry, found " + spec_small},
        {{"convert", "x.pth"}, "OUT"},
    };
    for (const auto& [arguments, culprit] : wrong) {
        INFO(joined(arguments));
        check_refused(w.run(arguments), 2, Contains(culprit));
    }
    CHECK(w.content().empty());
}

TEST_CASE("a device and a precision this program does not have are refused in words") {
    const workplace w;
    write_input(w / "x.npy", {1, 3, 64, 64});
    const std::vector<std::vector<std::string>> commands = {
        {"run", spec_small, "--weights", "synthetic", "--input", "x.npy", "--output", "y.npy"},
        {"classify", images + "png_rgb8.png", "--model", spec_small, "--weights", "synthetic"},
        {"bench", spec_small}};
    for (auto arguments : commands) {
        INFO(joined(arguments));
        arguments.insert(arguments.end(), {"--device", "cuda:0"});
        check_refused(w.run(arguments), 1, Contains("--device cuda:0: ") && Contains("; use cpu"));
        arguments.erase(arguments.end() - 2, arguments.end());
        for (const char* precision : {"fp16", "bf16", "tf32"}) {
            arguments.insert(arguments.end(), {"--precision", precision});
            check_refused(w.run(arguments), 1, Contains(std::string("--precision ") + precision) && Contains("fp32"));
            arguments.erase(arguments.end() - 2, arguments.end());
        }
    }
    check_refused(w.run({"select", "--budget", "1ms", "--device", "cuda"}), 1, Contains("--device cuda"));
    CHECK(w.content() == std::vector<std::string>{"x.npy"});
}

#ifdef GPUNET_CLI_ON_FAKE_GPU
TEST_CASE("on a GPU: run, classify and bench, in every precision") {
    const workplace w;
    write_input(w / "x.npy", {2, 3, 64, 64});
    static_cast<void>(output_of(w, {"run", spec_small, "--weights", "synthetic", "--input", "x.npy", "--output",
                                    "cpu.npy", "--features", "cpu"}));
    const auto exact = gpunet::read_npy(w / "cpu.npy");
    for (const auto& [precision, limit] :
         {std::pair{"fp32", 1e-5}, {"tf32", 1e-2}, {"fp16", 1e-2}, {"bf16", 6e-2}, {"", 1e-2}}) {
        INFO(precision);
        std::vector<std::string> command = {"run",      spec_small, "--weights",  "synthetic", "--input",  "x.npy",
                                            "--output", "y.npy",    "--features", "layers",    "--device", "cuda:1"};
        if (*precision) command.insert(command.end(), {"--precision", precision});
        const outcome r = w.run_on_fake_gpu(command);
        CHECK(r.err == "");
        CHECK(r.status == 0);
        CHECK(relative_l2(gpunet::read_npy(w / "y.npy").elements(), exact.elements()) < limit);
        for (const auto& entry : fs::directory_iterator(w / "cpu"))
            CHECK(relative_l2(gpunet::read_npy(w / "layers" / entry.path().filename()).elements(),
                              gpunet::read_npy(entry.path()).elements()) < limit);
    }
    // A GPU is the default where there is one.
    const outcome doctor = w.run_on_fake_gpu({"doctor"});
    CHECK(doctor.status == 0);
    CHECK_THAT(doctor.out, Contains("cuda:0 ") && Contains("cuda:1 ") && Contains("sm_90") && Contains("cuDNN: 9."));
    const outcome bench = w.run_on_fake_gpu({"bench", spec_small, "--batch", "1,2", "--layers", "--json"});
    CHECK(without_noise(bench.err) == "");
    REQUIRE(bench.status == 0);
    const auto results = json::parse(bench.out);
    REQUIRE(results.size() == 2);
    for (const auto& b : results) {
        CHECK(b["precision"] == "fp16");
        CHECK_THAT(b["engine"].get<std::string>(), StartsWith("cuDNN 9."));
        CHECK(b["median_ms"].get<double>() > 0);
        CHECK(b["host_median_ms"].get<double>() > 0);
        CHECK_THAT(b["uuid"].get<std::string>(), StartsWith("GPU-"));
        CHECK(b["driver"].get<std::string>().size() > 3);
        CHECK_FALSE(b.contains("threads"));
        CHECK(b["layers"].size() > 5);
    }
    const outcome all = w.run_on_fake_gpu({"bench", spec_small, "--all", "--runs", "2", "--json"});
    REQUIRE(all.status == 0);
    std::vector<std::string> measured;
    for (const auto& b : json::parse(all.out)) {
        measured.push_back(b.value("uuid", "CPU") + " " + b["precision"].get<std::string>());
        CHECK(b["runs"] == 2);
    }
    const std::string first = "GPU-00102030-4050-6070-8090-a0b0c0d0e0f0 ",
                      second = "GPU-01112131-4151-6171-8191-a1b1c1d1e1f1 ";
    CHECK(measured == std::vector<std::string>{"CPU fp32", first + "fp32", first + "tf32", first + "fp16",
                                               first + "bf16", second + "fp32", second + "tf32", second + "fp16",
                                               second + "bf16"});
    const outcome half =
        w.run_on_fake_gpu({"bench", spec_small, "--all", "--precision", "fp16", "--runs", "1", "--json"});
    CHECK(json::parse(half.out).size() == 2);
    const outcome one =
        w.run_on_fake_gpu({"bench", spec_small, "--all", "--device", "cuda:1", "--runs", "1", "--json"});
    CHECK(json::parse(one.out).size() == 4);
    const outcome picture = w.run_on_fake_gpu(
        {"classify", images + "png_rgb8.png", "--model", spec_small, "--weights", "synthetic", "--json"});
    CHECK(picture.err == "");
    REQUIRE(picture.status == 0);
    CHECK(json::parse(picture.out)[0]["top"].size() == 5);
}

TEST_CASE("on a GPU: what was measured there decides there") {
    const workplace w;
    gpunet::latency_record r;
    r.device = "Fake GPU";
    r.engine = "cuDNN 9.19.0";
    r.precision = "fp16";
    r.latency = r.host.emplace(0.5);
    r.kind = gpunet::latency_record::origin::measured;
    r.source = "a test";
    r.date = "2026-11-22";
    std::optional<std::string> warning;
    gpunet::records_file(w.cache() / "latency.json").add({{"GPUNet-P0", r}}, warning);
    const outcome chosen = w.run_on_fake_gpu({"select", "--budget", "1000s", "--json"});
    CHECK(chosen.err == "");
    REQUIRE(chosen.status == 0);
    const auto selection = json::parse(chosen.out);
    CHECK(selection["model"] == "GPUNet-P0");
    CHECK(selection["record"]["precision"] == "fp16");
    CHECK(selection["record"]["kind"] == "measured");
    CHECK(selection["record"]["host_ms"].get<double>() > 0);
    check_refused(w.run_on_fake_gpu({"select", "--budget", "1000s", "--device", "cpu"}), 1,
                  Contains("no latency is known"));
}

TEST_CASE("on a GPU: ordinals and precisions that are not there are refused in words") {
    const workplace w;
    check_refused(w.run_on_fake_gpu({"bench", spec_small, "--device", "cuda:2"}), 1,
                  Contains("cuda:2: expected a GPU from 0 to 1"));
    check_refused(w.run_on_fake_gpu({"bench", spec_small, "--device", "cuda:x"}), 2,
                  Contains("expected cpu or cuda[:N]"));
    check_refused(w.run_on_fake_gpu({"bench", spec_small, "--device", "cpu", "--precision", "fp16"}), 1,
                  Contains("fp32"));
}
TEST_CASE("plan needs no GPU") {
    const workplace w;
    const outcome r = w.run({"plan", "GPUNet-0", "--gpu", "sm_90", "--batch", "8", "--json"});
    if (r.status != 0 && r.err.find("cuDNN 9 cannot be opened") != std::string::npos) {
        std::cout << "skipped: " << r.err;
        return;
    }
    CHECK(r.err == "");
    REQUIRE(r.status == 0);
    const auto plan = json::parse(r.out);
    CHECK(plan["architecture"] == "sm_90");
    CHECK(plan["precision"] == "fp16");
    CHECK(plan["multiply_adds"] == 8 * std::int64_t{3254209280});
    CHECK(plan["operations"].size() == 35);
    double floor = 0;
    for (const auto& o : plan["operations"]) {
        CHECK((o["status"] == "ready" || o["status"] == "compiled, not loaded"));
        floor += o["floor_us"].get<double>();
    }
    CHECK(floor == Approx(plan["floor_us"].get<double>()));
    CHECK_THAT(output_of(w, {"plan", spec_small, "--gpu", "A100", "--precision", "fp32"}), Contains("(sm_80), fp32"));
    check_refused(w.run({"plan", "GPUNet-0", "--gpu", "sm_1"}), 2, Contains("--gpu: ") && Contains("found \"sm_1\""));
    check_refused(w.run({"plan", "GPUNet-9", "--gpu", "sm_90"}), 1, Contains("GPUNet-9"));
}
#else
TEST_CASE("plan says that it is not in this program, whatever is asked for") {
    const workplace w;
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"plan"}, {"plan", "GPUNet-0", "--gpu", "sm_90", "--json"}})
        check_refused(w.run(arguments), 1, Contains("plan: this program was built without the CUDA backend"));
}
#endif

TEST_CASE("run agrees with the golden of GPUNet-0 at 257 pixels, every layer") {
    check_golden("GPUNet-0", "GPUNet-0_b1_r257");
}

TEST_CASE("run agrees with the golden of GPUNet-P0 at 200 pixels, from NVIDIA's spec file") {
    check_golden(specs + "0.5ms-D.json", "GPUNet-P0_b1_r200");
}

TEST_CASE("run gives every checkpoint's logits") {
    const workplace w;
    write_input(w / "x.npy", {2, 3, 64, 64});
    int files = 0;
    for (const auto& entry : core_test::read_json("checkpoints/index.json")) {
        if (!entry.contains("selections")) continue;
        ++files;
        REQUIRE(entry["batch"] == 2);
        REQUIRE(entry["resolution"] == 64);
        const auto file = entry["file"].get<std::string>();
        const std::string spec = test::checkpoints + entry["spec"].get<std::string>();
        for (std::size_t i = 0; i < entry["selections"].size(); ++i) {
            const auto& selection = entry["selections"][i];
            std::vector<std::string> arguments = {"run",     spec,    "--weights", test::checkpoints + file,
                                                  "--input", "x.npy", "--output",  "y.npy"};
            if (i > 0) // the first is what is chosen without being asked
                arguments.insert(arguments.end(), {"--checkpoint-entry", selection["select"].get<std::string>()});
            INFO(joined(arguments));
            output_of(w, arguments, unknown_key(spec));
            const auto scores = gpunet::read_npy(w / "y.npy");
            std::vector<float> expected;
            for (const auto& row : selection["logits"])
                for (const auto& value : row) expected.push_back(value.get<float>());
            CHECK(scores.shape() == gpunet::shape{2, 10});
            CHECK(relative_l2(scores.elements(), expected) < 1e-5);
        }
    }
    CHECK(files == 20);
    check_refused(w.run({"run", spec_small, "--weights", test::checkpoints + "small0_train.pth.tar",
                         "--checkpoint-entry", "nonesuch", "--input", "x.npy", "--output", "z.npy"}),
                  1, Contains("small0_train.pth.tar") && Contains("nonesuch"));
    check_refused(w.run({"run", spec_small, "--weights", test::checkpoints + "small0.safetensors", "--checkpoint-entry",
                         "state_dict", "--input", "x.npy", "--output", "z.npy"}),
                  1, Contains("small0.safetensors") && Contains("no entries to select"));
    CHECK(w.content() == std::vector<std::string>{"x.npy", "y.npy"});
}

TEST_CASE("broken checkpoints are refused by run and convert naming the culprit, and leave nothing") {
    const workplace w;
    write_input(w / "x.npy", {2, 3, 64, 64});
    const std::map<std::string, std::string> culprits = {
        {"bad_missing_key.pth", "missing 'network.head: 2.net.0.weight'"},
        {"bad_shape.pth", "'network.head: 2.net.0.weight': expected shape [8, 3, 3, 3], found [8, 3, 3, 2]"},
        {"bad_truncated.pth", "truncated"},
        {"bad_truncated_legacy.pth", "storage '"},
        {"bad_truncated.safetensors", "tensor 'network."}};
    int files = 0;
    for (const auto& entry : core_test::read_json("checkpoints/index.json")) {
        if (entry.contains("selections") && !entry["selections"].empty()) continue;
        ++files;
        const auto file = entry["file"].get<std::string>();
        INFO(file);
        check_refused(w.run({"run", spec_small, "--weights", test::checkpoints + file, "--input", "x.npy", "--output",
                             "y.npy", "--features", "layers"}),
                      1, Contains(file) && Contains(culprits.at(file)));
        check_refused(w.run({"convert", test::checkpoints + file, "out.safetensors", "--model", spec_small}), 1,
                      Contains(file) && Contains(culprits.at(file)));
        CHECK(w.content() == std::vector<std::string>{"x.npy"});
    }
    CHECK(files == 5);
}

TEST_CASE("run refuses inputs that do not fit, naming them") {
    const workplace w;
    const auto refused = [&](const std::string& input, const auto& message, const std::string& model = spec_small) {
        INFO(input);
        check_refused(w.run({"run", model, "--weights", "synthetic", "--input", input, "--output", "y.npy",
                             "--features", "layers"}),
                      1, message);
    };
    write_input(w / "rank.npy", {3, 64, 64});
    write_input(w / "channels.npy", {1, 4, 64, 64});
    write_input(w / "empty.npy", {0, 3, 64, 64});
    write_input(w / "small.npy", {1, 3, 12, 64});
    test::write_file(w / "text.npy", "not an array");
    refused("rank.npy", Contains("rank.npy: expected shape [N, 3, H, W], found [3, 64, 64]"));
    refused("channels.npy", Contains("channels.npy: expected shape [N, 3, H, W], found [1, 4, 64, 64]"));
    refused("empty.npy", Contains("empty.npy: expected shape [N, 3, H, W], found [0, 3, 64, 64]"));
    refused("text.npy", Contains("text.npy: expected an npy file"));
    refused("absent.npy", Contains("absent.npy"));
    refused("small.npy", Contains("layer 7 (fused_irb)") && Contains("too small"), "GPUNet-0"); // it takes 13 pixels
    check_refused(w.run({"run", spec_small, "--weights", "absent.pth", "--input", "small.npy", "--output", "y.npy"}), 1,
                  Contains("absent.pth"));
    check_refused(w.run({"run", spec_small, "--weights", "text.npy", "--input", "small.npy", "--output", "y.npy"}), 1,
                  Contains("text.npy: expected safetensors or a PyTorch checkpoint"));
    CHECK(w.content().size() == 5);
}

TEST_CASE("an output that cannot be written is named, and nothing half-written stays") {
    const workplace w;
    write_input(w / "x.npy", {2, 3, 64, 64});
    fs::create_directory(w / "taken");
    test::write_file(w / "file", "x");
    const std::vector<std::string> before = {"file", "taken", "x.npy"};
    const auto run = [&](const std::string& output, const std::string& features) {
        return std::vector<std::string>{"run",   spec_small, "--weights", "synthetic",  "--input",
                                        "x.npy", "--output", output,      "--features", features};
    };
    const std::string good = test::checkpoints + "small0_bare.pth";
    check_refused(w.run(run("taken", "layers")), 1, Contains("taken: cannot be written: it is a directory"));
    CHECK(w.content() == before);
    check_refused(w.run(run("absent/y.npy", "layers")), 1, Contains("absent/y.npy: cannot create"));
    CHECK(w.content() == before);
    check_refused(w.run(run("y.npy", "file")), 1, Contains("file: cannot create this directory"));
    CHECK(w.content() == before);
    check_refused(w.run(run("y.npy", "absent/layers")), 1, Contains("absent/layers"));
    CHECK(w.content() == before);
    check_refused(w.run_on_full_disk(run("y.npy", "layers")), 1,
                  Contains("layers/2.npy: cannot write: File too large"));
    CHECK(w.content() == before);
    check_refused(w.run({"convert", good, "taken"}), 1, Contains("taken: cannot be written: it is a directory"));
    check_refused(w.run({"convert", good, "absent/out.safetensors"}), 1, Contains("absent/out.safetensors"));
    check_refused(w.run_on_full_disk({"convert", good, "out.safetensors"}), 1,
                  Contains("out.safetensors: cannot write: File too large"));
    CHECK(w.content() == before);
    if (::geteuid() == 0) return; // who may write anywhere
    fs::permissions(w / "taken", fs::perms::owner_read | fs::perms::owner_exec);
    check_refused(w.run(run("taken/y.npy", "layers")), 1, Contains("taken/y.npy: cannot create"));
    check_refused(w.run({"convert", good, "taken/out.safetensors"}), 1,
                  Contains("taken/out.safetensors: cannot create"));
    fs::permissions(w / "taken", fs::perms::owner_all);
    CHECK(w.content() == before);
}

TEST_CASE("an earlier output stays as it was when its successor cannot be made") {
    const workplace w;
    write_input(w / "x.npy", {2, 3, 64, 64});
    test::write_file(w / "out.safetensors", "earlier");
    test::write_file(w / "y.npy", "earlier");
    CHECK(w.run_on_full_disk({"convert", test::checkpoints + "small0_bare.pth", "out.safetensors"}).status == 1);
    CHECK(w.run({"convert", test::checkpoints + "bad_shape.pth", "out.safetensors", "--model", spec_small}).status ==
          1);
    CHECK(w.run({"run", spec_small, "--weights", test::checkpoints + "bad_shape.pth", "--input", "x.npy", "--output",
                 "y.npy"})
              .status == 1);
    CHECK(test::file_content(w / "out.safetensors") == "earlier");
    CHECK(test::file_content(w / "y.npy") == "earlier");
    output_of(w, {"convert", test::checkpoints + "small0_bare.pth", "out.safetensors"});
    CHECK(test::file_content(w / "out.safetensors") != "earlier");
}

TEST_CASE("results that cannot be printed are a failure") {
    if (!fs::exists("/dev/full")) return;
    const workplace w;
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"list"},
             {"list", "--json"},
             {"show", "GPUNet-0"},
             {"select", "--budget", "1ms", "--device", "V100"},
             {"classify", images + "png_rgb8.png", "--model", spec_small, "--weights", "synthetic"},
             {"doctor"},
             {"--version"},
             {"--help"}}) {
        INFO(joined(arguments));
        check_refused(w.run(arguments, {}, "/dev/full"), 1, Contains("cannot write to standard output"));
    }
}

TEST_CASE("convert keeps names, types and values") {
    const workplace w;
    for (const char* file : {"small0_bare.pth", "small0_half.pth", "small0_bfloat16.pth", "small0_legacy.pth",
                             "small0_views.pth", "small0_half.safetensors", "smallD_train.pth.tar"}) {
        INFO(file);
        const auto expected = gpunet::read_weights(test::checkpoints + file);
        CHECK(output_of(w, {"convert", test::checkpoints + file, "out.safetensors"}) ==
              "out.safetensors: " + std::to_string(expected.size()) + " tensors\n");
        const auto found = gpunet::read_weights(w / "out.safetensors");
        REQUIRE(found.size() == expected.size());
        for (const auto& [name, tensor] : expected) {
            INFO(name);
            const auto* other = found.find(name);
            REQUIRE(other);
            CHECK(other->type == tensor.type);
            CHECK(other->dimensions == tensor.dimensions);
            if (tensor.type == gpunet::dtype::int64) {
                CHECK(std::equal(tensor.data, tensor.data + 8, other->data));
                continue;
            }
            std::vector<float> a(static_cast<std::size_t>(tensor.element_count())), b(a.size());
            gpunet::copy_as_float(tensor, a);
            gpunet::copy_as_float(*other, b);
            CHECK(a == b);
        }
        CHECK(w.content() == std::vector<std::string>{"out.safetensors"});
    }
    test::check_scheme(gpunet::read_weights(w / "out.safetensors"), gpunet::dtype::float32, "ema/");
    output_of(w,
              {"convert", test::checkpoints + "smallD_train.pth.tar", "raw.safetensors", "--checkpoint-entry",
               "state_dict", "--model", test::checkpoints + "smallD.json"},
              unknown_key(test::checkpoints + "smallD.json"));
    test::check_scheme(gpunet::read_weights(w / "raw.safetensors"), gpunet::dtype::float32);
}

TEST_CASE("convert writes nothing if the weights do not fit the model") {
    const workplace w;
    check_refused(w.run({"convert", test::checkpoints + "small0_bare.pth", "out.safetensors", "--model",
                         test::checkpoints + "smallP.json"}),
                  1, Contains("small0_bare.pth: does not fit the network"));
    check_refused(w.run({"convert", test::checkpoints + "small0_bare.pth", "out.safetensors", "--model", "GPUNet-0"}),
                  1, Contains("small0_bare.pth: does not fit the network") && Contains("network.head: 2.net.0.weight"));
    check_refused(w.run({"convert", "absent.pth", "out.safetensors"}), 1, Contains("absent.pth"));
    check_refused(w.run({"convert", spec_small, "out.safetensors"}), 1, Contains("small0.json: expected safetensors"));
    CHECK(w.content().empty());
}

#ifdef GPUNET_HAS_ONNX
TEST_CASE("export writes ONNX, the same bytes every time and wherever") {
    const workplace w;
    const std::vector<std::string> folded = {"export", spec_small, "a.onnx", "--weights", "synthetic"};
    CHECK(output_of(w, folded) == "a.onnx: opset 17, 82 nodes, input images fp32 [batch, 3, 64, 64]\n"
                                  "output logits fp32 [batch, 10]\n");
    static_cast<void>(output_of(w, {"export", spec_small, "b.onnx", "--weights", "synthetic"}));
    const std::string bytes = test::file_content(w / "a.onnx");
    CHECK(bytes == test::file_content(w / "b.onnx"));
    CHECK_THAT(bytes, Contains("small0") && !Contains(test::checkpoints)); // no folder of this machine
    CHECK_THAT(
        output_of(w, {"export", spec_small, "b.onnx", "--weights", "synthetic", "--batch", "2", "--size", "50x60",
                      "--precision", "fp16", "--io", "fp32", "--outputs", "stages", "--unfolded", "--external-data"}),
        Contains("input images fp32 [2, 3, 50, 60]\n") && Contains("output layer2 fp32 [2, 8, 25, 30]\n"));
    CHECK(w.content() == std::vector<std::string>{"a.onnx", "b.onnx", "b.onnx.data"});
}

TEST_CASE("export refuses what it cannot do, in one line, and leaves nothing behind") {
    const workplace w;
    const auto with = [](const std::vector<std::string>& more) {
        std::vector<std::string> all = {"export", spec_small, "x.onnx", "--weights", "synthetic"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    check_refused(w.run({"export", spec_small}), 2, Contains("OUT"));
    check_refused(w.run(with({"--batch", "0"})), 2, Contains("--batch: expected a number from 1 on or dynamic"));
    check_refused(w.run(with({"--size", "64x"})), 2, Contains("--size: expected pixels"));
    check_refused(w.run(with({"--precision", "bf16"})), 2, Contains("--precision: expected fp32 or fp16"));
    check_refused(w.run(with({"--io", "int8"})), 2, Contains("--io: expected fp32 or fp16"));
    check_refused(w.run(with({"--outputs", "all"})), 2, Contains("--outputs"));
    check_refused(w.run(with({"--size", "3"})), 1, Contains("too small"));
    check_refused(w.run({"export", spec_small, "x.onnx", "--weights", test::checkpoints + "smallP_bare.pth"}), 1,
                  Contains("does not fit the network"));
    check_refused(w.run({"export", spec_small, "no/x.onnx", "--weights", "synthetic"}), 1, Contains("no/x.onnx"));
    check_refused(w.run_on_full_disk(with({})), 1, Contains("x.onnx: cannot write"));
    check_refused(w.run_on_full_disk(with({"--external-data"})), 1, Contains("x.onnx.data: cannot write"));
    CHECK(w.content().empty());
}
#else
TEST_CASE("export says what this program lacks") {
    const workplace w;
    check_refused(w.run({"export", spec_small, "x.onnx", "--weights", "synthetic", "--batch", "3"}), 1,
                  Contains("libonnx-dev") && Contains("libprotobuf-dev"));
    CHECK(w.content().empty());
}
#endif

TEST_CASE("classify gives the library's predictions, in text and as JSON") {
    const workplace w;
    const auto spec = gpunet::read_spec(spec_small);
    const gpunet::network net{spec, gpunet::synthetic_weights(gpunet::lower(spec)), gpunet::cpu::backend()};
    gpunet::preprocessing settings;
    settings.size = spec.data.resolution;
    const std::vector<std::string> pictures = {images + "png_rgb8.png", images + "jpg_420.jpg",
                                               images + "png_grey16.png", images + "jpg_orientation6.jpg"};
    std::vector<std::string> arguments = {"classify", "--model", spec_small, "--weights", "synthetic", "--top", "3"};
    arguments.insert(arguments.end(), pictures.begin(), pictures.end());
    const std::string text = output_of(w, arguments);
    arguments.emplace_back("--json");
    const json results = json_of(w, arguments);
    REQUIRE(results.size() == pictures.size());
    std::size_t line = 0;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        INFO(pictures[i]);
        const auto expected = predictions(net, settings, pictures[i]);
        CHECK(keys(results[i]) == std::vector<std::string>{"image", "model", "top"});
        CHECK(results[i]["image"] == pictures[i]);
        CHECK(results[i]["model"] == spec_small);
        REQUIRE(results[i]["top"].size() == 3);
        line = text.find(pictures[i] + ": " + spec_small + "\n", line);
        REQUIRE(line != std::string::npos);
        for (std::size_t k = 0; k < 3; ++k) {
            const json& guess = results[i]["top"][k];
            CHECK(keys(guess) == std::vector<std::string>{"label", "index", "probability"});
            CHECK(guess["index"] == expected[k].index);
            CHECK(guess["label"] == "class " + std::to_string(expected[k].index));
            CHECK(guess["probability"].get<double>() == Approx(expected[k].probability).epsilon(1e-4));
            line = text.find("class " + std::to_string(expected[k].index) + " (", line);
            REQUIRE(line != std::string::npos);
        }
    }
    arguments.insert(arguments.end(), {"--threads", "1"});
    CHECK(json_of(w, arguments)[3]["top"][0]["index"] == results[3]["top"][0]["index"]);
}

TEST_CASE("classify goes on after a picture that cannot be read, and fails in the end") {
    const workplace w;
    test::write_file(w / "broken.png", "\x89PNG\r\n\x1a\nand no more");
    const std::vector<std::string> arguments = {"classify",
                                                "absent.jpg",
                                                images + "png_rgb8.png",
                                                "broken.png",
                                                images + "jpg_420.jpg",
                                                "--model",
                                                spec_small,
                                                "--weights",
                                                "synthetic",
                                                "--json"};
    const outcome r = w.run(arguments);
    CHECK(r.status == 1);
    const json results = json::parse(r.out);
    REQUIRE(results.size() == 2);
    CHECK(results[0]["image"] == images + "png_rgb8.png");
    CHECK(results[1]["image"] == images + "jpg_420.jpg");
    CHECK(results[1]["top"].size() == 5);
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 2);
    CHECK_THAT(r.err, Contains("gpunet: absent.jpg: ") && Contains("gpunet: broken.png: "));
}

TEST_CASE("classify without weights at hand says where they belong and come from") {
    const workplace w;
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"classify", images + "png_rgb8.png"}, {"classify", images + "png_rgb8.png", "--budget", "1s"}}) {
        INFO(joined(arguments));
        check_refused(w.run(arguments), 1,
                      Contains("expected weights called") && Contains(w.weights().string()) &&
                          Contains((w.cache() / "weights").string()) &&
                          Contains(gpunet::registry::builtin().begin()->weights.front().url.value()));
    }
    check_refused(w.run({"classify", images + "png_rgb8.png", "--model", "gpunet-p1"}), 1,
                  Contains("GPUNet-P1: expected weights called GPUNet-P1.safetensors") &&
                      Contains("gpunet_p1_pyt_ckpt"));
    check_refused(w.run({"classify", images + "png_rgb8.png", "--model", spec_small}), 1,
                  Contains("expected weights called"));
}

TEST_CASE("classify finds weights by itself and names ImageNet's classes") {
    const workplace w;
    give_weights(w);
    const json results = json_of(w, {"classify", images + "png_rgb8.png", "--json", "--top", "1000"});
    CHECK(results[0]["model"] == "EfficientNet-Lite0");
    REQUIRE(results[0]["top"].size() == 1000);
    double sum = 0;
    for (const auto& guess : results[0]["top"]) {
        CHECK(guess["label"] == gpunet::imagenet_labels()[guess["index"].get<std::size_t>()]);
        sum += guess["probability"].get<double>();
    }
    CHECK(sum == Approx(1).epsilon(1e-4));
}

TEST_CASE("bench --save makes a budget mean this machine") {
    const workplace w;
    const outcome r = w.run({"bench", "lite0", "--save", "--json"});
    REQUIRE(r.status == 0);
    CHECK_THAT(r.err, Contains("kept in " + (w.cache() / "latency.json").string()));
    const json results = json::parse(r.out);
    REQUIRE(results.size() == 1);
    CHECK(has_keys(results[0], {"model", "device", "engine", "precision", "batch", "median_ms", "p95_ms", "p99_ms"}));
    CHECK(results[0]["model"] == "EfficientNet-Lite0");
    CHECK(results[0]["device"] == gpunet::cpu_name());
    CHECK(results[0]["precision"] == "fp32");
    CHECK(results[0]["batch"] == 1);
    CHECK(results[0]["spread_ms"].get<double>() >= 0);
    CHECK(results[0]["noisy"].is_boolean());
    CHECK((r.err.find("a noisy measurement") != std::string::npos) == results[0]["noisy"].get<bool>());
    const auto median = results[0]["median_ms"].get<double>();
    CHECK(median > 0);
    CHECK(median <= results[0]["p95_ms"].get<double>());
    CHECK(results[0]["p95_ms"].get<double>() <= results[0]["p99_ms"].get<double>());

    const json chosen = json_of(w, {"select", "--budget", "60s", "--json"});
    CHECK(chosen["model"] == "EfficientNet-Lite0");
    CHECK(chosen["latency_ms"] == median);
    CHECK(chosen["record"]["kind"] == "measured");
    CHECK_THAT(chosen["record"]["engine"].get<std::string>(), StartsWith("oneDNN"));
    CHECK(first_line(output_of(w, {"select", "--budget", "60s", "--device", "cpu"})) == "EfficientNet-Lite0");
    CHECK(first_line(output_of(w, {"select", "--budget", "60s", "--device", gpunet::cpu_name()})) ==
          "EfficientNet-Lite0");
    check_refused(w.run({"select", "--budget", "1us"}), 1, Contains("the nearest is EfficientNet-Lite0 at "));
    CHECK(json_of(w, {"list", "--json", "--family", "efficientnet-lite"})[0]["latency"].back()["kind"] == "measured");
    CHECK_THAT(output_of(w, {"doctor"}), Contains("1 latencies in " + (w.cache() / "latency.json").string()));

    give_weights(w); // which has been measured: nothing is said of measuring
    CHECK_THAT(output_of(w, {"classify", images + "png_rgb8.png", "--budget", "60s"}),
               Contains(": EfficientNet-Lite0\n"));
    check_refused(w.run({"classify", images + "png_rgb8.png", "--budget", "1us"}), 1,
                  Contains("no model within 0.001 ms") && Contains("the nearest is EfficientNet-Lite0"));

    test::write_file(w.cache() / "latency.json", "damaged");
    const outcome warned = w.run({"list"});
    CHECK(warned.status == 0);
    CHECK_THAT(warned.err,
               StartsWith("gpunet: warning: ") && Contains("latency.json: not valid JSON") && Contains("set aside as"));
    CHECK(test::file_content(w.cache() / "latency.json.damaged") == "damaged");
    CHECK(output_of(w, {"list"}).size() > 0);
}

TEST_CASE("bench times layers of a spec file") {
    const workplace w;
    const outcome r = w.run({"bench", spec_small, "--layers", "--json", "--threads", "1", "--batch", "2"});
    CHECK(without_noise(r.err) == "");
    REQUIRE(r.status == 0);
    const json results = json::parse(r.out);
    CHECK(results[0]["model"] == spec_small);
    CHECK(results[0]["batch"] == 2);
    CHECK(results[0]["threads"] == 1);
    REQUIRE(results[0]["layers"].size() == 10);
    for (const auto& layer : results[0]["layers"]) CHECK(layer["median_ms"].get<double>() > 0);
    CHECK_FALSE(fs::exists(w.cache()));
}

TEST_CASE("classify --budget measures a model once, says so and keeps it") {
    const workplace w;
    give_weights(w);
    const std::vector<std::string> arguments = {"classify", images + "png_rgb8.png", "--budget", "60s", "--json"};
    const outcome first = w.run(arguments);
    REQUIRE(first.status == 0);
    CHECK(json::parse(first.out)[0]["model"] == "EfficientNet-Lite0");
    CHECK(without_noise(first.err) == "gpunet: measuring EfficientNet-Lite0 on this machine, once\n");
    CHECK(fs::exists(w.cache() / "latency.json"));
    CHECK(json_of(w, arguments) == json::parse(first.out));
    CHECK(first_line(output_of(w, {"select", "--budget", "60s"})) == "EfficientNet-Lite0");
}

TEST_CASE("a measurement that cannot be kept is a warning") {
    const workplace w;
    give_weights(w);
    const outcome r =
        w.run({"classify", images + "png_rgb8.png", "--budget", "60s"}, {{"GPUNET_CACHE", "/dev/null/no"}});
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains("EfficientNet-Lite0"));
    CHECK_THAT(r.err, Contains("gpunet: warning: the measurement is not kept: /dev/null/no"));
}

TEST_CASE("doctor says what is there and what is missing") {
    const workplace w;
    const std::string before = output_of(w, {"doctor"});
    CHECK_THAT(before, StartsWith("gpunet ") && Contains("oneDNN 2") && Contains("CUDA") && Contains("libpng") &&
                           Contains(gpunet::cpu_name()) && Contains("0 latencies in " + w.cache().string()) &&
                           Contains(w.weights().string()) &&
                           Contains("fetched by gpunet pull: all 8 of EfficientNet, all 5 of EfficientNet-Lite, "
                                    "EfficientNet-X-B5, ") &&
                           Contains(", all 7 of GPUNet, ") && Contains("published nowhere: EfficientNet-X-B0, "));
    give_weights(w);
    CHECK_THAT(output_of(w, {"doctor"}),
               Contains("EfficientNet-Lite0: " + (w.weights() / "lite0.safetensors").string()) &&
                   Contains("all 8 of EfficientNet, EfficientNet-Lite1, "));
    CHECK(w.content().empty());
}

TEST_CASE("real weights: real photographs are what they show") {
    const char* assets = std::getenv("GPUNET_TEST_ASSETS");
    if (!assets || !*assets) {
        std::cout << "skipped: GPUNET_TEST_ASSETS names no directory with EfficientNet-Lite0.pth and pictures\n";
        return;
    }
    const workplace w;
    const fs::path folder = fs::absolute(assets);
    const std::string cat = (folder / "chelsea.png").string(), coffee = (folder / "coffee.png").string();
    fs::create_symlink(folder / "EfficientNet-Lite0.pth", w.weights() / "EfficientNet-Lite0.pth");
    const outcome r = w.run({"classify", cat, coffee, "--budget", "10s", "--json"});
    INFO(r.err);
    REQUIRE(r.status == 0);
    const json results = json::parse(r.out);
    REQUIRE(results.size() == 2);
    CHECK(results[0]["model"] == "EfficientNet-Lite0");
    const auto best = results[0]["top"][0]["index"].get<int>();
    CHECK((best == 281 || best == 282 || best == 285));
    CHECK_THAT(results[0]["top"][0]["label"].get<std::string>(), Contains("cat"));
    CHECK(results[1]["top"][0]["index"] == 967);
    CHECK(results[1]["top"][0]["label"] == "espresso");

    fs::remove(w.weights() / "EfficientNet-Lite0.pth");

    // The same with model and file named, from a converted file, and from the cache.
    const std::string weights = (folder / "EfficientNet-Lite0.pth").string();
    output_of(w, {"convert", weights, "lite.safetensors", "--model", "EfficientNet-Lite0"});
    fs::create_directories(w.cache() / "weights");
    fs::copy_file(w / "lite.safetensors", w.cache() / "weights" / "EfficientNet-Lite0.safetensors");
    for (const std::vector<std::string>& extra :
         std::vector<std::vector<std::string>>{{"--weights", weights}, {"--weights", "lite.safetensors"}, {}}) {
        std::vector<std::string> arguments = {"classify", cat, coffee, "--model", "efficientnet-lite0", "--json"};
        arguments.insert(arguments.end(), extra.begin(), extra.end());
        CHECK(json_of(w, arguments) == results);
    }
    CHECK_THAT(output_of(w, {"classify", coffee}), Contains("espresso (967)"));
}

// Selection by measured records: the command and the library.

namespace {

/// Puts records of this machine's CPU and of a V100 into the place's cache, in an order that was never published.
void give_records(const workplace& w) {
    gpunet::latency_record gpu;
    gpu.device = "NVIDIA V100";
    gpu.engine = "cuDNN 9.19.0";
    gpu.precision = "fp16";
    gpu.kind = gpunet::latency_record::origin::measured;
    gpu.source = "gpunet 0.0.1";
    gpu.date = "2026-11-22T10:30:00Z";
    gpunet::latency_record cpu = gpu;
    cpu.device = gpunet::cpu_name();
    cpu.engine = gpunet::cpu::backend().name();
    cpu.precision = "fp32";
    cpu.source = std::string("gpunet ") + gpunet::version;
    std::vector<gpunet::model_record> records;
    double ms = 1;
    for (const char* name : {"GPUNet-P1", "GPUNet-2", "GPUNet-0", "GPUNet-D1", "lite0", "GPUNet-1", "GPUNet-D2"}) {
        const std::string known = gpunet::registry::builtin().find(name).name;
        for (int threads : {1, 2, gpunet::cpu::all_cores()})
            for (const std::int64_t batch : {1, 8}) {
                cpu.threads = threads;
                cpu.batch = batch;
                cpu.latency = gpunet::milliseconds(ms * 10 * static_cast<double>(batch) / threads);
                records.emplace_back(known, cpu);
            }
        gpu.latency = gpunet::milliseconds(ms);
        if (known != "GPUNet-D2") records.emplace_back(known, gpu);
        ms *= 1.25;
    }
    std::optional<std::string> warning;
    gpunet::records_file(w.cache() / "latency.json").add(records, warning);
}

} // namespace

TEST_CASE("select says what the library says") {
    const workplace w;
    give_records(w);
    gpunet::registry hub = gpunet::registry::builtin();
    std::optional<std::string> warning;
    for (const auto& [name, record] : gpunet::records_file(w.cache() / "latency.json").read(warning))
        hub.add_record(name, record);
    int chosen = 0, refused = 0;
    for (const char* device : {"V100", "NVIDIA A100", "cpu", "cpu 1"})
        for (const char* budget : {"0.6ms", "1200us", "12ms", "1s", ""})
            for (int variant = 0; variant < 4; ++variant) {
                const std::string on = device;
                const bool is_cpu = on.starts_with("cpu");
                gpunet::selection_query q;
                q.device = on;
                if (is_cpu) q = gpunet::query_for(gpunet::cpu::this_device(on == "cpu" ? 0 : 1));
                std::vector<std::string> arguments = {"select", "--json", "--device", is_cpu ? "cpu" : on};
                const auto add = [&](const char* option, const char* value) {
                    arguments.insert(arguments.end(), {option, value});
                };
                if (on == "cpu 1") add("--threads", "1");
                if (*budget) {
                    add("--budget", budget);
                    q.budget = gpunet::parse_duration(budget);
                }
                if (!*budget || variant == 3) {
                    add("--objective", "latency");
                    q.objective = gpunet::objective::latency;
                }
                if (variant == 1) {
                    add("--min-top1", "82");
                    q.min_top1 = 82;
                }
                if (variant == 2) {
                    add("--batch", "8");
                    add("--max-memory", "350MB");
                    q.batch = 8;
                    q.max_memory = 350000000;
                }
                INFO(joined(arguments));
                const outcome r = w.run(arguments);
                try {
                    const auto s = hub.select(q);
                    ++chosen;
                    CHECK(r.err == "");
                    REQUIRE(r.status == 0);
                    const json said = json::parse(r.out);
                    CHECK(said["model"] == s.model->name);
                    CHECK(said["record"] == gpunet::detail::to_json(*s.record));
                    CHECK(said.contains("published_choice") == (s.published_choice != nullptr));
                    CHECK(said.value("explanation", "") == s.explanation);
                    REQUIRE(said["considered"].size() == s.considered.size());
                    for (std::size_t i = 0; i < s.considered.size(); ++i) {
                        CHECK(said["considered"][i]["reason"] == s.considered[i].reason);
                        CHECK(said["considered"][i]["fits"] == s.considered[i].fits);
                        CHECK(said["considered"][i].contains("memory_bytes") == s.considered[i].memory.has_value());
                    }
                } catch (const gpunet::unsupported_error& e) {
                    ++refused;
                    check_refused(r, 1, Contains(e.what()));
                }
            }
    CHECK(chosen > 30);
    CHECK(refused > 10);
}

TEST_CASE("a measured order other than the published one changes what select says, and it says why") {
    const workplace w;
    const std::vector<std::string> arguments = {"select", "--budget", "1.3ms", "--device", "V100"};
    const std::string before = output_of(w, arguments);
    CHECK(first_line(before) == "GPUNet-D1");
    CHECK_THAT(before, Contains("1.24 ms (TensorRT 8, published)") && !Contains("measured here"));
    give_records(w);
    const std::string after = output_of(w, arguments);
    CHECK(first_line(after) == "GPUNet-2"); // 1.25 ms here, where GPUNet-D1 takes 1.953
    CHECK_THAT(after,
               Contains("\nby the published figures it would be GPUNet-D1, 1.24 ms (TensorRT 8); measured here it "
                        "takes 1.953 ms\n") &&
                   Contains("1.25 ms (cuDNN 9.19.0, measured here; published for this device: 1.68 ms, "
                            "TensorRT 8)\n") &&
                   Contains("2.17 ms (TensorRT 8, published), over the budget\n"));
    const json said = json_of(w, {"select", "--budget", "1.3ms", "--device", "V100", "--json"});
    CHECK(said["published_choice"] == "GPUNet-D1");
    const auto d1 = std::find_if(said["considered"].begin(), said["considered"].end(),
                                 [](const json& c) { return c["model"] == "GPUNet-D1"; });
    REQUIRE(d1 != said["considered"].end());
    CHECK((*d1)["published_ms"] == 1.24);
    CHECK((*d1)["latency_ms"] == 1.953125);
    CHECK_THAT(output_of(w, {"select", "--objective", "latency", "--min-top1", "82", "--device", "V100"}),
               StartsWith("GPUNet-2\n1.25 ms, the fastest of top-1 82.0 % on V100, fp16, batch 1\n"));
    const std::string tight = output_of(w, {"select", "--budget", "1s", "--max-memory", "100MB", "--device", "V100"});
    CHECK_THAT(tight, Contains("within 1000 ms and in 100 MB on V100") && Contains(", needs "));
}

TEST_CASE("select --measure measures what is missing, keeps it, and chooses by it") {
    const workplace w;
    const std::int64_t memory =
        gpunet::count_memory(gpunet::lower(gpunet::registry::builtin().find("lite0")), 1, gpunet::memory_model::cpu())
            .total();
    const std::vector<std::string> arguments = {"select", "--measure",    "--budget",
                                                "60s",    "--json",       "--min-top1",
                                                "75",     "--max-memory", std::to_string(memory) + "B"};
    const outcome first = w.run(arguments); // none but EfficientNet-Lite0 is so small and so accurate
    INFO(first.err);
    REQUIRE(first.status == 0);
    CHECK(without_noise(first.err) == "gpunet: measuring EfficientNet-Lite0 on this machine, once\n");
    CHECK(json::parse(first.out)["model"] == "EfficientNet-Lite0");
    CHECK(json_of(w, arguments) == json::parse(first.out));
}

TEST_CASE("records of a newer version are neither used nor overwritten") {
    const workplace w;
    fs::create_directory(w.cache());
    test::write_file(w.cache() / "latency.json", R"({"schema": 99})");
    const outcome r = w.run({"select", "--budget", "1ms", "--device", "V100"});
    CHECK(r.status == 0);
    CHECK_THAT(r.err, StartsWith("gpunet: warning: ") && Contains("of a newer gpunet; left alone and not used"));
    const outcome bench = w.run({"bench", "lite0", "--save"}); // refused before the work
    CHECK(bench.status == 1);
    CHECK(bench.out == "");
    CHECK_THAT(bench.err, Contains("schema: expected an integer from 1 to 2, found 99"));
    CHECK(test::file_content(w.cache() / "latency.json") == R"({"schema": 99})");
}

// eval and verify

namespace {

/// Folders 3 and 7 of pictures under `name`, eight in all, of which two cannot be read if `damaged`.
void make_image_folder(const workplace& w, const std::string& name, bool damaged) {
    for (const char* folder : {"3", "7"}) fs::create_directories(w / name / folder);
    for (const char* file : {"png_rgb8.png", "jpg_444.jpg", "jpg_420.jpg"}) {
        fs::copy_file(images + file, w / name / "3" / file);
        fs::copy_file(images + file, w / name / "7" / file);
    }
    if (!damaged) return;
    test::write_file(w / name / "3" / "broken.jpg", "no picture");
    test::write_file(w / name / "7" / "short.png", test::file_content(images + "png_rgb8.png").substr(0, 100));
}

} // namespace

TEST_CASE("eval gives the library's answers, as text, by class and as JSON") {
    const workplace w;
    make_image_folder(w, "val", false);
    const auto m = [] {
        gpunet::model small;
        small.network = gpunet::read_spec(spec_small);
        small.input.size = small.network.data.resolution;
        return small;
    }();
    const gpunet::network net{m, gpunet::synthetic_weights(gpunet::lower(m)), gpunet::cpu::backend()};
    const auto data = gpunet::list_image_folder(w / "val", m);
    const auto expected =
        gpunet::evaluate(net, m, data.pictures, [](const fs::path& p) { return gpunet::read_image(p); });
    REQUIRE(expected.count == 6);

    const std::vector<std::string> command = {"eval", "val", "--model", spec_small, "--weights", "synthetic"};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), command.begin(), command.end());
        return more;
    };
    for (const char* batch : {"1", "4", "100"}) {
        const json j = json_of(w, with({"--batch", batch, "--threads", "2", "--json"}));
        CHECK(has_keys(j, {"model", "folder", "naming", "device", "engine", "precision", "batch", "seconds"}));
        CHECK(j["naming"] == "numbers");
        CHECK((j["pictures"] == 6 && j["count"] == 6));
        CHECK((j["top1_count"] == expected.top1 && j["top5_count"] == expected.top5));
        CHECK(j["top1"].get<double>() == Approx(expected.top1_percent()));
        CHECK(j["top5"].get<double>() == Approx(expected.top5_percent()));
        CHECK(j["failures"].empty());
        REQUIRE(j["classes"].size() == 2);
        for (std::size_t i = 0; i < 2; ++i) {
            const json& row = j["classes"][i];
            const gpunet::class_score& c = expected.classes[i];
            CHECK((row["index"] == c.target && row["count"] == 3 && row["folder"] == std::to_string(c.target)));
            CHECK((row["top1_count"] == c.top1 && row["top5_count"] == c.top5));
            CHECK(row.contains("mistaken_for") == c.mistaken_for.has_value());
            if (c.mistaken_for) CHECK(row["mistaken_for"]["index"] == *c.mistaken_for);
        }
    }
    const std::string text = output_of(w, command);
    CHECK_THAT(text, StartsWith(spec_small + ": top-1 ") && Contains(" % of 6 pictures\n") &&
                         Contains("2 folders, classes by their numbers; ") && !Contains("most often"));
    CHECK_THAT(output_of(w, with({"--per-class"})), StartsWith(first_line(text)) && Contains("\n    3  3 ") &&
                                                        Contains("\n    7  7 ") && Contains("most often taken for"));
    CHECK(json_of(w, with({"--limit", "2", "--json"}))["count"] == 2);

    // The same pictures under the names of a list.
    fs::rename(w / "val" / "3", w / "val" / "cat");
    fs::rename(w / "val" / "7", w / "val" / "dog");
    test::write_file(w / "names.txt", "a\nb\nc\ncat\ne\nf\ng\ndog\ni\nj\n");
    const json listed = json_of(w, with({"--classes", "names.txt", "--json"}));
    CHECK((listed["naming"] == "listed" && listed["top5_count"] == expected.top5));
    CHECK(listed["classes"][0]["folder"] == "cat");
    check_refused(w.run(command), 1, Contains("val/cat: expected a folder called by a number from 0 to 9"));
    test::write_file(w / "names.txt", "cat\ndog\n");
    check_refused(w.run(with({"--classes", "names.txt"})), 1,
                  Contains("names.txt: names of class folders: expected 10, one for each class, found 2"));
}

TEST_CASE("eval goes on after pictures that cannot be read, counts them, and fails in the end") {
    const workplace w;
    make_image_folder(w, "val", true);
    test::write_file(w / "val" / "3" / "notes.txt", "x");
    const std::vector<std::string> command = {"eval", "val", "--model", spec_small, "--weights", "synthetic", "--json"};
    const outcome r = w.run(command);
    CHECK(r.status == 1);
    const json j = json::parse(r.out);
    CHECK((j["pictures"] == 8 && j["count"] == 6));
    REQUIRE(j["failures"].size() == 2);
    CHECK(j["failures"][0]["image"] == "val/3/broken.jpg");
    CHECK_THAT(j["failures"][0]["error"].get<std::string>(), StartsWith("val/3/broken.jpg: expected a JPEG or PNG"));
    CHECK_THAT(r.err, StartsWith("gpunet: warning: val: 1 file that is no picture by its name left out\n") &&
                          Contains("gpunet: val/3/broken.jpg: ") && Contains("gpunet: val/7/short.png: ") &&
                          Contains("gpunet: 2 of 8 pictures were not judged\n"));

    for (const char* file : {"png_rgb8.png", "jpg_444.jpg", "jpg_420.jpg"})
        for (const char* folder : {"3", "7"}) fs::remove(w / "val" / folder / file);
    const outcome none = w.run(command);
    CHECK(none.status == 1);
    CHECK((json::parse(none.out)["count"] == 0 && json::parse(none.out)["top1"].is_null()));
    const outcome text = w.run({command.begin(), command.end() - 1});
    CHECK_THAT(text.out, StartsWith(spec_small + ": top-1 - %, top-5 - % of 0 pictures\n"));

    fs::create_directories(w / "empty" / "3");
    check_refused(w.run({"eval", "empty", "--model", spec_small, "--weights", "synthetic"}), 1,
                  Contains("empty: expected pictures in the class folders, found none"));
    check_refused(w.run({"eval", "nowhere", "--model", spec_small, "--weights", "synthetic"}), 1,
                  Contains("nowhere: expected a folder of class folders, found nothing"));
    check_refused(w.run({"eval", "val"}), 2, Contains("--model: expected the name of a model"));
    check_refused(w.run({"eval", "val", "--weights", "synthetic"}), 2, Contains("--weights requires --model"));
    check_refused(w.run({"eval", "val", "--model", spec_small, "--batch", "0"}), 2, Contains("--batch"));
    check_refused(w.run({"eval"}), 2, Contains("DIR is required"));
}

TEST_CASE("quantize makes int8 weights, the same bytes every time, that every command takes") {
    const workplace w;
    make_image_folder(w, "val", false);
    test::write_file(w / "val" / "3" / "notes.txt", "x");
    const std::vector<std::string> command = {"quantize", spec_small, "a.safetensors", "--weights", "synthetic",
                                              "--images", "val"};
    const auto with = [&](const char* out, std::vector<std::string> more) {
        more.insert(more.begin(), command.begin(), command.end());
        more[2] = out;
        return more;
    };
    const std::string text = output_of(w, command);
    CHECK_THAT(text, StartsWith("layer  output of") && Contains("\n    2  network.head: 2.net.0 ") &&
                         Contains("\n    5  network.stage: 2 layer5.se.conv_expand ") &&
                         Contains("\na.safetensors: " + spec_small +
                                  " in int8, scales by mse of 6 pictures; against "
                                  "float32 on 6: logits ") &&
                         EndsWith(" times\n"));
    const json j = json_of(w, with("b.safetensors", {"--json", "--threads", "1"}));
    CHECK((j["model"] == spec_small && j["output"] == "b.safetensors" && j["method"] == "mse"));
    CHECK((j["pictures"] == 6 && j["compared"] == 6 && j["logits_decibels"] > 15));
    REQUIRE(j["maps"].size() > 10);
    CHECK(keys(j["maps"][0]) == std::vector<std::string>{"layer", "output_of", "scale", "decibels"});
    static_cast<void>(output_of(w, with("c.safetensors", {})));
    const std::string bytes = test::file_content(w / "a.safetensors");
    CHECK(bytes == test::file_content(w / "c.safetensors"));
    CHECK_THAT(bytes, Contains("int8 symmetric, version 1") && Contains("\"gpunet.model\":\"small0\"") &&
                          !Contains(test::checkpoints)); // no folder of this machine
    const json max = json_of(w, with("m.safetensors", {"--json", "--method", "max", "--samples", "2"}));
    CHECK((max["method"] == "max" && max["pictures"] == 2 && max["compared"] == 2));

    write_input(w / "x.npy", {2, 3, 64, 64});
    const auto scores = [&](const char* weights) {
        CHECK(output_of(w, {"run", spec_small, "--weights", weights, "--input", "x.npy", "--output", "y.npy"}) == "");
        return gpunet::read_npy(w / "y.npy");
    };
    const auto exact = scores("synthetic"), found = scores("a.safetensors");
    CHECK(relative_l2(found.elements(), exact.elements()) < 0.2);
    CHECK(relative_l2(found.elements(), exact.elements()) > 0); // int8 it is
    CHECK(output_of(w, {"convert", "a.safetensors", "d.safetensors", "--model", spec_small}) != "");
    const json measured =
        json_of(w, {"bench", spec_small, "--weights", "a.safetensors", "--device", "cpu", "--runs", "1", "--json"});
    CHECK(measured[0]["precision"] == (gpunet::cpu::backend().has_int8() ? "int8" : "fp32"));
    check_refused(w.run({"bench", "--weights", "a.safetensors"}), 2, Contains("--weights: expected one model"));
    fs::remove(w / "val" / "3" / "notes.txt");
    CHECK(json_of(w, {"eval", "val", "--model", spec_small, "--weights", "a.safetensors", "--json"})["count"] == 6);
    CHECK_THAT(output_of(w, {"classify", images + "jpg_444.jpg", "--model", spec_small, "--weights", "d.safetensors"}),
               Contains("class "));
#ifdef GPUNET_HAS_ONNX
    CHECK_THAT(output_of(w, {"export", spec_small, "q.onnx", "--weights", "a.safetensors", "--batch", "2"}),
               StartsWith("q.onnx: opset 17, "));
    for (const std::vector<std::string>& not_int8 :
         {std::vector<std::string>{"--unfolded"}, std::vector<std::string>{"--precision", "fp16"}}) {
        std::vector<std::string> all = {"export", spec_small, "no.onnx", "--weights", "a.safetensors"};
        all.insert(all.end(), not_int8.begin(), not_int8.end());
        check_refused(w.run(all), 1, Contains("a.safetensors: expected float") && Contains("int8 weights"));
    }
#endif
    check_refused(w.run({"quantize", spec_small, "e.safetensors", "--weights", "a.safetensors", "--images", "val"}), 1,
                  Contains("a.safetensors: expected float weights to quantize, found int8 weights"));
}

TEST_CASE("quantize refuses what it cannot do, in one line, and leaves nothing behind") {
    const workplace w;
    make_image_folder(w, "val", true);
    const auto before = w.content();
    const auto with = [&](const std::vector<std::string>& more) {
        std::vector<std::string> all = {"quantize", spec_small, "q.safetensors", "--weights", "synthetic"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    check_refused(w.run(with({})), 2, Contains("--images is required"));
    check_refused(w.run({"quantize", spec_small, "--images", "val"}), 2, Contains("OUT"));
    check_refused(w.run(with({"--images", "val", "--method", "median"})), 2, Contains("--method"));
    check_refused(w.run(with({"--images", "val", "--samples", "0"})), 2, Contains("--samples"));
    check_refused(w.run(with({"--images", "val", "--device", "cuda"})), 2, Contains("--device: expected cpu"));
    check_refused(w.run(with({"--images", "val", "--precision", "fp16"})), 2, Contains("--precision: expected fp32"));
    check_refused(w.run(with({"--images", "nowhere"})), 1,
                  Contains("nowhere: expected a folder of pictures, found nothing"));
    check_refused(w.run(with({"--images", spec_small})), 1, Contains("small0.json: expected a folder of pictures"));
    fs::create_directory(w / "empty");
    check_refused(w.run(with({"--images", "empty"})), 1, Contains("empty: expected pictures, found none"));
    fs::remove(w / "empty");
    check_refused(w.run(with({"--images", "val"})), 1, Contains("val/3/broken.jpg: expected a JPEG or PNG"));
    fs::remove(w / "val" / "3" / "broken.jpg");
    fs::remove(w / "val" / "7" / "short.png");
    check_refused(w.run_on_full_disk(with({"--images", "val"})), 1, Contains("q.safetensors: cannot write"));
    check_refused(w.run({"quantize", spec_small, "no/q.safetensors", "--weights", "synthetic", "--images", "val"}), 1,
                  Contains("no/q.safetensors"));
    CHECK(w.content() == before);
}

TEST_CASE("verify proves models, says which have nothing to prove by, and fails where anything does") {
    const workplace w;
    const json rows = json_of(w, {"verify", "lite0", "--json"});
    REQUIRE(rows.size() == 1);
    for (const json& r : rows) {
        CHECK(has_keys(r, {"model", "device", "precision", "engine", "golden", "max_abs", "top1_same"}));
        CHECK((r["ok"] == true && r["weights"] == "synthetic" && r["tolerance"] == 1e-4));
        CHECK(r["relative_l2"].get<double>() < 1e-5);
        CHECK(r["golden"]["input"]["height"] == 224);
    }
    const std::string text = output_of(w, {"verify", "lite0"});
    CHECK_THAT(text, StartsWith(gpunet::cpu_name() + ", fp32\n") && Contains("EfficientNet-Lite0  synthetic") &&
                         Contains("1.0e-04") && Contains("ok\n") && !Contains("FAILED"));

    const outcome without = w.run({"verify", spec_small, "lite0"});
    CHECK(without.status == 1);
    CHECK_THAT(without.out, Contains(spec_small + " no golden\n") && Contains("ok\n"));
    CHECK(without.err == "gpunet: 1 model has no golden to compare with\n");
    CHECK(json::parse(w.run({"verify", spec_small, "--json"}).out)[0]["ok"].is_null());

    // Weights at hand that are not the golden's prove nothing; those that cannot be read are a failure.
    give_weights(w);
    CHECK(json_of(w, {"verify", "lite0", "--json"}).size() == 1);
    test::write_file(w.weights() / "lite0.safetensors", "damaged");
    const outcome broken = w.run({"verify", "lite0", "--json"});
    CHECK(broken.status == 1);
    CHECK(broken.err == "gpunet: 1 of 2 goldens failed\n");
    const json both = json::parse(broken.out);
    CHECK((both[0]["ok"] == true && both[1]["ok"] == false && both[1]["weights"] == "pretrained"));
    CHECK_THAT(both[1]["error"].get<std::string>(), Contains("lite0.safetensors"));
    CHECK_THAT(w.run({"verify", "lite0"}).out, Contains("pretrained  224x224    FAILED: "));

    check_refused(w.run({"verify", "GPUNet-9"}), 1, Contains("no model is called \"GPUNet-9\""));
    check_refused(w.run({"verify", "lite0", "--precision", "fp16"}), 1, Contains("the CPU backend computes in fp32"));
    CHECK(w.content().empty());
}

TEST_CASE("real weights: verify proves pretrained weights at hand") {
    const char* assets = std::getenv("GPUNET_TEST_ASSETS");
    if (!assets || !*assets) {
        std::cout << "skipped: GPUNET_TEST_ASSETS names no directory with EfficientNet-Lite0.pth and pictures\n";
        return;
    }
    const workplace w;
    const outcome r = w.run({"verify", "lite0", "--json"}, {{"GPUNET_WEIGHTS_DIR", fs::absolute(assets).string()}});
    CHECK(r.err == "");
    REQUIRE(r.status == 0);
    const json rows = json::parse(r.out);
    REQUIRE(rows.size() == 2);
    CHECK((rows[1]["weights"] == "pretrained" && rows[1]["ok"] == true));
}

#ifdef GPUNET_CLI_ON_FAKE_GPU
TEST_CASE("verify and eval run on a GPU") {
    const workplace w;
    const outcome v = w.run_on_fake_gpu({"verify", "lite0", "--device", "cuda", "--json"});
    INFO(v.err);
    REQUIRE(v.status == 0);
    const json row = json::parse(v.out)[0];
    CHECK_THAT(row["engine"].get<std::string>(), StartsWith("cuDNN 9."));
    CHECK((row["ok"] == true && row["precision"] == "fp16" && row["tolerance"] == 5e-3));
    CHECK(row["relative_l2"].get<double>() > 1e-5); // rounded to half precision
    make_image_folder(w, "val", false);
    const outcome r = w.run_on_fake_gpu({"eval", "val", "--model", spec_small, "--weights", "synthetic", "--json"});
    INFO(r.err);
    REQUIRE(r.status == 0);
    CHECK((json::parse(r.out)["count"] == 6 && json::parse(r.out)["precision"] == "fp16"));
}
#endif

// The report.

namespace {

/// As `bench --save` does, on two threads.
void keep_measurement(const workplace& w, const std::string& model, double ms) {
    gpunet::measurement m;
    m.median = m.p95 = m.p99 = gpunet::milliseconds(ms);
    m.runs = 20;
    std::optional<std::string> warning;
    const gpunet::latency_record r = gpunet::make_record(gpunet::cpu::this_device(2), 1, m);
    gpunet::records_file(w.cache() / "latency.json").add({{model, r}}, warning);
}

} // namespace

TEST_CASE("report writes one page about this machine") {
    const workplace w;
    CHECK(output_of(w, {"report"}) == "report.html: 38 models\n");
    CHECK(w.content() == std::vector<std::string>{"report.html"});
    const std::string published = test::file_content(w / "report.html");
    CHECK_THAT(published, StartsWith("<!DOCTYPE html>\n") && EndsWith("</html>\n"));
    CHECK_THAT(published, Contains("Nothing is measured on this machine yet."));
    CHECK_FALSE(fs::exists(w.cache()));
    CHECK(output_of(w, {"report", "-o", "-"}) == published);
    CHECK(output_of(w, {"report", "--title", "Ours <b>", "-o", "other.html"}) == "other.html: 38 models\n");
    CHECK_THAT(test::file_content(w / "other.html"), Contains("<title>Ours &lt;b&gt;</title>"));

    keep_measurement(w, "GPUNet-0", 30);
    const std::string measured = output_of(w, {"report", "-o", "-", "--threads", "2", "--budget", "40ms"});
    CHECK_THAT(measured, Contains("Within 40 ms the most accurate model on this machine is <strong>GPUNet-0</strong>"));
    CHECK_THAT(measured, Contains("1 of 38 models measured here"));
    CHECK_THAT(output_of(w, {"report", "-o", "-", "--threads", "2", "--budget", "20ms"}),
               Contains("No model on this machine takes at most 20 ms: the fastest is <strong>GPUNet-0</strong>"));
}

TEST_CASE("report measures the layers of a model, by default of the most accurate one measured") {
    const workplace w;
    const std::string page = output_of(w, {"report", "-o", "-", "--layers", spec_small, "--threads", "1"});
    CHECK_THAT(page,
               Contains("Time of each layer of ") && Contains("1 thread") && Contains("<th scope=\"row\">2 head</th>"));
    check_refused(w.run({"report", "--layers"}), 2, Contains("--layers: expected the name of a model"));
    check_refused(w.run({"report", "--layers", "GPUNet-9"}), 1, Contains("no model is called \"GPUNet-9\""));
    keep_measurement(w, "EfficientNet-Lite0", 30);
    CHECK_THAT(output_of(w, {"report", "-o", "-", "--threads", "2", "--layers"}),
               Contains("Time of each layer of EfficientNet-Lite0") && !Contains("Time of each layer of GPUNet"));
    CHECK(w.content().empty());
}

TEST_CASE("a report that cannot be made is refused in words, and leaves what was there") {
    const workplace w;
    fs::create_directory(w / "taken");
    test::write_file(w / "earlier.html", "earlier");
    check_refused(w.run({"report", "--budget", "soon"}), 2, Contains("--budget: expected a positive time"));
    check_refused(w.run({"report", "-o"}), 2, Contains("-o"));
    check_refused(w.run({"report", "-o", "taken"}), 1, Contains("taken: cannot be written: it is a directory"));
    check_refused(w.run({"report", "-o", "absent/report.html"}), 1, Contains("absent/report.html: cannot create"));
    check_refused(w.run_on_full_disk({"report", "-o", "earlier.html"}), 1,
                  Contains("earlier.html: cannot write: File too large"));
    CHECK(test::file_content(w / "earlier.html") == "earlier");
    CHECK(w.content() == std::vector<std::string>{"earlier.html", "taken"});
    fs::create_directories(w.cache());
    test::write_file(w.cache() / "latency.json", "damaged");
    const outcome warned = w.run({"report"});
    CHECK(warned.status == 0);
    CHECK_THAT(warned.err, StartsWith("gpunet: warning: ") && Contains("set aside as"));
}

#ifdef GPUNET_CLI_ON_FAKE_GPU
TEST_CASE("on a GPU: report names it, and times the layers there") {
    const workplace w;
    const outcome r = w.run_on_fake_gpu({"report", "-o", "-", "--layers", spec_small});
    INFO(r.err);
    REQUIRE(r.status == 0);
    CHECK_THAT(r.out, Contains("<dt>GPU 0</dt>") && Contains("<dt>Driver</dt>") &&
                          Contains(", fp16, batch 1. Each layer") && Contains("Time of each layer of "));
}
#endif

} // namespace test_cli

// The registry: every built-in model is complete, true to its sources, and runs.
#include "affordable.hpp"
#include "hub_support.hpp"

#include <gpunet/any_network.hpp>
#include <gpunet/cpu.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace test_hub { // tests of a program are compiled together

using Catch::Contains;
using Catch::EndsWith;
using core_test::message_of;
using core_test::relative_l2;
using gpunet::latency_record;
using gpunet::model;
using gpunet::parse_model;
using gpunet::registry;
using hub_test::hub;
using json = nlohmann::ordered_json;

namespace {

json model_file(const std::string& name) {
    return json::parse(test::file_content(std::string(GPUNET_MODELS) + "/" + name + ".json"));
}

/// The only record of these conditions.
double latency(const model& m, const std::string& device, const std::string& engine, std::int64_t batch) {
    double found = 0;
    for (const latency_record& r : m.latency)
        if (r.device == device && r.engine == engine && r.batch == batch && r.precision == "fp16") {
            CHECK(found == 0);
            found = r.latency.count();
        }
    return found;
}

bool is_date(const std::string& text) { // a year, a month or a day
    const std::string form = std::string("dddd-dd-dd").substr(0, text.size());
    return (text.size() == 4 || text.size() == 7 || text.size() == 10) &&
           std::equal(form.begin(), form.end(), text.begin(), [](char f, char c) {
               return f == 'd' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : f == c;
           });
}

bool is_sha256(const std::string& text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

gpunet::tensor<float> input(const gpunet::shape& s) {
    gpunet::tensor<float> t(s);
    gpunet::synthetic_input(t.elements());
    return t;
}

gpunet::image picture(std::int64_t width, std::int64_t height) {
    gpunet::image p(width, height);
    std::uint32_t x = 1;
    for (auto& byte : p.pixels) byte = static_cast<std::uint8_t>((x = x * 1664525U + 1013904223U) >> 24);
    return p;
}

} // namespace

TEST_CASE("the registry holds all models, compiled in from models/*.json") {
    std::set<std::string> files, embedded;
    for (const auto& entry : std::filesystem::directory_iterator(GPUNET_MODELS))
        files.insert("models/" + entry.path().filename().string());
    for (const auto& m : gpunet::detail::builtin_models) {
        INFO(m.file << ": run tools/embed_models.py if this differs");
        embedded.insert(std::string(m.file));
        const std::string stem = std::filesystem::path(m.file).stem();
        auto whole = nlohmann::json::parse(m.text);
        CHECK_FALSE(whole.contains("goldens"));
        if (const auto goldens = nlohmann::json::parse(m.goldens); !goldens.empty()) whole["goldens"] = goldens;
        CHECK((whole == nlohmann::json(model_file(stem)))); // in any order
        // The goldens are read when they are asked for, and are those of the file.
        const model of_file = parse_model(whole.dump(), stem);
        const gpunet::golden_list copy = hub().find(stem).goldens;
        REQUIRE(copy.size() == of_file.goldens.size());
        for (std::size_t i = 0; i < copy.size(); ++i) {
            CHECK(copy[i].logits == of_file.goldens[i].logits);
            CHECK(&copy[i] == &hub().find(stem).goldens[i]);
        }
        CHECK(hub().find(stem).name == stem);
    }
    CHECK(embedded == files);
    CHECK(hub().models().size() == files.size());
    CHECK(std::cmp_equal(std::distance(hub().begin(), hub().end()), files.size()));
}

TEST_CASE("every name and alias is unique and found in any case") {
    std::map<std::string, std::string> owners;
    for (const model& m : hub()) {
        std::vector<std::string> names = m.aliases;
        names.push_back(m.name);
        for (const std::string& name : names) {
            INFO(name);
            std::string lower = name, upper = name;
            for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            CHECK(owners.emplace(lower, m.name).second);
            for (const std::string& spelling : {name, lower, upper})
                CHECK(&hub().find(spelling) == &hub().find(m.name));
        }
    }
    CHECK(hub().lookup("GPUNet-3") == nullptr);
    CHECK(hub().lookup("") == nullptr);
    CHECK_THAT(
        message_of<gpunet::argument_error>([] { static_cast<void>(hub().find("GPUNet-3")); }),
        EndsWith("no model is called \"GPUNet-3\"; of the " + std::to_string(hub().models().size()) +
                 " known the nearest: GPUNet-0, GPUNet-1, GPUNet-2, GPUNet-D1, GPUNet-D2, GPUNet-P0, GPUNet-P1"));

    // Slips, beginnings, timm's spellings of what is ours by another name, and what is like nothing.
    const std::vector<std::pair<std::string, std::string>> unknown = {
        {"tf_efficientnet_b0.aa_in1k", "the nearest: EfficientNet-B0"},
        {"tf_efficientnet_lite0", "the nearest: EfficientNet-Lite0"},
        {"efficientnet_b7", "the nearest: EfficientNet-B7"}, // timm's has other padding and other weights
        {"EfficientNet-V2-S", "the nearest: EfficientNetV2-S"},
        {"mobilenetv4", "the nearest: MobileNetV4-Conv-L, MobileNetV4-Conv-M, MobileNetV4-Conv-S"},
        {"resnet50", "known none has a name like it"},
        {"", "known none has a name like it"},
        {std::string(100000, 'x'), "known none has a name like it"},
    };
    for (const auto& u : unknown)
        CHECK_THAT(message_of<gpunet::argument_error>([&] { static_cast<void>(hub().find(u.first)); }),
                   EndsWith(u.second));
    CHECK_THAT(message_of<gpunet::argument_error>([] { static_cast<void>(hub().find("effcientnet-x-b3")); }),
               Contains("the nearest: EfficientNet-X-B3, "));
    CHECK(gpunet::detail::name_distance("kitten", "sitting") == 3);
    CHECK(gpunet::detail::name_distance("", "abc") == 3);
    CHECK(gpunet::detail::name_distance("GPUNet-0", "gpunet_0") == 0);

    registry own;
    own.add(hub().find("GPUNet-0"));
    model clash = hub().find("GPUNet-1");
    clash.aliases = {"GPUNET_0"};
    CHECK_THAT(message_of<gpunet::spec_error>([&] { own.add(clash); }),
               Contains("GPUNet-1: the name GPUNET_0 is taken by GPUNet-0"));
}

TEST_CASE("every record is complete and agrees with its network") {
    for (const model& m : hub()) {
        INFO(m.name);
        const auto g = gpunet::lower(m.network);
        CHECK(gpunet::graph::count(g) == gpunet::graph::counts{m.parameters, m.multiply_adds});
        CHECK(m.input.size == m.network.data.resolution);
        CHECK(g.input.size == m.input.size);
        CHECK(g.classes == 1000);
        CHECK(m.labels == "imagenet-1k");
        CHECK_NOTHROW(gpunet::validate(m.input));
        for (const auto& key : m.network.unknown_keys) CHECK(key.key == "stage:"); // NVIDIA's own slip in 2.25ms-D
        CHECK_FALSE(m.family.empty());
        CHECK_FALSE(m.description.empty());
        CHECK_THAT(m.paper, Catch::StartsWith("arXiv:"));
        CHECK_FALSE(m.top1_source.empty());
        CHECK(m.licence == "Apache-2.0");
        CHECK((m.family == "EfficientNet-X" || !m.weights.empty())); // nobody publishes its weights, but B5's
        for (const auto& w : m.weights) {
            CHECK((w.url.has_value() || w.package.has_value()));
            CHECK((!w.member.empty() || w.url->ends_with(".safetensors"))); // the file itself
            CHECK_FALSE(w.licence.empty());
            if (w.sha256) CHECK(is_sha256(*w.sha256));
            if (w.package) CHECK((w.package_sha256 && is_sha256(*w.package_sha256) && w.size && w.sha256));
        }
        for (const latency_record& r : m.latency) {
            CHECK(r.kind == latency_record::origin::published);
            CHECK_FALSE(r.source.empty());
            CHECK(is_date(r.date));
            CHECK(std::count_if(m.latency.begin(), m.latency.end(),
                                [&](const latency_record& other) { return gpunet::same_subject(r, other); }) == 1);
        }
    }
}

TEST_CASE("GPUNet's records are the published figures, all of them and no others") {
    const auto batches = [](const std::string& name) -> std::vector<double> {
        if (name == "GPUNet-0") return {0.46, 0.51, 0.66, 0.91, 1.52, 2.84, 5.12};
        if (name == "GPUNet-1") return {0.59, 0.66, 0.78, 1.03, 1.60, 2.79, 5.14};
        if (name == "GPUNet-2") return {1.25, 1.44, 1.89, 2.79, 4.59, 8.04, 14.76};
        return {};
    };
    for (const auto& p : hub_test::published_models) {
        INFO(p.name);
        const model& m = hub().find(p.name);
        CHECK(m.top1 == p.top1);
        CHECK(m.input.size == gpunet::extent2{p.side, p.side});
        CHECK(m.input.crop == p.crop);
        CHECK(m.input.interpolation == gpunet::interpolation::bicubic);
        CHECK(m.input.mean == std::array<float, 3>{0.485F, 0.456F, 0.406F});
        CHECK(m.input.std == std::array<float, 3>{0.229F, 0.224F, 0.225F});
        CHECK(latency(m, "NVIDIA V100", "TensorRT 8", 1) == p.v100_tensorrt);
        CHECK(latency(m, "NVIDIA V100", "PyTorch", 1) == p.v100_pytorch);
        CHECK(latency(m, "NVIDIA A100", "TensorRT 8", 1) == p.a100_tensorrt);
        CHECK(latency(m, "NVIDIA A100", "PyTorch", 1) == p.a100_pytorch);
        const auto by_batch = batches(p.name);
        for (std::size_t i = 0; i < by_batch.size(); ++i)
            CHECK(latency(m, "NVIDIA A100", "TensorRT 8", std::int64_t{1} << i) == by_batch[i]);
        CHECK(m.latency.size() == 4 + (by_batch.empty() ? 0 : by_batch.size() - 1));
        const std::string tier = std::filesystem::path(p.file).stem();
        REQUIRE(m.weights.size() == 1);
        CHECK(m.weights[0].member == tier + ".pth.tar");
        std::string id(std::string_view(p.name).substr(7));
        id[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(id[0])));
        CHECK(m.weights[0].url ==
              "https://api.ngc.nvidia.com/v2/models/nvidia/dle/gpunet_" + id + "_pyt_ckpt/versions/21.12.0_amp/zip");
        CHECK(&hub().find(tier) == &m);
    }
    const model& lite = hub().find("lite0");
    CHECK(lite.top1 == 75.1);
    CHECK(lite.input.crop == 0.875);
    CHECK(lite.weights[0].package_sha256 == "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be");
    for (std::size_t c = 0; c < 3; ++c) { // (x - 127) / 128 on 0..255
        CHECK(lite.input.mean[c] * 255 == Approx(127));
        CHECK(lite.input.std[c] * 255 == Approx(128));
    }
}

TEST_CASE("NVIDIA's published files give the registry's graphs") {
    for (const auto& p : hub_test::published_models) {
        INFO(p.file);
        const auto theirs = gpunet::read_spec(core_test::data_folder + "/nvidia-specs/" + p.file);
        CHECK(gpunet::lower(theirs) == gpunet::lower(hub().find(p.name).network));
        CHECK(gpunet::lower(theirs) == gpunet::lower(hub().find(p.name))); // a model is a network
    }
}

TEST_CASE("every model runs on the CPU, alone and behind any_network") {
    for (const model& m : hub()) {
        if (!gpunet_test::affordable(m)) continue;
        INFO(m.name);
        const auto weights = gpunet::synthetic_weights(gpunet::lower(m));
        const gpunet::network net{m, weights, gpunet::cpu::backend()};
        const auto images = input({2, 3, 40, 33});
        const auto scores = net(images);
        REQUIRE(scores.shape() == gpunet::shape{2, 1000});
        CHECK(
            std::all_of(scores.elements().begin(), scores.elements().end(), [](float x) { return std::isfinite(x); }));
        CHECK(relative_l2(scores.elements().subspan(0, 1000), scores.elements().subspan(1000)) > 1e-6);

        const gpunet::any_network any(net);
        CHECK_THAT(any.engine(), Catch::StartsWith("oneDNN "));
        CHECK(any.spec() == m.network);
        CHECK(relative_l2(any(images).elements(), scores.elements()) == 0);
        gpunet::any_context c = any.make_context({2, {40, 33}, gpunet::taps::layers});
        CHECK(relative_l2(c.run(images.elements()).elements(), scores.elements()) == 0);
        CHECK(c.input_shape() == images.shape());
        CHECK(c.features().size() == c.graph().blocks.size());
        CHECK(relative_l2(c.features().back().values.elements(), scores.elements()) == 0);
        CHECK(any.features(images).size() == net.features(images).size());
    }
}

TEST_CASE("classify resizes, crops, normalises, runs and names") {
    const model& m = hub().find("EfficientNet-Lite0");
    const gpunet::network net{m, gpunet::synthetic_weights(gpunet::lower(m)), gpunet::cpu::backend()};
    const gpunet::image p = picture(300, 200);
    const auto result = gpunet::classify(net, m, p);
    const auto logits = net(gpunet::preprocess(p, m.input));
    CHECK(relative_l2(result.logits(), logits.elements()) == 0);
    const auto best = result.predictions(5);
    CHECK(best == gpunet::top_k(logits.elements(), 5));
    const auto named = result.top(5);
    REQUIRE(named.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(named[i].label == gpunet::imagenet_labels()[static_cast<std::size_t>(best[i].index)]);
        CHECK(named[i].probability == best[i].probability);
    }
    CHECK(result.top(5000).size() == 1000);
    const gpunet::any_network any(net);
    CHECK(relative_l2(gpunet::classify(any, m, p).logits(), logits.elements()) == 0);
}

TEST_CASE("a class without a known name has a number") {
    CHECK(gpunet::class_label(hub().find("GPUNet-0"), 281) == "tabby, tabby cat");
    CHECK(gpunet::class_label(hub().find("GPUNet-0"), 1000) == "class 1000");
    CHECK(gpunet::class_label(model(), 281) == "class 281");
}

TEST_CASE("a model's record survives being written and read") {
    for (const model& m : hub()) {
        INFO(m.name);
        json document = gpunet::detail::to_json(m);
        document["schema"] = 1;
        document["network"] = model_file(m.name)["network"];
        document["goldens"] = model_file(m.name)["goldens"]; // the record as JSON leaves out their logits
        const model back = parse_model(document.dump(), "again");
        CHECK(gpunet::detail::to_json(back) == gpunet::detail::to_json(m));
        CHECK(back.network == m.network);
    }
}

TEST_CASE("a malformed record is refused naming file, place, what was expected and found") {
    struct damage {
        std::function<void(json&)> apply;
        const char* message;
    };
    const auto at = [](const char* pointer, const json& value) {
        return [pointer, value](json& j) { j[json::json_pointer(pointer)] = value; };
    };
    const auto without = [](const char* parent, const char* key) {
        return [parent, key](json& j) { j[json::json_pointer(parent)].erase(key); };
    };
    const std::vector<damage> damages = {
        {at("/schema", 2), "m.json: schema: expected an integer from 1 to 1, found 2"},
        {without("", "schema"), "m.json: schema: expected an integer from 1 to 1, found nothing"},
        {at("/name", 7), "m.json: name: expected a string, found 7"},
        {without("", "name"), "m.json: name: expected a string, found nothing"},
        {without("", "family"), "m.json: family: expected a string"},
        {without("", "description"), "m.json: description: expected a string"},
        {without("", "paper"), "m.json: paper: expected a string"},
        {without("", "top1_source"), "m.json: top1_source: expected a string"},
        {without("", "licence"), "m.json: licence: expected a string"},
        {at("/labels", nullptr), "m.json: labels: expected a string, found null"},
        {at("/aliases", "x"), "m.json: aliases: expected a list of strings, found \"x\""},
        {at("/aliases/0", 7), "m.json: aliases: expected a list of strings, found [7,"},
        {at("/parameters", 0), "m.json: parameters: expected an integer from 1 to 1099511627776, found 0"},
        {at("/parameters", 1.5), "m.json: parameters: expected an integer from 1 to 1099511627776, found 1.5"},
        {at("/multiply_adds", std::uint64_t{1} << 63), "m.json: multiply_adds: expected an integer from 1 to"},
        {at("/multiply_adds", "many"), "m.json: multiply_adds: expected an integer from 1 to"},
        {at("/top1", 100.5), "m.json: top1: expected a number above 0.0 and up to 100.0, found 100.5"},
        {at("/top1", "80"), "m.json: top1: expected a number above 0.0 and up to 100.0, found \"80\""},
        {without("", "input"), "m.json: input: expected an object, found nothing"},
        {at("/input", 320), "m.json: input: expected an object, found 320"},
        {at("/input/height", 0), "m.json: input: height: expected an integer from 1 to 65536, found 0"},
        {without("/input", "width"), "m.json: input: width: expected an integer from 1 to 65536, found nothing"},
        {at("/input/channels", 1), "m.json: input: channels: expected an integer from 3 to 3, found 1"},
        {at("/input/crop", 0), "m.json: input: crop: expected a number above 0.0 and up to 1.0, found 0"},
        {at("/input/interpolation", "nearest"),
         "m.json: input: interpolation: expected one of bilinear, bicubic, found \"nearest\""},
        {without("/input", "interpolation"),
         "m.json: input: interpolation: expected bilinear or bicubic, found nothing"},
        {at("/input/mean", json{1, 2}),
         "m.json: input: mean: expected three numbers from -1000.0 to 1000.0, found [1,2]"},
        {at("/input/mean", 0.5), "m.json: input: mean: expected three numbers from -1000.0 to 1000.0, found 0.5"},
        {at("/input/std/1", "x"), "m.json: input: std: expected three numbers from 0.001 to 1000.0, found ["},
        {at("/weights", "url"), "m.json: weights: expected a list, found \"url\""},
        {at("/weights/0", 7), "m.json: weights[0]: expected an object, found 7"},
        {at("/weights/0/url", 7), "m.json: weights[0]: url: expected a string, found 7"},
        {at("/weights/0/size", -1), "m.json: weights[0]: size: expected an integer from 1 to 1099511627776, found -1"},
        {at("/weights/0/member", 7), "m.json: weights[0]: member: expected a string, found 7"},
        {at("/weights/0/path", "/w.pth"), "m.json: weights[0]: expected one of url, package and path, found several"},
        {without("/weights/0", "url"), "m.json: weights[0]: expected one of url, package and path, found none of them"},
        {at("/weights/0", {{"package", "p"}, {"member", "m"}, {"licence", "l"}}),
         "m.json: weights[0]: package: expected \"name==version\", found \"p\""},
        {at("/weights/0", {{"package", "p==1"}, {"licence", "l"}}),
         "m.json: weights[0]: member: expected a string, found nothing"},
        {at("/weights/0", {{"path", "w.pth"}, {"licence", "l"}}),
         "m.json: weights[0]: path: expected an absolute path or one that begins with ~/, found \"w.pth\""},
        {at("/weights/0/sha256", "ab"), "m.json: weights[0]: sha256: expected a SHA-256 of 64 lower-case"},
        {at("/weights/0/archive_sha256", "AB"), "m.json: weights[0]: archive_sha256: expected a SHA-256"},
        {without("/weights/0", "licence"), "m.json: weights[0]: licence: expected a string, found nothing"},
        {at("/latency/1/latency_ms", 0), "m.json: latency[1]: latency_ms: expected a number above 0.0"},
        {at("/latency/0/batch", 0), "m.json: latency[0]: batch: expected an integer from 1 to 1048576, found 0"},
        {at("/latency/0/kind", "rumour"),
         "m.json: latency[0]: kind: expected one of published, measured, found \"rumour\""},
        {without("/latency/2", "engine"), "m.json: latency[2]: engine: expected a string, found nothing"},
        {without("/latency/2", "date"), "m.json: latency[2]: date: expected a string, found nothing"},
        {at("/latency/0/threads", 0), "m.json: latency[0]: threads: expected an integer from 1 to"},
        {at("/latency/0/p99_ms", "x"), "m.json: latency[0]: p99_ms: expected a number above 0.0"},
        {without("", "network"), "m.json: network: expected a list of layers, found nothing"},
        {at("/network", 7), "m.json: expected a list of layers, found 7"},
        {at("/network/4/stride", 0), "m.json: layer 5 (fused_irb): stride: expected an integer from 1 to 16, found 0"},
        {at("/network/2/num_in_channels", 31),
         "m.json: layer 3 (conv): num_in_channels: expected 32 (what layer 2 gives), found 31"},
    };
    const json good = model_file("GPUNet-0");
    CHECK_NOTHROW(parse_model(good.dump(), "m.json"));
    for (const damage& d : damages) {
        INFO(d.message);
        json bad = good;
        d.apply(bad);
        CHECK_THAT(message_of<gpunet::spec_error>([&] { static_cast<void>(parse_model(bad.dump(), "m.json")); }),
                   Catch::StartsWith(d.message));
    }
    for (const char* text : {"", "{", "[]", "7", R"({"schema": 1, "schema": 1})"}) {
        INFO(text);
        CHECK_THAT(message_of<gpunet::spec_error>([&] { static_cast<void>(parse_model(text, "m.json")); }),
                   Catch::StartsWith("m.json: "));
    }
}

} // namespace test_hub

// Goldens: each model carries the reference's logits, the CPU computes them, and what is wrong is found.
#include "core_support.hpp"
#include "hub_support.hpp"
#include "weights_support.hpp"

#include <gpunet/any_network.hpp>
#include <gpunet/cpu.hpp>
#include <gpunet/hub/parameters_sha256.hpp>
#include <gpunet/hub/registry.hpp>
#include <gpunet/hub/verify.hpp>
#include <gpunet/weights/make.hpp>
#include <gpunet/weights/read.hpp>
#include <gpunet/weights/safetensors.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace test_verify { // tests of a program are compiled together

using Catch::StartsWith;
using core_test::message_of;
using gpunet::compare_logits;
using gpunet::find_golden;
using gpunet::golden;
using gpunet::model;
using gpunet::registry;
using hub_test::hub;
using json = nlohmann::ordered_json;

namespace {

/// A model of few parameters with a golden: the reference's logits of small0, of two pictures.
model small_model() {
    model m;
    m.name = "small0";
    m.network = core_test::small("small0");
    const auto index = core_test::read_json("checkpoints/index.json");
    for (const auto& entry : index)
        if (m.goldens.empty() && entry["spec"] == "small0.json" && entry.contains("selections") &&
            !entry.contains("values") && !entry.contains("constant_tensor") &&
            entry["selections"][0]["weight_salt"] == "") {
            golden g{"synthetic", entry["batch"], {entry["resolution"], entry["resolution"]}, "PyTorch", {}};
            for (const auto& row : entry["selections"][0]["logits"])
                for (const auto& x : row) g.logits.push_back(x);
            m.goldens.push_back(g);
        }
    REQUIRE(m.goldens.size() == 1);
    return m;
}

gpunet::network<gpunet::cpu::backend> with_weights(const model& m, const gpunet::tensor_store& weights) {
    return {m.network, weights, gpunet::cpu::backend()};
}

/// Synthetic weights, one parameter of them times `factor`.
gpunet::tensor_store perturbed(const model& m, const std::string& name, float factor) {
    bool found = false;
    const auto weights = gpunet::make_weights(
        gpunet::lower(m.network),
        [&](const gpunet::parameter& p, std::span<float> values) {
            gpunet::synthetic_values(p, "", values);
            if (p.name != name) return;
            found = true;
            for (float& x : values) x *= factor;
        },
        "perturbed");
    REQUIRE(found);
    return weights;
}

} // namespace

TEST_CASE("how far logits are off") {
    const std::vector<float> expected = {3, -4, 0, 1, 5, -1};
    const auto same = compare_logits(expected, expected, 2);
    CHECK((same.relative_l2 == 0 && same.max_abs == 0 && same.same_top1));
    const auto off = compare_logits(std::vector<float>{3, -4, 0, 1, 5, 1}, expected, 2);
    CHECK(off.relative_l2 == Approx(2 / std::sqrt(52.0)));
    CHECK(off.max_abs == 2);
    CHECK(off.same_top1);
    CHECK_FALSE(compare_logits(std::vector<float>{3, -4, 0, 6, 5, -1}, expected, 2).same_top1);
    CHECK(compare_logits(std::vector<float>{3, -4, 0, 2, 5, -1}, expected).same_top1); // all six as of one picture
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        const auto d = compare_logits(std::vector<float>{3, bad, 0, 1, 5, -1}, expected, 2);
        CHECK_FALSE(std::isfinite(d.relative_l2));
        CHECK_FALSE(std::isfinite(d.max_abs));
    }
    const std::vector<float> zeros = {0, 0};
    CHECK(compare_logits(zeros, zeros).relative_l2 == 0);
    CHECK(std::isinf(compare_logits(std::vector<float>{0, 1}, zeros).relative_l2));
    CHECK_THAT(message_of<gpunet::argument_error>([&] { compare_logits(zeros, expected, 2); }),
               StartsWith("logits: expected 6 of 2 pictures, found 2"));
    for (const std::int64_t pictures : {0, 4})
        CHECK_THROWS_AS(compare_logits(expected, expected, pictures), gpunet::argument_error);
}

TEST_CASE("each precision has its tolerance") {
    CHECK(gpunet::golden_tolerance("fp32") == 1e-4);
    CHECK(gpunet::golden_tolerance("tf32") == gpunet::golden_tolerance("fp16"));
    CHECK(gpunet::golden_tolerance("fp16") < gpunet::golden_tolerance("bf16"));
    CHECK_THAT(message_of<gpunet::argument_error>([] { static_cast<void>(gpunet::golden_tolerance("int8")); }),
               StartsWith("precision: expected fp32, tf32, fp16 or bf16, found \"int8\""));
}

TEST_CASE("every model of the registry carries its reference's logits") {
    for (const model& m : hub()) {
        INFO(m.name);
        const golden* g = find_golden(m);
        REQUIRE(g);
        CHECK(g->synthetic());
        CHECK(g->batch == 1);
        CHECK((g->size == m.input.size || m.network.data.naming == gpunet::spec::naming::timm));
        CHECK(g->logits.size() == 1000);
        CHECK_FALSE(g->source.empty());
        if (m.family != "GPUNet") continue;
        // The reference's own file, against which test_network.cpp compares every layer.
        const auto file =
            core_test::read_json("goldens/" + m.name + "_b1_r" + std::to_string(g->size.height) + ".json");
        CHECK(g->logits == file["logits"].get<std::vector<float>>());
    }
    const model& lite = hub().find("lite0");
    REQUIRE(lite.goldens.size() == 2);
    const auto file = core_test::read_json("goldens/EfficientNet-Lite0_input.json");
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(lite.goldens[i].weights == file[i]["weights"]);
        CHECK(lite.goldens[i].logits == file[i]["logits"].get<std::vector<float>>());
    }
    CHECK(find_golden(lite, lite.goldens[1].weights) == &lite.goldens[1]);
    CHECK(find_golden(lite, "another") == nullptr);
    CHECK(gpunet::detail::to_json(lite)["goldens"][0].dump() ==
          R"({"weights":"synthetic","input":{"scheme":"synthetic","batch":1,"height":224,"width":224},"source":")" +
              lite.goldens[0].source + "\"}");
}

// GPUNet-0, 1, 2, D1 and D2 take as long together as everything else here; test_network.cpp runs them on the same
// logits.
TEST_CASE("models verify on the CPU") {
    for (const char* name : {"EfficientNet-Lite0", "GPUNet-P0", "GPUNet-P1"}) {
        INFO(name);
        const auto v = gpunet::verify(hub().find(name), gpunet::cpu::backend(), "fp32");
        CHECK(v.ok);
        CHECK(v.tolerance == 1e-4);
        CHECK(v.difference.relative_l2 < 2e-6);
        CHECK(v.difference.same_top1);
        CHECK(v.difference.max_abs > 0);
    }
}

TEST_CASE("a wrong network is found out, in fp32 even if just one parameter of it is wrong") {
    const model m = small_model();
    const golden& g = m.goldens[0];
    const auto right = with_weights(m, gpunet::synthetic_weights(gpunet::lower(m.network)));
    CHECK(gpunet::verify(right, g, "fp32").ok);
    CHECK(gpunet::verify(gpunet::any_network(right), g, "fp32").ok);
    CHECK(gpunet::verify(m, gpunet::cpu::backend(), "fp32").ok);

    const auto parameters = gpunet::parameters(gpunet::lower(m.network));
    std::size_t tried = 0;
    for (const gpunet::parameter& p : parameters) {
        if (p.optional()) continue;
        INFO(p.name);
        // A quarter more; a squeeze-excite's bias matters least.
        const auto v = gpunet::verify(with_weights(m, perturbed(m, p.name, 1.25F)), g, "fp32");
        CHECK_FALSE(v.ok);
        CHECK(v.difference.relative_l2 > 1e-4);
        ++tried;
    }
    CHECK(tried > 20);
    const auto wrong = with_weights(m, gpunet::synthetic_weights(gpunet::lower(m.network), "salted"));
    for (const char* precision : {"tf32", "fp16", "bf16"}) {
        CHECK(gpunet::verify(right, g, precision).ok);
        CHECK_FALSE(gpunet::verify(wrong, g, precision).ok);
    }

    golden broken = g;
    broken.logits[3] += 1;
    CHECK_FALSE(gpunet::verify(right, broken, "fp32").ok);
    broken.logits.pop_back();
    CHECK_THROWS_AS(gpunet::verify(right, broken, "fp32"), gpunet::argument_error);
    const auto silent = [&](const gpunet::tensor_view<const float>&) {
        gpunet::tensor<float> scores({g.batch, 10});
        scores.data()[0] = std::numeric_limits<float>::quiet_NaN();
        return scores;
    };
    CHECK_FALSE(gpunet::verify(silent, g, "bf16").ok);

    model without = m;
    without.goldens.clear();
    CHECK(message_of<gpunet::unsupported_error>([&] {
              static_cast<void>(gpunet::verify(without, gpunet::cpu::backend(), "fp32"));
          }) == "small0: its record has no golden with synthetic weights");
}

TEST_CASE("a malformed golden is refused naming place, what was expected and found") {
    struct damage {
        std::function<void(json&)> apply; // to the golden
        const char* message;
    };
    const auto set = [](const char* pointer, const json& value) {
        return [pointer, value](json& g) { g[json::json_pointer(pointer)] = value; };
    };
    const std::vector<damage> damages = {
        {[](json& g) { g["logits"].erase(0); }, "m.json: goldens[0]: logits: expected 1000 numbers, found 999"},
        {[](json& g) { g["logits"].push_back(0); }, "m.json: goldens[0]: logits: expected 1000 numbers, found 1001"},
        {set("/input/batch", 2), "m.json: goldens[0]: logits: expected 2000 numbers, found 1000"},
        {set("/logits", json::array()),
         "m.json: goldens[0]: logits: expected a list of 1 to 1048576 numbers, found []"},
        {set("/logits", 7), "m.json: goldens[0]: logits: expected a list of 1 to 1048576 numbers, found 7"},
        {set("/logits/8", "x"), "m.json: goldens[0]: logits: expected finite numbers, found \"x\""},
        {set("/logits/8", 1e300), "m.json: goldens[0]: logits: expected finite numbers, found 1e+300"},
        {[](json& g) { g.erase("logits"); }, "m.json: goldens[0]: logits: expected a list of numbers, found nothing"},
        {set("/weights", "ab"), "m.json: goldens[0]: weights: expected \"synthetic\" or a SHA-256 of 64 lower-case"},
        {[](json& g) { g.erase("weights"); }, "m.json: goldens[0]: weights: expected a string, found nothing"},
        {set("/input", 7), "m.json: goldens[0]: input: expected an object, found 7"},
        {set("/input/scheme", "zeros"), "m.json: goldens[0]: input: scheme: expected \"synthetic\", found \"zeros\""},
        {set("/input/batch", 0), "m.json: goldens[0]: input: batch: expected an integer from 1 to 1024, found 0"},
        {set("/input/height", 0), "m.json: goldens[0]: input: height: expected an integer from 1 to 65536, found 0"},
        {[](json& g) { g["input"].erase("width"); },
         "m.json: goldens[0]: input: width: expected an integer from 1 to 65536, found nothing"},
        {[](json& g) { g.erase("source"); }, "m.json: goldens[0]: source: expected a string, found nothing"},
    };
    const json good = json::parse(test::file_content(std::string(GPUNET_MODELS) + "/GPUNet-0.json"));
    CHECK(gpunet::parse_model(good.dump(), "m.json").goldens.size() == 1);
    for (const damage& d : damages) {
        INFO(d.message);
        json bad = good;
        d.apply(bad["goldens"][0]);
        CHECK_THAT(
            message_of<gpunet::spec_error>([&] { static_cast<void>(gpunet::parse_model(bad.dump(), "m.json")); }),
            StartsWith(d.message));
    }
    json none = good;
    none.erase("goldens");
    CHECK(gpunet::parse_model(none.dump(), "m.json").goldens.empty());
    none["goldens"] = "x";
    CHECK_THAT(message_of<gpunet::spec_error>([&] { static_cast<void>(gpunet::parse_model(none.dump(), "m.json")); }),
               StartsWith("m.json: goldens: expected a list, found \"x\""));
}

TEST_CASE("the identity of weights outlives their file and changes with each number") {
    const model m = small_model();
    const auto net = gpunet::lower(m.network);
    const auto weights = gpunet::synthetic_weights(net);
    const std::string identity = gpunet::parameters_sha256(net, weights);
    CHECK(gpunet::is_sha256(identity));
    const test::temporary_folder place;
    gpunet::write_safetensors(place / "w.safetensors", weights);
    CHECK(gpunet::parameters_sha256(net, gpunet::read_weights(place / "w.safetensors")) == identity);
    CHECK(gpunet::parameters_sha256(net, gpunet::synthetic_weights(net, "salted")) != identity);
    for (const gpunet::parameter& p : gpunet::parameters(net))
        if (!p.optional()) CHECK(gpunet::parameters_sha256(net, perturbed(m, p.name, 1.0001F)) != identity);
    CHECK_THAT(message_of<gpunet::weights_error>([&] {
                   static_cast<void>(gpunet::parameters_sha256(net, gpunet::tensor_store("empty", {}, nullptr)));
               }),
               StartsWith("empty: network."));
}

TEST_CASE("real weights: EfficientNet-Lite0's golden with its pretrained weights") {
    const char* assets = std::getenv("GPUNET_TEST_ASSETS");
    if (!assets || !*assets) {
        std::cout << "skipped: GPUNET_TEST_ASSETS names no directory with EfficientNet-Lite0.pth and pictures\n";
        return;
    }
    const model& m = hub().find("EfficientNet-Lite0");
    const auto weights = gpunet::read_weights(std::filesystem::path(assets) / "EfficientNet-Lite0.pth");
    const golden* g = find_golden(m, gpunet::parameters_sha256(gpunet::lower(m.network), weights));
    REQUIRE(g);
    const auto v = gpunet::verify(with_weights(m, weights), *g, "fp32");
    CHECK(v.ok);
    CHECK(v.difference.relative_l2 < 1e-5);
    CHECK(v.difference.same_top1);
    CHECK_FALSE(gpunet::verify(with_weights(m, weights), m.goldens[0], "bf16").ok);
}

} // namespace test_verify

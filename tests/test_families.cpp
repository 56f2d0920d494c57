// The families that GPUNet is measured against: what timm makes of the same weights and pictures.
#include "affordable.hpp"
#include "core_support.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace test_families { // tests of a program are compiled together

using core_test::relative_l2;
using gpunet::model;
namespace cpu = gpunet::cpu;

namespace {

const gpunet::registry& hub() {
    static const gpunet::registry r = gpunet::registry::builtin();
    return r;
}

std::string slow_kernels(const gpunet::context<cpu::backend>& c) {
    std::string slow;
    for (const gpunet::layer_step& s : c.steps())
        if (s.info.implementation.starts_with("ref") || s.info.implementation.starts_with("simple"))
            slow += "layer " + std::to_string(s.layer) + ": " + s.info.operation + ": " + s.info.implementation + "\n";
    return slow;
}

} // namespace

TEST_CASE("every model computes what its reference computes, in every format, by no slow kernel") {
    std::map<std::string, int> families;
    for (const model& m : hub()) {
        if (!gpunet_test::affordable(m) || m.family == "GPUNet") continue;
        const gpunet::tensor_store weights = gpunet::synthetic_weights(gpunet::lower(m));
        for (const cpu::format f : {cpu::format::automatic, cpu::format::channels_last, cpu::format::blocked}) {
            const gpunet::network net{m, weights, cpu::backend({0, f})};
            for (const gpunet::golden& g : m.goldens) {
                // The large pictures of the models that test_network.cpp compares in detail.
                if (!g.synthetic() || g.size == m.input.size) continue;
                INFO(m.name << ", format " << static_cast<int>(f));
                gpunet::context c(net, {g.batch, g.size, gpunet::taps::none});
                gpunet::tensor<float> images(c.input_shape());
                gpunet::synthetic_input(images.elements());
                CHECK(relative_l2(c.run(images.elements()).elements(), g.logits) < 1e-5);
                CHECK(slow_kernels(c).empty());
                ++families[m.family];
            }
        }
    }
    for (const char* family :
         {"EfficientNet", "EfficientNet-Lite", "EfficientNet-X", "EfficientNetV2", "FBNetV3", "MobileNetV4"}) {
        INFO(family);
        CHECK(families[family] >= 3);
    }
}

TEST_CASE("no block of a model falls to a slow kernel at its own size") {
    for (const model& m : hub()) {
        if (!gpunet_test::affordable(m) || m.family == "GPUNet") continue; // those are looked at in test_network.cpp
        INFO(m.name);
        const gpunet::network net{m, gpunet::synthetic_weights(gpunet::lower(m)), cpu::backend()};
        CHECK(slow_kernels(gpunet::context(net)).empty());
    }
}

TEST_CASE("checkpoints that timm has saved load as they are") {
    const auto index = core_test::read_json("checkpoints/timm.json");
    for (const auto& entry : index["networks"]) {
        const auto name = entry["name"].get<std::string>();
        const auto s = core_test::small(name);
        CHECK(gpunet::graph::count(gpunet::lower(s)).parameters == entry["parameters"].get<std::int64_t>());
        gpunet::tensor<float> images({entry["batch"].get<std::int64_t>(), 3, entry["height"].get<std::int64_t>(),
                                      entry["width"].get<std::int64_t>()});
        gpunet::synthetic_input(images.elements());
        for (const char* ending : {".safetensors", ".pth"}) {
            INFO(name << ending);
            const auto weights = gpunet::read_weights(core_test::data_folder + "/checkpoints/" + name + ending);
            for (const cpu::format f : {cpu::format::automatic, cpu::format::channels_last, cpu::format::blocked}) {
                const gpunet::network net{s, weights, cpu::backend({0, f})};
                CHECK(relative_l2(net(images).elements(), entry["logits"].get<std::vector<float>>()) < 1e-5);
            }
        }
    }
    // What does not fit is named, all of it.
    const auto weights = gpunet::read_weights(core_test::data_folder + "/checkpoints/timm_mobilenet.pth");
    const std::string message = core_test::message_of<gpunet::binding_error>(
        [&] { static_cast<void>(gpunet::fold(gpunet::lower(core_test::small("timm_efficientnet")), weights)); });
    CHECK_THAT(message,
               Catch::Contains("missing 'blocks.0.0.conv_s2d.weight'") &&
                   Catch::Contains("unexpected 'blocks.1.0.bn3.bias'") &&
                   Catch::Contains("'blocks.0.0.conv_dw.weight': expected shape [32, 1, 2, 2], found [8, 1, 3, 3]"));
}

} // namespace test_families

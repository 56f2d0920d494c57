// The families that GPUNet is measured against: what timm makes of the same weights and pictures.
#include "affordable.hpp"
#include "core_support.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>

#include <catch2/catch.hpp>

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

} // namespace test_families

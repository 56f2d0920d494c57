// Networks with their pretrained weights on real photographs, against their PyTorch definitions' logits
// (tools/make_lite_goldens.py).
#include "core_support.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>
#include <gpunet/image.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace test_real_weights { // tests of a program are compiled together

TEST_CASE("pretrained networks give their PyTorch definitions' logits on real pictures") {
    const char* assets = std::getenv("GPUNET_TEST_ASSETS");
    if (!assets || !*assets) {
        std::cout << "skipped: GPUNET_TEST_ASSETS names no directory with weights and pictures\n";
        return;
    }
    const std::filesystem::path folder = assets;
    const auto hub = gpunet::registry::builtin();
    for (const std::string name : {"EfficientNet-Lite0", "EfficientNet-Lite1", "EfficientNet-Lite2"}) {
        const gpunet::model& model = hub.find(name);
        const gpunet::network net{model, gpunet::read_weights(folder / (name + ".pth")), gpunet::cpu::backend()};
        const auto golden = core_test::read_json("goldens/" + name + "_pictures.json");
        REQUIRE(golden["pictures"].size() == 2);
        for (const auto& picture : golden["pictures"]) {
            const auto file = picture["file"].get<std::string>();
            INFO(name << ", " << file);
            const auto result = gpunet::classify(net, model, gpunet::read_image(folder / file));
            CHECK(core_test::relative_l2(result.logits(), picture["logits"].get<std::vector<float>>()) < 1e-4);
            std::vector<std::int64_t> top5;
            for (const auto& p : result.predictions(5)) top5.push_back(p.index);
            CHECK(top5 == picture["top5"].get<std::vector<std::int64_t>>());
        }
    }
}

} // namespace test_real_weights

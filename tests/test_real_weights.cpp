// EfficientNet-Lite0 with its pretrained weights on real photographs, against its PyTorch definition's logits
// (tools/make_lite0_golden.py).
#include "core_support.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>
#include <gpunet/image.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <vector>

namespace test_real_weights { // tests of a program are compiled together

TEST_CASE("EfficientNet-Lite0 gives its PyTorch definition's logits on real pictures") {
    const char* assets = std::getenv("GPUNET_TEST_ASSETS");
    if (!assets || !*assets) {
        std::cout << "skipped: GPUNET_TEST_ASSETS names no directory with EfficientNet-Lite0.pth and pictures\n";
        return;
    }
    const std::filesystem::path folder = assets;
    const auto hub = gpunet::registry::builtin();
    const gpunet::model& model = hub.find("EfficientNet-Lite0");
    const auto weights = gpunet::read_weights(folder / "EfficientNet-Lite0.pth");
    const gpunet::network net{model, weights, gpunet::cpu::backend()};
    const auto golden = core_test::read_json("goldens/EfficientNet-Lite0_pictures.json");
    REQUIRE(golden["pictures"].size() == 2);
    for (const auto& picture : golden["pictures"]) {
        const auto file = picture["file"].get<std::string>();
        INFO(file);
        const auto result = gpunet::classify(net, model, gpunet::read_image(folder / file));
        CHECK(core_test::relative_l2(result.logits(), picture["logits"].get<std::vector<float>>()) < 1e-4);
        std::vector<std::int64_t> top5;
        for (const auto& p : result.predictions(5)) top5.push_back(p.index);
        CHECK(top5 == picture["top5"].get<std::vector<std::int64_t>>());
    }
}

} // namespace test_real_weights

// The families that GPUNet is measured against: what timm makes of the same weights and pictures.
#include "affordable.hpp"
#include "core_support.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
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

/// A level's stride and channels.
using level = std::pair<std::int64_t, std::int64_t>;

/// What timm 1.0.31 says of its features_only of each model it has: feature_info.reduction() and channels(). The levels
/// are the same as ours: the output of the last block, of whatever stage, before one that strides, or the stem's where
/// the first block strides. timm.create_model(alias, features_only=True); for EfficientNet-Lite0 efficientnet_lite0.
const std::vector<std::pair<const char*, std::vector<level>>> timm_features = {
    {"EfficientNet-B0", {{2, 16}, {4, 24}, {8, 40}, {16, 112}, {32, 320}}},
    {"EfficientNet-B1", {{2, 16}, {4, 24}, {8, 40}, {16, 112}, {32, 320}}},
    {"EfficientNet-B2", {{2, 16}, {4, 24}, {8, 48}, {16, 120}, {32, 352}}},
    {"EfficientNet-B3", {{2, 24}, {4, 32}, {8, 48}, {16, 136}, {32, 384}}},
    {"EfficientNet-B4", {{2, 24}, {4, 32}, {8, 56}, {16, 160}, {32, 448}}},
    {"EfficientNet-B5", {{2, 24}, {4, 40}, {8, 64}, {16, 176}, {32, 512}}},
    {"EfficientNet-B6", {{2, 32}, {4, 40}, {8, 72}, {16, 200}, {32, 576}}},
    {"EfficientNet-B7", {{2, 32}, {4, 48}, {8, 80}, {16, 224}, {32, 640}}},
    {"EfficientNet-Lite0", {{2, 16}, {4, 24}, {8, 40}, {16, 112}, {32, 320}}},
    {"EfficientNet-Lite1", {{2, 16}, {4, 24}, {8, 40}, {16, 112}, {32, 320}}},
    {"EfficientNet-Lite2", {{2, 16}, {4, 24}, {8, 48}, {16, 120}, {32, 352}}},
    {"EfficientNet-Lite3", {{2, 24}, {4, 32}, {8, 48}, {16, 136}, {32, 384}}},
    {"EfficientNet-Lite4", {{2, 24}, {4, 32}, {8, 56}, {16, 160}, {32, 448}}},
    {"EfficientNet-X-B3", {{2, 40}, {4, 32}, {8, 48}, {16, 136}, {32, 384}}},
    {"EfficientNet-X-B5", {{2, 48}, {4, 40}, {8, 64}, {16, 176}, {32, 512}}},
    {"EfficientNetV2-B0", {{2, 16}, {4, 32}, {8, 48}, {16, 112}, {32, 192}}},
    {"EfficientNetV2-L", {{2, 32}, {4, 64}, {8, 96}, {16, 224}, {32, 640}}},
    {"EfficientNetV2-M", {{2, 24}, {4, 48}, {8, 80}, {16, 176}, {32, 512}}},
    {"EfficientNetV2-S", {{2, 24}, {4, 48}, {8, 64}, {16, 160}, {32, 256}}},
    {"FBNetV3-B", {{2, 16}, {4, 24}, {8, 40}, {16, 120}, {32, 1344}}},
    {"FBNetV3-D", {{2, 16}, {4, 24}, {8, 40}, {16, 128}, {32, 1440}}},
    {"FBNetV3-G", {{2, 24}, {4, 40}, {8, 56}, {16, 160}, {32, 1728}}},
    {"MobileNetV4-Conv-L", {{2, 24}, {4, 48}, {8, 96}, {16, 192}, {32, 960}}},
    {"MobileNetV4-Conv-M", {{2, 32}, {4, 48}, {8, 80}, {16, 160}, {32, 960}}},
    {"MobileNetV4-Conv-S", {{2, 32}, {4, 32}, {8, 64}, {16, 96}, {32, 960}}},
};

} // namespace

TEST_CASE("every model's pyramid has one level for each stride from 2 to 32, or 64, at any size") {
    for (const model& m : hub()) {
        INFO(m.name);
        for (const gpunet::extent2 size : {m.input.size, gpunet::extent2{480, 641}, gpunet::extent2{333, 257}}) {
            const gpunet::graph::network net = gpunet::lower(m, size);
            const auto levels = gpunet::pyramid_levels(net);
            REQUIRE(levels.size() == (m.name == "GPUNet-P0" || m.name == "GPUNet-P1" ? 6 : 5));
            std::int64_t stride = 1;
            for (std::size_t i = 0; i < levels.size(); ++i) {
                const gpunet::pyramid_level& l = levels[i];
                INFO("level " << i << ", layer " << l.layer);
                stride *= 2;
                CHECK(l.stride == stride);
                const gpunet::graph::block& b = net.blocks[l.block];
                CHECK(b.layer == l.layer);
                CHECK(b.output == l.map);
                CHECK(l.map.channels == gpunet::spec::base_of(m.network.layers[l.block]).out_channels);
                // The last of its extent: what follows is smaller, or the tail.
                const gpunet::graph::block& next = net.blocks[l.block + 1];
                if (i + 1 < levels.size())
                    CHECK(next.output.size.height < l.map.size.height);
                else
                    CHECK(next.kind == "tail");
                // Without padding a map loses a row or column at each stride, not more.
                const auto least = [&](std::int64_t n) { return n / stride - 2; };
                const auto most = [&](std::int64_t n) { return (n + stride - 1) / stride; };
                CHECK((l.map.size.height >= least(size.height) && l.map.size.height <= most(size.height)));
                CHECK((l.map.size.width >= least(size.width) && l.map.size.width <= most(size.width)));
            }
        }
    }
}

TEST_CASE("pyramids are what timm's features_only gives") {
    for (const auto& [name, expected] : timm_features) {
        INFO(name);
        std::vector<level> found;
        for (const gpunet::pyramid_level& l : gpunet::pyramid_levels(gpunet::lower(hub().find(name))))
            found.emplace_back(l.stride, l.map.channels);
        CHECK(found == expected);
    }
    CHECK(timm_features.size() == 25); // all but GPUNet's seven and six of EfficientNet-X
}

TEST_CASE("every model computes its pyramid, of a picture that is not square") {
    for (const model& m : hub()) {
        if (!gpunet_test::affordable(m)) continue;
        INFO(m.name);
        const gpunet::network net{m, gpunet::synthetic_weights(gpunet::lower(m)), cpu::backend()};
        const gpunet::extent2 size{97, 130};
        gpunet::tensor<float> images({1, 3, size.height, size.width});
        gpunet::synthetic_input(images.elements());
        gpunet::context all(net, {1, size, gpunet::taps::layers});
        static_cast<void>(all.run(images.elements()));
        const auto every = all.features();
        const auto maps = net.pyramid(images);
        const auto levels = gpunet::pyramid_levels(all.graph());
        REQUIRE(maps.size() == levels.size());
        for (std::size_t i = 0; i < maps.size(); ++i) {
            INFO("stride " << levels[i].stride);
            const auto& same = every[levels[i].block];
            CHECK(maps[i].stride == levels[i].stride);
            CHECK(same.stride == levels[i].stride);
            CHECK(maps[i].layer == same.layer);
            REQUIRE(maps[i].values.shape() == same.values.shape());
            CHECK(relative_l2(maps[i].values.elements(), same.values.elements()) == 0);
        }
    }
}

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

/// The weights under the names that the same network has where `data.naming` is another.
gpunet::tensor_store under_names_of(gpunet::spec::naming naming, gpunet::spec::network s,
                                    const gpunet::tensor_store& weights) {
    const auto own = gpunet::parameters(gpunet::lower(s));
    s.data.naming = naming;
    const auto others = gpunet::parameters(gpunet::lower(s));
    REQUIRE(own.size() == others.size());
    gpunet::tensor_store::container renamed;
    for (std::size_t i = 0; i < own.size(); ++i)
        if (const gpunet::stored_tensor* t = weights.find(own[i].name)) renamed[others[i].name] = *t;
    return weights.renamed("renamed", std::move(renamed));
}

TEST_CASE("checkpoints under the names of the other program that publishes a network load as they are") {
    using gpunet::spec::naming;
    std::vector<std::string> translated;
    for (const model& m : hub()) {
        if ((m.family != "EfficientNet" && m.family != "EfficientNet-Lite") || !gpunet_test::affordable(m)) continue;
        const naming other = m.network.data.naming == naming::timm ? naming::efficientnet_pytorch : naming::timm;
        INFO(m.name);
        const auto net = gpunet::lower(m);
        const auto weights = gpunet::synthetic_weights(net);
        const auto renamed = under_names_of(other, m.network, weights);
        CHECK_FALSE(renamed.find(gpunet::parameters(net).front().name));
        CHECK(gpunet::parameters_sha256(net, renamed) == gpunet::parameters_sha256(net, weights));
        const auto expected = gpunet::fold(net, weights), found = gpunet::fold(net, renamed);
        for (const auto& [name, f] : expected)
            CHECK((found.at(name).weights == f.weights && found.at(name).bias == f.bias));
        translated.push_back(m.name);
    }
    for (const char* name : {"EfficientNet-Lite0", "EfficientNet-Lite1", "EfficientNet-B0", "EfficientNet-B1"})
        CHECK(std::find(translated.begin(), translated.end(), name) != translated.end());
}

TEST_CASE("a network whose own names need no stages may do without") {
    auto s = hub().find("EfficientNet-Lite0").network;
    const auto with = gpunet::parameters(gpunet::lower(s));
    for (gpunet::spec::layer& l : s.layers) std::visit([](auto& one) { one.stage.reset(); }, l);
    const auto without = gpunet::parameters(gpunet::lower(s));
    REQUIRE(without.size() == with.size());
    for (std::size_t i = 0; i < with.size(); ++i) CHECK(without[i].name == with[i].name);
}

TEST_CASE("weights under both programs' names, or with one too few, are refused") {
    const auto& lite = hub().find("EfficientNet-Lite0").network;
    const auto net = gpunet::lower(lite);
    const auto own = gpunet::synthetic_weights(net);
    const auto renamed = under_names_of(gpunet::spec::naming::timm, lite, own);
    gpunet::tensor_store::container both(own.begin(), own.end()), fewer(renamed.begin(), renamed.end());
    both["bn2.weight"] = *renamed.find("bn2.weight");
    fewer.erase("bn2.weight");
    fewer["extra"] = *renamed.find("bn2.weight");
    const auto message = [&](gpunet::tensor_store::container tensors) {
        return core_test::message_of<gpunet::binding_error>(
            [&] { static_cast<void>(gpunet::fold(net, own.renamed("file", std::move(tensors)))); });
    };
    CHECK(message(both) == "file: does not fit the network: unexpected 'bn2.weight'");
    CHECK(message(fewer) ==
          "file, names translated: does not fit the network: missing '_bn1.weight'; unexpected 'extra'");
}

} // namespace test_families

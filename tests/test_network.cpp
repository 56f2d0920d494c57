#include "core_support.hpp"

#include <gpunet/cpu.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace test_network { // tests of a program are compiled together

using Catch::Contains;
using core_test::message_of;
using core_test::relative_l2;
using gpunet::extent2;
using gpunet::taps;
namespace cpu = gpunet::cpu;
namespace spec = gpunet::spec;

using network = gpunet::network<cpu::backend>;
using context = gpunet::context<cpu::backend>;

namespace {

network make(const spec::network& s, const cpu::options& o = {}, const std::string& salt = "",
             const gpunet::limits& caps = {}) {
    return {s, gpunet::synthetic_weights(gpunet::lower(s), salt), cpu::backend(o), caps};
}

gpunet::tensor<float> input(const gpunet::shape& s) {
    gpunet::tensor<float> t(s);
    gpunet::synthetic_input(t.elements());
    return t;
}

/// One layer's output against the reference's statistics of it.
void check_layer(const gpunet::feature_map& f, const nlohmann::json& golden) {
    INFO("layer " << f.layer << " (" << f.kind << "), " << golden["name"]);
    REQUIRE(f.values.shape() == golden["shape"].get<gpunet::shape>());
    const auto v = f.values.elements();
    double sum = 0, squares = 0;
    for (const float x : v) {
        sum += double{x};
        squares += double{x} * double{x};
    }
    const auto count = static_cast<double>(v.size());
    const double mean = sum / count, deviation = std::sqrt(std::max(0.0, squares / count - mean * mean));
    const auto scale = golden["std"].get<double>();
    CHECK(std::fabs(mean - golden["mean"].get<double>()) < 1e-4 * scale);
    CHECK(std::fabs(deviation - scale) < 1e-4 * scale);
    CHECK(std::fabs(std::sqrt(squares) / golden["l2"].get<double>() - 1) < 1e-4);
    double worst = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        worst = std::max(worst, std::fabs(double{v[i]} - golden["first8"][i].get<double>()));
        worst = std::max(worst, std::fabs(double{v[v.size() - 8 + i]} - golden["last8"][i].get<double>()));
    }
    CHECK(worst < 1e-4 * scale);
}

/// The kernels of a context that are oneDNN's slow, plain ones.
std::vector<std::string> slow_kernels(const context& c) {
    std::vector<std::string> slow;
    for (const gpunet::layer_step& s : c.steps())
        if (s.info.implementation.starts_with("ref") || s.info.implementation.starts_with("simple"))
            slow.push_back("layer " + std::to_string(s.layer) + ": " + s.info.operation + ": " + s.info.implementation);
    return slow;
}

void check_kernels(const network& net, std::int64_t batch) {
    INFO(net.spec().source << ", batch " << batch);
    const context c(net, {batch, {}, taps::none});
    CHECK(slow_kernels(c) == std::vector<std::string>{});
    for (const gpunet::layer_step& s : c.steps()) CHECK(s.layer >= 2);
}

/// Everything that is asked of a published network. Made once, for making it takes longest.
void check_variant(const std::string& name, const std::vector<std::string>& goldens) {
    const spec::network s = core_test::published(name);
    const gpunet::tensor_store weights = gpunet::synthetic_weights(gpunet::lower(s));
    const network net(s, weights);
    for (const std::string& file : goldens) {
        INFO(file);
        const auto golden = core_test::read_json("goldens/" + name + file + ".json");
        const auto batch = golden["batch"].get<std::int64_t>(), side = golden["resolution"].get<std::int64_t>();
        context c(net, {batch, {side, side}, taps::layers});
        const gpunet::tensor<float> images = input(c.input_shape());
        const gpunet::tensor<float> scores = c.run(images.elements());
        CHECK(scores.shape() == golden["logits_shape"].get<gpunet::shape>());
        CHECK(relative_l2(scores.elements(), golden["logits"].get<std::vector<float>>()) < 1e-5);
        const auto layers = c.features();
        REQUIRE(layers.size() == golden["modules"].size());
        for (std::size_t i = 0; i < layers.size(); ++i) check_layer(layers[i], golden["modules"][i]);
        CHECK(slow_kernels(c) == std::vector<std::string>{});
    }
    check_kernels(net, 1);
    check_kernels(net, 8);

    const network blocked(s, weights, cpu::backend({0, cpu::format::blocked}));
    check_kernels(blocked, 1);
    check_kernels(blocked, 8);
    const auto images = input({2, 3, 96, 80});
    CHECK(relative_l2(blocked(images).elements(), net(images).elements()) < 1e-5);
}

} // namespace

TEST_CASE("GPUNet-0 computes what the reference computes") {
    check_variant("GPUNet-0", {"_b1_r320", "_b3_r320", "_b1_r257"});
}
TEST_CASE("GPUNet-1 computes what the reference computes") { check_variant("GPUNet-1", {"_b1_r288"}); }
TEST_CASE("GPUNet-2 computes what the reference computes") { check_variant("GPUNet-2", {"_b1_r384"}); }
TEST_CASE("GPUNet-P0 computes what the reference computes") { check_variant("GPUNet-P0", {"_b1_r224", "_b1_r200"}); }
TEST_CASE("GPUNet-P1 computes what the reference computes") { check_variant("GPUNet-P1", {"_b1_r224"}); }
TEST_CASE("GPUNet-D1 computes what the reference computes") { check_variant("GPUNet-D1", {"_b1_r456"}); }
TEST_CASE("GPUNet-D2 computes what the reference computes") { check_variant("GPUNet-D2", {"_b1_r528"}); }

TEST_CASE("the small networks of the checkpoints compute their logits in every format") {
    std::set<std::pair<std::string, std::string>> done;
    for (const auto& entry : core_test::read_json("checkpoints/index.json")) {
        // Files whose weights are exactly the scheme's.
        if (!entry.contains("selections") || entry.contains("values") || entry.contains("constant_tensor")) continue;
        for (const auto& selection : entry["selections"]) {
            const auto file = entry["spec"].get<std::string>();
            const auto salt = selection["weight_salt"].get<std::string>();
            if (!done.emplace(file, salt).second) continue;
            INFO(file << " salt '" << salt << "'");
            const auto side = entry["resolution"].get<std::int64_t>();
            const auto images = input({entry["batch"].get<std::int64_t>(), 3, side, side});
            std::vector<float> expected;
            for (const auto& row : selection["logits"])
                for (const auto& x : row) expected.push_back(x.get<float>());
            for (const cpu::format f : {cpu::format::automatic, cpu::format::channels_last, cpu::format::blocked}) {
                const auto net = make(core_test::small(file.substr(0, file.size() - 5)), {0, f}, salt);
                CHECK(relative_l2(net(images).elements(), expected) < 1e-5);
            }
        }
    }
    CHECK(done.size() == 5);
}

TEST_CASE("pictures of a batch do not influence each other") {
    for (const char* name : {"small0", "smallD", "smallP"}) {
        const network net = make(core_test::small(name));
        const auto images = input({5, 3, 64, 48});
        const std::size_t each = images.size() / 5;
        const auto together = net(images);
        REQUIRE(together.shape() == gpunet::shape{5, 10});
        for (std::size_t i = 0; i < 5; ++i) {
            const auto one = images.elements().subspan(i * each, each);
            const auto alone = net({{1, 3, 64, 48}, one});
            INFO(name << " " << i);
            CHECK(relative_l2(alone.elements(), together.elements().subspan(i * 10, 10)) < 1e-6);
        }
    }
}

TEST_CASE("one network, many contexts") {
    const network net = make(core_test::small("small0"));
    const std::vector<gpunet::context_options> shapes = {{},
                                                         {3, {}, taps::none},
                                                         {1, {65, 40}, taps::layers},
                                                         {2, {33, 100}, taps::stages},
                                                         {1, {64, 64}, taps::layers}};
    std::vector<std::unique_ptr<context>> contexts;
    for (const auto& o : shapes) contexts.push_back(std::make_unique<context>(net, o));
    for (int round = 0; round < 2; ++round)
        for (std::size_t i = 0; i < contexts.size(); ++i) {
            INFO("context " << i);
            context& c = *contexts[i];
            const extent2 size = shapes[i].size == extent2{} ? extent2{64, 64} : shapes[i].size;
            CHECK(c.input_shape() == gpunet::shape{shapes[i].batch, 3, size.height, size.width});
            CHECK(c.output_shape() == gpunet::shape{shapes[i].batch, 10});
            CHECK(c.batch() == shapes[i].batch);
            CHECK(c.arena_bytes() > 0);
            CHECK_FALSE(c.steps().empty());
            const auto images = input(c.input_shape());
            const auto before = std::vector<float>(images.elements().begin(), images.elements().end());
            const auto scores = c.run(images.elements());
            CHECK(relative_l2(scores.elements(), net(images).elements()) < 1e-6);
            CHECK(std::equal(before.begin(), before.end(), images.data())); // the caller's input is only read
        }
    // Keeping layers' outputs changes nothing.
    const auto images = input({1, 3, 64, 64});
    const auto kept = contexts[4]->run(images.elements()), not_kept = contexts[0]->run(images.elements());
    CHECK(std::equal(kept.elements().begin(), kept.elements().end(), not_kept.data()));
    CHECK(contexts[0]->features().empty());
}

TEST_CASE("a context runs again and again, and moves") {
    const network net = make(core_test::small("small0"));
    context c(net);
    const auto images = input(c.input_shape());
    const auto first = c.run(images.elements());
    std::vector<float> zeros(images.size());
    const auto other = c.run(zeros);
    CHECK(relative_l2(other.elements(), first.elements()) > 0.01);
    const auto again = c.run(images.elements());
    CHECK(std::equal(first.elements().begin(), first.elements().end(), again.data()));
    context moved = std::move(c);
    const auto after = moved.run(images.elements());
    CHECK(std::equal(first.elements().begin(), first.elements().end(), after.data()));
    std::vector<float> scores(10);
    std::vector<double> times(moved.graph().blocks.size(), -1);
    moved.profile(images.elements(), scores, times);
    for (const double t : times) CHECK(t >= 0);
    CHECK(std::equal(scores.begin(), scores.end(), first.data()));
    times.pop_back();
    CHECK_THROWS_WITH(moved.profile(images.elements(), scores, times),
                      "times: expected one for each of " + std::to_string(moved.graph().blocks.size()) +
                          " blocks, found " + std::to_string(times.size()));
}

TEST_CASE("a context outlives its network, its weights and its spec") {
    std::optional<context> c;
    std::vector<float> expected;
    const auto images = input({2, 3, 64, 64});
    {
        auto net = std::make_unique<network>(make(core_test::small("smallD")));
        const auto scores = (*net)(images);
        expected.assign(scores.elements().begin(), scores.elements().end());
        c.emplace(*net, gpunet::context_options{2, {}, taps::layers});
    }
    const auto scores = c->run(images.elements());
    CHECK(relative_l2(scores.elements(), expected) < 1e-6);
    CHECK(c->features().size() == 9);
}

TEST_CASE("four threads with a context each compute the same bits") {
    const network net = make(core_test::small("small0"), {1, cpu::format::automatic});
    const auto images = input({2, 3, 64, 64});
    context alone(net, {2, {}, taps::none});
    const auto expected = alone.run(images.elements());
    std::vector<std::vector<float>> found(4);
    std::vector<std::thread> threads;
    for (auto& scores : found)
        threads.emplace_back([&net, &images, &scores] {
            // Each makes its own context, so that planning runs concurrently too; every other shape is new.
            context c(net, {2, {}, taps::none});
            context unlike(net, {1, {64, 48}, taps::none});
            const std::vector<float> blank(unlike.batch() * 3 * 64 * 48 > 0 ? 3 * 64 * 48 : 0);
            for (int round = 0; round < 20; ++round) {
                static_cast<void>(unlike.run(blank));
                const auto s = c.run(images.elements());
                if (round == 0) scores.assign(s.elements().begin(), s.elements().end());
                if (!std::equal(scores.begin(), scores.end(), s.data())) scores.clear();
            }
        });
    for (std::thread& t : threads) t.join();
    for (const auto& scores : found) {
        REQUIRE(scores.size() == expected.size());
        CHECK(std::equal(scores.begin(), scores.end(), expected.data()));
    }
}

TEST_CASE("one thread or two, the scores agree") {
    for (const char* name : {"small0", "smallD"}) {
        const spec::network s = core_test::small(name);
        const auto images = input({3, 3, 64, 64});
        const network one = make(s, {1, cpu::format::automatic}), two = make(s, {2, cpu::format::automatic});
        CHECK(one.device().threads() == 1);
        CHECK(two.device().threads() == 2);
        CHECK(relative_l2(one(images).elements(), two(images).elements()) < 1e-6);
    }
    // The calling thread's own setting is left alone.
    const cpu::openmp runtime;
    const int before = runtime.max_threads();
    const network net = make(core_test::small("smallP"), {before == 1 ? 2 : 1, cpu::format::automatic});
    static_cast<void>(net(input({1, 3, 64, 64})));
    CHECK(runtime.max_threads() == before);
    CHECK(cpu::backend().threads() == cpu::all_cores());
    CHECK_THAT(cpu::backend().name(), Catch::StartsWith("oneDNN "));
}

TEST_CASE("features are the last outputs of the stages") {
    // A head without a stage is one of its own. In smallP every layer ends a stage; the scores still belong to none.
    for (const auto& [name, layers] :
         {std::pair{std::string("small0"), std::vector<std::int64_t>{2, 3, 5, 6, 7, 8, 10}},
          std::pair{std::string("smallD"), std::vector<std::int64_t>{3, 5, 6, 7, 9}},
          std::pair{std::string("smallP"), std::vector<std::int64_t>{2, 3, 4, 5, 6}}}) {
        const network net = make(core_test::small(name));
        const auto images = input({2, 3, 64, 64});
        const auto stages = net.features(images);
        context all(net, {2, {}, taps::layers});
        static_cast<void>(all.run(images.elements()));
        const auto every = all.features();
        std::vector<std::int64_t> found;
        for (const auto& [layer, map] : stages) {
            found.push_back(layer);
            const auto& same = every[static_cast<std::size_t>(layer - 2)];
            INFO(name << " layer " << layer);
            CHECK(same.layer == layer);
            CHECK(map.shape().size() == 4);
            REQUIRE(map.shape() == same.values.shape());
            CHECK(relative_l2(map.elements(), same.values.elements()) < 1e-6);
        }
        CHECK(found == layers);
        CHECK(every.size() == net.spec().layers.size());
        CHECK(every.back().kind == "tail");
        CHECK(every.back().values.shape() == gpunet::shape{2, 10});
        CHECK(every[1].stage.has_value());
    }
    // Strides 2, 4 and so on, as a detector wants them.
    const network net = make(core_test::small("smallP"));
    std::vector<std::int64_t> heights;
    for (const auto& [layer, map] : net.features(input({1, 3, 64, 96}))) {
        heights.push_back(map.shape()[2]);
        CHECK(map.shape()[3] * 2 == map.shape()[2] * 3);
    }
    CHECK(heights == std::vector<std::int64_t>{32, 32, 16, 8, 8});
}

TEST_CASE("a pyramid is the last output of every stride, and nothing behind it is computed") {
    using list = std::vector<std::int64_t>;
    for (const auto& [name, layers, strides] : {std::tuple{std::string("small0"), list{3, 5, 7, 10}, list{2, 4, 8, 16}},
                                                std::tuple{std::string("smallD"), list{3, 5, 7, 9}, list{2, 4, 8, 16}},
                                                std::tuple{std::string("smallP"), list{3, 4, 6}, list{2, 4, 8}}}) {
        INFO(name);
        const network net = make(core_test::small(name));
        const extent2 size{65, 97};
        const auto images = input({2, 3, size.height, size.width});
        context all(net, {2, size, taps::layers}), c(net, {2, size, taps::pyramid}), none(net, {2, size, taps::none});
        static_cast<void>(all.run(images.elements()));
        const auto every = all.features();
        CHECK(c.output_shape() == gpunet::shape{2, 0});
        c.run(images.elements(), {});
        const auto maps = c.features();
        const auto copies = net.pyramid(images);
        const auto levels = gpunet::pyramid_levels(c.graph());
        REQUIRE(maps.size() == layers.size());
        REQUIRE(copies.size() == layers.size());
        REQUIRE(levels.size() == layers.size());
        for (std::size_t i = 0; i < layers.size(); ++i) {
            INFO("layer " << layers[i]);
            const auto& same = every[static_cast<std::size_t>(layers[i] - 2)];
            CHECK(maps[i].layer == layers[i]);
            CHECK(maps[i].kind == same.kind);
            CHECK(maps[i].stage == same.stage);
            CHECK(maps[i].stride == strides[i]);
            CHECK(same.stride == strides[i]);
            CHECK(copies[i].layer == layers[i]);
            CHECK(copies[i].stride == strides[i]);
            CHECK(levels[i].layer == layers[i]);
            CHECK(levels[i].stride == strides[i]);
            const auto& f = levels[i].map;
            CHECK(maps[i].values.shape() == gpunet::shape{2, f.channels, f.size.height, f.size.width});
            CHECK(relative_l2(maps[i].values.elements(), same.values.elements()) == 0);
            CHECK(copies[i].values.shape() == maps[i].values.shape());
            CHECK(relative_l2(copies[i].values.elements(), same.values.elements()) == 0);
        }
        CHECK(every.back().stride == 0); // the scores lie nowhere in the picture
        CHECK(c.steps().back().layer == layers.back());
        CHECK(c.steps().size() < all.steps().size());

        // All levels stay until the next run, which overwrites each.
        const auto zeros = std::vector<float>(images.size());
        c.run(zeros, {});
        for (std::size_t i = 0; i < layers.size(); ++i)
            CHECK(relative_l2(maps[i].values.elements(), copies[i].values.elements()) > 0.01);
        CHECK(c.run(images.elements()).shape() == gpunet::shape{2, 0});
        for (std::size_t i = 0; i < layers.size(); ++i)
            CHECK(relative_l2(maps[i].values.elements(), copies[i].values.elements()) == 0);

        std::vector<double> times(c.graph().blocks.size(), -1);
        c.profile(images.elements(), {}, times);
        for (std::size_t i = 0; i < times.size(); ++i) CHECK((i <= levels.back().block ? times[i] > 0 : times[i] == 0));
        std::vector<float> scores(20);
        CHECK(message_of<gpunet::argument_error>([&] { c.run(images.elements(), scores); }) ==
              "scores: expected 0 numbers [2, 0], found 20");

        // Who asks for no features pays nothing for them.
        const context before(make(core_test::small(name)), {2, size, taps::none});
        CHECK(none.arena_bytes() == before.arena_bytes());
        CHECK(none.steps().size() == before.steps().size());
    }
}

TEST_CASE("strides multiply, whatever the extents are") {
    // Strides of convolutions before and inside of blocks; space-to-depth's; a layer of stride 1 first.
    const auto s = gpunet::parse_spec(R"([
        {"layer_type": "data", "img_resolution": [47, 61], "padding": "same"},
        {"layer_type": "conv", "num_in_channels": 3, "num_out_channels": 4, "kernel_size": 3, "stride": 1, "stage": 0},
        {"layer_type": "separable", "num_out_channels": 8, "kernel_size": 3, "stride": 1, "space_to_depth": true, "stage": 1},
        {"layer_type": "uib", "num_out_channels": 8, "kernel_size": 0, "start_kernel_size": 3, "stride": 2,
         "expansion": 2, "stage": 2},
        {"layer_type": "conv", "num_out_channels": 12, "kernel_size": 1, "stride": 1, "stage": 3},
        {"layer_type": "conv", "num_out_channels": 16, "kernel_size": 5, "stride": 3, "stage": 4},
        {"layer_type": "tail", "num_out_channels": 8, "num_classes": 4}
    ])",
                                      "strides");
    const auto levels = gpunet::pyramid_levels(gpunet::lower(s));
    std::vector<std::vector<std::int64_t>> found;
    for (const auto& l : levels)
        found.push_back({l.layer, l.stride, l.map.channels, l.map.size.height, l.map.size.width});
    CHECK(found == std::vector<std::vector<std::int64_t>>{
                       {2, 1, 4, 47, 61}, {3, 2, 8, 24, 31}, {5, 4, 12, 12, 16}, {6, 12, 16, 4, 6}});
    CHECK(make(s).pyramid(input({1, 3, 47, 61})).back().values.shape() == gpunet::shape{1, 16, 4, 6});

    std::string deep = R"([{"layer_type": "data", "img_resolution": 16, "padding": "same"},)";
    for (int i = 0; i < 40; ++i)
        deep +=
            R"({"layer_type": "conv", "num_in_channels": 3, "num_out_channels": 3, "kernel_size": 1, "stride": 16, "stage": 0},)";
    deep += R"({"layer_type": "tail", "num_in_channels": 3, "num_out_channels": 8, "num_classes": 4}])";
    const auto many = gpunet::pyramid_levels(gpunet::lower(gpunet::parse_spec(deep, "deep")));
    REQUIRE(many.size() == 40);
    CHECK(many[14].stride == std::int64_t{1} << 60);
    CHECK(many.back().stride == std::numeric_limits<std::int64_t>::max()); // not 0, as it would be after 2^64
}

TEST_CASE("a network of a tail only") {
    const spec::network s = gpunet::parse_spec(
        R"([{"layer_type": "data", "img_resolution": 5}, {"layer_type": "tail", "num_in_channels": 3, "num_out_channels": 8, "num_classes": 4}])",
        "tail.json");
    const network net = make(s);
    const auto images = input({2, 3, 5, 5});
    CHECK(net(images).shape() == gpunet::shape{2, 4});
    CHECK(net.features(images).empty());
    CHECK(net.pyramid(images).empty());
    context none(net, {2, {}, taps::none}), layers(net, {2, {}, taps::layers});
    static_cast<void>(none.run(images.elements()));
    CHECK(none.features().empty());
    const auto scores = layers.run(images.elements());
    REQUIRE(layers.features().size() == 1);
    CHECK(relative_l2(layers.features()[0].values.elements(), scores.elements()) == 0);
}

TEST_CASE("wrong sizes are refused with both numbers") {
    const network net = make(core_test::small("small0"));
    context c(net, {2, {}, taps::none});
    std::vector<float> images(2 * 3 * 64 * 64), scores(20);
    const auto refused = [&](std::size_t in, std::size_t out) {
        images.resize(in);
        scores.resize(out);
        return message_of<gpunet::argument_error>([&] { c.run(images, scores); });
    };
    CHECK(refused(24575, 20) == "images: expected 24576 numbers [2, 3, 64, 64], found 24575");
    CHECK(refused(0, 20) == "images: expected 24576 numbers [2, 3, 64, 64], found 0");
    CHECK(refused(24576, 10) == "scores: expected 20 numbers [2, 10], found 10");
    CHECK(refused(24576, 21) == "scores: expected 20 numbers [2, 10], found 21");
    const auto call = [&](const gpunet::shape& s) {
        return message_of<gpunet::argument_error>([&] { net(gpunet::tensor<float>(s)); });
    };
    CHECK(call({3, 64, 64}) == "input: expected shape [N, C, H, W], found [3, 64, 64]");
    CHECK(call({1, 4, 64, 64}) == "images: expected 12288 numbers [1, 3, 64, 64], found 16384");
    CHECK(call({0, 3, 64, 64}) == "batch: expected 1 or more, found 0");
    CHECK(message_of<gpunet::argument_error>([&] {
              context(net, {-3, {}, taps::none});
          }) == "batch: expected 1 or more, found -3");
    CHECK(message_of<gpunet::argument_error>([&] {
              context(net, {1, {0, 64}, taps::none});
          }) == "input size: expected sides from 1 to 65536, found 0 x 64");
    CHECK_THAT(message_of<gpunet::spec_error>([&] {
                   context(net, {1, {64, 4}, taps::none});
               }),
               Contains("small0.json: layer 4 (fused_irb): input of 32 x 2 pixels is too small for a kernel of 3"));
    // A failure leaves the network usable.
    CHECK(net(input({1, 3, 64, 64})).size() == 10);
}

TEST_CASE("activations beyond the limit are refused before anything is allocated") {
    const spec::network s = core_test::small("small0");
    const network net = make(s);
    CHECK(message_of<gpunet::unsupported_error>([&] {
              context(net, {1000000, {}, taps::none});
          }) == "batch 1000000 of 64 x 64: expected activations of at most 4294967296 bytes, needs 1000000 * 49152 "
                "(limits::max_activation_bytes)");
    CHECK_THAT(message_of<gpunet::unsupported_error>([&] {
                   context(net, {std::numeric_limits<std::int64_t>::max(), {}, taps::none});
               }),
               Contains("needs 9223372036854775807 * 49152 "));
    // Each feature map is within it, the arena is not.
    const network tight = make(s, {}, "", {std::int64_t{4} << 30, 49152});
    const std::string message = message_of<gpunet::unsupported_error>([&] { context c(tight); });
    CHECK_THAT(message, Catch::StartsWith("batch 1 of 64 x 64: expected activations of at most 49152 bytes, needs "));
    const network enough = make(s, {}, "", {std::int64_t{4} << 30, std::int64_t{1} << 20});
    CHECK(context(enough).arena_bytes() <= std::size_t{1} << 20);
    // A single map of one picture is beyond it.
    CHECK_THAT(
        message_of<gpunet::spec_error>([&] {
            make(s, {}, "", {std::int64_t{4} << 30, 1000});
        }),
        Contains("small0.json: layer 2 (head): expected activations of at most 1000 bytes a picture, found more"));
    CHECK_THAT(message_of<gpunet::spec_error>([&] {
                   make(s, {}, "", {1000, std::int64_t{4} << 30});
               }),
               Contains("bytes of parameters, found more"));
}

TEST_CASE("weights that do not fit are refused when the network is made") {
    const auto foreign = gpunet::synthetic_weights(gpunet::lower(core_test::small("smallD")));
    CHECK_THAT(message_of<gpunet::binding_error>([&] { network(core_test::small("small0"), foreign); }),
               Contains("synthetic: does not fit the network: missing 'network.head: 2.net.0.weight'"));
}

} // namespace test_network

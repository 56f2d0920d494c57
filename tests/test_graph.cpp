#include "core_support.hpp"

#include <gpunet/execution_plan.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/graph/rules.hpp>
#include <gpunet/weights/parameters.hpp>

#include <catch2/catch.hpp>

#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace test_graph { // tests of a program are compiled together

using Catch::Contains;
using core_test::message_of;
using core_test::published;
using gpunet::activation;
using gpunet::extent2;
namespace graph = gpunet::graph;
namespace spec = gpunet::spec;

namespace {

/// A spec whose data entry and middle layers are these; a tail for `channels` follows.
spec::network with(const std::string& data, const std::string& layers, int channels = 8, const std::string& end = "") {
    return gpunet::parse_spec(R"([{"layer_type": "data", "img_resolution": 32)" + data + "}" +
                                  (layers.empty() ? "" : ", " + layers) +
                                  R"(, {"layer_type": "tail", "num_in_channels": )" + std::to_string(channels) +
                                  R"(, "num_out_channels": 16, "num_classes": 10)" + end + "}]",
                              "net.json");
}

std::string irb(const std::string& kind, const std::string& fields, int in = 8, int out = 8, int stride = 1,
                int kernel = 3) {
    return R"({"layer_type": ")" + kind + R"(", "stage": 1, "num_in_channels": )" + std::to_string(in) +
           R"(, "num_out_channels": )" + std::to_string(out) + R"(, "kernel_size": )" + std::to_string(kernel) +
           R"(, "stride": )" + std::to_string(stride) + (fields.empty() ? "" : ", " + fields) + "}";
}

template <class Body>
const Body& body(const graph::network& net, std::size_t i) {
    return std::get<Body>(net.blocks.at(i).body);
}

template <class Visitor>
void for_each_convolution(const graph::network& net, Visitor&& visit) {
    for (const graph::block& b : net.blocks)
        graph::for_each_operation(b, [&](const auto& op) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::convolution>) visit(b, op);
        });
}

std::string refused(const spec::network& net, extent2 size = {32, 32}, const gpunet::limits& caps = {}) {
    return message_of<gpunet::spec_error>([&] { gpunet::lower(net, size, caps); });
}

} // namespace

TEST_CASE("channels round to multiples of 8 as in the reference") {
    const std::vector<std::pair<double, std::int64_t>> rows = {
        {736.32, 736}, {2365.44, 2368}, {5596.8, 5600}, {10, 16},   {1, 8},      {0.001, 8}, {8, 8},
        {8.88, 8},     {8.89, 16}, // 8 is less than 90 % of it
        {11, 16},      {12, 16},        {16, 16},       {17, 16},   {17.78, 24}, {19.9, 24}, {20, 24},
        {27.9, 32},    {35.5, 32},      {35.6, 40},     {100, 104}, {99.99, 96}, {160, 160}, {1024, 1024}};
    for (const auto& [channels, rounded] : rows) {
        INFO(channels);
        CHECK(graph::round_to_multiple_of_8(channels) == rounded);
    }
    for (int i = 1; i < 4000; ++i) {
        const double v = i * 0.37;
        const auto r = static_cast<double>(graph::round_to_multiple_of_8(v));
        CHECK(graph::round_to_multiple_of_8(v) % 8 == 0);
        CHECK(r >= 0.9 * v);
        CHECK((r == 8 || r < v + 8));
    }
}

TEST_CASE("numbers round half to even, and to 1 at least") {
    const std::vector<std::pair<double, std::int64_t>> rows = {{0.2, 1},      {0.5, 1},  {1.49, 1}, {1.5, 2},
                                                               {2.5, 2},      {2.51, 3}, {3.5, 4},  {4.5, 4},
                                                               {63.9999, 64}, {64, 64},  {65.5, 66}};
    for (const auto& [value, rounded] : rows) {
        INFO(value);
        CHECK(graph::round_half_to_even(value) == rounded);
    }
}

TEST_CASE("SAME padding is TensorFlow's") {
    struct row {
        std::int64_t size, kernel, stride, before, after;
    };
    const std::vector<row> rows = {{224, 3, 2, 0, 1}, {225, 3, 2, 1, 1}, {224, 5, 2, 1, 2}, {225, 5, 2, 2, 2},
                                   {7, 3, 1, 1, 1},   {7, 5, 1, 2, 2},   {7, 1, 1, 0, 0},   {8, 1, 2, 0, 0},
                                   {9, 1, 2, 0, 0},   {1, 3, 1, 1, 1},   {1, 3, 2, 1, 1},   {2, 3, 2, 0, 1},
                                   {8, 7, 2, 2, 3},   {10, 3, 3, 1, 1},  {11, 3, 3, 0, 1},  {9, 3, 3, 0, 0},
                                   {5, 3, 4, 1, 1},   {6, 3, 4, 0, 1},   {9, 1, 4, 0, 0},   {1, 31, 16, 15, 15}};
    for (const row& r : rows) {
        INFO(r.size << " " << r.kernel << " " << r.stride);
        CHECK(graph::same_padding(r.size, r.kernel, r.stride) == std::pair{r.before, r.after});
    }
    // Whatever the numbers, the output has ceil(size / stride) elements, and the padding is the least that does it.
    for (std::int64_t size = 1; size < 40; ++size)
        for (std::int64_t kernel = 1; kernel <= 9; kernel += 2)
            for (std::int64_t stride = 1; stride <= 5; ++stride) {
                INFO(size << " " << kernel << " " << stride);
                const auto pad = graph::resolve(spec::padding_rule::same, {size, size}, kernel, stride);
                CHECK(pad.top == pad.left);
                CHECK(pad.bottom == pad.right);
                CHECK((pad.bottom == pad.top || pad.bottom == pad.top + 1));
                const auto out = graph::output_extent({size, size}, kernel, stride, pad);
                CHECK(out.height == (size + stride - 1) / stride);
                CHECK(out.width == out.height);
            }
}

TEST_CASE("the output's extent") {
    CHECK(graph::output_extent({10, 7}, 3, 1, {}) == extent2{8, 5});
    CHECK(graph::output_extent({10, 7}, 3, 2, {1, 1, 1, 1}) == extent2{5, 4});
    CHECK(graph::output_extent({10, 7}, 3, 2, {0, 1, 0, 1}) == extent2{5, 3});
    CHECK(graph::output_extent({160, 160}, 3, 2, {}) == extent2{79, 79});
    CHECK(graph::output_extent({2, 3}, 3, 1, {}) == extent2{0, 1});
    CHECK(graph::output_extent({1, 1}, 3, 2, {}) == extent2{0, 0});
    CHECK(graph::output_extent({1, 1}, 1, 16, {}) == extent2{1, 1});
}

TEST_CASE("a spec's padding resolves") {
    CHECK(graph::resolve(spec::padding_rule::symmetric, {10, 10}, 5, 2) == graph::padding{2, 2, 2, 2});
    CHECK(graph::resolve(spec::padding_rule::valid, {10, 10}, 5, 2) == graph::padding{});
    CHECK(graph::resolve(std::int64_t{3}, {10, 10}, 5, 2) == graph::padding{3, 3, 3, 3});
    CHECK(graph::resolve(spec::padding_rule::same, {10, 9}, 3, 2) == graph::padding{0, 1, 1, 1});
}

TEST_CASE("parameters and multiply-adds of the published networks") {
    const std::map<std::string, graph::counts> expected = {
        {"GPUNet-0", {11885432, 3254209280}},  {"GPUNet-1", {12704192, 3308369280}},
        {"GPUNet-2", {25798704, 8386275920}},  {"GPUNet-P0", {22815080, 1870345792}},
        {"GPUNet-P1", {39905672, 3241678272}}, {"GPUNet-D1", {10589859, 4289640427}},
        {"GPUNet-D2", {19036728, 15739476160}}};
    const auto summary = core_test::read_json("goldens/summary.json");
    for (const auto& v : core_test::variants) {
        INFO(v.name);
        const graph::counts found = graph::count(gpunet::lower(published(v.name)));
        CHECK(found.parameters == expected.at(v.name).parameters);
        CHECK(found.multiply_adds == expected.at(v.name).multiply_adds);
        CHECK(found.parameters == summary[v.name]["params"].get<std::int64_t>());
        CHECK(found.multiply_adds == summary[v.name]["macs"].get<std::int64_t>());
        // Parameters do not depend on the input's size; work does.
        const graph::counts larger = graph::count(gpunet::lower(published(v.name), {600, 700}));
        CHECK(larger.parameters == found.parameters);
        CHECK(larger.multiply_adds > found.multiply_adds);
    }
}

TEST_CASE("parameters have the names, shapes and order of the reference's state_dict") {
    const auto keys = core_test::read_json("goldens/state_dict_keys.json");
    REQUIRE(keys.size() == core_test::variants.size());
    for (const auto& v : core_test::variants) {
        const auto found = gpunet::parameters(gpunet::lower(published(v.name)));
        const auto& expected = keys[v.name];
        REQUIRE(found.size() == expected.size());
        std::int64_t learnable = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
            INFO(v.name << " " << i);
            CHECK(found[i].name == expected[i][0].get<std::string>());
            CHECK(found[i].dimensions == expected[i][1].get<gpunet::shape>());
            CHECK(found[i].optional() == (expected[i][2].get<std::string>() == "int64"));
            using role = gpunet::parameter_role;
            if (found[i].role != role::running_mean && found[i].role != role::running_var && !found[i].optional())
                learnable += gpunet::element_count(found[i].dimensions);
        }
        CHECK(learnable == graph::count(gpunet::lower(published(v.name))).parameters);
    }
}

TEST_CASE("feature maps have the reference's sizes") {
    for (const char* name : {"GPUNet-0_b1_r257", "GPUNet-0_b1_r320", "GPUNet-1_b1_r288", "GPUNet-2_b1_r384",
                             "GPUNet-D1_b1_r456", "GPUNet-D2_b1_r528", "GPUNet-P0_b1_r200", "GPUNet-P1_b1_r224"}) {
        const auto golden = core_test::read_json("goldens/" + std::string(name) + ".json");
        const auto side = golden["resolution"].get<std::int64_t>();
        const graph::network net = gpunet::lower(published(golden["variant"].get<std::string>()), {side, side});
        REQUIRE(net.blocks.size() == golden["modules"].size());
        for (std::size_t i = 0; i < net.blocks.size(); ++i) {
            const graph::features& f = net.blocks[i].output;
            INFO(name << " " << golden["modules"][i]["name"]);
            const bool last = i + 1 == net.blocks.size();
            CHECK((last ? gpunet::shape{1, f.channels} : gpunet::shape{1, f.channels, f.size.height, f.size.width}) ==
                  golden["modules"][i]["shape"].get<gpunet::shape>());
            if (i > 0) CHECK(net.blocks[i].input == net.blocks[i - 1].output);
        }
    }
}

TEST_CASE("within a block every operation takes what the one before gives") {
    for (const auto& v : core_test::variants) {
        const graph::network net = gpunet::lower(published(v.name));
        CHECK(net.classes == 1000);
        CHECK(net.blocks.front().input == net.input);
        graph::features now = net.input;
        for_each_convolution(net, [&](const graph::block& b, const graph::convolution& c) {
            INFO(v.name << " layer " << b.layer << " " << c.weights);
            CHECK(c.input == now);
            CHECK(c.output.size == graph::output_extent(c.input.size, c.kernel, c.stride, c.padding));
            now = c.output;
        });
    }
}

TEST_CASE("quirk: a plain fused_irb of stride 2 has no padding") {
    const graph::network net = gpunet::lower(published("GPUNet-0"));
    const auto& quirky = body<graph::fused_inverted_residual>(net, 3);
    CHECK(quirky.expand.input.size == extent2{160, 160});
    CHECK(quirky.expand.output.size == extent2{79, 79});
    CHECK(quirky.expand.padding == graph::padding{});
    CHECK(body<graph::fused_inverted_residual>(net, 4).expand.padding == graph::padding{1, 1, 1, 1});

    for (const auto& v : core_test::variants) {
        const spec::network s = published(v.name);
        const bool plain = !*s.data.distill;
        for_each_convolution(gpunet::lower(s), [&](const graph::block& b, const graph::convolution& c) {
            INFO(v.name << " " << c.weights);
            const bool unpadded = plain && b.kind == "fused_irb" && c.stride == 2;
            const std::int64_t pad = unpadded ? 0 : c.kernel / 2;
            CHECK(c.padding == graph::padding{pad, pad, pad, pad});
        });
    }
    // Only stride 2, only plain, and not where the spec says otherwise.
    const auto padding_of = [](const std::string& data, const std::string& fields, int stride) {
        const auto net2 = gpunet::lower(with(data, irb("fused_irb", R"("expansion": 2)" + fields, 8, 8, stride)));
        return body<graph::fused_inverted_residual>(net2, 0).expand.padding;
    };
    const graph::padding none, one{1, 1, 1, 1};
    CHECK(padding_of("", "", 2) == none);
    CHECK(padding_of(R"(, "distill": false)", "", 2) == none);
    CHECK(padding_of(R"(, "distill": true)", "", 2) == one);
    CHECK(padding_of("", "", 1) == one);
    CHECK(padding_of("", "", 3) == one);
    CHECK(padding_of("", R"(, "padding": "symmetric")", 2) == one);
    CHECK(padding_of(R"(, "padding": "symmetric")", "", 2) == one);
    CHECK(padding_of(R"(, "padding": "same")", "", 2) == graph::padding{0, 1, 0, 1});
    CHECK(padding_of(R"(, "padding": "same")", R"(, "padding": 1)", 2) == one);
    CHECK(padding_of("", R"(, "padding": "valid")", 1) == none);
}

TEST_CASE("quirk: the epsilons of batch norm") {
    for (const auto& v : core_test::variants) {
        const spec::network s = published(v.name);
        for_each_convolution(gpunet::lower(s), [&](const graph::block& b, const graph::convolution& c) {
            INFO(v.name << " " << c.weights);
            CHECK(c.epsilon == (*s.data.distill && b.kind != "fused_irb" ? 1e-5 : 1e-3));
        });
    }
    // A layer's own, then the network's, then the grammar's.
    const auto epsilon = [](const std::string& data, const std::string& fields) {
        const auto net = gpunet::lower(with(data, irb("fused_irb", R"("expansion": 2)" + fields)));
        return std::pair{body<graph::fused_inverted_residual>(net, 0).expand.epsilon,
                         body<graph::tail>(net, 1).convolution->epsilon};
    };
    CHECK(epsilon("", "") == std::pair{1e-3, 1e-3});
    CHECK(epsilon(R"(, "distill": true)", "") == std::pair{1e-3, 1e-5});
    CHECK(epsilon(R"(, "distill": true, "bn_epsilon": 0.5)", "") == std::pair{0.5, 0.5});
    CHECK(epsilon(R"(, "bn_epsilon": 0.5)", R"(, "bn_epsilon": 0.25)") == std::pair{0.25, 0.5});
}

TEST_CASE("quirk: activations of the two grammars") {
    CHECK(body<graph::stem>(gpunet::lower(published("GPUNet-0")), 0).convolutions[0].act == activation::swish);
    CHECK(body<graph::stem>(gpunet::lower(published("GPUNet-P0")), 0).convolutions[0].act == activation::relu);
    for (const char* name : {"GPUNet-D1", "GPUNet-D2"})
        for_each_convolution(gpunet::lower(published(name)), [&](const graph::block& b, const graph::convolution& c) {
            INFO(name << " " << c.weights);
            const bool projection =
                c.weights.ends_with("body.6") || (b.kind == "fused_irb" && c.weights.ends_with("body.3"));
            CHECK(c.act == (projection ? activation::identity : activation::relu));
        });
    // Distilled: relu, "act" ignored; a plain tail is relu unless it says otherwise.
    const std::string head = R"({"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8, "act": "swish"}, )";
    const std::string layers = head + irb("irb", R"("expansion": 2, "act": "swish")") + ", " +
                               irb("fused_irb", R"("expansion": 2, "act": "swish")");
    for (const bool distilled : {false, true}) {
        const activation a = distilled ? activation::relu : activation::swish;
        const auto net = gpunet::lower(with(distilled ? R"(, "distill": true)" : "", layers));
        CHECK(body<graph::stem>(net, 0).convolutions[0].act == a);
        CHECK(body<graph::inverted_residual>(net, 1).expand->act == a);
        CHECK(body<graph::inverted_residual>(net, 1).depthwise->act == a);
        CHECK(body<graph::inverted_residual>(net, 1).project.act == activation::identity);
        CHECK(body<graph::fused_inverted_residual>(net, 2).expand.act == a);
        CHECK(body<graph::fused_inverted_residual>(net, 2).project.act == activation::identity);
        CHECK(body<graph::tail>(net, 3).convolution->act == activation::relu);
        CHECK(body<graph::tail>(net, 3).classifier.act == activation::identity);
    }
}

TEST_CASE(
    "quirk: squeeze-excite's width is round(mid * (0.25 / expansion)), a fourth of the input in the published ones") {
    int gates = 0;
    for (const char* name : {"GPUNet-0", "GPUNet-1", "GPUNet-2"}) {
        const auto check = [&](const graph::block& b, const std::optional<graph::squeeze_excite>& se,
                               std::int64_t middle, activation act) {
            if (!se) return;
            INFO(name << " layer " << b.layer);
            ++gates;
            CHECK(se->squeeze.inputs == middle);
            CHECK(se->squeeze.outputs == b.input.channels / 4);
            CHECK(se->squeeze.act == act);
            CHECK(se->excite.inputs == se->squeeze.outputs);
            CHECK(se->excite.outputs == middle);
            CHECK(se->excite.act == activation::sigmoid);
            CHECK((se->squeeze.bias && se->excite.bias && se->squeeze.as_convolution && se->excite.as_convolution));
        };
        const graph::network net = gpunet::lower(published(name));
        for (const graph::block& b : net.blocks) {
            if (const auto* i = std::get_if<graph::inverted_residual>(&b.body))
                check(b, i->squeeze_excite, i->depthwise->output.channels, i->depthwise->act);
            if (const auto* f = std::get_if<graph::fused_inverted_residual>(&b.body))
                check(b, f->squeeze_excite, f->expand.output.channels, f->expand.act);
        }
    }
    CHECK(gates > 10);
    const auto squeeze = [](const std::string& fields, int in) {
        const auto net = gpunet::lower(with("", irb("irb", "\"use_se\": true, " + fields, in), 8));
        return *body<graph::inverted_residual>(net, 0).squeeze_excite;
    };
    CHECK(squeeze(R"("expansion": 4)", 10).squeeze.outputs == 2); // 40 * 0.0625 = 2.5, to even
    CHECK(squeeze(R"("expansion": 2)", 12).squeeze.outputs == 3); // 24 / 8
    CHECK(squeeze(R"("expansion": 4)", 14).squeeze.outputs == 4); // 56 * 0.0625 = 3.5
    CHECK(squeeze(R"("expansion": 2, "se_ratio": 0.5)", 12).squeeze.outputs == 6);
    CHECK(squeeze(R"("expansion": 2, "se_ratio": 0.001)", 12).squeeze.outputs == 1);
    CHECK(squeeze(R"("expansion": 2, "se_ratio": 0.5, "se_channels": 7)", 12).squeeze.outputs == 7);
    CHECK(squeeze(R"("expansion": 2, "act": "gelu")", 12).squeeze.act == activation::gelu);
    CHECK(squeeze(R"("expansion": 2, "act": "gelu", "se_act": "relu")", 12).squeeze.act == activation::relu);
    CHECK(squeeze(R"("expansion": 2, "se_gate": "hard_sigmoid")", 12).excite.act == activation::hard_sigmoid);
}

TEST_CASE("the distilled tail has 1152 channels and a hidden product") {
    const auto d1 = body<graph::tail>(gpunet::lower(published("GPUNet-D1")), 23);
    CHECK(d1.convolution->output.channels == 1152);
    REQUIRE(d1.hidden);
    CHECK(d1.hidden->inputs == 1152);
    CHECK_FALSE(d1.hidden->bias);
    CHECK(d1.hidden->as_convolution);
    CHECK(d1.hidden->act == activation::relu);
    CHECK(d1.classifier.inputs == d1.hidden->outputs);
    CHECK(d1.classifier.bias);
    CHECK_FALSE(d1.classifier.as_convolution);
    const graph::network p0 = gpunet::lower(published("GPUNet-P0"));
    CHECK_FALSE(body<graph::tail>(p0, p0.blocks.size() - 1).hidden);
    // Either form in either grammar.
    const auto plain =
        gpunet::lower(with("", "", 8, R"(, "tail_form": "conv_pool_conv_linear", "num_mid_channels": 24)"));
    CHECK(body<graph::tail>(plain, 0).convolution->output.channels == 24);
    CHECK(body<graph::tail>(plain, 0).hidden->outputs == 16);
    const auto distilled = gpunet::lower(with(R"(, "distill": true)", "", 8, R"(, "tail_form": "conv_pool_linear")"));
    CHECK_FALSE(body<graph::tail>(distilled, 0).hidden);
    CHECK(body<graph::tail>(distilled, 0).convolution->output.channels == 16);
}

TEST_CASE("a residual is added at stride 1 between equal channels unless the spec says no") {
    const auto residual = [](const std::string& fields, int out, int stride) {
        const auto net = gpunet::lower(with("", irb("irb", R"("expansion": 2)" + fields, 8, out, stride), out));
        return body<graph::inverted_residual>(net, 0).residual;
    };
    CHECK(residual("", 8, 1));
    CHECK_FALSE(residual("", 16, 1));
    CHECK_FALSE(residual("", 8, 2));
    CHECK_FALSE(residual(R"(, "residual": false)", 8, 1));
    CHECK(residual(R"(, "residual": true)", 8, 1));
    CHECK(refused(with("", irb("irb", R"("expansion": 2, "residual": true)", 8, 16), 16)) ==
          "net.json: layer 2 (irb): residual: expected stride 1 and equal channels, found stride 1, 8 and 16");
    CHECK(refused(with("", irb("fused_irb", R"("expansion": 2, "residual": true)", 8, 8, 2))) ==
          "net.json: layer 2 (fused_irb): residual: expected stride 1 and equal channels, found stride 2, 8 and 8");
}

TEST_CASE("the expanded width") {
    const auto width = [](const std::string& data, const std::string& fields, int in) {
        const auto net = gpunet::lower(with(data, irb("irb", fields, in)));
        return body<graph::inverted_residual>(net, 0).depthwise->output.channels;
    };
    CHECK(width("", R"("expansion": 7.67)", 96) == 736);
    CHECK(width("", R"("expansion": 1)", 10) == 16);
    CHECK(width(R"(, "distill": true)", R"("expansion": 3)", 33) == 99);
    CHECK(width(R"(, "distill": true, "expansion_rounding": "multiple_of_8")", R"("expansion": 3)", 33) == 96);
    CHECK(width(R"(, "expansion_rounding": "exact")", R"("expansion": 2.5)", 10) == 25);
    CHECK(width(R"(, "expansion_rounding": "exact")", R"("expansion": 2.5, "expansion_rounding": "multiple_of_8")",
                10) == 24);
    CHECK(refused(with(R"(, "distill": true)", irb("irb", R"("expansion": 2.55)", 10))) ==
          "net.json: layer 2 (irb): expansion: expected a whole number of channels, found 10 * 2.550000");
    CHECK(refused(with(R"(, "distill": true)", irb("fused_irb", R"("expansion": 1e-9)", 10))) ==
          "net.json: layer 2 (fused_irb): expansion: expected a whole number of channels, found 10 * 0.000000");
}

TEST_CASE("an irb of expansion 1 keeps its first convolution unless told to skip it") {
    const auto skips = [](const std::string& data, const std::string& fields) {
        const auto net = gpunet::lower(with(data, irb("irb", fields)));
        return !body<graph::inverted_residual>(net, 0).expand;
    };
    CHECK_FALSE(skips("", R"("expansion": 1)"));
    CHECK_FALSE(skips(R"(, "distill": true)", R"("expansion": 1)"));
    CHECK(skips("", R"("expansion": 1, "skip_unit_expansion": true)"));
    CHECK(skips(R"(, "skip_unit_expansion": true)", R"("expansion": 1)"));
    CHECK_FALSE(skips(R"(, "skip_unit_expansion": true)", R"("expansion": 1, "skip_unit_expansion": false)"));
    CHECK_FALSE(skips(R"(, "skip_unit_expansion": true)", R"("expansion": 1.5)"));
    // Without the convolution nothing rounds: the depthwise convolution has the input's channels.
    const auto net = gpunet::lower(with("", irb("irb", R"("expansion": 1, "skip_unit_expansion": true)", 10)));
    CHECK(body<graph::inverted_residual>(net, 0).depthwise->output.channels == 10);
    CHECK(body<graph::inverted_residual>(net, 0).depthwise->groups == 10);
    for (const gpunet::parameter& p : gpunet::parameters(net)) CHECK_THAT(p.name, !Contains("conv_pw."));
}

TEST_CASE("groups must divide both channels") {
    CHECK(refused(with("", irb("conv", R"("groups": 3)"))) ==
          "net.json: layer 2 (conv): groups: expected a divisor of 8 and 8 channels, found 3");
    CHECK(refused(with("", irb("irb", R"("expansion": 2, "groups": 3)", 6))) ==
          "net.json: layer 2 (irb): groups: expected a divisor of 6 and 16 channels, found 3");
    CHECK(refused(with("", irb("irb", R"("expansion": 4, "groups": 3)", 6, 8))) ==
          "net.json: layer 2 (irb): groups: expected a divisor of 24 and 8 channels, found 3");
    const auto net = gpunet::lower(with("", irb("irb", R"("expansion": 4, "groups": 2)")));
    const auto& b = body<graph::inverted_residual>(net, 0);
    CHECK(b.expand->groups == 2);
    CHECK(b.depthwise->groups == 32);
    CHECK(b.depthwise->depthwise());
    CHECK_FALSE(b.expand->depthwise());
    CHECK(b.project.groups == 2);
    CHECK(gpunet::weight_shape(*b.expand) == gpunet::shape{32, 4, 1, 1});
    CHECK(gpunet::weight_shape(*b.depthwise) == gpunet::shape{32, 1, 3, 3});
    CHECK(graph::count(*b.expand) == graph::counts{32 * 4 + 64, 32 * 4 * 32 * 32});
}

TEST_CASE("the smallest legal input") {
    const std::map<std::string, std::pair<std::int64_t, std::string>> expected = {
        {"GPUNet-0", {13, "layer 7 (fused_irb)"}},
        {"GPUNet-1", {13, ""}},
        {"GPUNet-2", {17, ""}},
        {"GPUNet-P0", {1, ""}},
        {"GPUNet-P1", {1, ""}},
        {"GPUNet-D1", {1, ""}},
        {"GPUNet-D2", {1, ""}}};
    for (const auto& v : core_test::variants) {
        INFO(v.name);
        const spec::network net = published(v.name);
        const auto& [side, layer] = expected.at(v.name);
        CHECK(gpunet::lower(net, {side, side}).classes == 1000);
        if (side == 1) continue;
        for (const extent2 small : {extent2{side - 1, side - 1}, extent2{side - 1, 300}, extent2{300, side - 1}}) {
            const std::string message = refused(net, small);
            CHECK_THAT(message, Catch::StartsWith(net.source + ": layer "));
            CHECK_THAT(message, Contains("(fused_irb): input of "));
            CHECK_THAT(message, Contains(" pixels is too small for a kernel of "));
            CHECK_THAT(message, Contains(layer));
        }
    }
    CHECK(refused(with("", irb("conv", R"("padding": "valid")", 3)), {2, 9}) ==
          "net.json: layer 2 (conv): input of 2 x 9 pixels is too small for a kernel of 3");
}

TEST_CASE("an input's extent must be positive and within bounds") {
    const spec::network net = with("", "");
    for (const extent2 size : {extent2{0, 0}, extent2{0, 5}, extent2{5, -1}, extent2{65537, 1}, extent2{1, 1 << 20}})
        CHECK(message_of<gpunet::argument_error>([&] { gpunet::lower(net, size); }) ==
              "input size: expected sides from 1 to 65536, found " + std::to_string(size.height) + " x " +
                  std::to_string(size.width));
    CHECK(gpunet::lower(net, {65536, 1}).input.size == extent2{65536, 1});
    CHECK(message_of<gpunet::spec_error>([] {
              gpunet::lower({"empty.json", {}, {}, {}}, {8, 8});
          }) == "empty.json: expected layers, found none");
}

TEST_CASE("inputs need not be square") {
    const graph::network net = gpunet::lower(published("GPUNet-0"), {480, 640});
    CHECK(net.input.size == extent2{480, 640});
    CHECK(net.blocks[0].output.size == extent2{240, 320});
    CHECK(net.blocks[3].output.size == extent2{119, 159});
    CHECK(net.blocks.back().output == graph::features{1000, {1, 1}});
    const spec::network two = gpunet::parse_spec(
        R"([{"layer_type": "data", "img_resolution": [48, 96]}, {"layer_type": "head", "num_in_channels": 1, "num_out_channels": 8},
            {"layer_type": "tail", "num_in_channels": 8, "num_out_channels": 16}])",
        "net.json");
    CHECK(gpunet::lower(two).blocks[0].output == graph::features{8, {24, 48}});
    CHECK(gpunet::lower(two).input.channels == 1);
}

TEST_CASE("a network with TensorFlow's SAME padding and EfficientNet's names") {
    struct row {
        int repeat, kernel, stride, expansion, in, out;
    };
    const std::vector<row> rows = {{1, 3, 1, 1, 32, 16},  {2, 3, 2, 6, 16, 24},  {2, 5, 2, 6, 24, 40},
                                   {3, 3, 2, 6, 40, 80},  {3, 5, 1, 6, 80, 112}, {4, 5, 2, 6, 112, 192},
                                   {1, 3, 1, 6, 192, 320}};
    std::string layers = R"({"layer_type": "head", "num_in_channels": 3, "num_out_channels": 32, "act": "relu6"})";
    int stage = 0;
    for (const row& r : rows) {
        ++stage;
        for (int i = 0; i < r.repeat; ++i)
            layers += R"(, {"layer_type": "irb", "act": "relu6", "num_in_channels": )" +
                      std::to_string(i ? r.out : r.in) + R"(, "num_out_channels": )" + std::to_string(r.out) +
                      R"(, "kernel_size": )" + std::to_string(r.kernel) + R"(, "stride": )" +
                      std::to_string(i ? 1 : r.stride) + R"(, "expansion": )" + std::to_string(r.expansion) +
                      R"(, "stage": )" + std::to_string(stage) + "}";
    }
    const spec::network lite = gpunet::parse_spec(
        R"([{"layer_type": "data", "img_resolution": 224, "naming": "efficientnet_pytorch", "padding": "same", "skip_unit_expansion": true}, )" +
            layers + R"(, {"layer_type": "tail", "num_in_channels": 320, "num_out_channels": 1280, "act": "relu6"}])",
        "lite0.json");
    const graph::network net = gpunet::lower(lite);
    const graph::counts counted = graph::count(net);
    CHECK(counted.parameters == 4652008);      // "4.7 M"
    CHECK(counted.multiply_adds == 385187552); // published: 407 M, which counts batch norm and activations too
    CHECK(body<graph::stem>(net, 0).convolutions[0].padding == graph::padding{0, 1, 0, 1});
    CHECK(net.blocks[0].output.size == extent2{112, 112});
    CHECK_FALSE(body<graph::inverted_residual>(net, 1).expand);
    CHECK(body<graph::inverted_residual>(net, 2).depthwise->padding == graph::padding{0, 1, 0, 1});
    CHECK(body<graph::inverted_residual>(net, 4).depthwise->padding == graph::padding{1, 2, 1, 2});
    CHECK(net.blocks[16].output == graph::features{320, {7, 7}});
    CHECK(body<graph::tail>(net, 17).convolution->act == activation::relu6);

    const auto names = gpunet::parameters(net);
    CHECK(names[0].name == "_conv_stem.weight");
    CHECK(names[1].name == "_bn0.weight");
    CHECK(names[6].name == "_blocks.0._depthwise_conv.weight");
    CHECK(names[7].name == "_blocks.0._bn1.weight");
    CHECK(names[12].name == "_blocks.0._project_conv.weight");
    CHECK(names[13].name == "_blocks.0._bn2.weight");
    CHECK(names[18].name == "_blocks.1._expand_conv.weight");
    CHECK(names[19].name == "_blocks.1._bn0.weight");
    CHECK(names[names.size() - 8].name == "_conv_head.weight");
    CHECK(names[names.size() - 7].name == "_bn1.weight");
    CHECK(names[names.size() - 2].name == "_fc.weight");
    CHECK(names[names.size() - 1].name == "_fc.bias");
    for (const auto& p : names) CHECK_THAT(p.name, !Contains("_blocks.16"));
    // Odd sizes pad evenly.
    CHECK(body<graph::stem>(gpunet::lower(lite, {225, 224}), 0).convolutions[0].padding == graph::padding{1, 1, 0, 1});
}

namespace {

/// The names of all weights, apart from batch norm's.
std::vector<std::string> weight_names(const graph::network& net) {
    std::vector<std::string> names;
    for (const graph::block& b : net.blocks)
        graph::for_each_operation(b, [&](const auto& op) { names.push_back(op.weights + "|" + op.norm); });
    return names;
}

std::string layer(const std::string& kind, const std::string& fields) {
    return R"({"layer_type": ")" + kind + R"(", "num_out_channels": 8, "stride": 1, )" + fields + "}";
}

} // namespace

TEST_CASE("parameters have timm's names, by stage and place in it") {
    const graph::network net = gpunet::lower(gpunet::parse_spec(
        R"([{"layer_type": "data", "img_resolution": 32, "naming": "timm", "skip_unit_expansion": true},
            {"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8, "stage": 0}, )" +
            layer("separable", R"("kernel_size": 3, "space_to_depth": true, "use_se": true, "stage": 4)") + ", " +
            layer("irb", R"("kernel_size": 3, "expansion": 1, "stage": 4)") + ", " +
            layer("irb", R"("kernel_size": 3, "expansion": 2, "use_se": true, "repeat": 2, "stage": 9)") + ", " +
            layer("fused_irb", R"("kernel_size": 3, "expansion": 2, "stage": 9)") + ", " +
            layer("uib", R"("kernel_size": 3, "start_kernel_size": 5, "expansion": 2, "stage": 10)") + ", " +
            layer("conv", R"("kernel_size": 3, "stage": 10)") + R"(, {"layer_type": "tail", "num_out_channels": 16}])",
        "net.json"));
    CHECK(weight_names(net) == std::vector<std::string>{"conv_stem|bn1",
                                                        "blocks.0.0.conv_s2d|blocks.0.0.bn_s2d",
                                                        "blocks.0.0.conv_dw|blocks.0.0.bn1",
                                                        "blocks.0.0.se.conv_reduce|",
                                                        "blocks.0.0.se.conv_expand|",
                                                        "blocks.0.0.conv_pw|blocks.0.0.bn2",
                                                        "blocks.0.1.conv_dw|blocks.0.1.bn1",
                                                        "blocks.0.1.conv_pw|blocks.0.1.bn2",
                                                        "blocks.1.0.conv_pw|blocks.1.0.bn1",
                                                        "blocks.1.0.conv_dw|blocks.1.0.bn2",
                                                        "blocks.1.0.se.conv_reduce|",
                                                        "blocks.1.0.se.conv_expand|",
                                                        "blocks.1.0.conv_pwl|blocks.1.0.bn3",
                                                        "blocks.1.1.conv_pw|blocks.1.1.bn1",
                                                        "blocks.1.1.conv_dw|blocks.1.1.bn2",
                                                        "blocks.1.1.se.conv_reduce|",
                                                        "blocks.1.1.se.conv_expand|",
                                                        "blocks.1.1.conv_pwl|blocks.1.1.bn3",
                                                        "blocks.1.2.conv_exp|blocks.1.2.bn1",
                                                        "blocks.1.2.conv_pwl|blocks.1.2.bn2",
                                                        "blocks.2.0.dw_start.conv|blocks.2.0.dw_start.bn",
                                                        "blocks.2.0.pw_exp.conv|blocks.2.0.pw_exp.bn",
                                                        "blocks.2.0.dw_mid.conv|blocks.2.0.dw_mid.bn",
                                                        "blocks.2.0.pw_proj.conv|blocks.2.0.pw_proj.bn",
                                                        "blocks.2.1.conv|blocks.2.1.bn1",
                                                        "conv_head|bn2",
                                                        "classifier|"});
    const auto tail = [](const std::string& fields) {
        return weight_names(gpunet::lower(with(R"(, "naming": "timm")", "", 8, fields)));
    };
    const std::string pooled = R"(, "tail_form": "pool_conv_linear")";
    CHECK(tail(pooled) == std::vector<std::string>{"conv_head|", "classifier|"});
    CHECK(tail(pooled + R"(, "pooled_norm": true)") == std::vector<std::string>{"conv_head|norm_head", "classifier|"});
    const auto end = body<graph::tail>(
        gpunet::lower(with(R"(, "naming": "timm", "bn_epsilon": 0.5)", "", 8, pooled + R"(, "pooled_norm": true)")), 0);
    CHECK((end.hidden->inputs == 8 && end.hidden->outputs == 16 && end.hidden->epsilon == 0.5));
    CHECK(refused(with(R"(, "naming": "timm")", R"({"layer_type": "conv", "num_in_channels": 8, "num_out_channels": 8,
                                                    "kernel_size": 1, "stride": 1})")) ==
          "net.json: layer 2 (conv): stage: expected an integer (parameter names hold it), found nothing");
}

TEST_CASE("separable blocks, bottlenecks and skips lower to their parts") {
    const auto one = [](const std::string& kind, const std::string& fields, int in = 8, int out = 8, int stride = 1,
                        int kernel = 3) {
        return gpunet::lower(with("", irb(kind, fields, in, out, stride, kernel), out));
    };
    const auto deep = body<graph::inverted_residual>(
        one("separable", R"("space_to_depth": true, "use_se": true, "act": "swish")", 32, 64), 0);
    REQUIRE((deep.entry && deep.depthwise && deep.squeeze_excite));
    CHECK((deep.entry->kernel == 2 && deep.entry->stride == 2 && deep.entry->groups == 1));
    CHECK(deep.entry->output.channels == 128);
    CHECK(deep.entry->act == activation::swish);
    CHECK((deep.depthwise->kernel == 2 && deep.depthwise->padding == graph::padding{0, 1, 0, 1}));
    CHECK(deep.squeeze_excite->squeeze.outputs == 8); // of 32 channels
    CHECK(deep.project.output == graph::features{64, {16, 16}});
    CHECK_FALSE(deep.residual);
    CHECK(body<graph::inverted_residual>(one("separable", R"("space_to_depth": true)", 8, 8, 1, 5), 0)
              .depthwise->kernel == 3);
    CHECK_FALSE(body<graph::inverted_residual>(one("separable", R"("space_to_depth": true)"), 0).residual);
    CHECK(body<graph::inverted_residual>(one("separable", ""), 0).residual);
    CHECK(refused(with("", irb("separable", R"("space_to_depth": true, "residual": true)"))) ==
          "net.json: layer 2 (separable): residual: expected none beside space_to_depth, found true");

    const auto uib = [&](const std::string& fields, int stride, int kernel) {
        return body<graph::inverted_residual>(one("uib", R"("expansion": 2)" + fields, 8, 8, stride, kernel), 0);
    };
    const auto both = uib(R"(, "start_kernel_size": 5)", 2, 3);
    CHECK((both.entry->kernel == 5 && both.entry->stride == 1 && both.entry->act == activation::identity));
    CHECK((both.entry->groups == 8 && both.depthwise->stride == 2 && both.depthwise->act == activation::relu));
    const auto first = uib(R"(, "start_kernel_size": 5)", 2, 0);
    CHECK((first.entry->stride == 2 && !first.depthwise));
    CHECK(!uib("", 1, 0).entry);
    CHECK(refused(with("", irb("uib", R"("expansion": 2)", 8, 8, 2, 0))) ==
          "net.json: layer 2 (uib): stride: expected 1 where both kernels are 0, found 2");

    const auto conv = [&](const std::string& fields, int out = 8) {
        return body<graph::conv>(gpunet::lower(with("", irb("conv", fields, 8, out), out)), 0);
    };
    CHECK_FALSE(conv(R"("act": "swish")").residual);
    CHECK((conv(R"("act": "swish", "residual": true)").residual));
    CHECK((conv(R"("act": "swish", "residual": true)").convolution.adds_last));
    CHECK_FALSE(conv(R"("act": "identity", "residual": true)").convolution.adds_last); // one as good as the other
    CHECK_FALSE(conv(R"("residual": "where_possible")", 16).residual);
    CHECK(refused(with("", irb("conv", R"("residual": true)", 8, 16), 16)) ==
          "net.json: layer 2 (conv): residual: expected stride 1 and equal channels, found stride 1, 8 and 16");
}

TEST_CASE("the squeeze width follows its rules, a block's own before the network's") {
    const auto squeezed = [](const std::string& data, const std::string& fields) {
        const auto net =
            gpunet::lower(with(data, irb("irb", R"("expansion": 3, "use_se": true)" + fields, 40, 40), 40));
        return body<graph::inverted_residual>(net, 0).squeeze_excite->squeeze.outputs;
    };
    CHECK(squeezed("", "") == 10);
    CHECK(squeezed("", R"(, "se_from": "expanded")") == 30);
    CHECK(squeezed(R"(, "se_from": "expanded")", R"(, "se_from": "input")") == 10);
    CHECK(squeezed(R"(, "se_ratio": 0.5)", "") == 20);
    CHECK(squeezed(R"(, "se_divisor": 8)", "") == 16); // 8 is below 90 % of 10
    CHECK(squeezed(R"(, "se_divisor": 8, "se_round_limit": 0.8)", "") == 8);
    CHECK(squeezed(R"(, "se_divisor": 8)", R"(, "se_round_limit": 0)") == 8);
    CHECK(squeezed(R"(, "se_divisor": 8)", R"(, "se_channels": 5)") == 5);
    const auto net = gpunet::lower(with(R"(, "act": "swish", "se_act": "relu6", "se_gate": "hard_sigmoid")",
                                        irb("irb", R"("expansion": 3, "use_se": true)")));
    const auto& b = body<graph::inverted_residual>(net, 0);
    CHECK(b.expand->act == activation::swish);
    CHECK(b.squeeze_excite->squeeze.act == activation::relu6);
    CHECK(b.squeeze_excite->excite.act == activation::hard_sigmoid);
    CHECK(body<graph::tail>(net, 1).convolution->act == activation::swish);
}

TEST_CASE("layers that a naming has no names for are refused") {
    CHECK_THAT(refused(with(R"(, "naming": "efficientnet_pytorch")", irb("conv", ""))),
               Contains("net.json: layer 2 (conv): expected a layer that weights of this naming can have"));
    CHECK_THAT(refused(with(R"(, "distill": true)", irb("conv", ""))), Contains("net.json: layer 2 (conv): "));
    const std::string no_stage =
        R"({"layer_type": "conv", "num_in_channels": 3, "num_out_channels": 8, "kernel_size": 1, "stride": 1})";
    CHECK(refused(with("", no_stage)) ==
          "net.json: layer 2 (conv): stage: expected an integer (parameter names hold it), found nothing");
    CHECK(refused(with(R"(, "distill": true)", irb("irb", R"("expansion": 2, "use_se": true)"))) ==
          "net.json: layer 2 (irb): use_se: expected false in a distilled network, found true");
}

TEST_CASE("limits on parameters and activations") {
    const spec::network net = published("GPUNet-0");
    const std::int64_t bytes = 4 * graph::count(gpunet::lower(net)).parameters;
    CHECK(gpunet::lower(net, {320, 320}, {bytes, std::int64_t{4} << 30}).classes == 1000);
    CHECK(refused(net, {320, 320}, {bytes - 4, std::int64_t{4} << 30}) ==
          net.source + ": layer 15 (tail): expected at most " + std::to_string(bytes - 4) +
              " bytes of parameters, found more");
    // The largest feature map is a fused_irb's 160 x 79 x 79.
    const std::int64_t largest = std::int64_t{160} * 79 * 79 * 4;
    const std::int64_t much = std::int64_t{4} << 30;
    CHECK(gpunet::lower(net, {320, 320}, {much, largest}).classes == 1000);
    CHECK(refused(net, {320, 320}, {much, largest - 1}) ==
          net.source + ": layer 5 (fused_irb): expected activations of at most " + std::to_string(largest - 1) +
              " bytes a picture, found more");
    CHECK_THAT(refused(net, {65536, 65536}),
               Contains("layer 2 (head): expected activations of at most 4294967296 bytes"));
    // The worst a spec can say overflows nothing.
    const auto huge = with("", irb("conv", "", 65536, 65536, 1, 31), 65536);
    CHECK_THAT(refused(huge, {1, 1}), Contains("layer 2 (conv): expected at most 4294967296 bytes of parameters"));
    CHECK_THAT(refused(huge, {65536, 65536}), Contains("layer 2 (conv): expected activations of at most "));
    const auto wide = with("", irb("irb", R"("expansion": 64)", 65536, 65536), 65536);
    CHECK_THAT(refused(wide, {1, 1}), Contains("layer 2 (irb): expected at most 4294967296 bytes of parameters"));
}

TEST_CASE("a squeeze width beyond reason is refused") {
    for (const char* fields : {R"("expansion": 1e-18, "use_se": true)", R"("expansion": 1e-300, "use_se": true)",
                               R"("expansion": 1e-5, "use_se": true, "se_ratio": 64)"})
        CHECK_THAT(refused(with("", irb("irb", fields))), Contains("net.json: layer 2 (irb): se_ratio: expected "));
}

TEST_CASE("a stage ends where the next layer has another") {
    const graph::network net = gpunet::lower(published("GPUNet-0"));
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < net.blocks.size(); ++i)
        if (gpunet::ends_stage(net, i)) ends.push_back(i);
    CHECK(ends == std::vector<std::size_t>{0, 2, 4, 7, 10, 12});
    CHECK_FALSE(gpunet::ends_stage(net, net.blocks.size()));
    // The last layer before the tail ends its stage even where the tail has the same one.
    const graph::network shared = gpunet::lower(with("", irb("conv", ""), 8, R"(, "stage": 1)"));
    CHECK(shared.blocks[0].stage == shared.blocks[1].stage);
    CHECK(gpunet::ends_stage(shared, 0));
    CHECK_FALSE(gpunet::ends_stage(shared, 1));
    const graph::network only_tail = gpunet::lower(with("", ""));
    CHECK_FALSE(gpunet::ends_stage(only_tail, 0));
}

TEST_CASE("graphs compare") {
    const graph::network a = gpunet::lower(published("GPUNet-1"));
    CHECK(a == gpunet::lower(published("GPUNet-1")));
    CHECK_FALSE(a == gpunet::lower(published("GPUNet-2")));
    CHECK_FALSE(a == gpunet::lower(published("GPUNet-1"), {288, 289}));
    const auto differs = [&](auto&& change) {
        graph::network b = a;
        change(b);
        return !(a == b);
    };
    CHECK(differs([](graph::network& b) { b.classes = 7; }));
    CHECK(differs([](graph::network& b) { b.blocks.pop_back(); }));
    CHECK(differs([](graph::network& b) { b.blocks[2].stage = 9; }));
    CHECK(differs([](graph::network& b) { std::get<graph::stem>(b.blocks[0].body).convolutions[0].epsilon = 1e-5; }));
    CHECK(differs([](graph::network& b) { std::get<graph::stem>(b.blocks[0].body).convolutions[0].padding.left = 0; }));
    CHECK(differs([](graph::network& b) { std::get<graph::tail>(b.blocks.back().body).classifier.bias = false; }));
}

TEST_CASE("element counts are checked") {
    CHECK(gpunet::element_count({}) == 1);
    CHECK(gpunet::element_count({2, 3, 4}) == 24);
    CHECK(gpunet::element_count({2, 0, 4}) == 0);
    CHECK(gpunet::element_count({std::int64_t{1} << 48}) == gpunet::max_elements);
    CHECK(message_of<gpunet::argument_error>([] {
              gpunet::element_count({2, -1});
          }) == "shape [2, -1]: a size is negative");
    CHECK(message_of<gpunet::argument_error>([] {
              gpunet::element_count({1 << 30, 1 << 30});
          }) == "shape [1073741824, 1073741824]: too many elements");
    CHECK(message_of<gpunet::argument_error>([] {
              gpunet::element_count({0, 1 << 30, 1 << 30});
          }) == "shape [0, 1073741824, 1073741824]: too many elements");
}

} // namespace test_graph

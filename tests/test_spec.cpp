#include "core_support.hpp"

#include <gpunet/spec/rounding.hpp>
#include <gpunet/spec/write.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace test_spec { // tests of a program are compiled together

using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;
using core_test::message_of;
namespace spec = gpunet::spec;

namespace {

const std::string data = R"({"layer_type": "data", "img_resolution": 64})";
const std::string tail = R"({"layer_type": "tail", "num_in_channels": 8, "num_out_channels": 16})";
const std::string head = R"({"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8})";

std::string list(std::initializer_list<std::string> layers) {
    std::string text = "[";
    for (const std::string& layer : layers) text += (text.size() > 1 ? ",\n " : "\n ") + layer;
    return text + "\n]";
}

spec::network parse(const std::string& text) { return gpunet::parse_spec(text, "net.json"); }

std::string refused(const std::string& text) {
    INFO(text);
    return message_of<gpunet::spec_error>([&] { parse(text); });
}

/// The message when the fields of one kind of layer are these and everything around is right.
std::string refused_layer(const std::string& kind, const std::string& fields) {
    const std::string layer = R"({"layer_type": ")" + kind + "\", " + fields + "}";
    if (kind == "data") return refused(list({layer, tail}));
    if (kind == "tail") return refused(list({data, layer}));
    return refused(list({data, layer, tail}));
}

const std::string channels = R"("num_in_channels": 3, "num_out_channels": 8)";
const std::string block = channels + R"(, "kernel_size": 3, "stride": 1)";

} // namespace

TEST_CASE("the seven published specs parse, and say nothing unknown but one mistyped key") {
    for (const auto& v : core_test::variants) {
        INFO(v.name);
        const spec::network net = core_test::published(v.name);
        CHECK_THAT(net.source, EndsWith(v.file));
        CHECK(net.data.distill == (v.name == std::string("GPUNet-D1") || v.name == std::string("GPUNet-D2")));
        const auto golden = core_test::read_json("nvidia-specs/" + std::string(v.file));
        CHECK(net.layers.size() + 1 == golden.size());
        CHECK(net.data.resolution.height == golden[0]["img_resolution"].get<std::int64_t>());
        CHECK(net.data.resolution.width == net.data.resolution.height);
        for (std::size_t l = 0; l < net.layers.size(); ++l) {
            const auto& json = golden[l + 1];
            CHECK(spec::kind_name(net.layers[l]) == json["layer_type"].get<std::string>());
            const auto& base = std::visit([](const auto& x) -> const spec::layer_base& { return x; }, net.layers[l]);
            CHECK(base.in_channels == json["num_in_channels"].get<std::int64_t>());
            CHECK(base.out_channels == json["num_out_channels"].get<std::int64_t>());
            CHECK(base.stage.has_value() == json.contains("stage"));
            CHECK(base.act.has_value() == json.contains("act"));
            if (json.contains("act")) CHECK(to_string(*base.act) == json["act"].get<std::string>());
        }
        if (std::string(v.file) == "2.25ms-D.json") {
            REQUIRE(net.unknown_keys.size() == 1);
            CHECK(net.unknown_keys[0].key == "stage:");
            CHECK(net.unknown_keys[0].layer == static_cast<std::int64_t>(golden.size()));
        } else {
            CHECK(net.unknown_keys.empty());
        }
    }
}

TEST_CASE("what is written reads back equal") {
    for (const auto& v : core_test::variants) {
        INFO(v.name);
        const spec::network net = core_test::published(v.name);
        const std::string text = gpunet::write_spec(net);
        const spec::network back = gpunet::parse_spec(text, "back.json");
        CHECK(back == net);
        CHECK(back.source == "back.json");
        CHECK(back.unknown_keys.empty());
        CHECK(gpunet::write_spec(back) == text);
        CHECK(std::count(text.begin(), text.end(), '\n') == static_cast<std::ptrdiff_t>(net.layers.size() + 3));
    }
}

TEST_CASE("every optional field is read and written") {
    const std::string text = list({
        R"({"layer_type": "data", "img_resolution": [96, 128], "distill": true, "naming": "efficientnet_pytorch", "padding": "same", "bn_epsilon": 0.002, "expansion_rounding": "exact", "skip_unit_expansion": true, "act": "relu6", "se_ratio": 0.5, "se_from": "expanded", "se_divisor": 4, "se_round_limit": 0, "se_act": "relu", "se_gate": "hard_sigmoid"})",
        R"({"layer_type": "head_large", "num_in_channels": 3, "num_out_channels": 8, "kernel_size": 5, "stride": 1, "act": "gelu", "padding": 2, "bn_epsilon": 1e-05, "stage": 0})",
        R"({"layer_type": "conv", "num_in_channels": 8, "num_out_channels": 8, "kernel_size": 7, "stride": 3, "groups": 4, "residual": false, "act": "silu", "padding": "valid", "bn_epsilon": 0.25, "stage": 1})",
        R"({"layer_type": "irb", "num_in_channels": 8, "num_out_channels": 8, "kernel_size": 3, "stride": 1, "expansion": 7.67, "expansion_rounding": "multiple_of_8", "groups": 2, "residual": false, "use_se": true, "se_ratio": 0.125, "se_channels": 5, "se_act": "relu6", "se_gate": "hard_sigmoid", "skip_unit_expansion": false, "act": "hard_swish", "padding": "symmetric", "bn_epsilon": 1, "stage": 7})",
        R"({"layer_type": "fused_irb", "num_in_channels": 8, "num_out_channels": 8, "kernel_size": 1, "stride": 2, "expansion": 2, "expansion_rounding": "exact", "groups": 1, "residual": true, "use_se": false, "se_ratio": 64, "se_channels": 65536, "se_act": "identity", "se_gate": "sigmoid", "act": "relu", "padding": 0, "bn_epsilon": 1e-300, "stage": 1000})",
        R"({"layer_type": "separable", "num_in_channels": 8, "num_out_channels": 8, "kernel_size": 3, "stride": 1, "residual": false, "use_se": true, "se_from": "input", "se_divisor": 8, "se_round_limit": 0.95, "space_to_depth": true, "stage": 2})",
        R"({"layer_type": "uib", "num_in_channels": 8, "num_out_channels": 8, "kernel_size": 0, "start_kernel_size": 5, "stride": 2, "expansion": 3, "groups": 1, "residual": false, "stage": 2})",
        R"({"layer_type": "tail", "num_in_channels": 8, "num_out_channels": 16, "num_classes": 10, "tail_form": "conv_pool_conv_linear", "num_mid_channels": 24, "pooled_norm": true, "act": "swish", "padding": "same", "bn_epsilon": 0.5, "stage": 9})",
    });
    const spec::network net = parse(text);
    CHECK(net.unknown_keys.empty());
    CHECK(net.data.resolution == gpunet::extent2{96, 128});
    CHECK(net.data.distill == true);
    CHECK(net.data.naming == spec::naming::efficientnet_pytorch);
    CHECK(net.data.padding == spec::padding(spec::padding_rule::same));
    CHECK(net.data.bn_epsilon == 0.002);
    CHECK(net.data.rounding == spec::rounding::exact);
    CHECK(net.data.skip_unit_expansion == true);

    const auto& large = std::get<spec::head_large>(net.layers[0]);
    CHECK(large.kernel_size == 5);
    CHECK(large.stride == 1);
    CHECK(large.act == gpunet::activation::gelu);
    CHECK(large.padding == spec::padding(std::int64_t{2}));
    CHECK(large.bn_epsilon == 1e-5);
    CHECK(large.stage == 0);

    const auto& conv = std::get<spec::conv>(net.layers[1]);
    CHECK(conv.kernel_size == 7);
    CHECK(conv.stride == 3);
    CHECK(conv.groups == 4);
    CHECK(conv.act == gpunet::activation::swish); // "silu" is its other name
    CHECK(conv.padding == spec::padding(spec::padding_rule::valid));

    const auto& irb = std::get<spec::irb>(net.layers[2]);
    CHECK(irb.expansion == 7.67);
    CHECK(irb.rounding == spec::rounding::multiple_of_8);
    CHECK(irb.groups == 2);
    CHECK(irb.residual == false);
    CHECK(irb.use_se == true);
    CHECK(irb.se_ratio == 0.125);
    CHECK(irb.se_channels == 5);
    CHECK(irb.se_act == gpunet::activation::relu6);
    CHECK(irb.se_gate == gpunet::activation::hard_sigmoid);
    CHECK(irb.skip_unit_expansion == false);
    CHECK(irb.act == gpunet::activation::hard_swish);
    CHECK(irb.padding == spec::padding(spec::padding_rule::symmetric));
    CHECK(irb.bn_epsilon == 1.0);

    const auto& fused = std::get<spec::fused_irb>(net.layers[3]);
    CHECK(fused.rounding == spec::rounding::exact);
    CHECK(fused.residual == true);
    CHECK(fused.use_se == false);
    CHECK(fused.se_act == gpunet::activation::identity);
    CHECK(fused.se_gate == gpunet::activation::sigmoid);
    CHECK(fused.padding == spec::padding(std::int64_t{0}));
    CHECK(fused.bn_epsilon == 1e-300);
    CHECK(fused.stage == 1000);

    CHECK(net.data.act == gpunet::activation::relu6);
    CHECK(net.data.squeeze == spec::squeeze_rules{0.5, spec::squeeze_from::expanded, 4, 0.0, gpunet::activation::relu,
                                                  gpunet::activation::hard_sigmoid});
    const auto& separable = std::get<spec::separable>(net.layers[4]);
    CHECK(separable.expansion == 1);
    CHECK(separable.space_to_depth == true);
    CHECK(separable.se_from == spec::squeeze_from::input);
    CHECK(separable.se_divisor == 8);
    CHECK(separable.se_round_limit == 0.95);
    const auto& uib = std::get<spec::uib>(net.layers[5]);
    CHECK((uib.kernel_size == 0 && uib.start_kernel_size == 5 && uib.stride == 2 && uib.expansion == 3));

    const auto& end = std::get<spec::tail>(net.layers[6]);
    CHECK(end.pooled_norm == true);
    CHECK(end.num_classes == 10);
    CHECK(end.form == spec::tail_form::conv_pool_conv_linear);
    CHECK(end.mid_channels == 24);

    const spec::network back = parse(gpunet::write_spec(net));
    CHECK(back == net);
    CHECK(back.unknown_keys.empty());
    CHECK(std::get<spec::irb>(back.layers[2]) == irb);
    // Every key of the source comes out again, in every layer.
    const auto before = nlohmann::json::parse(text), after = nlohmann::json::parse(gpunet::write_spec(net));
    REQUIRE(before.size() == after.size());
    for (std::size_t i = 0; i < before.size(); ++i)
        for (const auto& item : before[i].items()) {
            INFO(i << " " << item.key());
            CHECK(after[i].contains(item.key()));
        }
}

TEST_CASE("absent optional fields stay absent") {
    const spec::network net = parse(list({data, head, tail}));
    CHECK(net.data == spec::data{{64, 64}, {}, {}, {}, {}, {}, {}});
    CHECK_FALSE(std::get<spec::head>(net.layers[0]).act);
    CHECK_FALSE(std::get<spec::tail>(net.layers[1]).num_classes);
    const auto written = nlohmann::json::parse(gpunet::write_spec(net));
    CHECK(written[0].size() == 2);
    CHECK(written[1].size() == 3);
    CHECK(written[2].size() == 3);
}

TEST_CASE("each name of each enumeration is read and written") {
    const auto conv_with = [](const std::string& field) {
        return parse(list({data, R"({"layer_type": "conv", )" + block + ", " + field + "}", tail}));
    };
    for (const std::string_view name : gpunet::activation_names) {
        const spec::network net = conv_with("\"act\": \"" + std::string(name) + "\"");
        CHECK(to_string(*std::get<spec::conv>(net.layers[0]).act) == name);
        CHECK(parse(gpunet::write_spec(net)) == net);
    }
    for (const std::string_view name : spec::padding_names) {
        const spec::network net = conv_with("\"padding\": \"" + std::string(name) + "\"");
        CHECK_THAT(gpunet::write_spec(net), Contains("\"padding\":\"" + std::string(name) + "\""));
        CHECK(parse(gpunet::write_spec(net)) == net);
    }
    const auto data_with = [](const std::string& key, const auto& names) {
        for (const std::string_view name : names) {
            const spec::network net = parse(
                list({R"({"layer_type": "data", "img_resolution": 1, ")" + key + "\": \"" + std::string(name) + "\"}",
                      tail}));
            CHECK_THAT(gpunet::write_spec(net), Contains("\"" + key + "\":\"" + std::string(name) + "\""));
            CHECK(parse(gpunet::write_spec(net)) == net);
        }
    };
    data_with("naming", spec::naming_names);
    data_with("expansion_rounding", spec::rounding_names);
    data_with("se_from", spec::squeeze_from_names);
    for (const std::string_view name : spec::tail_form_names) {
        const spec::network net =
            parse(list({data, R"({"layer_type": "tail", "num_in_channels": 8, "num_out_channels": 16, "tail_form": ")" +
                                  std::string(name) + "\"}"}));
        CHECK_THAT(gpunet::write_spec(net), Contains(std::string(name)));
        CHECK(parse(gpunet::write_spec(net)) == net);
    }
}

TEST_CASE("activations have names both ways") {
    CHECK(gpunet::parse_activation("silu") == gpunet::activation::swish);
    CHECK(gpunet::parse_activation("Relu") == std::nullopt);
    CHECK(gpunet::parse_activation("") == std::nullopt);
    for (const std::string_view name : gpunet::activation_names)
        CHECK(to_string(*gpunet::parse_activation(name)) == name);
}

TEST_CASE("unknown keys are kept with their layer's number and otherwise ignored") {
    const spec::network net = parse(list({R"({"layer_type": "data", "img_resolution": 64, "comment": "x"})", head,
                                          R"({"layer_type": "tail", "num_in_channels": 8, "num_out_channels": 16,
                                              "stage:": 5, "use_se": true})"}));
    REQUIRE(net.unknown_keys.size() == 3);
    CHECK(net.unknown_keys[0].layer == 1);
    CHECK(net.unknown_keys[0].key == "comment");
    CHECK(net.unknown_keys[1].layer == 3);
    CHECK(net.unknown_keys[1].key == "stage:");
    CHECK(net.unknown_keys[2].key == "use_se"); // known elsewhere, not in a tail
    CHECK(net == parse(list({data, head, tail})));
}

TEST_CASE("a spec may be an object with the list under \"network\"") {
    const std::string text = list({data, head, tail});
    CHECK(parse(R"({"name": "mine", "network": )" + text + "}") == parse(text));
    CHECK(refused(R"({"name": "mine"})") == "net.json: network: expected a list of layers, found nothing");
    CHECK(refused(R"({"network": 7})") == "net.json: expected a list of layers, found 7");
    CHECK(refused(R"({"network": [{"layer_type": "data"}]})") ==
          "net.json: layer 1 (data): img_resolution: expected an integer from 1 to 65536, or two, found nothing");
}

TEST_CASE("a spec error names layer, kind, field, what was expected and what was found") {
    struct row {
        std::string kind, fields, message;
    };
    const std::vector<row> rows = {
        // The data entry.
        {"data", R"("img_resolution": "64")",
         "layer 1 (data): img_resolution: expected an integer from 1 to 65536, found \"64\""},
        {"data", R"("img_resolution": 0)",
         "layer 1 (data): img_resolution: expected an integer from 1 to 65536, found 0"},
        {"data", R"("img_resolution": 65537)",
         "layer 1 (data): img_resolution: expected an integer from 1 to 65536, found 65537"},
        {"data", R"("img_resolution": [64])",
         "layer 1 (data): img_resolution: expected an integer from 1 to 65536, or two, found [64]"},
        {"data", R"("img_resolution": [64, 64, 3])",
         "layer 1 (data): img_resolution: expected an integer from 1 to 65536, or two, found [64,64,3]"},
        {"data", R"("img_resolution": [64, -1])",
         "layer 1 (data): img_resolution: expected an integer from 1 to 65536, found -1"},
        {"data", R"("img_resolution": 64, "distill": "yes")",
         "layer 1 (data): distill: expected true or false, found \"yes\""},
        {"data", R"("img_resolution": 64, "distill": 1)", "layer 1 (data): distill: expected true or false, found 1"},
        {"data", R"("img_resolution": 64, "naming": "keras")",
         "layer 1 (data): naming: expected one of gpunet, efficientnet_pytorch, timm, found \"keras\""},
        {"data", R"("img_resolution": 64, "padding": "SAME")",
         "layer 1 (data): padding: expected one of symmetric, same, valid, found \"SAME\""},
        {"data", R"("img_resolution": 64, "expansion_rounding": "up")",
         "layer 1 (data): expansion_rounding: expected one of multiple_of_8, exact, found \"up\""},
        {"data", R"("img_resolution": 64, "bn_epsilon": 0)",
         "layer 1 (data): bn_epsilon: expected a number above 0.0 and up to 1.0, found 0"},
        {"data", R"("img_resolution": 64, "bn_epsilon": 1.5)",
         "layer 1 (data): bn_epsilon: expected a number above 0.0 and up to 1.0, found 1.5"},
        {"data", R"("img_resolution": 64, "skip_unit_expansion": null)",
         "layer 1 (data): skip_unit_expansion: expected true or false, found null"},
        // Channels.
        {"head", R"("num_out_channels": 8)",
         "layer 2 (head): num_in_channels: expected an integer from 1 to 65536, found nothing"},
        {"head", R"("num_in_channels": 3)",
         "layer 2 (head): num_out_channels: expected an integer from 1 to 65536, found nothing"},
        {"head", R"("num_in_channels": 3, "num_out_channels": 8.0)",
         "layer 2 (head): num_out_channels: expected an integer from 1 to 65536, found 8.0"},
        {"head", R"("num_in_channels": 3, "num_out_channels": 8.5)",
         "layer 2 (head): num_out_channels: expected an integer from 1 to 65536, found 8.5"},
        {"head", R"("num_in_channels": -3, "num_out_channels": 8)",
         "layer 2 (head): num_in_channels: expected an integer from 1 to 65536, found -3"},
        {"head", R"("num_in_channels": true, "num_out_channels": 8)",
         "layer 2 (head): num_in_channels: expected an integer from 1 to 65536, found true"},
        {"head", R"("num_in_channels": 65537, "num_out_channels": 8)",
         "layer 2 (head): num_in_channels: expected an integer from 1 to 65536, found 65537"},
        {"head", R"("num_in_channels": 9223372036854775808, "num_out_channels": 8)", // 2^63
         "layer 2 (head): num_in_channels: expected an integer from 1 to 65536, found 9223372036854775808"},
        {"head", R"("num_in_channels": 18446744073709551617, "num_out_channels": 8)", // 2^64 + 1: a double to JSON
         "layer 2 (head): num_in_channels: expected an integer from 1 to 65536, found 1.8446744073709552e+19"},
        {"head", R"("num_in_channels": 4294967299, "num_out_channels": 8)", // 3 in 32 bits
         "layer 2 (head): num_in_channels: expected an integer from 1 to 65536, found 4294967299"},
        {"head", R"("num_in_channels": -9223372036854775808, "num_out_channels": 8)",
         "layer 2 (head): num_in_channels: expected an integer from 1 to 65536, found -9223372036854775808"},
        // Kernels, strides, stages, activations, padding.
        {"head", channels + R"(, "kernel_size": 4)",
         "layer 2 (head): kernel_size: expected an odd integer from 1 to 31, found 4"},
        {"head_large", channels + R"(, "kernel_size": 33)",
         "layer 2 (head_large): kernel_size: expected an integer from 1 to 31, found 33"},
        {"head", channels + R"(, "stride": 0)", "layer 2 (head): stride: expected an integer from 1 to 16, found 0"},
        {"head", channels + R"(, "stage": -1)", "layer 2 (head): stage: expected an integer from 0 to 1000, found -1"},
        {"head", channels + R"(, "stage": "1")",
         "layer 2 (head): stage: expected an integer from 0 to 1000, found \"1\""},
        {"head", channels + R"(, "act": "tanh")",
         "layer 2 (head): act: expected one of identity, relu, relu6, swish, hard_swish, sigmoid, hard_sigmoid, gelu, "
         "found \"tanh\""},
        {"head", channels + R"(, "act": null)",
         "layer 2 (head): act: expected one of identity, relu, relu6, swish, hard_swish, sigmoid, hard_sigmoid, gelu, "
         "found null"},
        {"head", channels + R"(, "padding": -1)",
         "layer 2 (head): padding: expected an integer from 0 to 31, found -1"},
        {"head", channels + R"(, "padding": 1.5)",
         "layer 2 (head): padding: expected an integer from 0 to 31, found 1.5"},
        {"head", channels + R"(, "padding": 32)",
         "layer 2 (head): padding: expected an integer from 0 to 31, found 32"},
        {"head", channels + R"(, "padding": [1, 1])",
         "layer 2 (head): padding: expected one of symmetric, same, valid, found [1,1]"},
        {"head", channels + R"(, "bn_epsilon": -0.001)",
         "layer 2 (head): bn_epsilon: expected a number above 0.0 and up to 1.0, found -0.001"},
        {"conv", channels + R"(, "stride": 1)",
         "layer 2 (conv): kernel_size: expected an integer from 1 to 31, found nothing"},
        {"conv", channels + R"(, "kernel_size": 3)",
         "layer 2 (conv): stride: expected an integer from 1 to 16, found nothing"},
        {"conv", channels + R"(, "kernel_size": 2, "stride": 1)",
         "layer 2 (conv): kernel_size: expected an odd integer from 1 to 31, found 2"},
        {"conv", channels + R"(, "kernel_size": 3, "stride": 17)",
         "layer 2 (conv): stride: expected an integer from 1 to 16, found 17"},
        {"conv", block + R"(, "groups": 0)", "layer 2 (conv): groups: expected an integer from 1 to 65536, found 0"},
        // Blocks.
        {"irb", block, "layer 2 (irb): expansion: expected a number above 0.0 and up to 64.0, found nothing"},
        {"irb", block + R"(, "expansion": 0)",
         "layer 2 (irb): expansion: expected a number above 0.0 and up to 64.0, found 0"},
        {"irb", block + R"(, "expansion": -0.0)",
         "layer 2 (irb): expansion: expected a number above 0.0 and up to 64.0, found -0.0"},
        {"irb", block + R"(, "expansion": "NaN")",
         "layer 2 (irb): expansion: expected a number above 0.0 and up to 64.0, found \"NaN\""},
        {"irb", block + R"(, "expansion": null)",
         "layer 2 (irb): expansion: expected a number above 0.0 and up to 64.0, found null"},
        {"irb", block + R"(, "expansion": 65)",
         "layer 2 (irb): expansion: expected a number above 0.0 and up to 64.0, found 65"},
        {"irb", block + R"(, "expansion": 1e308)",
         "layer 2 (irb): expansion: expected a number above 0.0 and up to 64.0, found 1e+308"},
        {"fused_irb", block + R"(, "expansion": [2])",
         "layer 2 (fused_irb): expansion: expected a number above 0.0 and up to 64.0, found [2]"},
        {"fused_irb", channels + R"(, "kernel_size": 6, "stride": 1, "expansion": 2)",
         "layer 2 (fused_irb): kernel_size: expected an odd integer from 1 to 31, found 6"},
        {"fused_irb", block + R"(, "expansion": 2, "use_se": 1)",
         "layer 2 (fused_irb): use_se: expected true or false, found 1"},
        {"irb", block + R"(, "expansion": 2, "residual": "no")",
         "layer 2 (irb): residual: expected true, false or \"where_possible\", found \"no\""},
        {"irb", block + R"(, "expansion": 2, "se_ratio": 0)",
         "layer 2 (irb): se_ratio: expected a number above 0.0 and up to 64.0, found 0"},
        {"irb", block + R"(, "expansion": 2, "se_from": "output")",
         "layer 2 (irb): se_from: expected one of input, expanded, found \"output\""},
        {"irb", block + R"(, "expansion": 2, "se_divisor": 0)",
         "layer 2 (irb): se_divisor: expected an integer from 1 to 1024, found 0"},
        {"irb", block + R"(, "expansion": 2, "se_round_limit": 1.5)",
         "layer 2 (irb): se_round_limit: expected a number from 0 to 1, found 1.5"},
        {"irb", block + R"(, "expansion": 2, "se_channels": 0)",
         "layer 2 (irb): se_channels: expected an integer from 1 to 65536, found 0"},
        {"irb", block + R"(, "expansion": 2, "se_act": 3)",
         "layer 2 (irb): se_act: expected one of identity, relu, relu6, swish, hard_swish, sigmoid, hard_sigmoid, "
         "gelu, found 3"},
        {"irb", block + R"(, "expansion": 2, "se_gate": "soft")",
         "layer 2 (irb): se_gate: expected one of identity, relu, relu6, swish, hard_swish, sigmoid, hard_sigmoid, "
         "gelu, found \"soft\""},
        {"irb", block + R"(, "expansion": 2, "expansion_rounding": true)",
         "layer 2 (irb): expansion_rounding: expected one of multiple_of_8, exact, found true"},
        {"irb", block + R"(, "expansion": 2, "groups": 2.0)",
         "layer 2 (irb): groups: expected an integer from 1 to 65536, found 2.0"},
        {"irb", block + R"(, "expansion": 2, "skip_unit_expansion": 0)",
         "layer 2 (irb): skip_unit_expansion: expected true or false, found 0"},
        {"separable", channels + R"(, "kernel_size": 4, "stride": 1)",
         "layer 2 (separable): kernel_size: expected an odd integer from 1 to 31, found 4"},
        {"separable", block + R"(, "space_to_depth": 2)",
         "layer 2 (separable): space_to_depth: expected true or false, found 2"},
        {"uib", channels + R"(, "kernel_size": 2, "stride": 1, "expansion": 2)",
         "layer 2 (uib): kernel_size: expected 0 or an odd integer up to 31, found 2"},
        {"uib", block + R"(, "expansion": 2, "start_kernel_size": 4)",
         "layer 2 (uib): start_kernel_size: expected 0 or an odd integer up to 31, found 4"},
        {"uib", block, "layer 2 (uib): expansion: expected a number above 0.0 and up to 64.0, found nothing"},
        // Repetitions and scaling.
        {"conv", block + R"(, "repeat": 0)", "layer 2 (conv): repeat: expected an integer from 1 to 1000, found 0"},
        {"conv", block + R"(, "repeat": 500, "depth_multiplier": 3)",
         "layer 2 (conv): repeat: expected at most 1000 when scaled, found 500"},
        {"conv", block + R"(, "depth_multiplier": 0)",
         "layer 2 (conv): depth_multiplier: expected a number above 0.0 and up to 64.0, found 0"},
        {"conv", block + R"(, "width_multiplier": "2")",
         "layer 2 (conv): width_multiplier: expected a number above 0.0 and up to 64.0, found \"2\""},
        {"conv", R"("num_in_channels": 3, "num_out_channels": 65536, "width_multiplier": 2)",
         "layer 2 (conv): num_out_channels: expected at most 65536 when scaled, found 65536"},
        {"conv", block + R"(, "width_divisor": 0)",
         "layer 2 (conv): width_divisor: expected an integer from 1 to 1024, found 0"},
        {"data", R"("img_resolution": 64, "width_round_limit": -1)",
         "layer 1 (data): width_round_limit: expected a number from 0 to 1, found -1"},
        {"irb", block + R"(, "expansion": 2, "first_expansion": 0)",
         "layer 2 (irb): first_expansion: expected a number above 0.0 and up to 64.0, found 0"},
        // The tail.
        {"tail", R"("num_in_channels": 8, "num_out_channels": 16, "num_classes": 0)",
         "layer 2 (tail): num_classes: expected an integer from 1 to 65536, found 0"},
        {"tail", R"("num_in_channels": 8, "num_out_channels": 16, "tail_form": "pool")",
         "layer 2 (tail): tail_form: expected one of conv_pool_linear, conv_pool_conv_linear, pool_conv_linear, found "
         "\"pool\""},
        {"tail", R"("num_in_channels": 8, "num_out_channels": 16, "pooled_norm": 1)",
         "layer 2 (tail): pooled_norm: expected true or false, found 1"},
        {"tail", R"("num_in_channels": 8, "num_out_channels": 16, "num_mid_channels": {})",
         "layer 2 (tail): num_mid_channels: expected an integer from 1 to 65536, found {}"},
    };
    for (const row& r : rows) CHECK(refused_layer(r.kind, r.fields) == "net.json: " + r.message);
}

TEST_CASE("what was found is shown short") {
    const std::string message = refused_layer("head", channels + ", \"act\": \"" + std::string(5000, 'x') + "\"");
    CHECK_THAT(message, EndsWith(", found \"" + std::string(56, 'x') + "..."));
    const std::string kind = refused(list({data, R"({"layer_type": ")" + std::string(5000, 'k') + "\"}", tail}));
    CHECK_THAT(kind, StartsWith("net.json: layer 2 (" + std::string(57, 'k') + "...): layer_type: expected one of"));
    CHECK(kind.size() < 250);
    // Not cut within a character: 28 of two bytes fit.
    std::string accents;
    for (int i = 0; i < 100; ++i) accents += "\xc3\xa9";
    CHECK_THAT(refused_layer("head", channels + ", \"act\": \"" + accents + "\""),
               EndsWith(", found \"" + accents.substr(0, 56) + "..."));
    CHECK_THAT(refused(list({data, R"({"layer_type": ")" + accents + "\"}", tail})),
               StartsWith("net.json: layer 2 (" + accents.substr(0, 56) + "...): "));
}

namespace {

/// Kind, channels in and out, and the stride of every layer but the tail.
std::string shape_of(const spec::network& net) {
    std::string text;
    for (std::size_t i = 0; i + 1 < net.layers.size(); ++i) {
        const spec::layer_base& l = spec::base_of(net.layers[i]);
        text += std::string(spec::kind_name(net.layers[i])) + " " + std::to_string(l.in_channels) + "-" +
                std::to_string(l.out_channels);
        std::visit(
            [&](const auto& x) {
                if constexpr (requires { x.residual; })
                    text += "/" + std::to_string(x.stride) + (x.residual ? *x.residual ? "+" : "-" : "");
            },
            net.layers[i]);
        text += "; ";
    }
    return text;
}

std::string scaled(const std::string& all, const std::string& entry) {
    return shape_of(parse(list({R"({"layer_type": "data", "img_resolution": 64)" + all + "}",
                                R"({"layer_type": "head", "num_in_channels": 3, "num_out_channels": 32})", entry,
                                R"({"layer_type": "tail", "num_out_channels": 16})"})));
}

} // namespace

TEST_CASE("an entry with repetitions is several layers, the first with its stride") {
    const std::string irb = R"({"layer_type": "irb", "num_out_channels": 24, "kernel_size": 3, "stride": 2, )";
    CHECK(scaled("", irb + R"("expansion": 6, "repeat": 3})") == "head 3-32; irb 32-24/2; irb 24-24/1; irb 24-24/1; ");
    CHECK(scaled("", irb + R"("expansion": 6})") == "head 3-32; irb 32-24/2; ");
    CHECK(scaled("", irb + R"("expansion": 6, "repeat": 2, "residual": "where_possible"})") ==
          "head 3-32; irb 32-24/2-; irb 24-24/1+; ");
    const std::string conv = R"({"layer_type": "conv", "num_out_channels": 32, "kernel_size": 3, "stride": 1, )";
    CHECK(scaled("", conv + R"("repeat": 2, "residual": "where_possible"})") ==
          "head 3-32; conv 32-32/1+; conv 32-32/1+; ");
    const spec::network net = parse(list(
        {data, head,
         R"({"layer_type": "separable", "num_out_channels": 64, "kernel_size": 3, "stride": 1, "space_to_depth": true, "repeat": 2, "residual": "where_possible", "x": 1})",
         R"({"layer_type": "irb", "num_out_channels": 8, "kernel_size": 3, "stride": 1, "expansion": 6, "first_expansion": 1.5, "repeat": 3})",
         tail}));
    const auto& first = std::get<spec::separable>(net.layers[1]);
    const auto& second = std::get<spec::separable>(net.layers[2]);
    CHECK((first.space_to_depth == true && first.residual == false));
    CHECK((!second.space_to_depth && second.residual == true));
    CHECK(std::get<spec::irb>(net.layers[3]).expansion == 1.5);
    CHECK(std::get<spec::irb>(net.layers[4]).expansion == 6);
    CHECK(net.entries == std::vector<std::int64_t>{2, 3, 3, 4, 4, 4, 5});
    REQUIRE(net.unknown_keys.size() == 1);
    CHECK((net.unknown_keys[0].layer == 3 && net.unknown_keys[0].key == "x"));
    CHECK(spec::where(net, 0) == "net.json: layer 2 (head)");
    CHECK(spec::where(net, 3) == "net.json: layer 5 (irb, of entry 4)");
    // Written out they are the same network.
    CHECK(parse(gpunet::write_spec(net)) == net);
    CHECK(refused(list({data, head, conv + R"("repeat": 999})", conv + R"("repeat": 2})", tail})) ==
          "net.json: expected at most 1000 layers, found 1003");
    CHECK(refused(list({data, head, conv + R"("repeat": 3})", tail})) ==
          "net.json: layer 6 (tail, of entry 4): num_in_channels: expected 32 (what layer 5 gives), found 8");
}

TEST_CASE("widths and depths are scaled and rounded as EfficientNet's are") {
    const std::string conv = R"({"layer_type": "conv", "num_out_channels": 40, "kernel_size": 1, "stride": 1)";
    CHECK(scaled(R"(, "width_multiplier": 1.2)", conv + "}") == "head 3-40; conv 40-48/1; ");
    CHECK(scaled(R"(, "width_multiplier": 1.2)", conv + R"(, "width_multiplier": 1})") == "head 3-40; conv 40-40/1; ");
    CHECK(scaled(R"(, "width_multiplier": 0.66)", conv + "}") == "head 3-24; conv 24-24/1; "); // of 26.4, above 90 %
    CHECK(scaled(R"(, "width_multiplier": 0.67)", conv + "}") == "head 3-24; conv 24-32/1; "); // of 26.8
    CHECK(scaled(R"(, "width_multiplier": 0.67, "width_round_limit": 0)", conv + "}") == "head 3-24; conv 24-24/1; ");
    CHECK(scaled(R"(, "width_multiplier": 1.2)", conv + R"(, "width_divisor": 32})") == "head 3-40; conv 40-64/1; ");
    CHECK(scaled(R"(, "width_divisor": 16)", conv + "}") == "head 3-32; conv 32-40/1; "); // nothing is scaled
    const std::string deep = "head 3-32; conv 32-40/1; conv 40-40/1; conv 40-40/1; ";
    CHECK(scaled(R"(, "depth_multiplier": 1.1)", conv + R"(, "repeat": 2})") == deep);
    CHECK(scaled(R"(, "depth_multiplier": 1.1)", conv + R"(, "repeat": 3, "depth_multiplier": 1})") == deep);
    for (std::int64_t divisor : {8, 32})
        for (int i = 1; i < 2000; ++i) { // in units of the divisor the rule is the same
            const double v = i * 0.73, scale = static_cast<double>(divisor) / 8;
            CHECK(spec::round_to_multiple(v * scale, divisor, 0.9) * 8 == spec::round_to_multiple(v, 8, 0.9) * divisor);
        }
    CHECK(spec::scaled_depth(4, 3.1) == 13);
    CHECK(spec::scaled_depth(1, 1) == 1);
}

TEST_CASE("the chain of layers is checked") {
    const auto conv = [](int in, int out) {
        return R"({"layer_type": "conv", "num_in_channels": )" + std::to_string(in) + R"(, "num_out_channels": )" +
               std::to_string(out) + R"(, "kernel_size": 1, "stride": 1})";
    };
    CHECK(refused(list({data, head, conv(9, 8), tail})) ==
          "net.json: layer 3 (conv): num_in_channels: expected 8 (what layer 2 gives), found 9");
    CHECK(refused(list({data, head, conv(8, 16), tail})) ==
          "net.json: layer 4 (tail): num_in_channels: expected 16 (what layer 3 gives), found 8");
    CHECK(refused(list({data})) == "net.json: expected layers after \"data\", found none");
    CHECK(refused("[]") == "net.json: expected layers after \"data\", found none");
    CHECK(refused(list({head, tail})) ==
          "net.json: layer 1 (head): layer_type: expected \"data\" as the first layer, found \"head\"");
    CHECK(refused(list({data, data, tail})) ==
          "net.json: layer 2 (data): layer_type: expected \"data\" only as the first layer, found \"data\"");
    CHECK(refused(list({data, head, data, tail})) ==
          "net.json: layer 3 (data): layer_type: expected \"data\" only as the first layer, found \"data\"");
    CHECK(refused(list({data, head})) == "net.json: layer 2 (head): expected the last layer to be a tail");
    CHECK(refused(list({data, head, conv(8, 8)})) == "net.json: layer 3 (conv): expected the last layer to be a tail");
    CHECK(refused(list({data, tail, tail})) ==
          "net.json: layer 2 (tail): expected the tail to be the last layer, found more after it");
    CHECK(refused(list(
              {data, head, R"({"layer_type": "head_large", "num_in_channels": 8, "num_out_channels": 8})", tail})) ==
          "net.json: layer 3 (head_large): expected a head only as the first layer after \"data\"");
    CHECK(parse(list({data, tail})).layers.size() == 1);
    CHECK(parse(list({data, conv(3, 8), tail})).layers.size() == 2);
}

TEST_CASE("layers of no kind, or of an unknown kind, are refused") {
    CHECK(refused(list({data, R"({"num_in_channels": 3})", tail})) ==
          "net.json: layer 2: layer_type: expected a string, found nothing");
    CHECK(refused(list({data, R"({"layer_type": 5})", tail})) ==
          "net.json: layer 2: layer_type: expected a string, found 5");
    CHECK(refused(list({data, R"({"layer_type": "pool"})", tail})) ==
          "net.json: layer 2 (pool): layer_type: expected one of head, head_large, conv, irb, fused_irb, separable, "
          "uib, tail, found "
          "\"pool\"");
    CHECK(refused(list({data, "[1, 2]", tail})) == "net.json: layer 2: expected an object, found [1,2]");
    CHECK(refused(list({data, "null"})) == "net.json: layer 2: expected an object, found null");
    // Control characters of a name do not break the message's line; message_of checks.
    CHECK_THAT(refused(list({data, R"({"layer_type": "a\nb"})", tail})), StartsWith(R"(net.json: layer 2 (a\nb): )"));
    CHECK(refused(R"([{"a\nb": 1, "a\nb": 2}])") == R"(net.json: key "a\nb" appears twice in one object)");
}

TEST_CASE("JSON that is no list of layers is refused") {
    CHECK(refused("7") == "net.json: expected a list of layers, found 7");
    CHECK(refused("\"net\"") == "net.json: expected a list of layers, found \"net\"");
    CHECK(refused("null") == "net.json: expected a list of layers, found null");
    std::string many = "[" + data;
    for (int i = 0; i < 1000; ++i) many += "," + head;
    CHECK(refused(many + "]") == "net.json: expected at most 1000 layers, found 1001");
}

TEST_CASE("duplicate keys are refused") {
    CHECK(refused(list({R"({"layer_type": "data", "img_resolution": 64, "img_resolution": 65})", tail})) ==
          "net.json: key \"img_resolution\" appears twice in one object");
    CHECK(refused(R"({"network": [], "network": []})") == "net.json: key \"network\" appears twice in one object");
    // The same key in different objects, one inside the other, is no duplicate.
    CHECK(parse(R"({"a": {"a": {"a": 1}}, "network": )" + list({data, tail}) + "}").layers.size() == 1);
}

TEST_CASE("objects of a great many keys are refused") {
    const auto with_keys = [](int count) {
        std::string object = R"({"layer_type": "data", "img_resolution": 64)";
        for (int i = 2; i < count; ++i) object += ", \"k" + std::to_string(i) + "\": 1";
        return list({object + "}", tail});
    };
    CHECK(parse(with_keys(1000)).unknown_keys.size() == 998);
    CHECK(refused(with_keys(1001)) == "net.json: expected at most 1000 keys in one object, found more");
    CHECK(message_of<gpunet::spec_error>([&] { parse(with_keys(1000000)); }) ==
          "net.json: expected at most 1000 keys in one object, found more");
}

TEST_CASE("deep nesting is refused, before it can exhaust the stack") {
    const std::string deep = "net.json: expected JSON nested at most 32 deep, found more";
    CHECK(refused(std::string(40, '[') + std::string(40, ']')) == deep);
    CHECK(refused(std::string(1000000, '[')) == deep);
    std::string objects;
    for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
    CHECK(refused(objects) == deep);
    CHECK(
        parse(R"({"x": )" + std::string(30, '[') + std::string(30, ']') + R"(, "network": )" + list({data, tail}) + "}")
            .layers.size() == 1);
}

TEST_CASE("syntax errors come with line and column") {
    const std::string start = "net.json: not valid JSON: at line ";
    CHECK_THAT(refused("[\n {\"layer_type\": }\n]"), StartsWith(start + "2, column 17: "));
    CHECK_THAT(refused(""), StartsWith(start + "1, column 1: "));
    CHECK_THAT(refused("[" + data + ",\n\n]"), StartsWith(start + "3, column 1: "));
    CHECK_THAT(refused("[" + data), StartsWith(start + "1, column "));
    CHECK_THAT(refused(list({data, tail}) + "\nx"), StartsWith(start + "5, column 1: "));
    CHECK_THAT(refused("[{\"layer_type\": \"data\xff\"}]"), StartsWith(start + "1, column "));
    CHECK_THAT(refused("[{\"layer_type\": \"data\xff\"}]"), Contains("UTF-8"));
    CHECK_THAT(refused("[{\"\xc3\x28\": 1}]"), Contains("UTF-8"));
    CHECK_THAT(refused("[NaN]"), StartsWith(start + "1, column 2: "));
    CHECK_THAT(refused(std::string("[\0]", 3)), StartsWith(start + "1, column 2: "));
    // A number beyond double.
    for (const char* number : {"1e999", "-1e999"})
        CHECK(refused_layer("irb", block + R"(, "expansion": )" + number) ==
              "net.json: not valid JSON: number overflow parsing '" + std::string(number) + "'");
}

TEST_CASE("a spec file that cannot be read is named") {
    CHECK(message_of<gpunet::io_error>([] { gpunet::read_spec("/nonexistent/net.json"); }) ==
          "/nonexistent/net.json: cannot open: No such file or directory");
    CHECK_THAT(message_of<gpunet::io_error>([] { gpunet::read_spec(core_test::data_folder); }),
               StartsWith(core_test::data_folder + ": cannot "));
}

} // namespace test_spec

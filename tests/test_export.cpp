// Networks as ONNX models: checked by ONNX itself, with the shapes that it infers, and written to files.
#include "affordable.hpp"
#include "core_support.hpp"
#include "onnx_checker.hpp"
#include "weights_support.hpp"

#include <gpunet/hub.hpp>
#include <gpunet/onnx.hpp>
#include <gpunet/quantize/quantized_store.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

using Catch::Contains;
using core_test::message_of;

namespace fs = std::filesystem;

namespace {

using gpunet::dtype;
using gpunet::onnx_options;
using gpunet::onnx_outputs;

struct exported {
    gpunet::graph::network net;
    gpunet::tensor_store weights;
    onnx::ModelProto model;
};

exported export_synthetic(const gpunet::spec::network& spec, gpunet::extent2 size, const onnx_options& o = {}) {
    exported e{gpunet::lower(spec, size), {}, {}};
    e.weights = gpunet::synthetic_weights(e.net);
    e.model = gpunet::onnx_model(e.net, e.weights, o);
    return e;
}

exported export_small(const std::string& name = "small0", const onnx_options& o = {}) {
    return export_synthetic(core_test::small(name), {64, 64}, o);
}

std::vector<std::string> dimensions(const onnx::ValueInfoProto& v) {
    std::vector<std::string> all;
    for (const auto& d : v.type().tensor_type().shape().dim())
        all.push_back(d.has_dim_param() ? d.dim_param() : std::to_string(d.dim_value()));
    return all;
}

std::vector<std::string> names(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& values) {
    std::vector<std::string> all;
    for (const auto& v : values) all.push_back(v.name());
    return all;
}

/// ONNX's checker and strict shape inference: every value gets a shape, and those that the model states are those that
/// follow.
void check_valid(const onnx::ModelProto& model) {
    test::check_onnx(model);
    static_cast<void>(test::with_inferred_shapes(model));
    onnx::ModelProto bare = model;
    bare.mutable_graph()->clear_value_info();
    for (auto& output : *bare.mutable_graph()->mutable_output())
        output.mutable_type()->mutable_tensor_type()->clear_shape();
    bare = test::with_inferred_shapes(std::move(bare));
    std::map<std::string, std::vector<std::string>> inferred;
    for (const auto* values : {&bare.graph().value_info(), &bare.graph().output()})
        for (const auto& v : *values) inferred[v.name()] = dimensions(v);
    for (const auto& n : bare.graph().node()) CHECK(inferred.contains(n.output(0)));
    for (const auto* stated : {&model.graph().value_info(), &model.graph().output()})
        for (const auto& v : *stated) {
            INFO(v.name());
            CHECK(dimensions(v) == inferred[v.name()]);
        }
}

int count(const onnx::ModelProto& model, const std::string& type) {
    const auto& nodes = model.graph().node();
    return static_cast<int>(
        std::count_if(nodes.begin(), nodes.end(), [&](const auto& n) { return n.op_type() == type; }));
}

const onnx::TensorProto& initializer(const onnx::ModelProto& model, const std::string& name) {
    for (const auto& t : model.graph().initializer())
        if (t.name() == name) return t;
    FAIL("no weights are called " << name);
    return model.graph().initializer(0);
}

const onnx::NodeProto& node(const onnx::ModelProto& model, const std::string& name) {
    for (const auto& n : model.graph().node())
        if (n.name() == name) return n;
    FAIL("no node is called " << name);
    return model.graph().node(0);
}

std::vector<std::int64_t> integers(const onnx::NodeProto& n, const std::string& attribute) {
    for (const auto& a : n.attribute())
        if (a.name() == attribute) return {a.ints().begin(), a.ints().end()};
    return {};
}

std::vector<float> floats(const onnx::TensorProto& t) {
    std::vector<float> values(t.raw_data().size() / sizeof(float));
    std::memcpy(values.data(), t.raw_data().data(), t.raw_data().size());
    return values;
}

/// Synthetic weights in int8 with scales that nobody measured.
gpunet::tensor_store quantized_by_hand(const gpunet::graph::network& net) {
    gpunet::quantize::calibration known;
    for (const std::string& name : gpunet::graph::feature_maps(net)) {
        const float scale = 0.02F + 0.001F * static_cast<float>(known.scales.size());
        known.scales[name] = scale;
    }
    return gpunet::quantize::quantized_store(net, gpunet::fold(net, gpunet::synthetic_weights(net)), known, "by hand");
}

/// A network of one inverted residual and what is needed around it.
gpunet::spec::network with_activations(const std::string& act, const std::string& se_gate, const std::string& padding) {
    return gpunet::parse_spec(R"([
        {"layer_type": "data", "img_resolution": 20, "padding": ")" +
                                  padding + R"("},
        {"layer_type": "head", "num_in_channels": 3, "num_out_channels": 8, "act": ")" +
                                  act + R"("},
        {"layer_type": "irb", "num_in_channels": 8, "num_out_channels": 8, "stride": 1, "kernel_size": 3,
         "expansion": 2, "use_se": true, "act": ")" +
                                  act + R"(", "se_gate": ")" + se_gate + R"(", "stage": 1},
        {"layer_type": "tail", "num_in_channels": 8, "num_out_channels": 16, "num_classes": 5}])",
                              "test");
}

} // namespace

TEST_CASE("every model of the registry passes ONNX's checker, folded and not") {
    for (const gpunet::model& m : gpunet::registry::builtin()) {
        if (!gpunet_test::affordable(m)) continue;
        INFO(m.name);
        const gpunet::graph::network net = gpunet::lower(m);
        const gpunet::tensor_store weights = gpunet::synthetic_weights(net);
        for (const bool fold : {true, false}) {
            onnx_options o;
            o.fold = fold;
            if (!fold) o.batch = 2;
            const onnx::ModelProto model = gpunet::onnx_model(net, weights, o);
            check_valid(model);
            CHECK((count(model, "BatchNormalization") == 0) == fold);
            CHECK(names(model.graph().input()) == std::vector<std::string>{"images"});
            CHECK(dimensions(model.graph().input(0)) == std::vector<std::string>{fold ? "batch" : "2", "3",
                                                                                 std::to_string(m.input.size.height),
                                                                                 std::to_string(m.input.size.width)});
            CHECK(names(model.graph().output()) == std::vector<std::string>{"logits"});
            CHECK(dimensions(model.graph().output(0)) == std::vector<std::string>{fold ? "batch" : "2", "1000"});
        }
    }
}

TEST_CASE("a model says who wrote it, in which opset, and what it was told to say") {
    onnx_options o;
    o.name = "mine";
    o.metadata = {{"b", "2"}, {"a", "1"}};
    const onnx::ModelProto model = export_small("small0", o).model;
    CHECK(model.ir_version() == 8);
    REQUIRE(model.opset_import_size() == 1);
    CHECK(model.opset_import(0).version() == 17);
    CHECK(model.producer_name() == "gpunet");
    CHECK(model.producer_version() == gpunet::version);
    CHECK(model.graph().name() == "mine");
    REQUIRE(model.metadata_props_size() == 2);
    CHECK(model.metadata_props(0).key() == "a");
}

TEST_CASE("names say layer and part, are identifiers, and occur once") {
    const onnx::ModelProto model = export_small().model;
    CHECK(node(model, "layer2_head_conv").op_type() == "Conv");
    CHECK(node(model, "layer2_head_act").output(0) == "layer2");
    CHECK(node(model, "layer5_fused_irb_se_mean").op_type() == "GlobalAveragePool");
    CHECK(node(model, "layer5_fused_irb_se_squeeze").op_type() == "Conv");
    CHECK(node(model, "layer5_fused_irb_se_excite_act").op_type() == "Sigmoid");
    CHECK(node(model, "layer5_fused_irb_se_scale").op_type() == "Mul");
    CHECK(node(model, "layer5_fused_irb_project_add").input(1) == "layer4");
    CHECK(node(model, "layer7_irb_depthwise_conv").input(1) == "layer7_irb_depthwise_conv_weight");
    CHECK(node(model, "layer11_tail_classifier").output(0) == "logits");
    CHECK(initializer(model, "layer3_conv_conv_weight").doc_string() == "network.stage: 1 layer3.conv.weight");
    std::map<std::string, int> seen;
    for (const auto& n : model.graph().node()) {
        ++seen["node " + n.name()];
        ++seen[n.output(0)];
    }
    for (const auto& t : model.graph().initializer()) ++seen[t.name()];
    for (const auto& [name, times] : seen) {
        INFO(name);
        CHECK(times == 1);
        CHECK(name.find_first_of(".: /") == (name.starts_with("node ") ? 4 : std::string::npos));
    }
}

TEST_CASE("batch norm that is not folded has the checkpoint's own numbers") {
    onnx_options o;
    o.fold = false;
    for (const char* name : {"small0", "smallD", "smallP"}) {
        const exported e = export_small(name, o);
        check_valid(e.model);
        std::size_t bound = 0;
        for (const auto& t : e.model.graph().initializer()) {
            const gpunet::stored_tensor* stored = e.weights.find(t.doc_string());
            REQUIRE(stored);
            std::vector<float> expected(static_cast<std::size_t>(stored->element_count()));
            gpunet::copy_as_float(*stored, expected);
            CHECK(floats(t) == expected);
            ++bound;
        }
        CHECK(bound == e.weights.size());
    }
}

TEST_CASE("folded convolutions have the weights that backends compute with") {
    const exported e = export_small();
    const gpunet::constants constants = gpunet::fold(e.net, e.weights);
    CHECK(floats(initializer(e.model, "layer2_head_conv_weight")) == constants.at("network.head: 2.net.0").weights);
    CHECK(floats(initializer(e.model, "layer2_head_conv_bias")) == constants.at("network.head: 2.net.0").bias);
    CHECK(count(e.model, "BatchNormalization") == 0);
}

TEST_CASE("padding is the graph's: top, left, bottom, right") {
    const exported valid = export_small(); // a plain fused_irb of stride 2 has none
    CHECK(integers(node(valid.model, "layer4_fused_irb_expand_conv"), "pads") == std::vector<std::int64_t>(4, 0));
    CHECK(integers(node(valid.model, "layer5_fused_irb_expand_conv"), "pads") == std::vector<std::int64_t>(4, 1));
    const exported same = export_synthetic(with_activations("relu", "sigmoid", "same"), {20, 21});
    CHECK(integers(node(same.model, "layer2_head_conv"), "pads") == std::vector<std::int64_t>{0, 1, 1, 1});
    check_valid(same.model);
}

TEST_CASE("every activation has nodes of opset 17") {
    const std::map<std::string, std::string> ends = {{"relu", "Relu"},       {"relu6", "Clip"},
                                                     {"swish", "Mul"},       {"hard_swish", "HardSwish"},
                                                     {"sigmoid", "Sigmoid"}, {"hard_sigmoid", "HardSigmoid"},
                                                     {"gelu", "Mul"}};
    for (const auto& [act, type] : ends)
        for (const dtype precision : {dtype::float32, dtype::float16}) {
            INFO(act);
            onnx_options o;
            o.precision = precision;
            const exported e = export_synthetic(with_activations(act, "hard_sigmoid", "symmetric"), {20, 20}, o);
            check_valid(e.model);
            CHECK(node(e.model, "layer2_head_act").op_type() == type);
            CHECK(node(e.model, "layer3_irb_se_excite_act").op_type() == "HardSigmoid");
        }
    const exported none = export_synthetic(with_activations("identity", "sigmoid", "symmetric"), {20, 20});
    CHECK(node(none.model, "layer2_head_conv").output(0) == "layer2");
    check_valid(none.model);
}

TEST_CASE("outputs: logits, probabilities, every layer's, every stage's last") {
    onnx_options o;
    o.outputs = onnx_outputs::softmax;
    const onnx::ModelProto softmax = export_small("small0", o).model;
    CHECK(names(softmax.graph().output()) == std::vector<std::string>{"probabilities"});
    CHECK(node(softmax, "probabilities").input(0) == "logits");
    check_valid(softmax);

    o.outputs = onnx_outputs::features;
    const exported features = export_small("small0", o);
    REQUIRE(static_cast<std::size_t>(features.model.graph().output_size()) == features.net.blocks.size());
    CHECK(features.model.graph().output(0).name() == "layer2");
    CHECK(dimensions(features.model.graph().output(0)) == std::vector<std::string>{"batch", "8", "32", "32"});
    CHECK(features.model.graph().output(9).name() == "logits");
    check_valid(features.model);

    o.outputs = onnx_outputs::stages;
    const onnx::ModelProto stages = export_small("small0", o).model;
    CHECK(names(stages.graph().output()) ==
          std::vector<std::string>{"layer2", "layer3", "layer5", "layer6", "layer7", "layer8", "layer10"});
    CHECK(count(stages, "Gemm") == 0);
    check_valid(stages);

    o.outputs = onnx_outputs::pyramid;
    const onnx::ModelProto pyramid = export_small("small0", o).model;
    CHECK(names(pyramid.graph().output()) == std::vector<std::string>{"layer3", "layer5", "layer7", "layer10"});
    CHECK(dimensions(pyramid.graph().output(2)) == std::vector<std::string>{"batch", "10", "6", "6"});
    CHECK(count(pyramid, "Gemm") == 0);
    check_valid(pyramid);
}

TEST_CASE("half precision: weights in halves, inputs and outputs in either") {
    for (const onnx_outputs outputs : {onnx_outputs::logits, onnx_outputs::softmax, onnx_outputs::features})
        for (const bool fold : {true, false})
            for (const dtype io : {dtype::float16, dtype::float32}) {
                onnx_options o;
                o.precision = dtype::float16;
                o.fold = fold;
                o.outputs = outputs;
                if (io == dtype::float32) o.io = io;
                const exported e = export_small("smallD", o);
                check_valid(e.model);
                const auto expected = gpunet::detail::onnx_graph_builder::type_of(io);
                CHECK(e.model.graph().input(0).type().tensor_type().elem_type() == expected);
                for (const auto& output : e.model.graph().output())
                    CHECK(output.type().tensor_type().elem_type() == expected);
                for (const auto& t : e.model.graph().initializer()) CHECK(t.data_type() == onnx::TensorProto::FLOAT16);
                CHECK((count(e.model, "Cast") == 0) == (io == dtype::float16));
            }
}

TEST_CASE("weights that half precision cannot hold are refused by name") {
    const gpunet::graph::network net = gpunet::lower(core_test::small("small0"));
    const auto large = gpunet::make_weights(net, [](const gpunet::parameter& p, std::span<float> values) {
        gpunet::synthetic_values(p, "", values);
        if (p.name == "network.stage: 1 layer3.conv.weight") values[7] = 3e6F;
    });
    static_cast<void>(gpunet::onnx_model(net, large));
    onnx_options o;
    o.precision = dtype::float16;
    CHECK_THAT(message_of<gpunet::unsupported_error>([&] { static_cast<void>(gpunet::onnx_model(net, large, o)); }),
               Contains("network.stage: 1 layer3.conv.weight") && Contains("fp16 can hold") && Contains("use fp32"));
}

TEST_CASE("a quantized network is int8 between nodes that say its scales, and valid") {
    for (const char* name : {"small0", "smallD", "smallP"})
        for (const onnx_outputs outputs :
             {onnx_outputs::logits, onnx_outputs::features, onnx_outputs::stages, onnx_outputs::pyramid}) {
            INFO(name);
            const gpunet::graph::network net = gpunet::lower(core_test::small(name), {64, 64});
            const gpunet::tensor_store weights = quantized_by_hand(net);
            const gpunet::constants expected = gpunet::fold(net, weights);
            onnx_options o;
            o.outputs = outputs;
            const onnx::ModelProto model = gpunet::onnx_model(net, weights, o);
            check_valid(model);
            if (outputs != onnx_outputs::logits) continue;
            const auto maps = static_cast<int>(gpunet::graph::feature_maps(net).size());
            int convolutions = 0;
            gpunet::graph::visit_convolutions(net, [&](const auto&, auto) { ++convolutions; });
            CHECK(count(model, "QuantizeLinear") == maps);
            // Weights and bias of all convolutions but the first.
            CHECK(count(model, "DequantizeLinear") == maps + 2 * (convolutions - 1));
            for (const auto& n : model.graph().node()) {
                if (n.op_type() != "DequantizeLinear") continue;
                INFO(n.name());
                const onnx::TensorProto& scale = initializer(model, n.input(1));
                CHECK(initializer(model, n.input(2)).dims_size() == scale.dims_size());
                for (const float s : floats(scale)) CHECK(s > 0);
                if (n.name().ends_with("_dequantize")) continue;
                const bool bias = n.name().ends_with("_bias");
                const onnx::TensorProto& q = initializer(model, n.input(0));
                CHECK(q.data_type() == (bias ? onnx::TensorProto::INT32 : onnx::TensorProto::INT8));
                const std::string weight = q.doc_string().substr(0, q.doc_string().rfind('.'));
                const gpunet::folded& f = expected.at(weight);
                if (!bias) {
                    REQUIRE(q.raw_data().size() == f.int8->weights.size());
                    CHECK(std::memcmp(q.raw_data().data(), f.int8->weights.data(), q.raw_data().size()) == 0);
                    CHECK(floats(scale) == f.int8->scales);
                    continue;
                }
                for (std::size_t i = 0; i < f.bias.size(); ++i) {
                    std::int32_t whole = 0;
                    std::memcpy(&whole, q.raw_data().data() + i * sizeof whole, sizeof whole);
                    CHECK(static_cast<float>(whole) * floats(scale)[i] == Approx(f.bias[i]).epsilon(1e-6));
                }
            }
        }
}

TEST_CASE("a quantized network names its parts, and is refused where int8 leaves no choice") {
    const gpunet::graph::network net = gpunet::lower(core_test::small("small0"));
    const gpunet::tensor_store weights = quantized_by_hand(net);
    const onnx::ModelProto model = gpunet::onnx_model(net, weights);
    CHECK(node(model, "layer2_head_quantize").input(0) == "layer2_head_act");
    CHECK(node(model, "layer2_head_dequantize").output(0) == "layer2");
    CHECK(node(model, "layer3_conv_conv").input(1) == "layer3_conv_conv_weight");
    CHECK(node(model, "layer5_fused_irb_se_dequantize").input(0) == "layer5_fused_irb_se_quantize");
    CHECK(node(model, "layer5_fused_irb_project_add").input(1) == "layer4");
    CHECK(gpunet::onnx_model(net, weights).SerializeAsString() == model.SerializeAsString());
    const auto refused = [&](const onnx_options& o) {
        return message_of<gpunet::unsupported_error>([&] { static_cast<void>(gpunet::onnx_model(net, weights, o)); });
    };
    onnx_options o;
    o.fold = false;
    CHECK_THAT(refused(o), Contains("by hand: expected float weights to keep batch norm") && Contains("found int8"));
    o = {};
    o.precision = dtype::float16;
    CHECK_THAT(refused(o), Contains("by hand: expected float32 beside int8 weights") && Contains("found float16"));
    o = {};
    o.io = dtype::float16;
    check_valid(gpunet::onnx_model(net, weights, o));
}

TEST_CASE("what cannot be exported is refused") {
    const gpunet::graph::network net = gpunet::lower(core_test::small("small0"));
    const gpunet::tensor_store weights = gpunet::synthetic_weights(net);
    const auto refused = [&](const onnx_options& o) {
        return message_of<gpunet::argument_error>([&] { static_cast<void>(gpunet::onnx_model(net, weights, o)); });
    };
    onnx_options o;
    o.batch = 0;
    CHECK_THAT(refused(o), Contains("batch: expected 1 or more, found 0"));
    o = {};
    o.precision = dtype::bfloat16;
    CHECK_THAT(refused(o), Contains("expected float32 or float16, found bfloat16"));
    o = {};
    o.io = dtype::int8;
    CHECK_THAT(refused(o), Contains("expected float32 or float16, found int8"));
    const gpunet::tensor_store others = gpunet::synthetic_weights(gpunet::lower(core_test::small("smallP")));
    for (const bool fold : {true, false}) {
        o = {};
        o.fold = fold;
        CHECK_THROWS_AS(gpunet::onnx_model(net, others, o), gpunet::binding_error);
        const auto no_variance = gpunet::make_weights(net, [](const gpunet::parameter& p, std::span<float> values) {
            std::fill(values.begin(), values.end(), p.role == gpunet::parameter_role::running_var ? -1.0F : 1.0F);
        });
        CHECK_THAT(
            message_of<gpunet::weights_error>([&] { static_cast<void>(gpunet::onnx_model(net, no_variance, o)); }),
            Contains("running_var': expected a variance"));
    }
}

TEST_CASE("the same network makes the same file") {
    const test::temporary_folder folder;
    gpunet::write_onnx(folder / "a.onnx", export_small().model);
    gpunet::write_onnx(folder / "b.onnx", export_small().model);
    const std::string bytes = test::file_content(folder / "a.onnx");
    CHECK(bytes == test::file_content(folder / "b.onnx"));
    onnx::ModelProto read;
    REQUIRE(read.ParseFromString(bytes));
    CHECK(read.SerializeAsString() == export_small().model.SerializeAsString());
}

TEST_CASE("weights in a file of their own: asked for, or too many") {
    const exported e = export_small();
    gpunet::onnx_file_options by_wish, by_size;
    by_wish.external_data = true;
    by_size.inline_limit = 20000;
    for (const auto& o : {by_wish, by_size}) {
        const test::temporary_folder folder;
        const fs::path path = folder / "net.onnx";
        gpunet::write_onnx(path, e.model, o);
        test::check_onnx(path.string());
        onnx::ModelProto read;
        REQUIRE(read.ParseFromString(test::file_content(path)));
        const std::string data = test::file_content(folder / "net.onnx.data");
        int external = 0;
        for (const auto& t : read.graph().initializer()) {
            const onnx::TensorProto& original = initializer(e.model, t.name());
            if (t.data_location() != onnx::TensorProto::EXTERNAL) {
                CHECK(t.raw_data() == original.raw_data());
                continue;
            }
            ++external;
            REQUIRE(t.external_data_size() == 3);
            CHECK(t.external_data(0).value() == "net.onnx.data");
            const std::size_t offset = std::stoul(t.external_data(1).value());
            CHECK(offset % 4096 == 0);
            CHECK(data.substr(offset, std::stoul(t.external_data(2).value())) == original.raw_data());
        }
        CHECK(external > 5);
    }
}

TEST_CASE("a file that cannot be written leaves neither model nor data") {
    const test::temporary_folder folder;
    const exported e = export_small();
    gpunet::onnx_file_options external;
    external.external_data = true;
    fs::create_directory(folder / "net.onnx.data");
    CHECK_THAT(message_of<gpunet::io_error>([&] { gpunet::write_onnx(folder / "net.onnx", e.model, external); }),
               Contains("net.onnx.data"));
    CHECK_FALSE(fs::exists(folder / "net.onnx"));
    fs::create_directory(folder / "other.onnx");
    CHECK_THROWS_AS(gpunet::write_onnx(folder / "other.onnx", e.model, external), gpunet::io_error);
    CHECK_FALSE(fs::exists(folder / "other.onnx.data"));
    CHECK(folder.entries() == 2);
}

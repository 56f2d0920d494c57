// export: a network with its weights for other runtimes.
#include "commands.hpp"

#include <gpunet/graph/lower.hpp>
#include <gpunet/onnx.hpp>

#include <array>
#include <charconv>
#include <iostream>

namespace gpunet::tool {

namespace {

struct export_arguments {
    model_choice choice;
    std::string output, batch = "dynamic", outputs = "logits", io, size;
    bool unfolded = false, external_data = false;
};

/// A whole number from 1 on, and nothing else.
std::optional<std::int64_t> parse_count(std::string_view text) {
    std::int64_t n = 0;
    const char* end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, n);
    return status == std::errc() && stop == end && n >= 1 ? std::optional(n) : std::nullopt;
}

std::optional<std::int64_t> parse_batch(const std::string& text) {
    if (text == "dynamic") return std::nullopt;
    const auto n = parse_count(text);
    if (!n) throw usage_error("--batch: expected a number from 1 on or dynamic, found \"" + text + "\"");
    return n;
}

/// "224" or "224x320", height first.
extent2 parse_size(const std::string& text) {
    const std::string_view all = text;
    const std::size_t cross = all.find('x');
    const auto height = parse_count(all.substr(0, cross));
    const auto width = cross == all.npos ? height : parse_count(all.substr(cross + 1));
    if (!height || !width)
        throw usage_error("--size: expected pixels, as 224 or 224x320 (height first), found \"" + text + "\"");
    return {*height, *width};
}

/// @throws usage_error for what ONNX runtimes have no use for
dtype parse_type(const char* option, const std::string& text) {
    const std::string name = detail::lower_case(text);
    if (name == "fp16") return dtype::float16;
    if (name == "fp32") return dtype::float32;
    throw usage_error(std::string(option) + ": expected fp32 or fp16, found \"" + text + "\"");
}

onnx_outputs parse_outputs(const std::string& name) {
    if (name == "softmax") return onnx_outputs::softmax;
    if (name == "features") return onnx_outputs::features;
    if (name == "stages") return onnx_outputs::stages;
    if (name == "pyramid") return onnx_outputs::pyramid;
    return onnx_outputs::logits;
}

/// The fewest digits that give the same number again.
template <class T>
std::string digits(T value) {
    std::array<char, 32> room{};
    return {room.data(), std::to_chars(room.data(), room.data() + room.size(), value).ptr};
}

std::string text(const std::array<float, 3>& v) { return digits(v[0]) + ' ' + digits(v[1]) + ' ' + digits(v[2]); }

/// How pictures become the input, and what the classes are, for the programs that load the file.
std::map<std::string, std::string> describe(const model& m, const std::string& name) {
    std::map<std::string, std::string> all = {{"gpunet.model", name},
                                              {"gpunet.input.colours", "RGB, 0 to 1"},
                                              {"gpunet.input.mean", text(m.input.mean)},
                                              {"gpunet.input.std", text(m.input.std)},
                                              {"gpunet.input.crop", digits(m.input.crop)},
                                              {"gpunet.input.interpolation", to_string(m.input.interpolation)}};
    if (!m.labels.empty()) all["gpunet.labels"] = m.labels;
    return all;
}

std::string text(const ::onnx::ValueInfoProto& v) {
    const auto& type = v.type().tensor_type();
    std::string out = v.name() + (type.elem_type() == ::onnx::TensorProto::FLOAT16 ? " fp16 [" : " fp32 [");
    for (const auto& d : type.shape().dim())
        out += (&d == &type.shape().dim(0) ? "" : ", ") +
               (d.has_dim_param() ? d.dim_param() : std::to_string(d.dim_value()));
    return out + "]";
}

void run(const export_arguments& a, const options& common) {
    onnx_options o;
    o.batch = parse_batch(a.batch);
    o.fold = !a.unfolded;
    o.outputs = parse_outputs(a.outputs);
    if (!common.precision.empty()) o.precision = parse_type("--precision", common.precision);
    if (!a.io.empty()) o.io = parse_type("--io", a.io);
    extent2 size = a.size.empty() ? extent2{} : parse_size(a.size);
    const registry known = open_registry();
    const model m = open_model(known, a.choice.name);
    // Of a spec file its name, without the folder: the same file wherever it is made.
    o.name = known.lookup(a.choice.name) ? m.name : std::filesystem::path(m.name).stem().string();
    o.metadata = describe(m, o.name);
    if (size == extent2{}) size = m.network.data.resolution;
    const graph::network g = lower(m.network, size);
    const ::onnx::ModelProto model = onnx_model(g, open_weights(m, a.choice, common), o);
    write_onnx(a.output, model, {.external_data = a.external_data});
    std::cout << a.output << ": opset " << onnx_opset << ", " << model.graph().node_size() << " nodes, input "
              << text(model.graph().input(0)) << '\n';
    for (const auto& v : model.graph().output()) std::cout << "output " << text(v) << '\n';
}

} // namespace

void add_export(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("export", "A model with its weights as ONNX, for other runtimes");
    auto a = std::make_shared<export_arguments>();
    command->add_option("MODEL", a->choice.name, "a registry name or a spec file")->required();
    command->add_option("OUT", a->output, "OUT.onnx")->required();
    add_weights_options(*command, a->choice, false);
    command->add_option("--batch", a->batch, "pictures at once, or dynamic (the default)");
    command->add_option("--size", a->size,
                        "of the input, as 224 or 224x320 (height first); by default the model's own");
    command
        ->add_option("--outputs", a->outputs,
                     "logits, softmax, features (every layer's output), stages (the last of every stage, no tail) or "
                     "pyramid (the last of every stride, no tail)")
        ->check(CLI::IsMember({"logits", "softmax", "features", "stages", "pyramid"}));
    command->add_flag("--unfolded", a->unfolded, "keep batch norm, with the checkpoint's own weights");
    command->add_option("--io", a->io, "type of input and outputs, fp32 or fp16; by default that of --precision");
    command->add_flag("--external-data", a->external_data, "weights in OUT.onnx.data; always above 1 GiB");
    command->callback([a, &common] { run(*a, common); });
}

std::string export_status() { return "export on, opset " + std::to_string(onnx_opset); }

} // namespace gpunet::tool

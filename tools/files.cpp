// convert and doctor.
#include "commands.hpp"
#include "gpu.hpp"

#include <gpunet/cpu/backend.hpp>
#include <gpunet/cpu/threads.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/version.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/safetensors.hpp>

#include <png.h>

#include <iostream>
#include <set>

namespace gpunet::tool {

namespace {

struct convert_arguments {
    std::string input, output;
    std::string model;
    std::string entry;
};

void convert(const convert_arguments& a) {
    checkpoint_options o;
    o.select = a.entry;
    const tensor_store weights = read_weights(a.input, o);
    if (!a.model.empty()) static_cast<void>(fold(lower(open_model(open_registry(), a.model).network), weights));
    write_safetensors(a.output, weights);
    std::cout << a.output << ": " << weights.size() << " tensors\n";
}

const char* isa_name(dnnl::cpu_isa isa) {
    switch (isa) {
    case dnnl::cpu_isa::sse41: return "SSE4.1";
    case dnnl::cpu_isa::avx: return "AVX";
    case dnnl::cpu_isa::avx2: return "AVX2";
    case dnnl::cpu_isa::avx2_vnni: return "AVX2 with VNNI";
    case dnnl::cpu_isa::avx512_core: return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni: return "AVX-512 with VNNI";
    case dnnl::cpu_isa::avx512_core_bf16: return "AVX-512 with bfloat16";
    case dnnl::cpu_isa::avx512_core_amx: return "AVX-512 with AMX";
    default: return "other";
    }
}

void doctor() {
    std::cout << "gpunet " << version << '\n'
              << "CPU      " << cpu_name() << ", " << cpu::all_cores() << " threads, "
              << isa_name(dnnl::get_effective_cpu_isa()) << '\n'
              << "         " << cpu::backend().name() << "; backend on, fp32\n";
    gpu::doctor();
    std::cout << "pictures libpng " << png_get_libpng_ver(nullptr) << ", libjpeg-turbo\n"
              << "ONNX     " << export_status() << '\n';
    std::optional<std::string> warning;
    const records_file file;
    const auto records = file.read(warning);
    std::cout << "records  " << records.size() << " latencies in " << file.path().string() << '\n';
    if (warning) warn(*warning);
    if (records.empty()) std::cout << "         measure with: gpunet bench --save\n";
    std::cout << "weights  looked for in";
    for (const auto& directory : weights_directories()) std::cout << ' ' << directory.string();
    std::cout << '\n';
    const registry known = registry::builtin();
    std::set<const model*> at_hand;
    for (const model& m : known) {
        const auto found = find_weights(m);
        if (!found) continue;
        at_hand.insert(&m);
        std::cout << "         " << m.name << ": " << found->string() << '\n';
    }
    const auto missing = [&](bool published) {
        return in_short(known, [&](const model& m) { return !at_hand.contains(&m) && m.weights.empty() != published; });
    };
    if (const std::string names = missing(true); !names.empty())
        std::cout << "         fetched by gpunet pull: " << names << '\n';
    if (const std::string names = missing(false); !names.empty())
        std::cout << "         published nowhere: " << names << '\n';
}

} // namespace

void add_convert(CLI::App& app, options&) {
    auto* command = app.add_subcommand("convert", "A checkpoint as safetensors");
    auto a = std::make_shared<convert_arguments>();
    command->add_option("CHECKPOINT", a->input, "safetensors or PyTorch checkpoint")->required();
    command->add_option("OUT", a->output, "OUT.safetensors")->required();
    command->add_option("--model", a->model, "check that the weights fit this registry name or spec file");
    command->add_option("--checkpoint-entry", a->entry,
                        "which state_dict of a training checkpoint; by default the EMA weights, as timm chooses");
    command->callback([a] { convert(*a); });
}

void add_doctor(CLI::App& app, options&) {
    app.add_subcommand("doctor", "Devices, libraries, weights: what is there and what is missing")->callback(doctor);
}

} // namespace gpunet::tool

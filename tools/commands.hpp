// The commands of the gpunet program. Each adds itself to the command line; what it does happens when it is parsed.
#pragma once

#include <gpunet/any_network.hpp>
#include <gpunet/hub.hpp>

#include <CLI/CLI.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace gpunet::tool {

/// The command line makes no sense: exit status 2.
struct usage_error : error {
    using error::error;
};

/// Some of the work failed and has been reported: exit status 1.
struct partial_failure : std::exception {};

/// What every command takes.
struct options {
    std::string device = "auto";
    std::string precision;
    int threads = 0;
    bool offline = false;
    bool tune = false;          // GPU: time cuDNN's engines and our kernels first
    bool programmatic = false;  // GPU: kernels may start while the one before ends
    bool implicit_gemm = false; // GPU: our convolutions instead of cuDNN's
    bool json = false;
};

/// How a model is named on the command line, and where its weights are.
struct model_choice {
    std::string name;    // a registry name or a path to a spec
    std::string weights; // a file, "synthetic", or empty for the weights directories
    std::string entry;   // of a checkpoint, where it holds several state_dicts
};

void add_list(CLI::App&, options&);
void add_show(CLI::App&, options&);
void add_select(CLI::App&, options&);
void add_classify(CLI::App&, options&);
void add_run(CLI::App&, options&);
void add_bench(CLI::App&, options&);
void add_convert(CLI::App&, options&);
void add_quantize(CLI::App&, options&);
void add_export(CLI::App&, options&);
void add_doctor(CLI::App&, options&);
void add_plan(CLI::App&, options&);
void add_pull(CLI::App&, options&);
void add_cache(CLI::App&, options&);
void add_eval(CLI::App&, options&);
void add_verify(CLI::App&, options&);
void add_report(CLI::App&, options&);

/// Prints to standard error, once, what is wrong with this machine's records.
registry open_registry();

/// The model of a registry name, or a record around the network of a spec file.
model open_model(const registry&, const std::string& name_or_path);
/// The models of a family, in any spelling, or else of those whose names begin so, each family from small to large; of
/// all families where `family` is empty. @throws usage_error listing the families there are
std::vector<model> models_of(const registry&, const std::string& family);
/// "all 8 of EfficientNet, GPUNet-2": the models for which named(model), families as a whole where that is so.
std::string in_short(const registry&, const std::function<bool(const model&)>& named);
/// Adds --family.
CLI::Option* add_family_option(CLI::App& command, std::string& family);
/// The weights that were chosen; the model's own are fetched where none are at hand, unless --offline.
tensor_store open_weights(const model&, const model_choice&, const options&);
any_network open_network(const model&, const tensor_store&, const options&);

/// What is computed on, with what.
struct device_choice {
    std::optional<int> gpu; // CUDA's ordinal; the CPU where there is none
    std::string precision;
};

/// By default a GPU if one can be used. @throws usage_error, unsupported_error for what this program or machine lacks
device_choice choose_device(const options&);
/// The name that latency records give it.
std::string name_of(const device_choice&);
/// The same with all that latency records say of it.
device describe(const device_choice&, const options&);
int thread_count(const options&);
/// The value of --budget. @throws usage_error
milliseconds parse_budget(const std::string&);

/// A network with synthetic weights, which take as long as any, ready to be measured at a shape.
struct measurable {
    any_network net;
    std::function<latency_record(const context_options&, const measure_options&)> measure;
};
measurable open_measurable(const model&, const device_choice&, const options&); // with synthetic weights
measurable open_measurable(const model&, const device_choice&, const options&, const tensor_store&);
/// Keeps measurements in this machine's records. What is wrong with them is printed.
/// @throws io_error where they cannot be kept
void keep(const std::vector<model_record>&);
/// Measures what the question about a device lacks, saying so, and keeps each measurement; one that cannot be kept is a
/// warning.
void measure_missing(registry&, const selection_query&, const device_choice&, const options&);

/// Adds --weights and --checkpoint-entry.
CLI::Option* add_weights_options(CLI::App& command, model_choice&, bool required);

/// Whether this program can export to ONNX, in one line.
std::string export_status();

void print(const detail::ordered_json&);
void warn(const std::string&);

} // namespace gpunet::tool

// run: scores of normalised pictures.
#include "commands.hpp"

#include <gpunet/graph/lower.hpp>
#include <gpunet/npy.hpp>

namespace gpunet::tool {

namespace {

namespace fs = std::filesystem;

/// Files that are removed again unless all of them could be written.
class output_files {
  public:
    output_files() = default;
    output_files(const output_files&) = delete;
    output_files& operator=(const output_files&) = delete;
    ~output_files() {
        if (keep_) return;
        std::error_code ignored;
        for (const fs::path& p : new_) fs::remove(p, ignored);
        for (auto d = directories_.rbegin(); d != directories_.rend(); ++d) fs::remove(*d, ignored);
    }

    void directory(const fs::path& path) {
        std::error_code failed;
        if (fs::create_directory(path, failed)) directories_.push_back(path);
        if (failed || !fs::is_directory(path)) throw io_error(path.string() + ": cannot create this directory");
    }
    void npy(const fs::path& path, const tensor_view<const float>& values) {
        const bool existed = fs::exists(path);
        write_npy(path, values);
        if (!existed) new_.push_back(path);
    }
    void keep() noexcept { keep_ = true; }

  private:
    std::vector<fs::path> new_;
    std::vector<fs::path> directories_;
    bool keep_ = false;
};

struct run_arguments {
    model_choice choice;
    std::string input, output, features;
};

void run(const run_arguments& a, const options& o) {
    static_cast<void>(choose_device(o)); // before the work of reading
    const model m = open_model(open_registry(), a.choice.name);
    const tensor<float> input = read_npy(a.input);
    const std::int64_t channels = lower(m.network).input.channels;
    const shape& s = input.shape();
    if (s.size() != 4 || s[1] != channels || element_count(s) == 0)
        throw io_error(a.input + ": expected shape [N, " + std::to_string(channels) + ", H, W], found " + to_string(s));
    const any_network net = open_network(m, open_weights(m, a.choice, o), o);
    any_context c =
        net.make_context({.batch = s[0], .size = {s[2], s[3]}, .taps = a.features.empty() ? taps::none : taps::layers});
    const tensor<float> scores = c.run(input.elements());
    output_files files;
    if (!a.features.empty()) {
        files.directory(a.features);
        for (const feature_map& f : c.features())
            files.npy(fs::path(a.features) / (std::to_string(f.layer) + ".npy"), f.values);
    }
    files.npy(a.output, scores);
    files.keep();
}

} // namespace

CLI::Option* add_weights_options(CLI::App& command, model_choice& choice, bool required) {
    auto* weights =
        command.add_option("--weights", choice.weights, "safetensors or PyTorch checkpoint, or \"synthetic\"");
    if (required) weights->required();
    command.add_option("--checkpoint-entry", choice.entry,
                       "which state_dict of a training checkpoint; by default the EMA weights, as timm chooses");
    return weights;
}

void add_run(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("run", "Scores of a batch of normalised pictures");
    auto a = std::make_shared<run_arguments>();
    command->add_option("MODEL", a->choice.name, "a registry name or a spec file")->required();
    add_weights_options(*command, a->choice, true);
    command->add_option("--input", a->input, "float32 N C H W, .npy")->required();
    command->add_option("--output", a->output, "float32 N x classes, .npy")->required();
    command->add_option("--features", a->features, "a directory for every layer's output, <layer>.npy");
    command->callback([a, &common] { run(*a, common); });
}

} // namespace gpunet::tool

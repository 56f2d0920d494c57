// pull, and how a pull under way is shown.
#include "pull.hpp"
#include "progress.hpp"

#include <gpunet/detail/text_file.hpp>

#include <iostream>
#include <memory>

namespace gpunet::tool {

namespace {

/// "12.3 of 48.1 MB, 5.2 MB/s, 7 s left"
std::string note_of(const download_progress& d) {
    std::string note = bytes_text(static_cast<double>(d.received));
    if (d.total) note += " of " + bytes_text(static_cast<double>(*d.total));
    if (d.bytes_per_second > 0) note += ", " + bytes_text(d.bytes_per_second) + "/s";
    if (d.seconds_left) note += ", " + seconds_text(*d.seconds_left) + " left";
    return note;
}

class display {
  public:
    bool operator()(const pull_progress& p) {
        if (p.stage == pull_stage::downloading && told_ != p.model + p.source) {
            line_.reset();
            told_ = p.model + p.source;
            std::cerr << "gpunet: fetching " << p.model << " from " << p.source << '\n';
        }
        if (!line_) line_ = std::make_unique<progress_line>(p.model);
        line_->label(p.model);
        switch (p.stage) {
        case pull_stage::waiting: line_->show(-1, "waiting for another process that pulls it"); break;
        case pull_stage::resolving: line_->show(-1, "asking for " + p.source); break;
        case pull_stage::downloading:
            line_->show(p.download.total && *p.download.total > 0
                            ? static_cast<double>(p.download.received) / static_cast<double>(*p.download.total)
                            : -1,
                        note_of(p.download));
            break;
        case pull_stage::unpacking: line_->show(-1, "unpacking"); break;
        case pull_stage::converting: line_->show(-1, "converting to safetensors"); break;
        }
        return true;
    }

  private:
    std::unique_ptr<progress_line> line_;
    std::string told_;
};

struct pull_arguments {
    std::vector<std::string> models;
    bool all = false;
};

std::vector<model> chosen(const pull_arguments& a) {
    const registry known = open_registry();
    if (a.all == !a.models.empty()) throw usage_error("pull: expected names of models or --all");
    std::vector<model> models;
    if (a.all) {
        for (const model& m : known)
            if (!m.weights.empty()) models.push_back(m);
        const std::string none = in_short(known, [](const model& m) { return m.weights.empty(); });
        if (!none.empty()) std::cerr << "gpunet: published nowhere: " << none << '\n';
        return models;
    }
    for (const std::string& name : a.models) models.push_back(open_record(known, name));
    return models;
}

void pull_models(const pull_arguments& a, const options& o) {
    auto results = detail::ordered_json::array();
    bool failed = false;
    for (const model& m : chosen(a)) {
        try {
            pull_options how;
            how.offline = o.offline;
            how.progress = pull_display();
            const pulled p = pull(m, how);
            how.progress = nullptr;
            const std::string file = p.weights.file.string();
            if (!o.json) std::cout << file << '\n' << std::flush;
            results.push_back({{"model", m.name},
                               {"path", file},
                               {"size", p.weights.size},
                               {"sha256", p.weights.sha256},
                               {"source", p.weights.source},
                               {"member", p.weights.member},
                               {"archive_sha256", p.weights.archive_sha256},
                               {"member_sha256", p.weights.member_sha256},
                               {"fetched", p.fetched},
                               {"converted", p.converted}});
            if (const auto used = find_weights(m); used && *used != p.weights.file)
                warn(m.name + ": " + used->string() + " is used before what was pulled");
        } catch (const error& e) {
            failed = true;
            std::cerr << "gpunet: " << e.what() << '\n';
        }
    }
    if (o.json) print(results);
    if (failed) throw partial_failure();
}

} // namespace

std::function<bool(const pull_progress&)> pull_display() {
    return [shown = std::make_shared<display>()](const pull_progress& p) { return (*shown)(p); };
}

model open_record(const registry& known, const std::string& name_or_path) {
    std::error_code ignored;
    if (known.lookup(name_or_path) || !std::filesystem::is_regular_file(name_or_path, ignored))
        return known.find(name_or_path);
    return parse_model(detail::read_text_file(name_or_path, std::size_t{1} << 24), name_or_path);
}

void add_pull(CLI::App& app, options& common) {
    auto* command =
        app.add_subcommand("pull", "Fetch pretrained weights, verify them and keep them in the cache as safetensors");
    auto a = std::make_shared<pull_arguments>();
    command->add_option("MODEL", a->models, "names of the registry, or files with a record of one's own");
    command->add_flag("--all", a->all, "every model of which weights are published");
    command->add_flag("--json", common.json, "as JSON");
    command->callback([a, &common] { pull_models(*a, common); });
}

} // namespace gpunet::tool

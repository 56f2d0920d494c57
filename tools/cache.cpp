// cache: what the hub keeps on this machine.
#include "commands.hpp"
#include "progress.hpp"
#include "pull.hpp"

#include <gpunet/hub/cache_contents.hpp>

#include <iomanip>
#include <iostream>

#include <unistd.h>

namespace gpunet::tool {

namespace {

struct cache_arguments {
    std::vector<std::string> models;
    bool yes = false, forget = false, records = false, repair = false;
};

std::uint64_t total_size(const std::vector<cached_file>& files) {
    std::uint64_t bytes = 0;
    for (const cached_file& f : files) bytes += f.size;
    return bytes;
}

std::string count_text(std::size_t n, const std::string& what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

std::string what_it_is(const cached_file& f) { return f.kind == "weights" && !f.own ? "weights, your own" : f.kind; }

void list_cache(const options& o) {
    const std::vector<cached_file> files = cache_contents();
    if (o.json) {
        auto all = detail::ordered_json::array();
        for (const cached_file& f : files) {
            detail::ordered_json entry = {
                {"kind", f.kind}, {"name", f.name}, {"path", f.file.string()}, {"size", f.size}};
            if (!f.sources.empty()) entry["sources"] = f.sources;
            entry["when"] = f.when;
            entry["own"] = f.own;
            all.push_back(std::move(entry));
        }
        return print(all);
    }
    for (const cached_file& f : files) {
        std::cout << std::left << std::setw(18) << what_it_is(f) << std::right << std::setw(11)
                  << bytes_text(static_cast<double>(f.size)) << "  " << f.when << "  " << f.name;
        for (const std::string& source : f.sources)
            if (source != f.name) std::cout << (&source == &f.sources.front() ? "  from " : " and ") << source;
        std::cout << '\n';
    }
    std::cout << count_text(files.size(), "file") << ", " << bytes_text(static_cast<double>(total_size(files)))
              << " in " << cache_directory().string() << '\n';
}

void verify_files(const cache_arguments& a, const options& o) {
    std::size_t checked = 0;
    std::vector<cache_damage> damages;
    {
        progress_line line("cache");
        damages = verify_cache(
            [&](const std::filesystem::path& file) {
                ++checked;
                line.show(-1, file.filename().string());
            },
            a.repair);
    }
    if (o.json) {
        auto all = detail::ordered_json::array();
        for (const cache_damage& d : damages)
            all.push_back({{"path", d.file.string()}, {"problem", d.problem}, {"removed", a.repair}});
        print({{"checked", checked}, {"damaged", std::move(all)}});
    } else {
        std::cout << count_text(checked, "file") << " checked, " << damages.size() << " damaged\n";
    }
    for (const cache_damage& d : damages) {
        const bool named = d.problem.starts_with(d.file.string());
        std::cerr << "gpunet: " << (named ? "" : d.file.string() + ": ") << d.problem
                  << (a.repair ? "; removed, to be made again when it is needed"
                               : "; remove it with: gpunet cache verify --repair")
                  << '\n';
    }
    if (!damages.empty() && !a.repair) throw partial_failure();
}

/// Whether the user wants it. Where nobody can be asked, all that is removed can be had again.
bool agreed(const std::string& question) {
    if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDERR_FILENO) != 1) return true;
    std::cerr << question << " [y/N] " << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

void clear(const cache_arguments& a, const options& o) {
    clear_options what;
    what.forget = a.forget;
    what.records = a.records;
    const registry known = open_registry();
    for (const std::string& name : a.models) what.models.push_back(open_record(known, name));
    const std::vector<cached_file> files = files_to_clear(what);
    const std::string all =
        count_text(files.size(), "file") + ", " + bytes_text(static_cast<double>(total_size(files)));
    if (!files.empty() && !a.yes && !agreed("remove " + all + " from " + cache_directory().string() + "?")) {
        std::cerr << "gpunet: nothing removed\n";
        throw partial_failure();
    }
    const std::uint64_t freed = clear_cache(files);
    if (o.json) return print({{"files", files.size()}, {"freed", freed}});
    std::cout << bytes_text(static_cast<double>(freed)) << " freed\n";
}

} // namespace

void add_cache(CLI::App& app, options& common) {
    auto* command = app.add_subcommand("cache", "What is kept on this machine: weights, archives, kernels, plans");
    command->require_subcommand(1);
    auto a = std::make_shared<cache_arguments>();
    auto* list = command->add_subcommand("list", "Every file: kind, size, date, name, source");
    auto* verify = command->add_subcommand("verify", "Read and hash what was fetched and converted");
    verify->add_flag("--repair", a->repair, "remove what is damaged; it is made again when it is needed");
    auto* clear_command = command->add_subcommand("clear", "Remove what can be had again");
    clear_command->add_option("MODEL", a->models, "only these models' weights and archives");
    clear_command->add_flag("--yes", a->yes, "do not ask");
    clear_command->add_flag("--forget", a->forget,
                            "also forget the digests noted when a source was first used, to accept others");
    clear_command->add_flag("--records", a->records, "also the latencies measured here");
    for (auto* c : {list, verify, clear_command}) c->add_flag("--json", common.json, "as JSON");
    list->callback([&common] { list_cache(common); });
    verify->callback([a, &common] { verify_files(*a, common); });
    clear_command->callback([a, &common] { clear(*a, common); });
}

} // namespace gpunet::tool

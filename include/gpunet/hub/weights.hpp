// Finding a model's pretrained weights on this machine.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/weights/read.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

/// A file for the model in a weights directory: its name or an alias, in any case, with the ending of a weights file.
/// Where there are several, the first directory counts, and in it safetensors before checkpoints.
inline std::optional<std::filesystem::path> find_weights(const model& m) {
    constexpr std::array<std::string_view, 4> endings = {".safetensors", ".pth", ".pth.tar", ".pt"};
    std::vector<std::string> stems = {detail::lower_case(m.name)};
    for (const std::string& alias : m.aliases) stems.push_back(detail::lower_case(alias));
    for (const std::filesystem::path& directory : weights_directories()) {
        std::vector<std::pair<std::size_t, std::filesystem::path>> found; // by the ending's rank
        std::error_code unreadable;
        for (const auto& entry : std::filesystem::directory_iterator(directory, unreadable)) {
            const std::string file = detail::lower_case(entry.path().filename().native());
            for (std::size_t e = 0; e < endings.size(); ++e)
                for (const std::string& stem : stems)
                    if (file == stem + std::string(endings[e])) found.emplace_back(e, entry.path());
        }
        if (!found.empty()) return std::min_element(found.begin(), found.end())->second;
    }
    return std::nullopt;
}

/// Whether find_weights finds any.
inline bool has_weights(const model& m) { return find_weights(m).has_value(); }

/// The model's pretrained weights, from the weights directories.
/// @throws weights_error saying where they were looked for and where they come from, if there are none
inline tensor_store load_weights(const model& m, const checkpoint_options& options = {}) {
    if (const auto file = find_weights(m)) return read_weights(*file, options);
    std::string where, from;
    for (const auto& directory : weights_directories()) where += (where.empty() ? "" : ", ") + directory.string();
    for (const weights_source& w : m.weights)
        from += (from.empty() ? "; they come from " : ", ") + (w.url       ? *w.url
                                                               : w.package ? "the package " + *w.package
                                                                           : w.member);
    throw weights_error(m.name + ": expected weights called " + m.name + ".safetensors or " + m.name + ".pth in " +
                        where + ", found none" + from);
}

} // namespace gpunet

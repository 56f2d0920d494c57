// A model's pretrained weights: those at hand on this machine, or else fetched.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/hub/fetch/kept_weights.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/pull.hpp>
#include <gpunet/weights/read.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

/// A file for the model in a weights directory: its name or an alias, in any case, with the ending of a weights file.
/// Where there are several, the first directory counts; in it the user's own files come before what `pull` has
/// converted, then safetensors before checkpoints.
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
                    if (file == stem + std::string(endings[e]))
                        found.emplace_back(read_kept(entry.path()) ? endings.size() : e, entry.path());
        }
        if (!found.empty()) return std::min_element(found.begin(), found.end())->second;
    }
    return std::nullopt;
}

/// Whether find_weights finds any: nothing would be fetched.
inline bool has_weights(const model& m) { return find_weights(m).has_value(); }

/// Whether load_weights can give any: some are at hand, or the record names a source. Of some models none are
/// published.
inline bool can_load(const model& m) { return !m.weights.empty() || has_weights(m); }

/// How weights are loaded: which of a checkpoint, and what may be fetched with which progress.
using load_options = pull_options;

/// The model's pretrained weights: from the weights directories or else, unless that is forbidden, pulled into the
/// cache and read from there. What was fetched and converted once is not fetched, converted or hashed again.
/// @throws weights_error saying where they were looked for and where they come from, if there are none and none may be
///         fetched, or the record names no source; what pull throws
inline tensor_store load_weights(const model& m, const load_options& options = {}) {
    const bool as_converted = options.checkpoint.select.empty() && options.checkpoint.use_ema;
    if (const auto file = find_weights(m)) {
        const auto kept = read_kept(*file);
        if (!kept) return read_weights(*file, options.checkpoint);
        if (is_current(*kept, m) || options.offline || offline_by_environment())
            return as_converted ? read_weights(*file, options.checkpoint) : read_source(m, options);
    }
    if (!m.weights.empty()) {
        try {
            if (!as_converted) return read_source(m, options);
            return read_weights(pull(m, options).weights.file, options.checkpoint);
        } catch (const detail::offline_error&) { // said below, with where to put a file
        }
    }
    std::string where, from;
    for (const auto& directory : weights_directories()) where += (where.empty() ? "" : ", ") + directory.string();
    for (const weights_source& w : m.weights) from += (from.empty() ? "" : ", ") + detail::source_name(w);
    if (!from.empty())
        from = "; `gpunet pull " + m.name + "` fetches them from " + from;
    else if (!m.family.empty()) // not of a spec file
        from = "; its record names no source of any";
    throw weights_error(m.name + ": expected weights called " + m.name + ".safetensors or " + m.name + ".pth in " +
                        where + ", found none" + from);
}

} // namespace gpunet

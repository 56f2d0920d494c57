// The families of models: their order, their looks, and what their models are called beside each other.
#pragma once

#include <gpunet/hub/model.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace gpunet::detail::report {

/// As many families as the style sheet can choose from (classes f0, f1, ...); those beyond share the last class.
inline constexpr std::size_t most_families = 12;

/// Places of families in the order of the registry.
using family_index = std::map<std::string, std::size_t>;

inline family_index families_of(std::span<const gpunet::model> models) {
    family_index all;
    for (const gpunet::model& m : models) {
        const std::size_t next = all.size();
        all.try_emplace(m.family, next);
    }
    return all;
}

/// The place of a model's family, by which it looks: see marker and colour_class.
inline std::size_t place_of(const family_index& families, const gpunet::model& m) {
    const auto found = families.find(m.family);
    return found == families.end() ? 0 : found->second;
}

inline std::string family_class(std::size_t place) { return "f" + std::to_string(std::min(place, most_families - 1)); }

inline std::string family_name(const std::string& family) { return family.empty() ? "no family" : family; }

/// What tells a model from the others of its family: its name without what all those names begin with up to a hyphen,
/// underscore or space. The whole name where that is nothing, and of a model without relatives.
inline std::string name_in_family(std::span<const gpunet::model> models, const gpunet::model& m) {
    const std::string_view name = m.name;
    std::size_t common = name.size(), relatives = 0;
    for (const gpunet::model& other : models) {
        if (other.family != m.family) continue;
        ++relatives;
        const auto [end, ignored] = std::mismatch(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(common),
                                                  other.name.begin(), other.name.end());
        common = static_cast<std::size_t>(end - name.begin());
    }
    if (relatives < 2 || common == 0) return m.name;
    const std::size_t last = name.find_last_of("-_ ", common - 1);
    return last == std::string_view::npos || last + 1 == name.size() ? m.name : std::string(name.substr(last + 1));
}

} // namespace gpunet::detail::report

// How unlike two names are, for messages about names that nothing has.
#pragma once

#include <gpunet/hub/device.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace gpunet::detail {

/// A name in lower case without what separates its parts, without timm's "tf_" and the tag that its names of weights
/// end in: "efficientnetb0" of "tf_efficientnet_b0.aa_in1k". At most 64 letters.
inline std::string name_letters(std::string_view name) {
    constexpr std::size_t longest = 64;
    std::string letters = lower_case(name.substr(0, name.find('.', 1)));
    std::erase_if(letters, [](char c) { return c == '-' || c == '_' || c == ' '; });
    return letters.substr(letters.starts_with("tf") ? 2 : 0, longest);
}

/// How many letters must be changed, added or left out to make one name of the other (Levenshtein's distance), case and
/// separators aside.
inline std::size_t name_distance(std::string_view a, std::string_view b) {
    const std::string from = name_letters(a), to = name_letters(b);
    std::vector<std::size_t> row(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < to.size(); ++j) {
            const std::size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

} // namespace gpunet::detail

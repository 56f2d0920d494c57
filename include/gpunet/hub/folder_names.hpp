// From the names of class folders to the numbers of classes.
#pragma once

#include <gpunet/detail/json.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/image/labels.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

/// What the names of class folders were taken for.
enum class folder_naming : std::uint8_t { listed, synsets, numbers, sorted };

/// "synsets"
constexpr std::string_view to_string(folder_naming n) noexcept {
    constexpr std::array<std::string_view, 4> names = {"listed", "synsets", "numbers", "sorted"};
    return names[static_cast<std::size_t>(n)];
}

/// By what folders become classes: "WordNet ids of ImageNet's classes".
constexpr std::string_view describe(folder_naming n) noexcept {
    constexpr std::array<std::string_view, 4> texts = {"the list of names given", "WordNet ids of ImageNet's classes",
                                                       "their numbers", "their names' sorted order"};
    return texts[static_cast<std::size_t>(n)];
}

/// The classes of a network, for naming folders.
struct folder_classes {
    std::int64_t count = 1000;
    bool imagenet = true;           // whether they are ImageNet's thousand in their usual order
    std::vector<std::string> names; // of the folders, in the order of the classes; empty: number_folders decides
};

namespace detail {

/// timm's order of folders: case does not count, runs of digits compare as numbers.
inline bool natural_less(std::string_view a, std::string_view b) {
    const auto digit = [](std::string_view s, std::size_t i) {
        return i < s.size() && std::isdigit(static_cast<unsigned char>(s[i])) != 0;
    };
    const auto take_number = [&](std::string_view& s) {
        std::size_t begin = 0, end = 0;
        while (digit(s, end)) ++end;
        while (begin + 1 < end && s[begin] == '0') ++begin;
        const std::string_view number = s.substr(begin, end - begin);
        s.remove_prefix(end);
        return number;
    };
    const std::string left = lower_case(a), right = lower_case(b);
    std::string_view x = left, y = right;
    while (!x.empty() && !y.empty()) {
        if (digit(x, 0) && digit(y, 0)) {
            const std::string_view m = take_number(x), n = take_number(y);
            if (m.size() != n.size()) return m.size() < n.size();
            if (m != n) return m < n;
        } else if (digit(x, 0) != digit(y, 0)) {
            return digit(x, 0); // a word that has ended here comes first
        } else if (x[0] != y[0]) {
            return static_cast<unsigned char>(x[0]) < static_cast<unsigned char>(y[0]);
        } else {
            x.remove_prefix(1);
            y.remove_prefix(1);
        }
    }
    if (x.empty() != y.empty()) return x.empty();
    return a < b;
}

/// One target for each name, or the position of the first name without one.
using folder_targets = std::pair<std::vector<std::int64_t>, std::optional<std::size_t>>;

template <class Target>
folder_targets folder_targets_by(const std::vector<std::string>& names, Target&& target_of) {
    folder_targets out;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::optional<std::int64_t> target = target_of(names[i]);
        if (!target) return {{}, i};
        out.first.push_back(*target);
    }
    return out;
}

inline std::optional<std::int64_t> synset_number(const std::string& name) {
    const auto all = imagenet_synsets(); // sorted
    const auto at = std::lower_bound(all.begin(), all.end(), std::string_view(name));
    if (at == all.end() || *at != name) return std::nullopt;
    return at - all.begin();
}

inline std::optional<std::int64_t> folder_number(const std::string& name, std::int64_t classes) {
    std::int64_t n = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, status] = std::from_chars(name.data(), end, n);
    if (status != std::errc() || stop != end || n < 0 || n >= classes) return std::nullopt;
    return n;
}

/// Positions in sorted order, where torchvision and timm sort alike.
inline std::vector<std::int64_t> folder_positions(const std::string& root, const std::vector<std::string>& names) {
    std::vector<std::string> plain = names, natural = names;
    std::sort(plain.begin(), plain.end());
    std::sort(natural.begin(), natural.end(), natural_less);
    const auto [at, other] = std::mismatch(plain.begin(), plain.end(), natural.begin());
    if (at != plain.end())
        throw io_error(root + ": expected folders with just one sorted order, found that class " +
                       std::to_string(at - plain.begin()) + " is " + shown_name(*at) + " to torchvision and " +
                       shown_name(*other) + " to timm: list the folders in the order of the classes");
    std::vector<std::int64_t> positions;
    positions.reserve(names.size());
    for (const std::string& name : names)
        positions.push_back(std::lower_bound(plain.begin(), plain.end(), name) - plain.begin());
    return positions;
}

} // namespace detail

/// The class of each folder, and what their names were taken for, the first of these that fits all of them:
/// - classes.names, where it is given: the place in that list;
/// - WordNet ids ("n02123045"), where the classes are ImageNet's: the class of that id;
/// - numbers from 0 to classes.count - 1: that class;
/// - as many folders as classes: the place in sorted order, in which torchvision and timm number them.
/// @param root   what errors call the folder they lie in
/// @param names  different ones
/// @throws io_error naming a folder that is no class's; argument_error for impossible classes
inline std::pair<folder_naming, std::vector<std::int64_t>>
number_folders(const std::string& root, const std::vector<std::string>& names, const folder_classes& classes) {
    const auto none = [&](std::size_t i, const std::string& expected) {
        return io_error(root + "/" + detail::shown_name(names[i]) + ": expected a folder called by " + expected);
    };
    if (!classes.names.empty()) {
        if (std::cmp_not_equal(classes.names.size(), classes.count))
            throw argument_error("names of class folders: expected " + std::to_string(classes.count) +
                                 ", one for each class, found " + std::to_string(classes.names.size()));
        std::map<std::string, std::int64_t> known;
        for (const std::string& name : classes.names)
            if (!known.emplace(name, std::ssize(known)).second)
                throw argument_error("names of class folders: expected each once, found \"" + detail::shown_name(name) +
                                     "\" again");
        auto [targets, missing] = detail::folder_targets_by(names, [&](const std::string& name) {
            const auto at = known.find(name);
            return at == known.end() ? std::nullopt : std::optional(at->second);
        });
        if (missing) throw none(*missing, "one of the " + std::to_string(classes.count) + " names given");
        return {folder_naming::listed, std::move(targets)};
    }
    auto numbered = detail::folder_targets_by(
        names, [&](const std::string& name) { return detail::folder_number(name, classes.count); });
    auto synsets = numbered;
    if (classes.imagenet) {
        synsets = detail::folder_targets_by(names, detail::synset_number);
        if (!synsets.second) return {folder_naming::synsets, std::move(synsets.first)};
    }
    if (!numbered.second) return {folder_naming::numbers, std::move(numbered.first)};
    if (std::cmp_equal(names.size(), classes.count))
        return {folder_naming::sorted, detail::folder_positions(root, names)};
    const std::string count = std::to_string(classes.count);
    // The kind of name that goes furthest is the one that was meant.
    throw none(std::max(*synsets.second, *numbered.second),
               (classes.imagenet ? "a WordNet id of ImageNet's, " : "") + std::string("a number from 0 to ") +
                   std::to_string(classes.count - 1) + ", or " + count + " folders in all, found " +
                   std::to_string(names.size()));
}

} // namespace gpunet

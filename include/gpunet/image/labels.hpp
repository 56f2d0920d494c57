// The names of classes: ImageNet's, and those of a user's own network.
#pragma once

#include <gpunet/detail/printable.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/image/imagenet_labels.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace gpunet {

/// The names of ImageNet's 1000 classes (ILSVRC2012) in the order of networks' outputs: 281 is "tabby, tabby cat".
constexpr std::span<const std::string_view> imagenet_labels() noexcept { return detail::imagenet_label_names; }

/// Their WordNet identifiers in the same order, which is alphabetical: 281 is "n02123045". ImageNet's folders are named
/// by them.
constexpr std::span<const std::string_view> imagenet_synsets() noexcept { return detail::imagenet_synset_names; }

/// The names of classes in a text, UTF-8, one a line in the order of the network's outputs. Blanks around a name and
/// empty lines at the end are dropped.
/// @param source  what errors call it
/// @throws io_error, naming source and line, if it holds no name, or before its last name an empty line, a NUL or bytes
///         that are not UTF-8.
inline std::vector<std::string> parse_labels(std::string_view text, const std::string& source) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3); // the byte order mark some editors write
    constexpr std::string_view blank = " \t\r\n\v\f";
    text = text.substr(0, text.find_last_not_of(blank) + 1);
    if (text.empty()) throw io_error(source + ": expected one label a line, found none");
    std::vector<std::string> labels;
    for (;;) {
        const auto fail = [&](const std::string& found) {
            throw io_error(source + ": line " + std::to_string(labels.size() + 1) + ": expected a label, found " +
                           found);
        };
        const std::size_t line_end = text.find('\n');
        const std::string_view line = text.substr(0, line_end);
        const std::size_t first = line.find_first_not_of(blank);
        if (first == std::string_view::npos) fail("an empty line");
        if (line.find('\0') != std::string_view::npos) fail("a NUL: not a text file");
        if (detail::find_not_utf8(line) != std::string_view::npos)
            fail("bytes that are not UTF-8: \"" + detail::shortened(detail::printable(line.substr(0, 64)), 60) + "\"");
        labels.emplace_back(line.substr(first, line.find_last_not_of(blank) + 1 - first));
        if (line_end == std::string_view::npos) return labels;
        text.remove_prefix(line_end + 1);
    }
}

/// Reads them from a file of at most 16 MiB; see `parse_labels`. @throws io_error as that, and if it cannot be read
inline std::vector<std::string> read_labels(const std::filesystem::path& path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored))
        throw io_error(path.string() + ": expected a text file, found a directory");
    return parse_labels(detail::read_text_file(path, std::size_t{16} << 20), path.string());
}

} // namespace gpunet

// The names of classes: ImageNet's, and those of a user's own network.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/image/imagenet_labels.hpp>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
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

/// Reads the names of classes from a text file, UTF-8, one a line in the order of the network's outputs. Blanks around
/// a name and empty lines at the end are dropped.
/// @throws io_error, naming file and line, if the file cannot be read, has more than 16 MiB, holds no name, or an empty
///         line or a NUL before its last name.
inline std::vector<std::string> read_labels(const std::filesystem::path& path) {
    constexpr std::size_t most_bytes = std::size_t{16} << 20;
    const std::string name = path.string();
    std::error_code failure;
    if (std::filesystem::is_directory(path, failure))
        throw io_error(name + ": expected a text file, found a directory");
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw io_error(name + ": cannot open: " + std::generic_category().message(errno ? errno : ENOENT));
    std::string text(most_bytes + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (file.bad()) throw io_error(name + ": cannot read");
    if (text.size() > most_bytes) throw io_error(name + ": labels of more than 16 MiB");

    std::string_view rest = text;
    if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3); // the byte order mark some editors write
    constexpr std::string_view blank = " \t\r\n\v\f";
    rest = rest.substr(0, rest.find_last_not_of(blank) + 1);
    if (rest.empty()) throw io_error(name + ": expected one label a line, found none");
    std::vector<std::string> labels;
    for (;;) {
        const std::size_t line_end = rest.find('\n');
        const std::string_view line = rest.substr(0, line_end);
        const std::size_t first = line.find_first_not_of(blank);
        if (first == std::string_view::npos || line.find('\0') != std::string_view::npos)
            throw io_error(name + ": line " + std::to_string(labels.size() + 1) + ": expected a label, found " +
                           (first == std::string_view::npos ? "an empty line" : "a NUL: not a text file"));
        labels.emplace_back(line.substr(first, line.find_last_not_of(blank) + 1 - first));
        if (line_end == std::string_view::npos) return labels;
        rest.remove_prefix(line_end + 1);
    }
}

} // namespace gpunet

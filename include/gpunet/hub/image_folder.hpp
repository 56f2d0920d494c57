// Labelled pictures as torchvision's ImageFolder and ImageNet's validation set keep them: a folder for each class.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/hub/folder_names.hpp>
#include <gpunet/hub/model.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace gpunet {

/// A picture and the class that it shows.
struct labelled_picture {
    std::filesystem::path path;
    std::int64_t target = 0;
};

/// A class with a folder.
struct class_folder {
    std::string name;
    std::int64_t target = 0;
};

/// The pictures of a folder with a folder for each class.
struct image_folder {
    std::filesystem::path root;
    folder_naming naming = folder_naming::sorted;
    std::vector<class_folder> folders;      // by target
    std::vector<labelled_picture> pictures; // by target, then by path
    std::int64_t passed_over = 0;           // files whose names are no picture's
};

namespace detail {

/// The endings by which torchvision knows pictures.
inline bool has_picture_name(const std::filesystem::path& path) {
    constexpr std::array<std::string_view, 9> endings = {".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                         ".pgm", ".tif",  ".tiff", ".webp"};
    const std::string ending = lower_case(path.extension().native());
    return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

inline bool is_hidden(const std::filesystem::path& path) { return path.filename().native().starts_with('.'); }

/// Calls see(entry) for all that a folder holds and is not hidden, folders in it included if `deep`.
template <class See>
void for_each_entry(const std::filesystem::path& folder, bool deep, See&& see) {
    try {
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            if (is_hidden(entry.path())) continue;
            std::error_code dangling;
            if (deep && entry.is_directory(dangling) && !entry.is_symlink(dangling))
                for_each_entry(entry.path(), deep, see);
            else
                see(entry);
        }
    } catch (const std::filesystem::filesystem_error& e) {
        throw io_error(folder.string() + ": cannot read this folder: " + e.code().message());
    }
}

} // namespace detail

/// The pictures of a folder of class folders, however deep they lie in these. A picture is a file with a picture's
/// ending, in any case; whether it can be read shows when it is. Hidden files and folders, files beside the class
/// folders, and folders below a class folder that are symbolic links are left out. For how names become classes see
/// number_folders.
/// @throws io_error naming a folder that cannot be read, is no class's, or holds no class folder
inline image_folder list_image_folder(const std::filesystem::path& root, const folder_classes& classes) {
    image_folder found;
    found.root = root;
    std::error_code unreadable;
    if (!std::filesystem::is_directory(root, unreadable))
        throw io_error(root.string() + ": expected a folder of class folders, found " +
                       (std::filesystem::exists(root, unreadable) ? "a file" : "nothing"));
    std::vector<std::string> names;
    detail::for_each_entry(root, false, [&](const std::filesystem::directory_entry& entry) {
        std::error_code dangling;
        if (entry.is_directory(dangling))
            names.push_back(entry.path().filename().native());
        else
            ++found.passed_over;
    });
    if (names.empty()) throw io_error(root.string() + ": expected a folder for each class, found none");
    std::sort(names.begin(), names.end());
    const auto [naming, targets] = number_folders(root.string(), names, classes);
    found.naming = naming;
    for (std::size_t i = 0; i < names.size(); ++i) {
        found.folders.push_back({names[i], targets[i]});
        detail::for_each_entry(root / names[i], true, [&, target = targets[i]](const auto& entry) {
            if (detail::has_picture_name(entry.path()))
                found.pictures.push_back({entry.path(), target});
            else
                ++found.passed_over;
        });
    }
    std::sort(found.folders.begin(), found.folders.end(),
              [](const auto& a, const auto& b) { return std::tie(a.target, a.name) < std::tie(b.target, b.name); });
    std::sort(found.pictures.begin(), found.pictures.end(), [](const auto& a, const auto& b) {
        return std::tie(a.target, a.path.native()) < std::tie(b.target, b.path.native());
    });
    return found;
}

/// The same for a model's classes.
/// @param names  of the folders in the order of the classes; by default see number_folders
inline image_folder list_image_folder(const std::filesystem::path& root, const model& m,
                                      std::vector<std::string> names = {}) {
    const std::int64_t classes = lower(m.network).classes;
    return list_image_folder(root, {classes, m.labels == "imagenet-1k" && classes == 1000, std::move(names)});
}

/// At most `limit` of the pictures, evenly spread over all of them, and so over the classes.
inline std::vector<labelled_picture> thinned(const std::vector<labelled_picture>& pictures, std::size_t limit) {
    if (limit >= pictures.size()) return pictures;
    std::vector<labelled_picture> kept;
    for (std::size_t i = 0; i < limit; ++i) kept.push_back(pictures[i * pictures.size() / limit]);
    return kept;
}

} // namespace gpunet

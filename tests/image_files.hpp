// What the tests of pictures share: golden files of tests/data/images.
#pragma once

#include <gpunet/image/image.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace image_files {

inline std::filesystem::path folder() { return std::filesystem::path(GPUNET_TEST_DATA) / "images"; }

inline std::vector<std::byte> bytes_of(const std::string& name) {
    std::ifstream file(folder() / name, std::ios::binary);
    INFO(name);
    REQUIRE(file);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    return {first, first + text.size()};
}

/// A binary PPM file.
inline gpunet::image ppm(const std::string& name) {
    std::ifstream file(folder() / name, std::ios::binary);
    std::string magic;
    std::int64_t width = 0, height = 0;
    int most = 0;
    file >> magic >> width >> height >> most;
    INFO(name);
    REQUIRE(magic == "P6");
    REQUIRE(most == 255);
    file.get();
    gpunet::image picture(width, height);
    file.read(reinterpret_cast<char*>(picture.pixels.data()), static_cast<std::streamsize>(picture.pixels.size()));
    REQUIRE(file);
    return picture;
}

/// The lines of index.txt that start with `kind`, split at blanks, without that word.
inline std::vector<std::vector<std::string>> index(const std::string& kind) {
    std::ifstream file(folder() / "index.txt");
    REQUIRE(file);
    std::vector<std::vector<std::string>> found;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string first;
        if (words >> first && first == kind) found.push_back({std::istream_iterator<std::string>(words), {}});
    }
    REQUIRE_FALSE(found.empty());
    return found;
}

inline bool equal(const gpunet::image& a, const gpunet::image& b) {
    return a.width == b.width && a.height == b.height && a.pixels == b.pixels;
}

/// What `call` throws, as text; "" if it throws nothing of type `Error`.
template <class Error, class Call>
std::string message_of(Call&& call) {
    try {
        call();
    } catch (const Error& failure) {
        return failure.what();
    }
    return "";
}

} // namespace image_files

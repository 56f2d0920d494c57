// What the tests of the weights readers share: the synthetic scheme, and writers of files both good and malformed.
#pragma once

#include "message_of.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <gpunet/error.hpp>
#include <gpunet/shape.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/crc32.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

inline const std::string checkpoints = std::string(GPUNET_TEST_DATA) + "/checkpoints/";

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

inline std::string file_content(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE(in);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::filesystem::path& path, std::string_view content) {
    std::ofstream out(path, std::ios::binary);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    REQUIRE(out.flush());
}

using gpunet_test::message_of;

/// Runs `work`, which may succeed or refuse, but nothing else.
template <class Work>
bool survives(Work&& work) {
    try {
        work();
        return true;
    } catch (const gpunet::error&) {
        return false;
    }
}

/// `read` must refuse every proper prefix of `file`, and survive every byte changed.
template <class Read>
void check_hostile_variants(const std::string& file, Read&& read) {
    for (std::size_t n = 0; n < file.size(); ++n) {
        INFO("truncated to " << n << " of " << file.size() << " bytes");
        CHECK_FALSE(survives([&] { read(file.substr(0, n)); }));
    }
    for (std::size_t at = 0; at < file.size(); ++at)
        for (const int change : {0x01, 0x10, 0x80, 0xFF}) {
            std::string damaged = file;
            damaged[at] = static_cast<char>(damaged[at] ^ change);
            survives([&] { read(damaged); });
        }
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
        std::string damaged = file;
        for (int k = 0; k < 4; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
        const std::size_t from = random() % damaged.size();
        if (round % 3 == 0) damaged.erase(from, random() % 16);
        if (round % 3 == 1) damaged.insert(from, damaged.substr(random() % damaged.size(), random() % 16));
        survives([&] { read(damaged); });
    }
}

// The scheme of reference/synthetic-weights.md.

inline std::uint64_t fnv1a(std::string_view text) {
    std::uint64_t h = 0xCBF29CE484222325U;
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    return h;
}

inline std::uint64_t splitmix64(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
    x = (x ^ x >> 27) * 0x94D049BB133111EBU;
    return x ^ x >> 31;
}

inline std::vector<float> scheme_values(const std::string& name, const gpunet::shape& dimensions,
                                        const std::string& salt) {
    std::vector<float> values(static_cast<std::size_t>(gpunet::element_count(dimensions)));
    const std::uint64_t seed = fnv1a(salt + name);
    const bool centred = name.ends_with(".bias") || name.ends_with(".running_mean");
    double fan_in = 1;
    for (std::size_t d = 1; d < dimensions.size(); ++d) fan_in *= static_cast<double>(dimensions[d]);
    const bool last = name.ends_with(".conv_pwl.weight") || name.ends_with(".body.6.weight");
    const auto scale = static_cast<float>(std::sqrt(3.0 / fan_in) * (last ? 0.85 : 1.4));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const float u = static_cast<float>(splitmix64(seed + i * 0x9E3779B97F4A7C15U) >> 40) * 0x1p-24F;
        values[i] = centred ? (2 * u - 1) * 0.1F : dimensions.size() >= 2 ? (2 * u - 1) * scale : 0.75F + 0.5F * u;
    }
    return values;
}

/// Element i of the scheme, rounded as the file's type rounds it.
inline float rounded(float value, gpunet::dtype type) {
    if (type == gpunet::dtype::float16) return static_cast<float>(gpunet::half(value));
    if (type == gpunet::dtype::bfloat16) return static_cast<float>(gpunet::bfloat16(value));
    return value;
}

/// Every tensor of a store must hold the scheme's values, counters what the files were given; `constant` names one that
/// holds 0.0625.
inline void check_scheme(const gpunet::tensor_store& store, gpunet::dtype type, const std::string& salt = {},
                         const std::string& constant = {}) {
    for (const auto& [name, tensor] : store) {
        INFO(store.source() << ": " << name);
        if (name.ends_with(".num_batches_tracked")) {
            REQUIRE(tensor.type == gpunet::dtype::int64);
            REQUIRE(tensor.dimensions.empty());
            CHECK(gpunet::detail::load_little<std::int64_t>({tensor.data, 8}, 0) == 12345);
            continue;
        }
        REQUIRE(tensor.type == type);
        const auto expected = scheme_values(name, tensor.dimensions, salt);
        std::vector<float> found(expected.size());
        gpunet::copy_as_float(tensor, found);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < found.size(); ++i)
            wrong += found[i] != (name == constant ? 0.0625F : rounded(expected[i], type));
        CHECK(wrong == 0);
    }
}

// Writers.

template <class T>
std::string little(T value) {
    std::string text(sizeof value, '\0');
    std::memcpy(text.data(), &value, sizeof value);
    return text;
}
inline std::string u16(std::size_t value) { return little(static_cast<std::uint16_t>(value)); }
inline std::string u32(std::size_t value) { return little(static_cast<std::uint32_t>(value)); }
inline std::string u64(std::uint64_t value) { return little(value); }

/// One member of a zip archive; what is not set is written as it should be.
struct zip_member {
    std::string name;
    std::string data;
    std::uint16_t method = 0;
    std::uint16_t flags = 0;
    std::string local_name = name;
    std::uint32_t crc = gpunet::detail::crc32(bytes_of(data));
};

struct zip_layout {
    bool zip64 = false;
    std::string comment = {};
};

inline std::string zip_file(const std::vector<zip_member>& members, const zip_layout& layout = {}) {
    std::string file;
    std::string directory;
    for (const auto& m : members) {
        const std::string common =
            u16(m.flags) + u16(m.method) + u32(0) + u32(m.crc); // flags, method, time and date, checksum
        const std::string extra = u16(1) + u16(24) + u64(m.data.size()) + u64(m.data.size()) + u64(file.size());
        const std::string size = layout.zip64 ? u32(0xFFFFFFFF) : u32(m.data.size());
        directory += "PK\x01\x02" + u16(45) + u16(45) + common + size + size + u16(m.name.size()) +
                     u16(layout.zip64 ? extra.size() : 0) + u16(0) + u16(0) + u16(0) + u32(0) +
                     (layout.zip64 ? u32(0xFFFFFFFF) : u32(file.size())) + m.name + (layout.zip64 ? extra : "");
        file += "PK\x03\x04" + u16(45) + common + u32(m.data.size()) + u32(m.data.size()) + u16(m.local_name.size()) +
                u16(0) + m.local_name + m.data;
    }
    const std::size_t offset = file.size();
    file += directory;
    if (layout.zip64) {
        const std::size_t record = file.size();
        file += "PK\x06\x06" + u64(44) + u16(45) + u16(45) + u32(0) + u32(0) + u64(members.size()) +
                u64(members.size()) + u64(directory.size()) + u64(offset);
        file += "PK\x06\x07" + u32(0) + u64(record) + u32(1);
        file += "PK\x05\x06" + u32(0) + u16(0xFFFF) + u16(0xFFFF) + u32(0xFFFFFFFF) + u32(0xFFFFFFFF);
    } else {
        file += "PK\x05\x06" + u32(0) + u16(members.size()) + u16(members.size()) + u32(directory.size()) + u32(offset);
    }
    return file + u16(layout.comment.size()) + layout.comment;
}

/// Pieces of a pickle of protocol 2.
namespace pkl {

inline std::string text(std::string_view s) { return "X" + u32(s.size()) + std::string(s); }
inline std::string integer(std::int64_t i) { return std::string("\x8A\x08", 2) + little(i); }
inline std::string global(const std::string& module, const std::string& name) {
    return "c" + module + "\n" + name + "\n";
}
inline std::string integers(const std::vector<std::int64_t>& values) {
    std::string tuple = "(";
    for (const auto v : values) tuple += integer(v);
    return tuple + "t";
}
inline std::string storage(const std::string& type, const std::string& key, std::int64_t elements,
                           const std::string& more = {}) {
    return "(" + text("storage") + global("torch", type) + text(key) + text("cuda:0") + integer(elements) + more + "tQ";
}
inline std::string tensor(const std::string& storage_pickle, std::int64_t offset,
                          const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides) {
    return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage_pickle + integer(offset) + integers(sizes) +
           integers(strides) + "\x89" + global("collections", "OrderedDict") + ")RtR";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
    std::string made = "}(";
    for (const auto& [key, value] : items) made += text(key) + value;
    return made + "u";
}
inline std::string whole(const std::string& body) { return "\x80\x02" + body + "."; }

} // namespace pkl

using storages = std::vector<std::pair<std::string, std::string>>; // key, bytes

/// A checkpoint in the zip format, of a pickle's body (without PROTO and STOP).
inline std::string zip_checkpoint(const std::string& body, const storages& data = {}, std::vector<zip_member> more = {},
                                  const zip_layout& layout = {}) {
    more.insert(more.begin(), {.name = "m/data.pkl", .data = pkl::whole(body)});
    for (const auto& [key, bytes] : data) more.push_back({.name = "m/data/" + key, .data = bytes});
    return zip_file(more, layout);
}

/// The same in the format before PyTorch 1.6; `sizes` gives each storage's number of elements.
inline std::string legacy_checkpoint(const std::string& body, const storages& data,
                                     const std::vector<std::uint64_t>& sizes, bool little_endian = true) {
    std::string file = pkl::whole(std::string("\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19", 12));
    file += pkl::whole(pkl::integer(1001));
    file += pkl::whole(
        pkl::dict({{"protocol_version", pkl::integer(1001)}, {"little_endian", little_endian ? "\x88" : "\x89"}}));
    file += pkl::whole(body);
    std::string keys = "](";
    for (const auto& [key, bytes] : data) keys += pkl::text(key);
    file += pkl::whole(keys + "e");
    for (std::size_t i = 0; i < data.size(); ++i) file += u64(sizes[i]) + data[i].second;
    return file;
}

inline std::string floats(const std::vector<float>& values) {
    std::string text(values.size() * sizeof(float), '\0');
    if (!values.empty()) std::memcpy(text.data(), values.data(), text.size());
    return text;
}

} // namespace test

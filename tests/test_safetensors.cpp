#include "weights_support.hpp"

#include <gpunet/weights/read.hpp>
#include <gpunet/weights/safetensors.hpp>

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace test_safetensors { // tests of a program are compiled together

using Catch::Contains;
using Catch::StartsWith;
using gpunet::dtype;
using test::message_of;

namespace {

std::string file_of(const std::string& header, const std::string& data = {}) {
    return test::u64(header.size()) + header + data;
}

/// The store outlives the file's bytes only if it keeps them: the copy is freed with it.
gpunet::tensor_store read(const std::string& file, std::uint64_t max_bytes = gpunet::default_max_tensor_bytes) {
    const auto copy = std::make_shared<const std::string>(file);
    return gpunet::read_safetensors(test::bytes_of(*copy), "f.safetensors", copy, max_bytes);
}

std::string refused(const std::string& header, const std::string& data = {}) {
    const std::string message = message_of<gpunet::weights_error>([&] { read(file_of(header, data)); });
    CHECK_THAT(message, StartsWith("f.safetensors: "));
    return message;
}

std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                  const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

const std::string two = "{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "I64", "[]", "[8,16]") + "}";
const std::string two_data = test::floats({1, 2}) + test::u64(7);

} // namespace

TEST_CASE("safetensors written elsewhere hold what they should") {
    const std::pair<const char*, dtype> files[] = {{"small0.safetensors", dtype::float32},
                                                   {"small0_half.safetensors", dtype::float16},
                                                   {"small0_bfloat16.safetensors", dtype::bfloat16},
                                                   {"smallD.safetensors", dtype::float32}};
    for (const auto& [file, type] : files) {
        const auto store = gpunet::read_weights(test::checkpoints + file);
        CHECK(store.size() == (std::string(file).starts_with("smallD") ? 141 : 148));
        CHECK(store.source() == test::checkpoints + file);
        test::check_scheme(store, type);
    }
}

TEST_CASE("a truncated safetensors file is refused by the tensor that is cut") {
    const std::string message = message_of<gpunet::weights_error>(
        [] { gpunet::read_weights(test::checkpoints + "bad_truncated.safetensors"); });
    CHECK_THAT(message, Contains("bad_truncated.safetensors: tensor 'network.") && Contains("the file is truncated"));
}

TEST_CASE("tensors of every type and shape are found") {
    const auto store = read(file_of(two, two_data));
    REQUIRE(store.size() == 2);
    const auto* a = store.find("a");
    REQUIRE(a != nullptr);
    CHECK(a->type == dtype::float32);
    CHECK(a->dimensions == gpunet::shape{2});
    std::vector<float> values(2);
    gpunet::copy_as_float(*a, values);
    CHECK(values == std::vector<float>{1, 2});
    CHECK(store.find("b")->dimensions.empty());
    CHECK(gpunet::detail::load_little<std::int64_t>({store.find("b")->data, 8}, 0) == 7);

    const std::tuple<const char*, dtype, int> types[] = {{"F64", dtype::float64, 8}, {"F32", dtype::float32, 4},
                                                         {"F16", dtype::float16, 2}, {"BF16", dtype::bfloat16, 2},
                                                         {"I64", dtype::int64, 8},   {"I32", dtype::int32, 4},
                                                         {"I16", dtype::int16, 2},   {"I8", dtype::int8, 1},
                                                         {"U8", dtype::uint8, 1},    {"BOOL", dtype::boolean, 1}};
    for (const auto& [name, type, size] : types) {
        const std::string header = "{" + entry("t", name, "[3]", "[0," + std::to_string(3 * size) + "]") + "}";
        CHECK(read(file_of(header, std::string(static_cast<std::size_t>(3 * size), '\0'))).find("t")->type == type);
    }
    CHECK(read(file_of("{}")).size() == 0);
    CHECK(read(file_of("{}      ")).size() == 0);
    CHECK(read(file_of("{\"__metadata__\":{\"format\":\"pt\",\"x\":\"\"}}")).size() == 0);
    CHECK(read(file_of("{" + entry("e", "F32", "[0,5]", "[0,0]") + "}")).find("e")->element_count() == 0);
}

TEST_CASE("safetensors of a wrong length are refused") {
    const auto of = [](const std::string& file) { return message_of<gpunet::weights_error>([&] { read(file); }); };
    CHECK_THAT(of("1234567"), Contains("expected 8 bytes for its length, found 7"));
    CHECK_THAT(of(test::u64(3) + "{}"), Contains("expected 3 bytes, found 2: the file is truncated"));
    CHECK_THAT(of(test::u64(std::uint64_t{1} << 63) + "{}"),
               Contains("expected at most 100000000 bytes, found 9223372036854775808"));
    CHECK_THAT(of(test::u64(~std::uint64_t{0}) + "{}"), Contains("found 18446744073709551615"));
    CHECK_THAT(of(test::u64(0)), Contains("safetensors header: expected valid JSON"));
    CHECK_THAT(message_of<gpunet::weights_error>([] { read(file_of(two, two_data), 15); }),
               Contains("expected at most 15 bytes of tensors (max_bytes), found 16"));
}

TEST_CASE("safetensors headers that are not such are refused in words") {
    CHECK_THAT(refused("[]"), Contains("safetensors header: expected a JSON object, found an array"));
    CHECK_THAT(refused("1"), Contains("expected a JSON object, found 1"));
    CHECK_THAT(refused("{\"a\":"), Contains("safetensors header: expected valid JSON"));
    CHECK_THAT(refused("{}x"), Contains("expected valid JSON"));
    CHECK_THAT(refused(std::string("{}\0x", 4)), Contains("column 3: a NUL character"));
    CHECK_THAT(refused("{\"a\xFF\":{}}"), Contains("expected valid JSON") && Contains("UTF-8"));
    CHECK_THAT(refused("{\"a\nb\":{}}"), Contains("expected valid JSON"));
    CHECK_THAT(refused("{" + entry("a", "F32", "[1e999]", "[0,8]") + "}"), Contains("expected valid JSON"));
    CHECK_THAT(refused(std::string(200000, '[')), Contains("expected a JSON object, found an array"));
    std::string deep;
    for (int i = 0; i < 50000; ++i) deep += "{\"a\":";
    CHECK_THAT(refused(deep), Contains("tensor 'a': expected the fields dtype, shape and data_offsets, found 'a'"));
    CHECK_THAT(refused("{\"t\":{\"shape\":" + std::string(50000, '[')),
               Contains("tensor 't': expected integers from 0 to 2^63 - 1") && Contains("found an array"));
    CHECK_THAT(refused("{\"__metadata__\":" + deep), Contains("__metadata__: expected strings, found an object"));
    CHECK_THAT(refused("{\"__metadata__\":{\"n\":1}}"), Contains("__metadata__: expected strings, found 1"));
    CHECK_THAT(refused("{\"__metadata__\":[]}"), Contains("__metadata__: expected an object, found an array"));
}

TEST_CASE("names given twice are refused") {
    const std::string a = entry("a", "F32", "[2]", "[0,8]");
    CHECK_THAT(refused("{" + a + "," + a + "}", std::string(8, '\0')),
               Contains("safetensors header: expected each name once, found 'a' twice"));
    CHECK_THAT(refused("{" + a + "," + entry("\\u0061", "F32", "[2]", "[8,16]") + "}", std::string(16, '\0')),
               Contains("found 'a' twice"));
    CHECK_THAT(refused("{\"__metadata__\":{},\"__metadata__\":{}}"), Contains("found '__metadata__' twice"));
    CHECK_THAT(refused("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}"),
               Contains("__metadata__: expected each name once, found 'k'"));
    CHECK_THAT(refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}"),
               Contains("tensor 'a': expected each field once, found 'dtype' twice"));
}

TEST_CASE("malformed entries are refused by the tensor's name") {
    const auto of = [](const std::string& type, const std::string& shape, const std::string& offsets) {
        const std::string message = refused("{" + entry("w", type, shape, offsets) + "}", std::string(8, '\0'));
        CHECK_THAT(message, Contains("tensor 'w': expected "));
        return message;
    };
    CHECK_THAT(of("F8_E4M3", "[8]", "[0,8]"), Contains("expected a dtype of F64") && Contains("found 'F8_E4M3'"));
    CHECK_THAT(of("f32", "[2]", "[0,8]"), Contains("found 'f32'"));
    CHECK_THAT(of("F32", "2", "[0,8]"), Contains("expected an array for its shape") && Contains("found 2"));
    CHECK_THAT(of("F32", "[-2]", "[0,8]"), Contains("found -2"));
    CHECK_THAT(of("F32", "[2.0]", "[0,8]"), Contains("found '2.0'"));
    CHECK_THAT(of("F32", "[true]", "[0,8]"), Contains("found a boolean"));
    CHECK_THAT(of("F32", "[null]", "[0,8]"), Contains("found null"));
    CHECK_THAT(of("F32", "[\"2\"]", "[0,8]"), Contains("found the string '2'"));
    CHECK_THAT(of("F32", "[9223372036854775808]", "[0,8]"), Contains("found 9223372036854775808"));
    CHECK_THAT(of("F32", "[9223372036854775807]", "[0,8]"), Contains("expected at most 4294967296 bytes"));
    CHECK_THAT(of("F32", "[4294967296,4294967296]", "[0,8]"), Contains("shape [4294967296, 4294967296]"));
    CHECK_THAT(of("F32", "[4294967296,4294967296,4294967296,0]", "[0,0]"),
               Contains("expected at most 4294967296 bytes"));
    CHECK_THAT(of("F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]"),
               Contains("expected at most 32 dimensions"));
    CHECK_THAT(of("F32", "[2]", "[0,4]"),
               Contains("data_offsets 8 bytes apart for float32 of shape [2], found [0, 4]"));
    CHECK_THAT(of("F32", "[2]", "[8,0]"), Contains("found [8, 0]"));
    CHECK_THAT(of("F32", "[2]", "[0]"), Contains("expected two data_offsets, found 1"));
    CHECK_THAT(of("F32", "[2]", "[0,8,8]"), Contains("expected two data_offsets, found more"));
    CHECK_THAT(of("F32", "[2]", "[-8,0]"), Contains("found -8"));
    CHECK_THAT(refused("{\"w\":{\"dtype\":\"F32\",\"shape\":[2]}}"),
               Contains("tensor 'w': expected a field 'data_offsets', found none"));
    CHECK_THAT(refused("{\"w\":{\"dtype\":7}}"), Contains("tensor 'w': expected a string for its dtype, found 7"));
    CHECK_THAT(refused("{\"w\":{\"dtype\":\"F32\",\"colour\":1}}"),
               Contains("tensor 'w'") && Contains("found 'colour'"));
    CHECK_THAT(refused("{\"w\":[]}"), Contains("tensor 'w': expected an object, found an array"));
    CHECK_THAT(refused("{\"w\":7}"), Contains("tensor 'w': expected an object, found 7"));
}

TEST_CASE("data must be covered exactly") {
    const auto of = [](const std::string& b_offsets, std::size_t size) {
        return refused("{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "F32", "[2]", b_offsets) + "}",
                       std::string(size, '\0'));
    };
    CHECK_THAT(of("[4,12]", 12), Contains("tensor 'b': expected data_offsets that begin at 8, found 4: it overlaps"));
    CHECK_THAT(of("[0,8]", 8), Contains("it overlaps another tensor"));
    CHECK_THAT(of("[12,20]", 20), Contains("tensor 'b': expected data_offsets that begin at 8, found 12: a gap"));
    CHECK_THAT(of("[8,16]", 15),
               Contains("tensor 'b': expected data_offsets within 15 bytes of data, found 16: the file is truncated"));
    CHECK_THAT(of("[8,16]", 17),
               Contains("f.safetensors: expected tensors that cover 17 bytes of data, found an end at 16"));
    CHECK_THAT(of("[9223372036854775799,9223372036854775807]", 16), Contains("tensor 'b'") && Contains("a gap"));
    CHECK_THAT(refused("{}", "x"), Contains("expected tensors that cover 1 bytes of data, found an end at 0"));
}

TEST_CASE("safetensors survive truncation and damage") {
    test::check_hostile_variants(file_of(two, two_data), [](const std::string& file) {
        for (const auto& [name, tensor] : read(file)) // touch every byte
            if (tensor.type == dtype::float32) {
                std::vector<float> values(static_cast<std::size_t>(tensor.element_count()));
                gpunet::copy_as_float(tensor, values);
            }
    });
}

TEST_CASE("safetensors come back as they were written") {
    const test::temporary_folder folder;
    for (const char* file : {"small0_half.safetensors", "small0_bare.pth", "small0_views.pth", "small0_bfloat16.pth"}) {
        const auto original = gpunet::read_weights(test::checkpoints + file);
        gpunet::write_safetensors(folder / "a.safetensors", original, {{"format", "pt"}});
        const auto back = gpunet::read_weights(folder / "a.safetensors");
        REQUIRE(back.size() == original.size());
        const bool views = std::string(file) == "small0_views.pth";
        test::check_scheme(back, original.begin()->second.type, "", views ? "network.head: 2.net.1.running_mean" : "");
        for (const auto& [name, tensor] : back) {
            CHECK(tensor.type == original.find(name)->type);
            CHECK(tensor.dimensions == original.find(name)->dimensions);
        }
        gpunet::write_safetensors(folder / "b.safetensors", back, {{"format", "pt"}});
        CHECK(test::file_content(folder / "a.safetensors") == test::file_content(folder / "b.safetensors"));
        CHECK(folder.entries() == 2);
    }
}

TEST_CASE("written safetensors are aligned and carry their metadata") {
    const test::temporary_folder folder;
    const std::string header = "{" + entry("a", "U8", "[3]", "[0,3]") + "," + entry("z", "F64", "[1]", "[3,11]") + "," +
                               entry("m", "F16", "[1]", "[11,13]") + "}";
    gpunet::write_safetensors(folder / "x", read(file_of(header, "abcdefghijklm")), {{"made by", "\"gpunet\""}});
    const std::string file = test::file_content(folder / "x");
    const auto length = gpunet::detail::load_little<std::uint64_t>(test::bytes_of(file), 0);
    CHECK(length % 8 == 0);
    const auto json = nlohmann::json::parse(file.substr(8, length));
    CHECK(json["__metadata__"] == nlohmann::json{{"made by", "\"gpunet\""}});
    CHECK(json["z"]["data_offsets"] == nlohmann::json{0, 8});
    CHECK(json["m"]["data_offsets"] == nlohmann::json{8, 10});
    CHECK(json["a"]["data_offsets"] == nlohmann::json{10, 13});
    CHECK(json["a"]["shape"] == nlohmann::json{3});
    CHECK(file.substr(8 + length) == "defghijklmabc");

    gpunet::write_safetensors(folder / "none", gpunet::tensor_store());
    CHECK(gpunet::read_weights(folder / "none").size() == 0);
}

TEST_CASE("large strided tensors are written densely") {
    // 300 x 300 transposed, more than one chunk; and a view of stride 0.
    std::vector<float> values(90000);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    const auto bytes = std::as_bytes(std::span(values));
    gpunet::tensor_store::container tensors;
    tensors["transposed"] = {dtype::float32, {300, 300}, {1, 300}, bytes.data()};
    tensors["repeated"] = {dtype::float32, {2, 3}, {0, 1}, bytes.data()};
    tensors["empty"] = {dtype::float32, {0, 3}, {7, 1}, nullptr};
    const test::temporary_folder folder;
    gpunet::write_safetensors(folder / "x", gpunet::tensor_store("here", tensors, nullptr));
    const auto back = gpunet::read_weights(folder / "x");
    std::vector<float> found(90000);
    gpunet::copy_as_float(*back.find("transposed"), found);
    std::size_t wrong = 0;
    for (std::size_t r = 0; r < 300; ++r)
        for (std::size_t c = 0; c < 300; ++c) wrong += found[r * 300 + c] != static_cast<float>(c * 300 + r);
    CHECK(wrong == 0);
    found.resize(6);
    gpunet::copy_as_float(*back.find("repeated"), found);
    CHECK(found == std::vector<float>{0, 1, 2, 0, 1, 2});
    CHECK(back.find("empty")->dimensions == gpunet::shape{0, 3});
}

TEST_CASE("a store that cannot be written leaves nothing behind") {
    const test::temporary_folder folder;
    const auto write = [&](const std::string& name, const char* target) {
        const gpunet::tensor_store store("here", {{name, {dtype::float32, {0}, {1}, nullptr}}}, nullptr);
        return message_of<gpunet::io_error>([&] { gpunet::write_safetensors(folder / target, store); });
    };
    CHECK_THAT(write("__metadata__", "x"), Contains("x: cannot be written: __metadata__ cannot be a tensor's name"));
    CHECK_THAT(write("a\xFF", "x"), Contains("x: cannot be written") && Contains("UTF-8"));
    CHECK_THAT(write("a", "absent/x"), Contains("absent/x: cannot create"));
    CHECK(folder.entries() == 0);
}

} // namespace test_safetensors

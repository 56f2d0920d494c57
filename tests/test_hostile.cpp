// Files made to do harm: each is refused with an error of the right type that names the culprit, soon, and in memory
// that is a small multiple of its size. This program counts what operator new gives out.
#include "fuzz/targets.hpp"
#include "image_files.hpp"
#include "weights_support.hpp"
#include "zip_support.hpp"

#include <catch2/catch.hpp>

#include <malloc.h>
#include <sys/resource.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

std::atomic<std::size_t> live = 0, peak = 0; // bytes

void* counted(std::size_t size) {
    void* memory = std::malloc(size == 0 ? 1 : size);
    if (!memory) throw std::bad_alloc();
    const std::size_t now = live += malloc_usable_size(memory);
    if (now > peak) peak = now;
    return memory;
}

void uncounted(void* memory) noexcept {
    if (memory) live -= malloc_usable_size(memory);
    std::free(memory);
}

} // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    try {
        return counted(size);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { uncounted(memory); }
void operator delete[](void* memory) noexcept { uncounted(memory); }
void operator delete(void* memory, std::size_t) noexcept { uncounted(memory); }
void operator delete[](void* memory, std::size_t) noexcept { uncounted(memory); }

namespace test_hostile { // tests of a program are compiled together

using Catch::Contains;
using gpunet::io_error;
using gpunet::spec_error;
using gpunet::weights_error;
namespace pkl = test::pkl;

namespace {

constexpr std::size_t allowance = std::size_t{1} << 20; // bytes, whatever a file's size
constexpr std::size_t factor = 64;                      // of a file's size: what its values may take as objects

/// The target must refuse the file by an Error whose message contains `culprit`, in bounded memory.
template <class Error>
void check(std::string_view target, const std::string& file, const std::string& culprit) {
    INFO(target << ": " << file.substr(0, 200));
    const fuzz::target* reader = fuzz::find(target);
    REQUIRE(reader);
    const std::size_t before = live;
    peak = before;
    const std::string message = test::message_of<Error>([&] { reader->read(test::bytes_of(file)); });
    CHECK(peak - before <= allowance + factor * file.size());
    CHECK_THAT(message, Contains(culprit));
    CHECK_NOTHROW(fuzz::require_readable(message));
}

void accepted(std::string_view target, const std::string& file) {
    INFO(target << ": " << file.substr(0, 200));
    CHECK_NOTHROW(fuzz::find(target)->read(test::bytes_of(file)));
}

std::string repeated(std::string_view text, std::size_t times) {
    std::string all;
    all.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
}

std::string replaced(std::string text, std::string_view old, std::string_view by) {
    const std::size_t at = text.find(old);
    REQUIRE(at != std::string::npos);
    return text.replace(at, old.size(), by);
}

const std::string small_spec =
    R"([{"layer_type":"data","img_resolution":64},{"layer_type":"head","num_in_channels":3,"num_out_channels":8},)"
    R"({"layer_type":"tail","num_in_channels":8,"num_out_channels":16,"num_classes":5}])";

std::string small_model() {
    return R"({"schema":1,"name":"m","family":"f","description":"","paper":"","parameters":1,"multiply_adds":1,"top1":50,)"
           R"("top1_source":"","input":{"height":64,"width":64,"channels":3,"crop":0.9,"interpolation":"bicubic",)"
           R"("mean":[0.5,0.5,0.5],"std":[0.2,0.2,0.2]},"labels":"imagenet-1k","licence":"",)"
           R"("goldens":[{"weights":"synthetic","input":{"scheme":"synthetic","batch":1,"height":8,"width":8},)"
           R"("source":"","logits":[1,2,3,4,5]}],"network":)" +
           small_spec + "}";
}

const std::string small_records =
    R"({"schema":2,"records":[{"model":"m","device":"d","engine":"e","precision":"fp16","batch":1,"latency_ms":0.5,)"
    R"("kind":"measured","source":"s","date":"2026"}]})";

const std::string small_plan = R"({"schema":3,"key":"k","engine":"e","engine_index":1,"knobs":"","crc32":0,"plan":""})";

std::string safetensors(const std::string& header, std::size_t data = 0) {
    return test::u64(header.size()) + header + std::string(data, '\0');
}

std::string one_tensor() { return pkl::tensor(pkl::storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1}); }

std::string big_endian(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16 & 255U), static_cast<char>(value >> 8 & 255U),
            static_cast<char>(value & 255U)};
}

std::string png_chunk(const std::string& type, const std::string& data) {
    const std::string body = type + data;
    return big_endian(static_cast<std::uint32_t>(data.size())) + body +
           big_endian(gpunet::detail::crc32(test::bytes_of(body)));
}

std::string deflated(const std::string& data) {
    ::uLongf size = ::compressBound(static_cast<::uLong>(data.size()));
    std::string out(size, '\0');
    REQUIRE(::compress(reinterpret_cast<::Bytef*>(out.data()), &size, reinterpret_cast<const ::Bytef*>(data.data()),
                       static_cast<::uLong>(data.size())) == Z_OK);
    out.resize(size);
    return out;
}

/// A grey picture of 1 x 1 pixel, with chunks before its pixels.
std::string png(const std::string& chunks, std::uint32_t width = 1, std::uint32_t height = 1) {
    const std::string header = big_endian(width) + big_endian(height) + std::string("\x08\0\0\0\0", 5);
    return "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", header) + chunks +
           png_chunk("IDAT", deflated(std::string(2, '\0'))) + png_chunk("IEND", "");
}

} // namespace

TEST_CASE("what the hostile files are made from is good") {
    accepted("spec", small_spec);
    accepted("model", small_model());
    accepted("records", small_records);
    accepted("plan", small_plan);
    accepted("safetensors", safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8));
    accepted("pickle", pkl::whole(pkl::dict({{"w", one_tensor()}})));
    accepted("picture", png(""));
}

TEST_CASE("JSON that is deep, ambiguous or no JSON is refused by its place") {
    const std::string deep = "nested at most 32 deep";
    for (const char* target : {"spec", "model"}) {
        check<spec_error>(target, repeated("[", 1000000), deep);
        check<spec_error>(target, repeated("{\"a\":", 1000), deep);
        check<spec_error>(target, R"({"network":[],"n\u0065twork":[]})", "key \"network\" appears twice");
        check<spec_error>(target, "[{\"\xC3(\":1}]", "at line 1, column 5");
        check<spec_error>(target, "[\"\xED\xA0\x80\"]", "ill-formed UTF-8");
        check<spec_error>(target, "[\"\\uD800\"]", "surrogate");
        check<spec_error>(target, "[\"" + repeated("\xFF", 100000), "not valid JSON");
        for (const char* number : {"NaN", "Infinity", "-Infinity", "01", "1.", "0x10", "+1"})
            check<spec_error>(target, std::string("[") + number + "]", "not valid JSON: at line 1, column");
        check<spec_error>(target, "[1e999]", "number overflow");
        check<spec_error>(target, "[\"" + repeated("a", 500000), "not valid JSON");
    }
    check<spec_error>("spec", small_spec + std::string("\0", 1), "a NUL character");
    check<spec_error>("spec", small_spec + std::string("\0{}", 3), "a NUL character");
    check<io_error>("plan", small_plan + std::string("\n\0", 2), "at line 2, column 1: a NUL character");
    check<spec_error>("records", R"({"schema":2,"schema":2,"records":[]})", "key \"schema\" appears twice");
}

TEST_CASE("long lists and large objects are read in a time that grows with them alone") {
    check<spec_error>("spec", "[{}" + repeated(",{}", 60000) + "]", "found 60001");
    check<spec_error>("spec", "[[]" + repeated(",[]", 60000) + "]", "found 60001");
    check<spec_error>("spec", "[1" + repeated(",1", 60000) + "]", "found 60001");
    std::string keys = "{\"a0\":1";
    for (int i = 1; i < 1000; ++i) keys += ",\"a" + std::to_string(i) + "\":1";
    check<spec_error>("spec", "[" + keys + "}" + repeated("," + keys + "}", 20) + "]", "layer_type");
    check<spec_error>("spec", "[" + keys + ",\"b\":1}]", "at most 1000 keys");
}

TEST_CASE("sizes that no network has are refused by layer and field") {
    const auto with = [&](const char* old, const std::string& by) { return replaced(small_spec, old, by); };
    for (const char* size : {"0", "-1", "65537", "9223372036854775807", "9223372036854775808", "18446744073709551616",
                             "1e3", "8.5", "\"8\"", "null", "[]"}) {
        check<spec_error>("spec", with("\"num_out_channels\":8", std::string("\"num_out_channels\":") + size),
                          "layer 2 (head): num_out_channels: expected");
        check<spec_error>("spec", with("\"num_classes\":5", std::string("\"num_classes\":") + size),
                          "layer 3 (tail): num_classes: expected");
        check<spec_error>("spec", with("64", size), "layer 1 (data): img_resolution: expected");
    }
    // Every number for itself is allowed.
    const std::string huge = with("64", "65536");
    check<spec_error>("spec",
                      replaced(replaced(huge, "\"num_out_channels\":8", "\"num_out_channels\":65536"),
                               "\"num_in_channels\":8", "\"num_in_channels\":65536"),
                      "layer 2");
    check<spec_error>("spec",
                      with("{\"layer_type\":\"tail\"",
                           R"({"layer_type":"conv","num_out_channels":8,"kernel_size":3,"stride":1,"repeat":1001},)"
                           R"({"layer_type":"tail")"),
                      "repeat");
}

TEST_CASE("records of models, latencies and plans are held to numbers that can be meant") {
    const auto input = [&](const char* old, const std::string& by) { return replaced(small_model(), old, by); };
    for (const char* triple : {"[0,0,0]", "[0.2,0.2]", "[0.2,0.2,1e300]", "[0.2,0.2,-0.2]", "[0.2,0.2,null]",
                               "[1e-320,1,1]", "{}", "\"\"", "[]"})
        check<spec_error>("model", input("[0.2,0.2,0.2]", triple), "input: std: expected three numbers from 0.001");
    for (const char* triple : {"[0.5,0.5]", "[1e39,0,0]", "[0,0,-1e300]", "[0,0,\"NaN\"]"})
        check<spec_error>("model", input("[0.5,0.5,0.5]", triple), "input: mean: expected three numbers from -1000");
    check<spec_error>("model", input("\"crop\":0.9", "\"crop\":1e-300"), "input: preprocessing: crop");
    check<spec_error>("model", input("\"crop\":0.9", "\"crop\":0"), "input: crop");
    check<spec_error>("model", input("\"height\":64", "\"height\":0"), "input: height");
    check<spec_error>("model", input("\"height\":64", "\"height\":65537"), "input: height");
    check<spec_error>("model", input("[1,2,3,4,5]", "[1,2,3,4]"), "goldens[0]: logits: expected 5 numbers, found 4");
    check<spec_error>("model", input("[1,2,3,4,5]", "[1,2,3,4,1e39]"), "logits: expected finite numbers");
    check<spec_error>("model", input("\"batch\":1", "\"batch\":1000000"), "batch");

    const auto record = [&](const char* old, const std::string& by) { return replaced(small_records, old, by); };
    for (const char* ms : {"0", "-1", "1e10", "null", "\"1\""})
        check<spec_error>("records", record("0.5", ms), "records[0]: latency_ms: expected");
    check<spec_error>("records", record("\"schema\":2", "\"schema\":-1"), "schema");
    check<io_error>("records", record("\"schema\":2", "\"schema\":3"), "of a newer gpunet");
    check<io_error>("plan", replaced(small_plan, "\"crc32\":0", "\"crc32\":4294967296"), "crc32");
    check<io_error>("source_record", R"({"schema":1,"source":"s","sha256":"00"})", "sha256");
    check<io_error>("index", R"({"files":[{"filename":"a","url":"http://[::"}]})", "URL");
    check<io_error>("index", "{\"files\":[" + repeated("{},", 50000) + "{}]}", "files[0]: filename");
}

TEST_CASE("safetensors whose lengths, offsets or names lie are refused") {
    for (const std::uint64_t length : {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{100'000'001}})
        check<weights_error>("safetensors", test::u64(length) + "{}", "safetensors header");
    const auto entry = [](const char* shape, const char* offsets) {
        return std::string(R"({"dtype":"F32","shape":)") + shape + ",\"data_offsets\":" + offsets + "}";
    };
    const auto one = [&](const char* shape, const char* offsets, std::size_t data) {
        return safetensors("{\"w\":" + entry(shape, offsets) + "}", data);
    };
    for (const char* shape :
         {"[9223372036854775807]", "[4294967296,4294967296]", "[-1]", "[1.5]", "[18446744073709551615]", "[[1]]"})
        check<weights_error>("safetensors", one(shape, "[0,8]", 8), "tensor 'w'");
    for (const char* offsets : {"[0,9223372036854775807]", "[8,0]", "[0]", "[0,4,8]", "[18446744073709551608,0]"})
        check<weights_error>("safetensors", one("[2]", offsets, 8), "tensor 'w'");
    check<weights_error>("safetensors", one("[2]", "[4,12]", 12), "a gap before it");
    check<weights_error>("safetensors",
                         safetensors("{\"a\":" + entry("[2]", "[0,8]") + ",\"w\":" + entry("[2]", "[4,12]") + "}", 12),
                         "tensor 'w': expected data_offsets that begin at 8, found 4: it overlaps another tensor");
    check<weights_error>("safetensors",
                         safetensors("{\"w\":" + entry("[2]", "[0,8]") + ",\"w\":" + entry("[2]", "[8,16]") + "}", 16),
                         "'w' twice");
    check<weights_error>("safetensors", safetensors("{\"w\xFF\":{}}"), "valid JSON");
    check<weights_error>("safetensors", one(("[0" + repeated(",1", 1000) + "]").c_str(), "[0,0]", 0), "dimensions");
    check<weights_error>("safetensors", one("[0,9223372036854775807]", "[0,0]", 0), "tensor 'w'");
    accepted("safetensors", one("[0,3]", "[0,0]", 0));
}

TEST_CASE("pickles that are deep, cyclic, wide or after other globals end in an error") {
    const auto body = [](const std::string& b) { return pkl::whole(b); };
    check<weights_error>("pickle", body(pkl::global("os", "system") + "(" + pkl::text("true") + "tR"), "'os.system'");
    check<weights_error>("pickle", body(pkl::global("builtins", "eval")), "'builtins.eval'");
    check<weights_error>("pickle", body(pkl::global("o\xFFs", "a\x1B[2J")), R"('o\xffs.a\x1b[2J')");
    check<weights_error>("pickle", body(repeated("(", 100000)), "marks");
    check<weights_error>("pickle", body(repeated("]", 70000)), "stack");
    check<weights_error>("pickle", body("]q\1(" + repeated("h\1", 1000) + "e"), "expected a dict"); // holds itself
    check<weights_error>("pickle", body("]" + repeated("\x85", 100000)), "expected a dict"); // deep, no recursion
    for (const char* length : {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"})
        for (const char* opcode : {"\x8D", "\x8E", "\x96"})
            check<weights_error>("pickle", body(opcode + std::string(length, 8)), "more bytes");
    check<weights_error>("pickle", body("h\7"), "memo entry 7");
    // One list of pairs, remembered, that fills dict after dict.
    const std::string pairs = "](" + repeated("NN\x86", 1000) + "e\x85q\1";
    const std::string fill = pkl::global("collections", "OrderedDict") + "q\2" + pairs + "R0";
    check<weights_error>("pickle", body(fill + repeated("h\2h\1R0", 5000)), "one list fills many dicts");
}

TEST_CASE("tensors of a checkpoint stay within their storages, whoever else uses them") {
    const auto of = [](std::int64_t elements, std::int64_t offset, const std::vector<std::int64_t>& sizes,
                       const std::vector<std::int64_t>& strides) {
        return pkl::whole(
            pkl::dict({{"w", pkl::tensor(pkl::storage("FloatStorage", "0", elements), offset, sizes, strides)}}));
    };
    const std::int64_t most = INT64_MAX;
    for (const auto& file :
         {of(6, 0, {2, 4}, {4, 1}), of(6, 1, {2, 3}, {3, 1}), of(6, 7, {1}, {1}), of(6, -1, {1}, {1}),
          of(6, 0, {-2}, {1}), of(6, 0, {2}, {-1}), of(6, 0, {most}, {0}), of(6, 0, {2, 2}, {most, most}),
          of(6, 0, {most, 2}, {1, 1}), of(6, 0, {2}, {most}), of(most, 0, {2}, {1}), of(-1, 0, {0}, {1})})
        check<weights_error>("pickle", file, "tensor 'w'");
    accepted("pickle", of(6, 0, {2, 3}, {0, 0})); // one element, six times
    accepted("pickle", pkl::whole(pkl::dict({{"a", one_tensor()}, {"b", one_tensor()}})));
    check<weights_error>("pickle", pkl::whole(pkl::dict({{"a", one_tensor()}, {"a", one_tensor()}})), "tensor 'a'");
    check<weights_error>("checkpoint",
                         test::legacy_checkpoint(pkl::dict({{"w", one_tensor()}}), {{"0", std::string(24, '\0')}},
                                                 {std::uint64_t{1} << 63}),
                         "storage '0'");
    check<weights_error>("checkpoint", test::zip_checkpoint(pkl::dict({{"w", one_tensor()}}), {{"0", "short"}}),
                         "storage '0'");
}

TEST_CASE("every prefix of a file is refused") {
    const std::string body = pkl::dict({{"w", one_tensor()}}), data(24, '\0');
    const std::vector<std::pair<std::string_view, std::string>> files = {
        {"spec", small_spec},
        {"model", small_model()},
        {"records", small_records},
        {"plan", small_plan},
        {"safetensors", safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8)},
        {"checkpoint", test::zip_checkpoint(body, {{"0", data}})},
        {"checkpoint", test::zip_checkpoint(body, {{"0", data}}, {}, {.zip64 = true})},
        {"checkpoint", test::legacy_checkpoint(body, {{"0", data}}, {6})},
        {"pickle", pkl::whole(body)},
        {"picture", png("")},
        {"archive", test::packed({{.name = "weights.pth", .data = data}})},
    };
    for (const auto& [target, file] : files) {
        accepted(target, file);
        const fuzz::target* reader = fuzz::find(target);
        for (std::size_t n = 0; n < file.size(); ++n) {
            if (target == "archive" && n == 0) continue;
            const auto start = test::bytes_of(file).first(n);
            INFO(target << " truncated to " << n << " of " << file.size() << " bytes");
            CHECK_FALSE(test::survives([&] { reader->read(start); }));
        }
    }
}

TEST_CASE("archives that claim or hold too much are refused before anything is unpacked") {
    const test::temporary_folder folder;
    const auto extract = [&](const std::string& bytes) {
        test::write_file(folder / "a.zip", bytes);
        peak = live.load();
        const std::size_t before = live;
        const std::string message = test::message_of<weights_error>(
            [&] { gpunet::extract_member(folder / "a.zip", "weights.pth", folder / "out"); });
        CHECK(peak - before <= allowance + factor * bytes.size());
        CHECK(folder.entries() == 1);
        return message;
    };
    const std::string bomb = test::packed({{.name = "weights.pth", .data = std::string(std::size_t{16} << 20, '\0')}});
    CHECK_THAT(extract(bomb), Contains("member 'weights.pth': expected at most 200 times its packed size"));
    CHECK_THAT(extract(test::packed({{.name = "inner.zip", .data = bomb, .stored = true}})),
               Contains("'inner.zip'") && Contains("200 times"));
    std::string many = bomb;
    many.replace(many.size() - 22 + 8, 4, "\xFF\xFF\xFF\xFF");
    CHECK_THAT(extract(many), Contains("at most 10000 members, found 65535"));
    check<weights_error>("checkpoint",
                         test::zip_file({{.name = "a/data.pkl", .data = "x"}, {.name = "a/data.pkl", .data = ""}}),
                         "zip member 'a/data.pkl': expected one member of that name, found two");
    check<weights_error>("checkpoint", test::zip_file({{.name = "a/data.pkl", .data = "x", .method = 8}}),
                         "compression method 8");
    std::string overlap = test::zip_file({{.name = "a", .data = "xxxx"}, {.name = "b", .data = "yyyy"}});
    const std::size_t second = overlap.find("PK\x01\x02", overlap.find("PK\x01\x02") + 1);
    overlap.replace(second + 42, 4, test::u32(0));
    overlap.replace(second + 46, 1, "a");
    check<weights_error>("checkpoint", overlap, "zip member 'a'");
}

TEST_CASE("arrays whose header lies are refused") {
    const auto npy = [](const std::string& header, std::size_t data) {
        return std::string("\x93NUMPY\x01\0", 8) + test::u16(header.size() + 1) + header + "\n" +
               std::string(data, '\0');
    };
    const auto shape = [&](const std::string& s) {
        return npy("{'descr': '<f4', 'fortran_order': False, 'shape': " + s + "}", 8);
    };
    accepted("npy", shape("(2,)"));
    for (const char* s : {"(9223372036854775808,)", "(99999999999999999999999,)", "(4294967296, 4294967296)",
                          "(1073741826,)", "(0,)", "(-1,)", "(1.0,)", "(2,2,2,2,2,2,2,2,2)"})
        check<io_error>("npy", shape(s), "f: ");
    check<io_error>("npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", 8), "'|O'");
    check<io_error>("npy", npy("{'descr': '<f4', 'descr': '<f4'}", 8), "'descr' twice");
    check<io_error>("npy", npy("{'d\xFF\x1B': 1}", 8), R"('d\xff\x1b')");
    check<io_error>("npy", std::string("\x93NUMPY\x02\0\xFF\xFF\xFF\xFF", 12), "a header of 4294967295 bytes");
}

TEST_CASE("pictures that would unpack to more than they hold are refused, or decoded without it") {
    using gpunet::image_error;
    check<image_error>("picture", png("", 65535, 65535), "max_pixels");
    check<image_error>("picture", png("", 0x7FFFFFFF, 1), "max_side");
    check<image_error>("picture", png("", 0, 1), "0 x 1 pixels");
    check<image_error>("picture", png("", 100, 100), "PNG: ");
    std::string jpeg =
        "\xFF\xD8\xFF\xC0" + std::string("\0\x11\x08\xFF\xFF\xFF\xFF\x03", 8) + std::string(9, '\1') + "\xFF\xD9";
    check<image_error>("picture", jpeg, "max_pixels");

    // Texts and profiles that inflate to 7 MiB each: kept, they would take 400 MiB.
    const std::string inflated = deflated(std::string(std::size_t{7} << 20, ' '));
    std::string chunks = png_chunk("iCCP", std::string("p\0\0", 3) + inflated);
    for (int i = 0; i < 30; ++i)
        chunks += png_chunk("zTXt", std::string("k\0\0", 3) + inflated) +
                  png_chunk("iTXt", std::string("k\0\1\0\0\0", 6) + inflated);
    const auto most_kib = [] {
        ::rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
    };
    const long before = most_kib();
    accepted("picture", png(chunks));
    CHECK(most_kib() - before < 64 << 10);
    // A chunk that claims to be long, also where the file ends behind its head.
    const std::string claims = replaced(png(png_chunk("eXIf", "II*\0")), std::string("\0\0\0\3eXIf", 8),
                                        std::string("\x7F\xFF\xFF\xFF"
                                                    "eXIf",
                                                    8));
    for (const std::size_t size : {claims.size(), claims.find("eXIf") + 6, claims.find("eXIf") + 4})
        check<image_error>("picture", claims.substr(0, size), "PNG: truncated: a chunk ends beyond the file");
}

TEST_CASE("labels that are no text are refused by line") {
    check<io_error>("labels", "cat\nd\xFFg\n",
                    "f: line 2: expected a label, found bytes that are not UTF-8: \"d\\xffg\"");
    check<io_error>("labels", "\xED\xA0\x80", "line 1");
    check<io_error>("labels", std::string("cat\n\0dog", 8), "line 2: expected a label, found a NUL");
    check<io_error>("labels", "cat\n\n\ndog", "line 2: expected a label, found an empty line");
    check<io_error>("labels", repeated("\n", 100000), "found none");
    accepted("labels", "caf\xC3\xA9\n\xF0\x9F\x90\xB1");
}

} // namespace test_hostile

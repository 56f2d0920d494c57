#include "weights_support.hpp"

#include <gpunet/weights/pickle.hpp>
#include <gpunet/weights/pytorch.hpp>
#include <gpunet/weights/read.hpp>
#include <gpunet/weights/zip.hpp>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace test_pytorch { // tests of a program are compiled together

using Catch::Contains;
using Catch::StartsWith;
using gpunet::checkpoint_options;
using gpunet::dtype;
using test::message_of;
namespace pkl = test::pkl;

namespace {

/// The store must keep the bytes: the copy is freed with it.
gpunet::tensor_store read(const std::string& file, const checkpoint_options& options = {}) {
    const auto copy = std::make_shared<const std::string>(file);
    return gpunet::read_pytorch(test::bytes_of(*copy), "f.pth", copy, options);
}

std::string refused(const std::string& file, const checkpoint_options& options = {}) {
    const std::string message = message_of<gpunet::weights_error>([&] { read(file, options); });
    CHECK_THAT(message, StartsWith("f.pth: "));
    return message;
}

/// The message for a zip checkpoint whose pickle has this body.
std::string refused_body(const std::string& body) { return refused(test::zip_checkpoint(body)); }

std::vector<float> values_of(const gpunet::tensor_store& store, std::string_view name) {
    const auto* tensor = store.find(name);
    REQUIRE(tensor != nullptr);
    std::vector<float> values(static_cast<std::size_t>(tensor->element_count()));
    gpunet::copy_as_float(*tensor, values);
    return values;
}

void touch_everything(const gpunet::tensor_store& store) {
    for (const auto& [name, tensor] : store)
        if (tensor.type == dtype::float32) values_of(store, name);
}

gpunet::pickle::document parse(const std::string& pickle) {
    return gpunet::pickle::parse(test::bytes_of(pickle), "f.pth: data.pkl");
}

std::string refused_pickle(const std::string& pickle) {
    const std::string message = message_of<gpunet::weights_error>([&] { parse(pickle); });
    CHECK_THAT(message, StartsWith("f.pth: data.pkl at byte "));
    return message;
}

std::string refused_zip(const std::string& file) {
    return message_of<gpunet::weights_error>([&] {
        const gpunet::zip_archive archive(test::bytes_of(file), "f.zip");
        for (const auto& [name, member] : archive) archive.read(name);
    });
}

const std::string six = test::floats({0, 1, 2, 3, 4, 5});
const std::string storage6 = pkl::storage("FloatStorage", "0", 6);

std::string six_as(std::int64_t offset, const std::vector<std::int64_t>& sizes,
                   const std::vector<std::int64_t>& strides) {
    return pkl::dict({{"w", pkl::tensor(storage6, offset, sizes, strides)}});
}

std::string refused_view(std::int64_t offset, const std::vector<std::int64_t>& sizes,
                         const std::vector<std::int64_t>& strides) {
    const std::string message = refused(test::zip_checkpoint(six_as(offset, sizes, strides), {{"0", six}}));
    CHECK_THAT(message, Contains("f.pth: tensor 'w': expected "));
    CHECK(refused(test::legacy_checkpoint(six_as(offset, sizes, strides), {{"0", six}}, {6})) == message);
    return message;
}

/// A dict of one-element tensors of the value given per name.
std::string weights(const std::vector<std::string>& names, const std::string& key = "0") {
    std::vector<std::pair<std::string, std::string>> items;
    for (const auto& name : names)
        items.emplace_back(name, pkl::tensor(pkl::storage("FloatStorage", key, 1), 0, {1}, {1}));
    return pkl::dict(items);
}

const test::storages three = {{"0", test::floats({10})}, {"1", test::floats({11})}, {"2", test::floats({12})}};

} // namespace

TEST_CASE("checkpoints written by PyTorch hold what they should") {
    struct expectation {
        const char* file;
        dtype type = dtype::float32;
        const char* salt = "";
    };
    const expectation files[] = {{"small0_bare.pth"},
                                 {"small0_module_prefix.pth"},
                                 {"small0_half.pth", dtype::float16},
                                 {"small0_bfloat16.pth", dtype::bfloat16},
                                 {"small0_legacy.pth"},
                                 {"small0_views.pth"},
                                 {"small0_views_legacy.pth"},
                                 {"small0_parameters.pth"},
                                 {"small0_protocol4.pth"},
                                 {"small0_newtorch.pth"},
                                 {"smallP_bare.pth"},
                                 {"smallP_bare_cuda.pth.tar"},
                                 {"smallD_bare.pth"},
                                 {"small0_train.pth.tar", dtype::float32, "ema/"},
                                 {"small0_train_legacy.pth.tar", dtype::float32, "ema/"},
                                 {"smallD_train.pth.tar", dtype::float32, "ema/"}};
    for (const auto& [file, type, salt] : files) {
        const std::string name = file;
        INFO(name);
        const auto store = gpunet::read_weights(test::checkpoints + name);
        CHECK(store.size() == (name.starts_with("small0") ? 148 : name.starts_with("smallD") ? 141 : 62));
        const bool views = name.find("views") != std::string::npos;
        test::check_scheme(store, type, salt, views ? "network.head: 2.net.1.running_mean" : "");

        const std::string content = test::file_content(test::checkpoints + name);
        const auto from_memory = gpunet::read_weights(test::bytes_of(content), name);
        CHECK(from_memory.size() == store.size());
        CHECK(from_memory.source() == name);
    }
}

TEST_CASE("the entry of a training checkpoint can be chosen") {
    for (const char* file : {"small0_train.pth.tar", "small0_train_legacy.pth.tar", "smallD_train.pth.tar"}) {
        const auto path = test::checkpoints + file;
        test::check_scheme(gpunet::read_weights(path, {.select = "state_dict"}), dtype::float32);
        test::check_scheme(gpunet::read_weights(path, {.select = {}, .use_ema = false}), dtype::float32);
        test::check_scheme(gpunet::read_weights(path, {.select = "state_dict_ema"}), dtype::float32, "ema/");
        CHECK_THAT(message_of<gpunet::weights_error>([&] { gpunet::read_weights(path, {.select = "weights"}); }),
                   Contains(file) &&
                       Contains("expected an entry 'weights', found 'epoch', 'arch', 'state_dict', "
                                "'optimizer'") &&
                       Contains("'state_dict_ema'"));
        CHECK_THAT(message_of<gpunet::weights_error>([&] { gpunet::read_weights(path, {.select = "arch"}); }),
                   Contains("entry 'arch': expected a dict of tensors, found the string 'gpunet_0'"));
        CHECK_THAT(message_of<gpunet::weights_error>([&] { gpunet::read_weights(path, {.select = "optimizer"}); }),
                   Contains("entry 'state': expected a tensor, found a dict"));
    }
    CHECK_THAT(message_of<gpunet::weights_error>(
                   [] { gpunet::read_weights(test::checkpoints + "small0.safetensors", {.select = "x"}); }),
               Contains("expected a checkpoint with an entry 'x', found a safetensors file"));
}

TEST_CASE("truncated checkpoints are refused with the place") {
    CHECK_THAT(message_of<gpunet::weights_error>([] { gpunet::read_weights(test::checkpoints + "bad_truncated.pth"); }),
               Contains("bad_truncated.pth: zip archive: expected an end-of-central-directory record"));
    CHECK_THAT(
        message_of<gpunet::weights_error>([] { gpunet::read_weights(test::checkpoints + "bad_truncated_legacy.pth"); }),
        Contains("bad_truncated_legacy.pth: storage '") && Contains("the file is truncated"));
}

TEST_CASE("selection follows timm") {
    const auto chosen = [](const std::vector<std::pair<std::string, std::string>>& items,
                           const checkpoint_options& options = {}) {
        return values_of(read(test::zip_checkpoint(pkl::dict(items), three), options), "w")[0];
    };
    const auto at = [](const std::string& key) { return weights({"w"}, key); };
    CHECK(chosen({{"state_dict", at("0")}, {"state_dict_ema", at("1")}, {"model_ema", at("2")}}) == 11);
    CHECK(chosen({{"state_dict", at("0")}, {"state_dict_ema", "N"}, {"model_ema", at("2")}}) == 12);
    CHECK(chosen({{"state_dict", at("0")}, {"state_dict_ema", "N"}, {"model_ema", "N"}}) == 10);
    CHECK(chosen({{"state_dict", at("0")}, {"state_dict_ema", at("1")}}, {.select = {}, .use_ema = false}) == 10);
    CHECK(chosen({{"model", at("2")}, {"state_dict", at("0")}}) == 10);
    CHECK(chosen({{"model", at("2")}, {"epoch", pkl::integer(3)}}) == 12);
    CHECK(chosen({{"state_dict", at("0")}, {"state_dict", at("1")}}) == 11); // as in Python, the later one
    CHECK(values_of(read(test::zip_checkpoint(weights({"model", "w"}), three)), "model")[0] == 10);

    CHECK_THAT(refused_body(pkl::dict({{"state_dict", pkl::integer(5)}})),
               Contains("entry 'state_dict': expected a dict of tensors, found the integer 5"));
    CHECK_THAT(refused_body(pkl::dict({{"epoch", pkl::integer(5)}})),
               Contains("entry 'epoch': expected a tensor, found the integer 5"));
    CHECK_THAT(refused_body(pkl::dict({{"net", "}"}})),
               Contains("entry 'net': expected a tensor, found a dict, which can be selected"));
    CHECK_THAT(refused_body(pkl::dict({{"state_dict", "}(" + pkl::integer(1) + "Nu"}})),
               Contains("a tensor's name: expected text, found the integer 1"));
    CHECK_THAT(refused_body("]"), Contains("expected a dict at the top of the checkpoint, found a list"));
    CHECK_THAT(refused_body("N"), Contains("found None"));
}

TEST_CASE("module. is dropped where every name has it") {
    const auto store = read(test::zip_checkpoint(weights({"module.a", "module.module.b"}), three));
    CHECK(store.find("a") != nullptr);
    CHECK(store.find("module.b") != nullptr);
    CHECK(read(test::zip_checkpoint(weights({"module.a", "b"}), three)).find("module.a") != nullptr);
    const auto wrapped = pkl::dict({{"state_dict", weights({"module.a"})}});
    CHECK(read(test::zip_checkpoint(wrapped, three)).find("a") != nullptr);
    CHECK_THAT(refused(test::zip_checkpoint(weights({"a", "a"}), three)),
               Contains("tensor 'a': expected one tensor of that name, found two"));
}

TEST_CASE("views are read as PyTorch would") {
    const auto view = [](std::int64_t offset, const std::vector<std::int64_t>& sizes,
                         const std::vector<std::int64_t>& strides) {
        const auto zip = values_of(read(test::zip_checkpoint(six_as(offset, sizes, strides), {{"0", six}})), "w");
        CHECK(zip == values_of(read(test::legacy_checkpoint(six_as(offset, sizes, strides), {{"0", six}}, {6})), "w"));
        return zip;
    };
    using values = std::vector<float>;
    CHECK(view(0, {2, 3}, {3, 1}) == values{0, 1, 2, 3, 4, 5});
    CHECK(view(0, {3, 2}, {1, 3}) == values{0, 3, 1, 4, 2, 5});
    CHECK(view(1, {2}, {4}) == values{1, 5});
    CHECK(view(5, {4}, {0}) == values{5, 5, 5, 5});
    CHECK(view(5, {}, {}) == values{5});
    CHECK(view(5, {1}, {INT64_MAX}) == values{5}); // the stride of one element is never taken
    CHECK(view(6, {0}, {1}).empty());
    CHECK(view(0, {3, 0}, {100, 100}).empty());
}

TEST_CASE("views beyond their storage are refused by the tensor's name") {
    CHECK_THAT(
        refused_view(0, {7}, {1}),
        Contains("every element within its storage of 6 elements, found shape [7] with strides [1] at offset 0"));
    CHECK_THAT(refused_view(1, {2, 3}, {3, 1}), Contains("at offset 1"));
    CHECK_THAT(refused_view(6, {1}, {1}), Contains("every element within"));
    CHECK_THAT(refused_view(6, {}, {}), Contains("every element within"));
    CHECK_THAT(refused_view(7, {0}, {1}), Contains("an offset within its storage of 6 elements, found 7"));
    CHECK_THAT(refused_view(-1, {1}, {1}), Contains("found -1"));
    CHECK_THAT(refused_view(INT64_MIN, {1}, {1}), Contains("found -9223372036854775808"));
    CHECK_THAT(refused_view(0, {2}, {-1}), Contains("a stride of 0 or more, found -1"));
    CHECK_THAT(refused_view(0, {-2}, {1}), Contains("a size of 0 or more, found -2"));
    CHECK_THAT(refused_view(0, {3}, {INT64_MAX}), Contains("every element within"));
    CHECK_THAT(refused_view(0, {3, 3}, {INT64_MAX, INT64_MAX}), Contains("every element within"));
    CHECK_THAT(refused_view(0, {INT64_MAX}, {0}), Contains("expected at most 4294967296 bytes"));
    CHECK_THAT(refused_view(0, {1LL << 32, 1LL << 32, 0}, {0, 0, 0}), Contains("expected at most 4294967296 bytes"));
    CHECK_THAT(refused_view(0, {2, 3}, {1}), Contains("2 strides, found 1"));
    CHECK_THAT(refused_view(0, std::vector<std::int64_t>(33, 1), std::vector<std::int64_t>(33, 1)),
               Contains("at most 32 dimensions, found 33"));
}

TEST_CASE("tensors beyond the limit are refused, each and together") {
    // 2^20 elements of stride 0 out of one: 4 MiB each.
    const auto wide = pkl::tensor(pkl::storage("FloatStorage", "0", 1), 0, {1 << 20}, {0});
    const auto file = test::zip_checkpoint(pkl::dict({{"a", wide}, {"b", wide}}), three);
    CHECK(read(file, {.select = {}, .use_ema = true, .max_bytes = 8 << 20}).size() == 2);
    CHECK_THAT(refused(file, {.select = {}, .use_ema = true, .max_bytes = (8 << 20) - 1}),
               Contains("tensor 'b': expected at most 8388607 bytes of tensors in all (max_bytes)"));
    CHECK_THAT(refused(file, {.select = {}, .use_ema = true, .max_bytes = 4 << 18}),
               Contains("tensor 'a': expected at most 1048576 bytes"));
    CHECK_THAT(refused(file, {.select = {}, .use_ema = true, .max_bytes = 3}), Contains("tensor 'a'"));
    CHECK_THAT(refused(file, {.select = {}, .max_pickle_values = 20}),
               Contains("expected at most 20 values, found more"));
}

TEST_CASE("every type of storage is known") {
    const std::tuple<const char*, dtype, std::size_t> types[] = {
        {"DoubleStorage", dtype::float64, 8}, {"FloatStorage", dtype::float32, 4},
        {"HalfStorage", dtype::float16, 2},   {"BFloat16Storage", dtype::bfloat16, 2},
        {"LongStorage", dtype::int64, 8},     {"IntStorage", dtype::int32, 4},
        {"ShortStorage", dtype::int16, 2},    {"CharStorage", dtype::int8, 1},
        {"ByteStorage", dtype::uint8, 1},     {"BoolStorage", dtype::boolean, 1}};
    for (const auto& [name, type, size] : types) {
        const auto body = pkl::dict({{"t", pkl::tensor(pkl::storage(name, "k", 3), 0, {3}, {1})}});
        CHECK(read(test::zip_checkpoint(body, {{"k", std::string(3 * size, '\0')}})).find("t")->type == type);
        CHECK_THAT(refused(test::zip_checkpoint(body, {{"k", std::string(3 * size + 1, '\0')}})),
                   Contains("storage 'k': expected 3 elements of") &&
                       Contains("found " + std::to_string(3 * size + 1)));
    }
    CHECK_THAT(refused_body(pkl::dict({{"t", pkl::tensor(pkl::storage("QInt8Storage", "k", 3), 0, {3}, {1})}})),
               Contains("'torch.QInt8Storage'"));
}

TEST_CASE("malformed tensors are refused by name") {
    const auto of = [](const std::string& value) {
        return refused(test::zip_checkpoint(pkl::dict({{"w", value}}), {{"0", six}}));
    };
    const std::string rebuild = pkl::global("torch._utils", "_rebuild_tensor_v2");
    const std::string parameter = pkl::global("torch._utils", "_rebuild_parameter");
    const std::string wrapped = parameter + "(" + pkl::tensor(storage6, 0, {6}, {1}) + "\x88NtR";
    CHECK(read(test::zip_checkpoint(pkl::dict({{"w", wrapped}}), {{"0", six}})).size() == 1);
    CHECK_THAT(of(rebuild + ")R"), Contains("tensor 'w': expected 4 or more arguments to rebuild it, found 0"));
    CHECK_THAT(of(rebuild + "(NNNNtR"), Contains("tensor 'w': expected a reference to a storage, found None"));
    CHECK_THAT(of(rebuild + "(" + storage6 + "N))tR"),
               Contains("tensor 'w': expected an integer for the storage offset, found None"));
    CHECK_THAT(of(rebuild + "(" + storage6 + "K\x01K\x02)tR"),
               Contains("tensor 'w': expected a tuple of sizes or strides, found the integer 2"));
    CHECK_THAT(of(rebuild + "(" + storage6 + "K\x01(Nt)tR"),
               Contains("tensor 'w': expected an integer for a size or stride, found None"));
    CHECK_THAT(of(parameter + "(Nt"
                              "R"),
               Contains("entry 'w': expected a tensor, found an object of torch._utils._rebuild_parameter"));
    CHECK_THAT(of(parameter + "(" + wrapped + "tR"), Contains("entry 'w': expected a tensor"));
    CHECK_THAT(of(rebuild), Contains("entry 'w': expected a tensor, found torch._utils._rebuild_tensor_v2"));
    CHECK_THAT(of(storage6), Contains("entry 'w': expected a tensor, found a persistent reference"));

    const auto with = [&](const std::string& id) { return of(rebuild + "(" + id + "QK\x01))tR"); };
    CHECK_THAT(with("N"), Contains("tensor 'w': expected a storage's description, found None"));
    CHECK_THAT(with(")"), Contains("tensor 'w': expected a storage described by 5 values, found a tuple of 0"));
    CHECK_THAT(of(pkl::tensor(pkl::storage("FloatStorage", "0", -6), 0, {6}, {1})),
               Contains("0 to 2^48 elements, found -6"));
    CHECK_THAT(of(pkl::tensor(pkl::storage("FloatStorage", "0", INT64_MAX), 0, {6}, {1})),
               Contains("found 9223372036854775807"));
    CHECK_THAT(of(pkl::tensor(pkl::storage("FloatStorage", "0", 1 << 30), 0, {6}, {1})),
               Contains("storage '0': expected 1073741824 elements of float32 in 4294967296 bytes, found 24"));
    CHECK_THAT(of(pkl::tensor(pkl::storage("FloatStorage", "7", 6), 0, {6}, {1})),
               Contains("expected a member 'm/data/7', found none"));
    CHECK_THAT(of(pkl::tensor(pkl::storage("FloatStorage", "0", 6, "(" + pkl::text("v") + "t"), 0, {6}, {1})),
               Contains("a view of one, as before PyTorch 0.4"));
    std::string module = pkl::storage("FloatStorage", "0", 6);
    module.replace(module.find("storage"), 7, "modules");
    CHECK_THAT(of(pkl::tensor(module, 0, {6}, {1})), Contains("expected the word 'storage', found 'modules'"));
}

TEST_CASE("globals that checkpoints have no use for are refused by name, and not run") {
    const test::temporary_folder folder;
    const std::string touched = folder / "touched";
    const auto attack = [&](const std::string& module, const std::string& name) {
        return pkl::global(module, name) + "(" + pkl::text("touch " + touched) + "tR";
    };
    CHECK_THAT(refused_body(attack("os", "system")),
               Contains("f.pth: m/data.pkl at byte 2: expected a global") && Contains("found 'os.system'"));
    CHECK_THAT(refused_body(attack("posix", "system")), Contains("'posix.system'"));
    CHECK_THAT(refused_body(attack("builtins", "eval")), Contains("'builtins.eval'"));
    CHECK_THAT(refused_body(attack("__builtin__", "getattr")), Contains("'__builtin__.getattr'"));
    CHECK_THAT(refused_body(attack("torch", "load")), Contains("'torch.load'"));
    CHECK_THAT(refused_body(attack("collections", "OrderedDict.__class__")),
               Contains("'collections.OrderedDict.__class__'"));
    CHECK_THAT(refused_body(pkl::text("os") + pkl::text("system") + "\x93"), Contains("'os.system'"));
    CHECK_THAT(refused_body(attack("os\x1b[31m", "system")), Contains("'os\\x1b[31m.system'"));
    // Even where its result is thrown away.
    CHECK_THAT(refused_body(attack("os", "system") + "0}"), Contains("'os.system'"));
    CHECK_THAT(refused(test::legacy_checkpoint(attack("os", "system"), {}, {})),
               Contains("f.pth: pickle of the object at byte 2") && Contains("'os.system'"));
    CHECK_FALSE(std::filesystem::exists(touched));
}

TEST_CASE("what a training checkpoint carries beside the weights is read and left alone") {
    const std::string scalar =
        pkl::global("numpy.core.multiarray", "scalar") + "(" + pkl::global("numpy", "dtype") + "(" + pkl::text("f8") +
        "\x89\x88tR(K\x03" + pkl::text("<") + "NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK" + std::string(1, '\0') + "tb" +
        pkl::global("_codecs", "encode") + "(" + pkl::text("12345678") + pkl::text("latin1") + "tRtR";
    const std::string names =
        pkl::global("argparse", "Namespace") + ")\x81" +
        pkl::dict({{"device", pkl::global("torch", "device") + "(" + pkl::text("cuda") + "K\x01tR"},
                   {"type", pkl::global("torch", "float16")},
                   {"huge", std::string("\x8A\x0A", 2) + "0123456789"},
                   {"set", "\x8F(K\x01\x90"},
                   {"bytes", "C\x02xy"}}) +
        "b";
    const std::string state =
        pkl::global("collections", "defaultdict") + "(" + pkl::global("__builtin__", "dict") + "tR(K\x01}u";
    const std::string ordered = pkl::global("collections", "OrderedDict") + "(](](" + pkl::text("k") +
                                "K\x01"
                                "eetR}b";
    const auto file = test::zip_checkpoint(pkl::dict({{"metric", scalar},
                                                      {"args", names},
                                                      {"optimizer", state},
                                                      {"old", ordered},
                                                      {"state_dict", weights({"w"})}}),
                                           three);
    CHECK(values_of(read(file), "w")[0] == 10);
}

TEST_CASE("pickles are parsed into values") {
    using namespace gpunet::pickle;
    const auto root = [](const std::string& pickle) {
        const std::string bytes = pickle + "ignored";
        const auto document = parse(bytes);
        CHECK(document.size == pickle.size());
        return describe(document.root);
    };
    CHECK(root("\x80\x02N.") == "None");
    CHECK(root("\x80\x04\x95\x02" + std::string(7, '\0') + "\x88.") == "True");
    CHECK(root("\x80\x02K\xFF.") == "the integer 255");
    CHECK(root("\x80\x02M\xFF\xFF.") == "the integer 65535");
    CHECK(root("\x80\x02J\xFE\xFF\xFF\xFF.") == "the integer -2");
    CHECK(root(std::string("\x80\x02\x8A\x00.", 5)) == "the integer 0");
    CHECK(root("\x80\x02\x8A\x01\x80.") == "the integer -128");
    CHECK(root(std::string("\x80\x02\x8A\x02\x80\x00.", 7)) == "the integer 128");
    CHECK(root(std::string("\x80\x02\x8B\x01\x00\x00\x00\x05.", 9)) == "the integer 5");
    CHECK(root(std::string("\x80\x02\x8A\x09", 4) + "123456789.") == "an integer of 9 bytes");
    CHECK(root(std::string("\x80\x02G\xC0\x04\x00\x00\x00\x00\x00\x00.", 12)) == "the number -2.500000");
    CHECK(root("\x80\x04\x8C\x03"
               "abc.") == "the string 'abc'");
    CHECK(root("\x80\x02U\x03"
               "abc.") == "the string 'abc'");
    CHECK(root("\x80\x05\x96" + test::u64(2) + "xy.") == "bytes");
    CHECK(root("\x80\x02K\x01K\x02\x86.") == "a tuple of 2");
    CHECK(root("\x80\x02(K\x01K\x02K\x03t.") == "a tuple of 3");
    CHECK(root("\x80\x02(K\x01l.") == "a list");
    CHECK(root("\x80\x02]K\x01"
               "a(K\x02K\x03"
               "e.") == "a list");
    CHECK(root("\x80\x02}K\x01Ns.") == "a dict");
    CHECK(root("\x80\x02K\x01q\x05K\x02"
               "0h\x05\x86.") == "a tuple of 2");
    CHECK(root("\x80\x04K\x01\x94K\x02\x94h\x01\x87.") == "a tuple of 3");
    CHECK(root("\x80\x02N(K\x01K\x02"
               "1.") == "None");
    CHECK(root("\x80\x02K\x01"
               "2\x86.") == "a tuple of 2");
}

TEST_CASE("malformed pickles are refused with the place") {
    const auto of = [](const std::string& body) { return refused_pickle("\x80\x02" + body); };
    CHECK_THAT(refused_pickle(""), Contains("at byte 0: expected 1 more bytes, found 0"));
    CHECK_THAT(refused_pickle("(lp0\n."), Contains("expected a pickle of protocol 2 to 5"));
    CHECK_THAT(refused_pickle("\x80\x06N."), Contains("found protocol 6"));
    CHECK_THAT(refused_pickle(std::string("\x80\x00N.", 4)), Contains("found protocol 0"));
    CHECK_THAT(of("N"), Contains("at byte 3: expected 1 more bytes, found 0"));
    CHECK_THAT(of("."), Contains("at byte 2: expected a value on the stack, found none"));
    CHECK_THAT(of("NN."), Contains("expected an empty stack at the end, found 1 values"));
    CHECK_THAT(of("\xFF."), Contains("expected an opcode that checkpoints use, found 0xff"));
    CHECK_THAT(of("i"), Contains("found 0x69"));         // INST
    CHECK_THAT(of("\x82\x01."), Contains("found 0x82")); // EXT1
    CHECK_THAT(of("h\x07."), Contains("at byte 2: expected a memo entry 7, found none"));
    CHECK_THAT(of("j\x01\x02\x03\x04."), Contains("expected a memo entry 67305985, found none"));
    CHECK_THAT(of("q\x01."), Contains("expected a value on the stack, found none"));
    CHECK_THAT(of("t."), Contains("expected a mark on the stack, found none"));
    CHECK_THAT(of("1."), Contains("expected a mark on the stack"));
    CHECK_THAT(of("N(\x85."), Contains("expected a value on the stack, found none")); // not through a mark
    CHECK_THAT(of("\x86."), Contains("expected a value on the stack"));
    CHECK_THAT(of("NNa."), Contains("expected a list to append to, found None"));
    CHECK_THAT(of("N(Ne."), Contains("expected a list to append to, found None"));
    CHECK_THAT(of("]NNs."), Contains("expected a dict to insert into, found a list"));
    CHECK_THAT(of("}(NNNu."), Contains("expected keys and values in pairs, found 3 items"));
    CHECK_THAT(of("X" + test::u32(0xFFFFFFFF) + "abc."), Contains("expected 4294967295 more bytes, found 4"));
    CHECK_THAT(of("\x8D" + test::u64(std::uint64_t{1} << 63) + "abc."),
               Contains("expected 9223372036854775808 more bytes, found 4"));
    CHECK_THAT(of("\x8E" + test::u64(~std::uint64_t{0}) + "abc."),
               Contains("expected 18446744073709551615 more bytes"));
    CHECK_THAT(of("\x8B" + test::u32(0x80000000) + "abc."), Contains("expected 2147483648 more bytes"));
    CHECK_THAT(of("\x95" + test::u64(std::uint64_t{1} << 63) + "N."),
               Contains("expected a frame of 9223372036854775808 bytes, found 2"));
    CHECK_THAT(of("cos"), Contains("expected a line of at most 256 characters, found 'os'"));
    CHECK_THAT(of("c" + std::string(1000, 'a') + "\n"), Contains("expected a line of at most 256 characters"));
    CHECK_THAT(of("NN\x93."), Contains("expected a global's name, found None"));
    CHECK_THAT(of("N" + pkl::text("x") + "\x93."), Contains("expected a global's module, found None"));
}

TEST_CASE("REDUCE, NEWOBJ and BUILD are held to what they are for") {
    const auto of = [](const std::string& body) { return refused_pickle("\x80\x02" + body); };
    const std::string ordered = pkl::global("collections", "OrderedDict");
    CHECK_THAT(of("N)R."), Contains("expected a global to call, found None"));
    CHECK_THAT(of(ordered + "NR."), Contains("expected a tuple of arguments, found None"));
    CHECK_THAT(of(ordered + ")R)R."), Contains("expected a global to call, found a dict"));
    CHECK_THAT(of(ordered + "(NNtR."), Contains("no arguments, or a list of pairs, for collections.OrderedDict"));
    CHECK_THAT(of(ordered + "(](NetR."), Contains("expected a pair for collections.OrderedDict, found None"));
    CHECK_THAT(of(pkl::global("torch", "FloatStorage") + ")R."),
               Contains("expected a function or class to call, found torch.FloatStorage"));
    CHECK_THAT(of(pkl::global("torch", "float32") + ")\x81."), Contains("found torch.float32"));
    CHECK_THAT(of("N}b."), Contains("expected an instance to give state to, found None"));
    CHECK_THAT(of("]}b."), Contains("found a list"));
    CHECK_THAT(of(pkl::global("torch", "device") + ")R}b."), Contains("found an object of torch.device"));
    CHECK_THAT(of(ordered + "}b."), Contains("found collections.OrderedDict"));
    CHECK_THAT(of("}b."), Contains("expected a value on the stack, found none"));
}

TEST_CASE("deep, cyclic and huge pickles end in an error or in plain data") {
    const auto of = [](const std::string& body) { return refused_pickle("\x80\x02" + body); };
    CHECK_THAT(of(std::string(5000, '(')), Contains("expected at most 1024 open marks, found deeper nesting"));
    CHECK_THAT(of(std::string(100000, ']')), Contains("expected a stack of at most 65536 values"));
    CHECK_THAT(of("N" + std::string(2000000, '\x85') + "."), Contains("expected at most 1048576 values"));
    std::string memo = "N";
    for (std::uint32_t i = 0; i < 1100000; ++i) memo += "r" + test::u32(i * 1000);
    CHECK_THAT(of(memo), Contains("expected at most 1048576 values"));

    parse(pkl::whole("N" +
                     std::string(900000, '\x85'))); // a tuple nine hundred thousand deep, destroyed without recursion
    CHECK_THAT(refused_body("N" + std::string(100000, '\x85')), Contains("found a tuple of 1"));

    // a = []; a.append(a); d = {}; d['state_dict'] = d; each level of b holds the one below twice
    parse(pkl::whole("]q\x01h\x01"
                     "a"));
    CHECK_THAT(refused_body("]q\x01h\x01"
                            "a"),
               Contains("expected a dict at the top of the checkpoint, found a list"));
    CHECK_THAT(refused_body("}q\x01" + pkl::text("state_dict") + "h\x01s"),
               Contains("entry 'state_dict': expected a tensor, found a dict"));
    CHECK_THAT(refused_body("}q\x01" + pkl::text("w") +
                            "]q\x02h\x02"
                            "as"),
               Contains("entry 'w': expected a tensor, found a list"));
    std::string bomb = "]";
    for (int i = 0; i < 200; ++i)
        bomb += "q\x01"
                "0](h\x01h\x01"
                "e";
    CHECK_THAT(refused_body(pkl::dict({{"w", bomb}})), Contains("entry 'w': expected a tensor, found a list"));
    // A tensor whose parts refer to themselves.
    CHECK_THAT(
        refused_body(pkl::dict({{"w", pkl::global("torch._utils", "_rebuild_tensor_v2") + "(]q\x01h\x01"
                                                                                          "aK\x01h\x01h\x01tR"}})),
        Contains("tensor 'w': expected a reference to a storage, found a list"));
}

TEST_CASE("zip checkpoints are held to their layout") {
    const std::string body = weights({"w"});
    CHECK(read(test::zip_checkpoint(body, three, {}, {.zip64 = true})).size() == 1);
    CHECK(read(test::zip_checkpoint(body, three, {}, {.comment = "PK\x05\x06 a comment"})).size() == 1);
    CHECK(read(test::zip_checkpoint(body, three, {{.name = "m/byteorder", .data = "little"}})).size() == 1);
    CHECK_THAT(refused(test::zip_checkpoint(body, three, {{.name = "m/byteorder", .data = "big"}})),
               Contains("expected little-endian storages") && Contains("found byteorder 'big'"));
    CHECK_THAT(refused(test::zip_file({{.name = "0.65ms.pth.tar", .data = "x"}})),
               Contains("a zip archive with a member NAME/data.pkl, found one with '0.65ms.pth.tar'"));
    CHECK_THAT(refused(test::zip_file({})), Contains("found an archive without members"));
    CHECK_THAT(refused(test::zip_checkpoint(body, three, {{.name = "n/data.pkl", .data = "x"}})),
               Contains("one member NAME/data.pkl, found more than one"));
    CHECK_THAT(refused(test::zip_checkpoint(body, {}, {{.name = "m/data/0", .data = test::floats({1}), .crc = 7}})),
               Contains("zip member 'm/data/0': expected bytes that match its CRC-32"));
    CHECK_THAT(refused(test::zip_checkpoint(body, {}, {{.name = "m/data/0", .data = test::floats({1}), .method = 8}})),
               Contains("zip member 'm/data/0': expected a stored (uncompressed) member") &&
                   Contains("compression method 8"));
}

TEST_CASE("legacy checkpoints are held to their layout") {
    const std::string body = weights({"w"});
    const test::storages one = {{"0", test::floats({10})}};
    CHECK(values_of(read(test::legacy_checkpoint(body, one, {1})), "w")[0] == 10);
    CHECK_THAT(refused(test::legacy_checkpoint(body, one, {2})), Contains("storage '0': expected 1 elements, found 2"));
    CHECK_THAT(refused(test::legacy_checkpoint(body, one, {~std::uint64_t{0}})),
               Contains("storage '0': expected 1 elements, found 18446744073709551615"));
    CHECK_THAT(refused(test::legacy_checkpoint(body, one, {1}, false)),
               Contains("expected little-endian storages") && Contains("found False"));
    CHECK_THAT(refused(test::legacy_checkpoint(body, {}, {})), Contains("storage '0': expected its bytes, found none"));
    CHECK_THAT(refused(test::legacy_checkpoint(body, three, {1, 1, 1})),
               Contains("storage '1': expected a tensor that uses it, found none"));
    CHECK_THAT(refused(test::legacy_checkpoint(body, {one[0], one[0]}, {1, 1})),
               Contains("storage '0': expected it once, found it twice"));
    CHECK_THAT(refused(test::legacy_checkpoint(body, one, {1}) + "x"),
               Contains("expected the end of the file after the last storage, found 1 more bytes"));
    const auto two_sizes = pkl::dict({{"a", pkl::tensor(pkl::storage("FloatStorage", "0", 1), 0, {1}, {1})},
                                      {"b", pkl::tensor(pkl::storage("HalfStorage", "0", 2), 0, {2}, {1})}});
    CHECK_THAT(refused(test::legacy_checkpoint(two_sizes, one, {1})),
               Contains("storage '0': expected one type and size, found two different ones"));
    CHECK_THAT(refused(pkl::whole("}")), Contains("expected PyTorch's magic number in the first pickle, found a dict"));
}

TEST_CASE("zip archives are read") {
    CHECK(gpunet::detail::crc32(test::bytes_of("123456789")) == 0xCBF43926U);
    CHECK(gpunet::detail::crc32({}) == 0);
    CHECK(gpunet::detail::crc32(test::bytes_of("The quick brown fox jumps over the lazy dog")) == 0x414FA339U);
    for (const bool zip64 : {false, true}) {
        const std::string file =
            test::zip_file({{.name = "a", .data = "first"}, {.name = "b/c", .data = ""}}, {.zip64 = zip64});
        const gpunet::zip_archive archive(test::bytes_of(file), "f.zip");
        CHECK(gpunet::detail::as_text(archive.read("a")) == "first");
        CHECK(archive.read("b/c").empty());
        CHECK(archive.contains("a"));
        CHECK_FALSE(archive.contains("c"));
        CHECK_THAT(message_of<gpunet::weights_error>([&] { archive.read("c"); }),
                   Contains("f.zip: zip archive: expected a member 'c', found none"));
    }
}

TEST_CASE("malformed zip archives are refused by member") {
    CHECK_THAT(refused_zip(""), Contains("f.zip: zip archive: expected an end-of-central-directory record"));
    CHECK_THAT(refused_zip(std::string(70000, 'P')), Contains("expected an end-of-central-directory record"));
    CHECK_THAT(refused_zip(test::zip_file({{.name = "a", .data = "x"}, {.name = "a", .data = "y"}})),
               Contains("zip member 'a': expected one member of that name, found two"));
    CHECK_THAT(refused_zip(test::zip_file({{.name = "a", .data = "x", .method = 93}})),
               Contains("zip member 'a'") && Contains("compression method 93"));
    CHECK_THAT(refused_zip(test::zip_file({{.name = "a", .data = "x", .flags = 1}})),
               Contains("zip member 'a': expected plain bytes, found encrypted ones"));
    CHECK_THAT(refused_zip(test::zip_file({{.name = "a", .data = "x", .local_name = "b"}})),
               Contains("zip member 'a': expected a local header of the same name"));
    CHECK_THAT(refused_zip(test::zip_file({{.name = "a", .data = "x", .crc = 1}})),
               Contains("zip member 'a': expected bytes that match its CRC-32"));

    const std::string good = test::zip_file({{.name = "a", .data = "12345678"}, {.name = "b", .data = "x"}});
    const auto patched = [&](std::size_t at, const std::string& bytes) {
        std::string file = good;
        file.replace(at, bytes.size(), bytes);
        return refused_zip(file);
    };
    const std::size_t directory = good.find("PK\x01\x02");
    const std::size_t second = good.find("PK\x01\x02", directory + 1);
    const std::size_t end = good.find("PK\x05\x06");
    CHECK_THAT(patched(directory + 20, test::u32(900) + test::u32(900)),
               Contains("zip member 'a': expected 900 bytes before the directory"));
    CHECK_THAT(patched(directory + 20, test::u32(7)),
               Contains("expected the same size stored and unpacked, found 7 and 8 bytes"));
    CHECK_THAT(patched(directory + 20, test::u32(0xFFFFFFFF) + test::u32(0xFFFFFFFF)),
               Contains("zip member 'a': expected a zip64 extra field, found none"));
    CHECK_THAT(patched(directory + 20, test::u32(20) + test::u32(20)),
               Contains("zip member 'b': expected its own bytes, found bytes that belong to 'a'"));
    CHECK_THAT(patched(directory + 42, test::u32(5)),
               Contains("zip member 'a': expected a local header at byte 5, found none"));
    CHECK_THAT(patched(second + 42, test::u32(0xFFFFFFF0)),
               Contains("zip member 'b': expected a local header at byte 4294967280"));
    CHECK_THAT(patched(second, "XX"), Contains("expected a directory entry at byte " + std::to_string(second)));
    CHECK_THAT(patched(second + 28, test::u16(0xFFFF)), Contains("zip archive: expected a directory entry of"));
    CHECK_THAT(patched(end + 16, test::u32(0xFFFFFFF0)), Contains("expected the central directory before byte"));
    CHECK_THAT(patched(end + 12, test::u32(0xFFFFFFF0)), Contains("expected the central directory before byte"));
    CHECK_THAT(patched(end + 16, test::u32(0xFFFFFFFF)), Contains("expected a zip64 end record, found none"));
    CHECK_THAT(patched(end + 8, test::u16(999) + test::u16(999)), Contains("found a count of 999"));
    CHECK_THAT(patched(end + 4, test::u16(1)), Contains("expected an archive in one piece"));

    const std::string large = test::zip_file({{.name = "a", .data = "12345678"}}, {.zip64 = true});
    const auto patched64 = [&](std::size_t at, std::uint64_t value) {
        std::string file = large;
        file.replace(at, 8, test::u64(value));
        return refused_zip(file);
    };
    const std::size_t extra = large.find("PK\x01\x02") + 46 + 1 + 4;
    const std::size_t record = large.find("PK\x06\x06");
    const auto most = ~std::uint64_t{0};
    CHECK_THAT(patched64(extra, std::uint64_t{1} << 63), Contains("the same size stored and unpacked"));
    CHECK_THAT(patched64(extra + 16, most),
               Contains("zip member 'a': expected a local header at byte 18446744073709551615"));
    CHECK_THAT(patched64(record + 32, most), Contains("expected an archive in one piece"));
    CHECK_THAT(patched64(record + 40, most), Contains("one of 18446744073709551615 bytes"));
    CHECK_THAT(patched64(record + 48, most), Contains("at byte 18446744073709551615"));
    CHECK_THAT(patched64(large.find("PK\x06\x07") + 8, most),
               Contains("expected a zip64 end record where its locator says"));
}

TEST_CASE("checkpoints survive truncation and damage") {
    const std::string body = pkl::dict({{"epoch", pkl::integer(1)}, {"state_dict", six_as(0, {3, 2}, {1, 3})}});
    const auto read_all = [](const std::string& file) { touch_everything(read(file)); };
    test::check_hostile_variants(test::zip_checkpoint(body, {{"0", six}}), read_all);
    test::check_hostile_variants(test::zip_checkpoint(body, {{"0", six}}, {}, {.zip64 = true}), read_all);
    test::check_hostile_variants(test::legacy_checkpoint(body, {{"0", six}}, {6}), read_all);
}

TEST_CASE("pickles survive damage without checksums in the way") {
    const std::string real = test::file_content(test::checkpoints + "small0_train.pth.tar");
    const gpunet::zip_archive archive(test::bytes_of(real), "f");
    const std::string pickle(gpunet::detail::as_text(archive.read("small0_train.pth/data.pkl")));
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
        std::string damaged = pickle;
        for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
        test::survives([&] { parse(damaged); });
    }
}

TEST_CASE("unknown content is described, with the formats that are read") {
    const auto of = [](const std::string& content) {
        return message_of<gpunet::weights_error>([&] { gpunet::read_weights(test::bytes_of(content), "f"); });
    };
    CHECK(of("") == "f: expected safetensors or a PyTorch checkpoint (zip or legacy format), found an empty file");
    CHECK_THAT(of("<!DOCTYPE html>\n"),
               Contains("found a file that begins with 3c 21 44 4f 43 54 59 50 45 20 68 74 ('<!DOCTYPE ht')"));
    CHECK_THAT(of("\x1F\x8B\x08"), Contains("1f 8b 08 ('...')"));
    CHECK_THAT(message_of<gpunet::io_error>([] { gpunet::read_weights(std::filesystem::path("/absent/w.pth")); }),
               Contains("/absent/w.pth: cannot be opened: No such file or directory"));
}

} // namespace test_pytorch

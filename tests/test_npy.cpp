#include "weights_support.hpp"

#include <gpunet/npy.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace test_npy { // tests of a program are compiled together

using Catch::Contains;
using test::message_of;

namespace {

std::string npy(const std::string& header, const std::string& data, int major = 1, int minor = 0) {
    const std::string start = std::string("\x93NUMPY") + static_cast<char>(major) + static_cast<char>(minor);
    return start + (major == 1 ? test::u16(header.size()) : test::u32(header.size())) + header + data;
}

gpunet::tensor<float> parse(const std::string& file) { return gpunet::parse_npy(test::bytes_of(file), "f.npy"); }

std::string refused(const std::string& file) {
    return message_of<gpunet::io_error>([&] { parse(file); });
}

std::string refused_header(const std::string& header) { return refused(npy(header, test::floats({1, 2}))); }

const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n";

} // namespace

TEST_CASE("npy files come back as they were written") {
    const test::temporary_folder folder;
    for (const gpunet::shape& shape :
         {gpunet::shape{}, {3}, {0}, {2, 3}, {2, 0, 4}, {1, 2, 3, 4}, {1, 2, 1, 2, 1, 2, 1, 2}}) {
        gpunet::tensor<float> array(shape);
        for (std::size_t i = 0; i < array.size(); ++i) array.data()[i] = static_cast<float>(i) - 0.5F;
        gpunet::write_npy(folder / "x.npy", array);
        const auto back = gpunet::read_npy(folder / "x.npy");
        CHECK(back.shape() == shape);
        CHECK(std::vector<float>(back.elements().begin(), back.elements().end()) ==
              std::vector<float>(array.elements().begin(), array.elements().end()));
        const std::string file = test::file_content(folder / "x.npy");
        CHECK((file.size() - array.size() * 4) % 64 == 0);
        CHECK(folder.entries() == 1);
    }
}

TEST_CASE("special values are kept") {
    const test::temporary_folder folder;
    gpunet::tensor<float> array({3});
    array.data()[0] = std::numeric_limits<float>::infinity();
    array.data()[1] = std::numeric_limits<float>::quiet_NaN();
    array.data()[2] = -0.0F;
    gpunet::write_npy(folder / "x.npy", array);
    const auto back = gpunet::read_npy(folder / "x.npy");
    CHECK(std::isinf(back.data()[0]));
    CHECK(std::isnan(back.data()[1]));
    CHECK(std::signbit(back.data()[2]));
}

TEST_CASE("npy is written as NumPy writes it") {
    const test::temporary_folder folder;
    gpunet::write_npy(folder / "x.npy", gpunet::tensor<float>({2}, {1.0F, 2.0F}));
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    header.append(128 - 10 - 1 - header.size(), ' ');
    CHECK(test::file_content(folder / "x.npy") == npy(header + "\n", test::floats({1, 2})));
}

TEST_CASE("every npy version and order of keys is read") {
    for (const int major : {1, 2, 3}) CHECK(parse(npy(good, test::floats({1, 2}), major)).data()[1] == 2.0F);
    CHECK(parse(npy("{\"shape\":(1,2),'fortran_order':False,'descr':'<f4'}\n", test::floats({1, 2}))).shape() ==
          gpunet::shape{1, 2});
}

TEST_CASE("other arrays are refused in words") {
    const auto with = [](const std::string& type, const std::string& order, const std::string& shape) {
        return refused_header("{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n");
    };
    CHECK_THAT(with("'<f8'", "False", "(1,)"),
               Contains("f.npy: npy header: expected dtype '<f4'") && Contains("found '<f8'"));
    CHECK_THAT(with("'>f4'", "False", "(2,)"), Contains("found '>f4'"));
    CHECK_THAT(with("'|u1'", "False", "(8,)"), Contains("found '|u1'"));
    CHECK_THAT(with("[('a', '<f4')]", "False", "(2,)"), Contains("found a structured dtype"));
    CHECK_THAT(with("'<f4'", "True", "(2,)"), Contains("expected C order") && Contains("fortran_order True"));
    CHECK_THAT(with("'<f4'", "None", "(2,)"), Contains("expected True or False"));
    CHECK_THAT(with("'<f4'", "False", "(3,)"), Contains("expected 12 bytes of data for shape [3], found 8"));
    CHECK_THAT(with("'<f4'", "False", "(1,)"), Contains("expected 4 bytes of data for shape [1], found 8"));
    CHECK_THAT(with("'<f4'", "False", "(2)"), Contains("expected a tuple for the shape"));
    CHECK_THAT(with("'<f4'", "False", "(-2,)"), Contains("expected a size of 0 or more, found '-2"));
    CHECK_THAT(with("'<f4'", "False", "(2 1)"), Contains("in the shape, found '1)"));
    CHECK_THAT(with("'<f4'", "False", "(1,1,1,1,1,1,1,1,2)"), Contains("expected at most 8 dimensions"));
    CHECK_THAT(with("'<f4'", "False", "(9223372036854775808,)"), Contains("expected sizes of at most 2^48"));
    CHECK_THAT(with("'<f4'", "False", "(4294967296, 4294967296)"), Contains("more than 2^50 bytes"));
    CHECK_THAT(with("'<f4'", "False", "(4294967296, 4294967296, 0)"), Contains("more than 2^50 bytes"));
}

TEST_CASE("malformed npy headers are refused in words") {
    CHECK_THAT(refused(""), Contains("f.npy: expected an npy file") && Contains("found ''"));
    CHECK_THAT(refused("\x89PNG\r\n\x1A\n"), Contains("PNG\\x0d\\x0a"));
    CHECK_THAT(refused(npy(good, test::floats({1, 2}), 4)),
               Contains("expected npy version 1.0, 2.0 or 3.0, found 4.0"));
    CHECK_THAT(refused(npy(good, test::floats({1, 2}), 1, 1)), Contains("found 1.1"));
    CHECK_THAT(refused(std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF{}", 14)),
               Contains("a header of 4294967295 bytes"));
    CHECK_THAT(refused_header("{'descr': '<f4', 'descr': '<f4'}\n"), Contains("each key once, found 'descr' twice"));
    CHECK_THAT(refused_header("{'fortran_order': False, 'shape': (2,), }\n"), Contains("a key 'descr', found none"));
    CHECK_THAT(refused_header("{'descr': '<f4', 'shape': (2,), }\n"), Contains("a key 'fortran_order', found none"));
    CHECK_THAT(refused_header("{'descr': '<f4', 'fortran_order': False}\n"), Contains("a key 'shape', found none"));
    CHECK_THAT(refused_header("{'color': 1}\n"), Contains("found 'color'"));
    CHECK_THAT(refused_header(good.substr(0, good.size() - 1)), Contains("expected spaces and a newline"));
    CHECK_THAT(refused_header(good + "x\n"), Contains("expected spaces and a newline"));
    CHECK_THAT(refused_header("{'descr': '<f4"), Contains("expected the end of a string"));
    CHECK_THAT(refused_header("[]\n"), Contains("expected '{', found '[]"));
    CHECK_THAT(refused_header("{'descr' '<f4'}\n"), Contains("expected ':'"));
}

TEST_CASE("npy files survive truncation and damage") {
    test::check_hostile_variants(npy(good, test::floats({1, 2})), parse);
}

TEST_CASE("an npy array of too many dimensions is not written") {
    const test::temporary_folder folder;
    const gpunet::tensor<float> array({1, 1, 1, 1, 1, 1, 1, 1, 1});
    CHECK_THAT(message_of<gpunet::io_error>([&] { gpunet::write_npy(folder / "x.npy", array); }),
               Contains("x.npy: cannot be written: expected at most 8 dimensions"));
    CHECK(folder.entries() == 0);
}

} // namespace test_npy

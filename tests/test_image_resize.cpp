#include "image_files.hpp"

#include <gpunet/image/resize.hpp>

#include <catch2/catch.hpp>

#include <random>

namespace test_image_resize { // tests of a program are compiled together

using Catch::Contains;
using namespace image_files;
using gpunet::extent2;
using gpunet::image;
using gpunet::image_view;
using gpunet::interpolation;
using gpunet::pass_order;
using gpunet::pixel_order;
using gpunet::resize;

namespace {

image noise(std::int64_t width, std::int64_t height) {
    std::mt19937 random(static_cast<unsigned>(width * 1000 + height));
    image picture(width, height);
    for (auto& value : picture.pixels) value = random() % 2 ? 255 : 0;
    return picture;
}

image part_of(const image& whole, const gpunet::pixel_box& part) {
    image cut(part.width, part.height);
    for (std::int64_t y = 0; y < part.height; ++y)
        std::copy_n(whole.row(part.top + y) + part.left * 3, part.width * 3, cut.row(y));
    return cut;
}

} // namespace

TEST_CASE("resize equals Pillow's bit for bit") {
    for (const auto& line : index("resize")) {
        INFO(line[4]);
        const extent2 size{std::stoll(line[2]), std::stoll(line[1])};
        CHECK(equal(resize(ppm(line[0]), size, gpunet::parse_interpolation(line[3])), ppm(line[4])));
    }
}

TEST_CASE("the older pass order equals Pillow's before version 13") {
    for (const auto& line : index("resize_rows_first")) {
        INFO(line[4]);
        const extent2 size{std::stoll(line[2]), std::stoll(line[1])};
        const interpolation filter = gpunet::parse_interpolation(line[3]);
        const image picture = ppm(line[0]);
        CHECK(equal(resize(picture, size, filter, pass_order::rows_first), ppm(line[4])));
        CHECK_FALSE(equal(resize(picture, size, filter, pass_order::pillow_13), ppm(line[4])));
    }
}

TEST_CASE("a part of a resized picture is the same part of the whole") {
    for (const auto& [width, height] : {std::pair{61, 47}, {13, 90}, {90, 13}, {1, 1}})
        for (const extent2 size : {extent2{20, 30}, {47, 20}, {30, 61}, {100, 120}, {47, 61}})
            for (const auto filter : {interpolation::bilinear, interpolation::bicubic})
                for (const auto order : {pass_order::rows_first, pass_order::pillow_13}) {
                    const image picture = noise(width, height);
                    const gpunet::pixel_box part{3, 5, size.width / 2, size.height / 2};
                    INFO(width << " x " << height << " to " << size.width << " x " << size.height);
                    CHECK(equal(resize(picture, size, filter, part, order),
                                part_of(resize(picture, size, filter, order), part)));
                }
}

TEST_CASE("the order and stride of a view make no difference") {
    const image picture = noise(23, 17);
    std::vector<std::uint8_t> bottom_up_bgr(17 * 80, 99);
    for (std::int64_t y = 0; y < 17; ++y)
        for (std::int64_t x = 0; x < 23; ++x)
            for (std::int64_t c = 0; c < 3; ++c)
                bottom_up_bgr[static_cast<std::size_t>((16 - y) * 80 + x * 3 + 2 - c)] = picture.row(y)[x * 3 + c];
    const image_view view{bottom_up_bgr.data() + 16 * 80, 23, 17, -80, pixel_order::bgr};
    for (const extent2 size : {extent2{17, 23}, {17, 9}, {9, 23}, {5, 6}, {30, 40}})
        CHECK(equal(resize(view, size, interpolation::bicubic), resize(picture, size, interpolation::bicubic)));
}

TEST_CASE("flat pictures stay flat and unchanged sizes unchanged") {
    image flat(19, 7);
    std::fill(flat.pixels.begin(), flat.pixels.end(), std::uint8_t{201});
    for (const extent2 size : {extent2{3, 4}, {40, 50}, {1, 1}})
        for (const std::uint8_t value : resize(flat, size, interpolation::bicubic).pixels) REQUIRE(value == 201);
    const image picture = noise(31, 8);
    CHECK(equal(resize(picture, {8, 31}, interpolation::bilinear), picture));
}

TEST_CASE("only what a part needs is computed, whatever the size of the whole") {
    const image thin = noise(1, 3000);
    const auto middle =
        resize(thin, {3000 * 1'000'000LL, 1'000'000}, interpolation::bicubic, {500'000, 1'500'000'000, 8, 8});
    CHECK(middle.width == 8);
}

TEST_CASE("impossible sizes and parts are refused with their numbers") {
    const image picture(4, 4);
    const auto complaint = [&](extent2 size, const gpunet::pixel_box& part) {
        return message_of<gpunet::argument_error>([&] { resize(picture, size, interpolation::bicubic, part); });
    };
    CHECK_THAT(complaint({0, 3}, {0, 0, 1, 1}), Contains("sides of 1 to 2^60 pixels, found 3 x 0"));
    CHECK_THAT(complaint({INT64_MAX, 3}, {0, 0, 1, 1}), Contains("sides of 1 to 2^60"));
    CHECK_THAT(complaint({3, 3}, {0, 0, 0, 1}), Contains("does not lie within 3 x 3"));
    CHECK_THAT(complaint({3, 3}, {1, 0, 3, 1}), Contains("the part at 1, 0 of 3 x 1 pixels"));
    CHECK_THAT(complaint({3, 3}, {-1, 0, 1, 1}), Contains("the part at -1, 0"));
    CHECK_THAT(complaint({3, 3}, {INT64_MAX, 0, INT64_MAX, 1}), Contains("does not lie within"));
    CHECK_THAT(message_of<gpunet::argument_error>([&] {
                   resize(image_view{}, {3, 3}, interpolation::bicubic);
               }),
               Contains("pixels is null"));
}

TEST_CASE("interpolations have names") {
    CHECK(gpunet::parse_interpolation("bicubic") == interpolation::bicubic);
    CHECK(gpunet::parse_interpolation(to_string(interpolation::bilinear)) == interpolation::bilinear);
    CHECK_THAT(message_of<gpunet::argument_error>([] { gpunet::parse_interpolation("lanczos"); }),
               Contains("expected bilinear or bicubic, found \"lanczos\""));
}

} // namespace test_image_resize

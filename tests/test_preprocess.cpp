#include "image_files.hpp"

#include <gpunet/image/preprocess.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

namespace test_preprocess { // tests of a program are compiled together

using Catch::Contains;
using namespace image_files;
using gpunet::argument_error;
using gpunet::image;
using gpunet::image_view;
using gpunet::interpolation;
using gpunet::plan_crop;
using gpunet::preprocess;
using gpunet::preprocessing;

TEST_CASE("preprocess_pixels equals timm's transform on Pillow") {
    for (const auto& line : index("preprocess")) {
        INFO(line[5]);
        const preprocessing settings{.size = {std::stoll(line[1]), std::stoll(line[2])},
                                     .crop = std::stod(line[3]),
                                     .interpolation = gpunet::parse_interpolation(line[4])};
        CHECK(equal(preprocess_pixels(ppm(line[0]), settings), ppm(line[5])));
    }
}

TEST_CASE("plan_crop rounds as timm and torchvision do") {
    // 224 at 0.875: the shorter edge to 256, the longer truncated, half offsets to even.
    auto plan = plan_crop({375, 500}, {.size = {224, 224}, .crop = 0.875});
    CHECK(plan.resized == gpunet::extent2{256, 341});
    CHECK(plan.kept == gpunet::pixel_box{58, 16, 224, 224}); // (341 - 224) / 2 = 58.5
    plan = plan_crop({500, 375}, {.size = {224, 224}, .crop = 0.875});
    CHECK(plan.resized == gpunet::extent2{341, 256});
    CHECK(plan_crop({100, 103}, {.size = {100, 100}}).kept.left == 2); // 1.5
    CHECK(plan_crop({100, 105}, {.size = {100, 100}}).kept.left == 2); // 2.5
    CHECK(plan_crop({320, 320}, {.size = {320, 320}, .crop = 0.96}).resized == gpunet::extent2{333, 333});
    // Larger than the resized picture: borders, the odd one below and right.
    plan = plan_crop({50, 50}, {.size = {25, 25}, .crop = 1.2});
    CHECK(plan.resized == gpunet::extent2{20, 20});
    CHECK(plan.kept == gpunet::pixel_box{0, 0, 20, 20});
    CHECK(plan.left == 2);
    CHECK(plan.top == 2);
    // Not square: the edge that is shorter in units of its target.
    plan = plan_crop({100, 300}, {.size = {20, 40}});
    CHECK(plan.resized == gpunet::extent2{20, 60});
    CHECK(plan.kept == gpunet::pixel_box{10, 0, 40, 20});
}

TEST_CASE("values are scaled in float32, planes in the order red, green, blue") {
    image picture(2, 1);
    picture.pixels = {0, 51, 255, 10, 20, 30};
    const preprocessing settings{.size = {1, 2}, .mean = {0.5F, 0.4F, 0.3F}, .std = {0.25F, 0.5F, 2.0F}};
    const auto input = preprocess(picture, settings);
    REQUIRE(input.shape() == gpunet::shape{1, 3, 1, 2});
    const auto expected = [&](int value, std::size_t c) {
        return (static_cast<float>(value) / 255.0F - settings.mean[c]) / settings.std[c];
    };
    const float all[] = {expected(0, 0),  expected(10, 0),  expected(51, 1),
                         expected(20, 1), expected(255, 2), expected(30, 2)};
    for (std::size_t i = 0; i < 6; ++i) CHECK(input.data()[i] == all[i]);

    const std::uint8_t bgr[] = {255, 51, 0, 30, 20, 10};
    const auto same = preprocess(image_view{bgr, 2, 1, 6, gpunet::pixel_order::bgr}, settings);
    std::vector<float> scaled(6);
    normalize(image_view{bgr, 2, 1, 6, gpunet::pixel_order::bgr}, settings, scaled);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(same.data()[i] == all[i]);
        CHECK(scaled[i] == all[i]);
    }
}

TEST_CASE("a batch holds each picture in its place") {
    const image first = ppm("source_61x47.ppm"), second = ppm("source_20x90.ppm");
    const preprocessing settings{.size = {16, 24}};
    const image_view views[] = {first, second};
    const auto batch = preprocess(views, settings);
    REQUIRE(batch.shape() == gpunet::shape{2, 3, 16, 24});
    const std::size_t each = 3 * 16 * 24;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto alone = preprocess(views[i], settings);
        CHECK(std::equal(alone.data(), alone.data() + each, batch.data() + i * each));
    }
    gpunet::tensor<float> wrong({2, 3, 24, 16});
    CHECK_THAT(message_of<argument_error>([&] { preprocess(first, settings, wrong.view(), 0); }),
               Contains("expected a batch of shape [N, 3, 16, 24], found [2, 3, 24, 16]"));
    gpunet::tensor<float> right({2, 3, 16, 24});
    CHECK_THAT(message_of<argument_error>([&] { preprocess(first, settings, right.view(), 2); }),
               Contains("picture 2 of a batch of 2"));
    CHECK_THAT(message_of<argument_error>([&] { preprocess(std::span<const image_view>{}, settings); }),
               Contains("at least one picture"));
    std::vector<float> small(5);
    CHECK_THAT(message_of<argument_error>([&] { preprocess(first, settings, small); }),
               Contains("room for [1, 3, 16, 24], found 5 floats"));
}

TEST_CASE("pictures of extreme shape cost only what is kept of them") {
    const image line(1, 50'000);
    CHECK(preprocess(line, {.size = {224, 224}, .crop = 0.875}).size() == 3 * 224 * 224);
}

TEST_CASE("impossible settings are refused by name") {
    const auto complaint = [](const preprocessing& settings) {
        return message_of<argument_error>([&] { preprocess(image(3, 3), settings); });
    };
    CHECK_THAT(complaint({}), Contains("preprocessing: size"));
    CHECK_THAT(complaint({.size = {8, -8}}), Contains("found -8 x 8"));
    CHECK_THAT(complaint({.size = {8, 8}, .crop = 0}), Contains("crop: expected a positive number"));
    CHECK_THAT(complaint({.size = {8, 8}, .crop = std::nan("")}), Contains("crop"));
    CHECK_THAT(complaint({.size = {8, 8}, .crop = 9}), Contains("crop") && Contains("empty or too large"));
    CHECK_THAT(complaint({.size = {8, 8}, .crop = 1e-12}), Contains("crop") && Contains("empty or too large"));
    CHECK_THAT(complaint({.size = {8, 8}, .std = {1, 0, 1}}), Contains("channel 1"));
    CHECK_THAT(complaint({.size = {8, 8}, .mean = {0, 0, std::numeric_limits<float>::infinity()}}),
               Contains("channel 2"));
    CHECK_THAT(message_of<argument_error>([] {
                   preprocess(image_view{}, {.size = {8, 8}});
               }),
               Contains("pixels is null"));
}

} // namespace test_preprocess

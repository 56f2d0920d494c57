// The kernel that makes a network's input of a picture, run by the emulator, against gpunet::preprocess: bit for bit.
#include "message_of.hpp"

#include <emulator.hpp>

#include <gpunet/cuda/kernels/preprocess.hpp>
#include <gpunet/image/preprocess.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace test_preprocess_kernel { // tests of a program are compiled together

using gpunet::extent2;
using gpunet::image_view;
using gpunet::pixel_order;
using gpunet::preprocessing;
using gpunet_test::message_of;
namespace kernels = gpunet::cuda::kernels;

namespace {

std::mt19937 random_bits(20260202);
std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(random_bits() % static_cast<unsigned>(most - least + 1));
}
template <class T>
T either(T a, T b) {
    return random_bits() % 2 == 0 ? a : b;
}

/// What the passes of a plan make, forward and backward, which must be the same. Memory is as long as it must be, and
/// of the picture there is only what the plan needs: the address sanitizer sees the rest.
std::vector<float> run(const kernels::preprocess_plan& plan, const image_view& picture, const preprocessing& settings) {
    const auto row = static_cast<std::size_t>(plan.needed.width) * 3;
    const auto height = static_cast<std::size_t>(plan.needed.height);
    // Rows dense, or as the picture has them.
    const std::size_t stride = either<std::size_t>(row, row + 5);
    std::vector<unsigned char> pixels((height - 1) * stride + row, 0xFF);
    for (std::size_t y = 0; y < height; ++y)
        std::copy_n(picture.row(plan.needed.top + static_cast<std::int64_t>(y)) + plan.needed.left * 3, row,
                    pixels.data() + y * stride);
    std::vector<float> results[2];
    for (const auto order : {gpunet::emulation::order::backward, gpunet::emulation::order::forward}) {
        gpunet::emulation::set_order(order);
        std::vector<unsigned> words(plan.words / 4, 0xFFFFFFFF);
        std::vector<float> output(static_cast<std::size_t>(3 * settings.size.height * settings.size.width), -1000.0F);
        for (std::size_t i = 0; i < plan.passes.size(); ++i) {
            kernels::preprocess_parameters p = plan.passes[i].parameters;
            p.table = reinterpret_cast<const int*>(plan.tables.data() + plan.passes[i].table);
            p.scaled = reinterpret_cast<const float*>(plan.tables.data());
            p.output = p.last ? static_cast<void*>(output.data()) : words.data();
            p.input = reinterpret_cast<const unsigned char*>(words.data());
            if (i == 0) {
                p.input = pixels.data();
                p.stride = static_cast<long long>(stride);
                p.bgr = picture.order == pixel_order::bgr;
                if (either(false, true)) { // rows stored bottom-up
                    std::vector<unsigned char> turned(pixels.size(), 0xFF);
                    for (std::size_t y = 0; y < height; ++y)
                        std::copy_n(pixels.data() + y * stride, row, turned.data() + (height - 1 - y) * stride);
                    p.input = turned.data() + (height - 1) * stride;
                    p.stride = -p.stride;
                    gpunet::emulation::launch(plan.passes[i].launch, &p);
                    continue;
                }
            }
            gpunet::emulation::launch(plan.passes[i].launch, &p);
        }
        results[order == gpunet::emulation::order::forward] = std::move(output);
    }
    const auto same = [](float a, float b) { return std::bit_cast<unsigned>(a) == std::bit_cast<unsigned>(b); };
    REQUIRE(std::equal(results[0].begin(), results[0].end(), results[1].begin(), same));
    return results[1];
}

struct seen {
    int columns_first = 0, rows_first = 0, across_only = 0, down_only = 0, borders = 0, parts = 0;
};

void compare(extent2 size, const preprocessing& settings, seen& all) {
    INFO("picture " << size.height << " x " << size.width << " to " << settings.size.height << " x "
                    << settings.size.width << ", crop " << settings.crop << ", " << to_string(settings.interpolation)
                    << (settings.order == gpunet::pass_order::pillow_13 ? "" : ", rows first"));
    const std::ptrdiff_t stride = static_cast<std::ptrdiff_t>(size.width) * 3 + between(0, 7);
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(stride * size.height));
    // Noise, and the extremes that make cubics overshoot.
    for (auto& p : pixels) p = static_cast<std::uint8_t>(either<unsigned>(random_bits() % 256, either(0U, 255U)));
    const image_view picture{pixels.data(), size.width, size.height, stride,
                             either(pixel_order::rgb, pixel_order::bgr)};
    const kernels::preprocess_plan plan = kernels::plan_preprocess(size, settings);
    const std::vector<float> found = run(plan, picture, settings);
    const gpunet::tensor<float> expected = preprocess(picture, settings);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        if (std::bit_cast<unsigned>(found[i]) != std::bit_cast<unsigned>(expected.data()[i]))
            FAIL("number " << i << ": expected " << expected.data()[i] << ", found " << found[i]);

    const auto& first = plan.passes.front().parameters;
    const auto& last = plan.passes.back().parameters;
    if (plan.passes.size() == 2)
        ++(first.across != 0 ? all.rows_first : all.columns_first);
    else
        ++(first.across != 0 ? all.across_only : all.down_only);
    all.borders += last.rows < last.height || last.columns < last.width;
    all.parts += plan.needed.width < size.width || plan.needed.height < size.height;
}

} // namespace

TEST_CASE("the preprocess kernel equals the CPU's preprocessing bit for bit") {
    seen all;
    for (int round = 0; round < 150; ++round) {
        preprocessing settings;
        settings.size = {between(1, 40), between(1, 40)};
        if (round % 2 == 0) settings.size.width = settings.size.height;
        settings.crop = either(1.0, static_cast<double>(between(35, 130)) / 100);
        settings.crop =
            std::min(settings.crop, static_cast<double>(std::min(settings.size.height, settings.size.width)));
        settings.interpolation = either(gpunet::interpolation::bilinear, gpunet::interpolation::bicubic);
        settings.order = round % 5 == 0 ? gpunet::pass_order::rows_first : gpunet::pass_order::pillow_13;
        settings.mean = {0.4F, 0.0F, 0.61F};
        extent2 size{between(1, 90), between(1, 90)};
        if (round % 3 == 0) size = {between(60, 300), between(1, 20)}; // tall
        compare(size, settings, all);
    }
    CHECK(all.columns_first > 10);
    CHECK(all.rows_first > 10);
    CHECK(all.borders > 10);
    CHECK(all.parts > 10);

    // One axis stays, or both do.
    seen single;
    compare({3, 99}, {.size = {2, 98}}, single);
    compare({99, 3}, {.size = {98, 2}}, single);
    CHECK(single.across_only == 1);
    CHECK(single.down_only == 1);
    compare({33, 33}, {.size = {33, 33}}, single);
    compare({40, 33}, {.size = {33, 33}}, single);
    compare({16, 16}, {.size = {20, 20}, .crop = 1.25}, single);
    CHECK(single.down_only == 4);
    CHECK(single.borders == 1);
    // Large ones: many blocks, and a photo's shrinking.
    compare({375, 500}, {.size = {96, 96}, .crop = 0.875}, single);
    compare({700, 200}, {.size = {64, 64}, .crop = 0.875}, single);
    CHECK(single.columns_first == 1);
    // A line of pixels costs only what is kept of it.
    compare({20'000, 1}, {.size = {32, 32}, .crop = 0.875}, single);
}

TEST_CASE("what a plan for pictures reads, and what it refuses") {
    const preprocessing settings{.size = {32, 32}, .crop = 0.875};
    const auto plan = kernels::plan_preprocess({100, 400}, settings);
    REQUIRE(plan.passes.size() == 2);
    CHECK(plan.needed.width < 100); // of 400: the sides are cut off
    CHECK(plan.words == static_cast<std::size_t>(plan.needed.height) * 32 * 4);
    CHECK(plan.tables.size() % 256 == 0);
    CHECK(plan.passes[1].parameters.stride == 32 * 4);
    for (const auto& pass : plan.passes) CHECK(pass.table % 4 == 0);

    CHECK(message_of<gpunet::argument_error>([] {
              kernels::plan_preprocess({0, 4}, {.size = {8, 8}});
          }).starts_with("picture: expected sides of 1 to "));
    kernels::preprocess d;
    d.rows = d.columns = 4;
    d.height = d.width = 8;
    d.top = 5;
    CHECK(message_of<gpunet::unsupported_error>([&] { kernels::parameters(d); }) ==
          "preprocess kernel: top: expected 0 to 4, found 5");
    d.rows = 0;
    CHECK(message_of<gpunet::argument_error>([&] { kernels::describe(d); }) ==
          "preprocess kernel: rows: expected 1 to 1073741824, found 0");
}

} // namespace test_preprocess_kernel

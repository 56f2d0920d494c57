// Pictures prepared on the GPU: the same input, and the same scores, as from pictures prepared on the CPU.
#include "gpu_support.hpp"

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/stream.hpp>
#include <gpunet/cudnn/preprocessor.hpp>
#include <gpunet/image/preprocess.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <catch2/catch.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace test_preprocess_gpu { // tests of a program are compiled together

namespace cuda = gpunet::cuda;
namespace cudnn = gpunet::cudnn;
using core_test::message_of;
using gpu_test::device;
using gpunet::half;
using gpunet::image_view;
using gpunet::pixel_order;
using gpunet::preprocessing;

namespace {

/// Noise in an application's memory.
struct frame {
    std::vector<std::uint8_t> pixels;
    image_view view;

    frame(std::mt19937& random, std::int64_t width, std::int64_t height) {
        const std::ptrdiff_t stride =
            static_cast<std::ptrdiff_t>(width) * 3 + static_cast<std::ptrdiff_t>(random() % 4);
        pixels.resize(static_cast<std::size_t>(stride * height));
        for (auto& p : pixels) p = static_cast<std::uint8_t>(random());
        view = {pixels.data(), width, height, stride, random() % 2 == 0 ? pixel_order::rgb : pixel_order::bgr};
        if (random() % 3 == 0) { // bottom-up
            view.pixels += stride * (height - 1);
            view.stride = -stride;
        }
    }
};

frame any_frame(std::mt19937& random) {
    const auto width = static_cast<std::int64_t>(1 + random() % 70);
    return {random, width, random() % 3 == 0 ? width * 7 : static_cast<std::int64_t>(1 + random() % 70)};
}

template <class T>
void copy(T* to, const T* from, std::size_t count, cudaStream_t stream) {
    cuda::check(cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyDefault, stream), "cudaMemcpyAsync");
    cuda::synchronize(stream);
}

template <class A, class B>
bool same_bits(const A& a, const B& b) {
    return std::equal(std::begin(a), std::end(a), std::begin(b), std::end(b), [](float x, float y) {
        return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
    });
}

} // namespace

TEST_CASE("GPU: a batch of pictures of any sizes becomes what the CPU makes of it", "[gpu]") {
    GPU_OR_SKIP();
    std::mt19937 random(7);
    const cuda::stream streams[2];
    for (const std::size_t depth : {1U, 2U, 3U}) {
        const preprocessing settings{.size = {24, 28}, .crop = depth == 1 ? 1.2 : 0.875};
        const std::int64_t batch = 12;
        const std::size_t each = 3 * 24 * 28;
        cudnn::preprocessor made(device<half>(), settings, batch, depth);
        cudnn::preprocessor p = std::move(made);
        CHECK(p.batch() == batch);
        CHECK(p.settings().size == settings.size);
        cuda::device_buffer destination(each * sizeof(float) * static_cast<std::size_t>(batch));
        auto* const input = reinterpret_cast<float*>(destination.data());
        std::vector<cuda::device_buffer> on_device;
        gpunet::tensor<float> expected({batch, 3, 24, 28});
        frame again = any_frame(random);
        for (std::int64_t i = 0; i < batch; ++i) {
            frame f = i % 3 == 2 ? again : any_frame(random); // sizes that come again, and new ones
            if (i % 3 == 2) f.view.pixels = f.pixels.data() + (again.view.pixels - again.pixels.data());
            preprocess(f.view, settings, expected.view(), i);
            cudaStream_t stream = streams[random() % 2].get();
            if (random() % 3 == 0) {
                on_device.emplace_back(f.pixels.size());
                auto* const there = reinterpret_cast<std::uint8_t*>(on_device.back().data());
                copy(there, f.pixels.data(), f.pixels.size(), stream);
                f.view.pixels = there + (f.view.pixels - f.pixels.data());
                p.enqueue_from_device(i, f.view, input, stream);
            } else {
                p.enqueue(i, f.view, input, stream);
            }
            std::fill(f.pixels.begin(), f.pixels.end(), std::uint8_t{99}); // the caller's again
        }
        for (const cuda::stream& s : streams) s.synchronize();
        std::vector<float> found(expected.size());
        copy(found.data(), input, found.size(), streams[0].get());
        for (std::size_t i = 0; i < found.size(); i += each) {
            INFO("depth " << depth << ", picture " << i / each);
            CHECK(same_bits(std::span(found).subspan(i, each), expected.elements().subspan(i, each)));
        }
    }
}

TEST_CASE("GPU: a picture larger than what is staged at a time", "[gpu]") {
    GPU_OR_SKIP();
    std::mt19937 random(8);
    const preprocessing settings{.size = {16, 16}, .crop = 0.875};
    cudnn::preprocessor p(device<half>(), settings);
    const cuda::stream stream;
    const cuda::device_buffer destination(3 * 16 * 16 * sizeof(float));
    auto* const input = reinterpret_cast<float*>(destination.data());
    std::vector<float> found(3 * 16 * 16);
    for (const auto& [width, height] : {std::pair{1000, 800}, std::pair{300, 2400}, std::pair{1000, 800}}) {
        const frame f(random, width, height);
        p.enqueue(0, f.view, input, stream.get());
        copy(found.data(), input, found.size(), stream.get());
        CHECK(same_bits(found, preprocess(f.view, settings).elements()));
    }
}

TEST_CASE("GPU: scores of pictures prepared on the GPU are those of pictures prepared on the CPU", "[gpu]") {
    GPU_OR_SKIP();
    std::mt19937 random(9);
    const auto s = core_test::small("small0");
    const gpunet::network net(s, gpunet::synthetic_weights(gpunet::lower(s)), device<half>());
    const preprocessing settings{.size = {64, 64}, .crop = 0.96};
    gpunet::context context(net, {3, {}, gpunet::taps::none});
    cudnn::preprocessor p(device<half>(), settings);
    std::vector<float> scores(static_cast<std::size_t>(gpunet::element_count(context.output_shape())));
    for (int round = 0; round < 3; ++round) {
        const frame pictures[] = {{random, 90, 70}, {random, 30, 100}, {random, 64 + round, 67}};
        gpunet::tensor<float> images(context.input_shape());
        for (std::int64_t i = 0; i < 3; ++i) {
            preprocess(pictures[i].view, settings, images.view(), i);
            p.enqueue(i, pictures[i].view, context);
        }
        context.enqueue(nullptr, scores.data());
        context.synchronize();
        CHECK(same_bits(scores, context.run(images.elements()).elements()));
        CHECK(std::any_of(scores.begin(), scores.end(), [](float x) { return x != 0; }));
    }
    gpunet::context small(net, {1, {40, 64}, gpunet::taps::none});
    CHECK(message_of<gpunet::argument_error>([&] { p.enqueue(0, frame(random, 8, 8).view, small); }) ==
          "preprocessor: expected a context of input [1, 3, 64, 64], found [1, 3, 40, 64]");
    CHECK(message_of<gpunet::argument_error>([&] { p.enqueue(3, frame(random, 8, 8).view, context); }) ==
          "preprocessor: picture 3 of a batch of 3");
}

TEST_CASE("GPU: what a preprocessor refuses", "[gpu]") {
    GPU_OR_SKIP();
    std::mt19937 random(10);
    const cuda::stream stream;
    const cuda::device_buffer destination(3 * 8 * 8 * sizeof(float));
    auto* const input = reinterpret_cast<float*>(destination.data());
    cudnn::preprocessor p(device<half>(), {.size = {8, 8}});
    const frame good(random, 9, 9);
    const auto complaint = [&](std::int64_t index, const image_view& view, float* to) {
        return message_of<gpunet::argument_error>([&] { p.enqueue(index, view, to, stream.get()); });
    };
    CHECK(complaint(1, good.view, input) == "preprocessor: picture 1 of a batch of 1");
    CHECK(complaint(-1, good.view, input) == "preprocessor: picture -1 of a batch of 1");
    CHECK(complaint(0, good.view, nullptr) == "preprocessor: destination is null");
    CHECK(complaint(0, {}, input) == "image_view: pixels is null");
    CHECK(complaint(0, {good.pixels.data(), 9, 9, 26, pixel_order::rgb}, input) ==
          "image_view: stride: expected at least 3 * width = 27 bytes, found 26");
    CHECK(message_of<gpunet::argument_error>([] {
              cudnn::preprocessor none(device<half>(), {});
          }).starts_with("preprocessing: size: expected sides of 1 to "));
    CHECK(message_of<gpunet::argument_error>([] {
              cudnn::preprocessor none(device<half>(), {.size = {8, 8}}, 0);
          }) == "preprocessor: expected a batch and a depth of at least 1, found 0 and 2");
}

} // namespace test_preprocess_gpu

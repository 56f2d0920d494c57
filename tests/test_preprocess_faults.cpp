// Preparing pictures on the GPU where work is done as late as may be, and where it fails: on the fake device only.
#include "gpu_support.hpp"

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/stream.hpp>
#include <gpunet/cudnn/preprocessor.hpp>
#include <gpunet/image/preprocess.hpp>

#include <fake_device.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace test_preprocess_faults { // tests of a program are compiled together

namespace cuda = gpunet::cuda;
namespace cudnn = gpunet::cudnn;
using gpunet::half;
using gpunet::image;
using gpunet::preprocessing;

namespace {

/// Rules of one test only.
struct clean_device {
    clean_device() {
        static_cast<void>(gpu_test::why_not());
        gpunet_fake::reset();
    }
    ~clean_device() { gpunet_fake::reset(); }
};

constexpr std::size_t each = 3 * 12 * 12;
const preprocessing settings{.size = {12, 12}, .crop = 0.75};

image noise(std::int64_t width, std::int64_t height, unsigned seed) {
    image picture(width, height);
    for (auto& p : picture.pixels) p = static_cast<std::uint8_t>((seed = seed * 1664525U + 1013904223U) >> 24);
    return picture;
}

/// Waits for the stream.
std::vector<float> fetch(const cuda::device_buffer& from, const cuda::stream& stream) {
    std::vector<float> values(from.size() / sizeof(float));
    cuda::check(cudaMemcpyAsync(values.data(), from.data(), from.size(), cudaMemcpyDeviceToHost, stream.get()),
                "cudaMemcpyAsync");
    stream.synchronize();
    return values;
}

} // namespace

TEST_CASE("GPU: no picture under way is overwritten, however late the device") {
    const clean_device rules;
    for (const std::size_t depth : {1U, 2U, 5U}) {
        gpunet_fake::set_execution(gpunet_fake::execution::lazy);
        const cuda::stream stream;
        const cuda::device_buffer destination(9 * each * sizeof(float));
        auto* const input = reinterpret_cast<float*>(destination.data());
        std::vector<float> expected(9 * each);
        {
            cudnn::preprocessor p(gpu_test::device<half>(), settings, 9, depth);
            for (unsigned i = 0; i < 9; ++i) {
                image picture = i % 2 == 0 ? noise(20 + 5 * (i / 4), 31, i) : noise(9, 60, i);
                preprocess(picture, settings, std::span(expected).subspan(i * each, each));
                p.enqueue(i, picture, input, stream.get());
                std::fill(picture.pixels.begin(), picture.pixels.end(), std::uint8_t{0});
            }
        } // waits
        CHECK(fetch(destination, stream) == expected);
        gpunet_fake::set_execution(gpunet_fake::execution::eager);
    }
    CHECK(gpunet_fake::report().faults.empty());
}

TEST_CASE("GPU: pictures of one size on the device need no copy but the first") {
    const clean_device rules;
    const image picture = noise(40, 30, 1);
    const cuda::stream stream;
    const cuda::device_buffer destination(each * sizeof(float)), pixels(picture.pixels.size());
    cuda::check(
        cudaMemcpyAsync(pixels.data(), picture.pixels.data(), pixels.size(), cudaMemcpyHostToDevice, stream.get()),
        "cudaMemcpyAsync");
    cudnn::preprocessor p(gpu_test::device<half>(), settings, 1, 2);
    gpunet::image_view view = picture;
    view.pixels = reinterpret_cast<const std::uint8_t*>(pixels.data());
    const auto copies = [] { return gpunet_fake::report().copies; };
    const auto before = copies();
    for (int i = 0; i < 10; ++i)
        p.enqueue_from_device(0, view, reinterpret_cast<float*>(destination.data()), stream.get());
    CHECK(copies() == before + 2); // the tables, for each of two places
    const auto expected = preprocess(picture, settings);
    CHECK(fetch(destination, stream) == std::vector(expected.elements().begin(), expected.elements().end()));
    // From the host: the pixels alone.
    const auto with_tables = gpunet_fake::report().calls_of("cudaMemcpyAsync");
    p.enqueue(0, picture, reinterpret_cast<float*>(destination.data()), stream.get());
    CHECK(gpunet_fake::report().calls_of("cudaMemcpyAsync") == with_tables + 1);
    CHECK(fetch(destination, stream) == std::vector(expected.elements().begin(), expected.elements().end()));
}

TEST_CASE("GPU: a preprocessor survives each call that fails") {
    const clean_device rules;
    const image small = noise(20, 25, 2), large = noise(50, 60, 3);
    const auto expected = preprocess(large, settings);
    for (const char* function : {"cudaMalloc", "cudaHostAlloc", "cudaMemcpyAsync", "cudaLaunchKernelExC",
                                 "cudaEventRecordWithFlags", "cudaStreamWaitEvent", "cudaEventSynchronize"})
        for (const long nth : {1L, 2L}) {
            INFO(function << " " << nth);
            const cuda::stream stream;
            const cuda::device_buffer destination(each * sizeof(float));
            auto* const input = reinterpret_cast<float*>(destination.data());
            cudnn::preprocessor p(gpu_test::device<half>(), settings, 1, 1);
            p.enqueue(0, small, input, stream.get());
            gpunet_fake::fail(function, nth, cudaErrorMemoryAllocation);
            bool failed = false;
            try {
                p.enqueue(0, large, input, stream.get());
            } catch (const gpunet::cuda_error& e) {
                failed = true;
                CHECK(std::string(e.what()).find('\n') == std::string::npos);
            }
            CHECK((failed || nth == 2)); // some are called once only
            gpunet_fake::reset();
            p.enqueue(0, large, input, stream.get());
            CHECK(fetch(destination, stream) == std::vector(expected.elements().begin(), expected.elements().end()));
        }
    CHECK(gpunet_fake::report().faults.empty());
}

} // namespace test_preprocess_faults

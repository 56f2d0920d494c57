// The CUDA runtime layer on a GPU; on two of them where there are two.
#include "message_of.hpp"

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/cubin_cache.hpp>
#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/error.hpp>
#include <gpunet/cuda/event.hpp>
#include <gpunet/cuda/graph.hpp>
#include <gpunet/cuda/kernel.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/cuda/stream.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_cuda_device { // tests of a program are compiled together

namespace {

namespace cuda = gpunet::cuda;
using Catch::Contains;
using Catch::StartsWith;
using gpunet_test::message_of;

/// Whether there are so many GPUs; says so where a test is skipped.
bool have_devices(int wanted = 1) {
    const int found = cuda::device_count();
    if (found >= wanted) return true;
    std::cout << "skipped: needs " << wanted << " GPUs, found " << found << ' ' << cuda::why_no_device() << '\n';
    return false;
}

void copy(const std::byte* from, std::byte* to, std::size_t bytes, cudaStream_t stream) {
    cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
}

void fill(const cuda::device_buffer& buffer, int byte, cudaStream_t stream) {
    cuda::check(cudaMemsetAsync(buffer.data(), byte, buffer.size(), stream), "cudaMemsetAsync");
}

bool all_are(const cuda::pinned_buffer& buffer, int byte) {
    return std::all_of(buffer.data(), buffer.data() + buffer.size(),
                       [&](std::byte b) { return b == static_cast<std::byte>(byte); });
}

} // namespace

TEST_CASE("a GPU is described") {
    if (!have_devices()) return;
    CHECK(cuda::why_no_device().empty());
    for (int i = 0; i < cuda::device_count(); ++i) {
        const cuda::device_info d = cuda::describe_device(i);
        std::cout << "cuda:" << i << ": " << d.name << ", " << d.uuid << ", " << d.capability.architecture() << '\n';
        CHECK(d.ordinal == i);
        CHECK_FALSE(d.name.empty());
        CHECK_THAT(d.uuid, StartsWith("GPU-"));
        CHECK(d.uuid.size() == 40);
        CHECK(d.capability >= cuda::capability{7, 5});
        CHECK(d.multiprocessors > 0);
        CHECK(d.memory > 1U << 30);
        CHECK(d.l2_bytes > 0);
        CHECK(d.shared_bytes_per_block >= cuda::default_shared_bytes);
        CHECK(d.driver_version >= 12000);
        CHECK(d.runtime_version == CUDART_VERSION);
    }
    CHECK_THROWS_AS(cuda::describe_device(-1), gpunet::argument_error);
}

TEST_CASE("buffers own memory of one device") {
    if (!have_devices()) return;
    const int device = cuda::current_device();
    cuda::device_buffer one(1000), none(0);
    CHECK(one.data() != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(one.data()) % 256 == 0);
    CHECK(one.size() == 1000);
    CHECK(one.device() == device);
    CHECK(none.data() == nullptr);
    CHECK(none.size() == 0);
    const std::byte* const data = one.data();
    cuda::device_buffer moved(std::move(one));
    CHECK(moved.data() == data);
    none = std::move(moved);
    CHECK(none.data() == data);
    CHECK(none.size() == 1000);
    CHECK_THAT(message_of<gpunet::cuda_error>([] { cuda::device_buffer huge(std::size_t{1} << 60); }),
               StartsWith("cudaMalloc of 1152921504606846976 bytes on cuda:" + std::to_string(device) +
                          ": cudaErrorMemoryAllocation (code 2): "));
    CHECK(cudaGetLastError() == cudaSuccess); // and the next call does not report it again
}

TEST_CASE("work of a stream is done in order") {
    if (!have_devices()) return;
    cuda::stream first;
    cuda::stream stream(std::move(first));
    CHECK(first.get() == nullptr);
    const cuda::pinned_buffer from(4096), to(4096);
    const cuda::device_buffer on_device(4096);
    std::memset(from.data(), 7, from.size());
    copy(from.data(), on_device.data(), from.size(), stream.get());
    copy(on_device.data(), to.data(), to.size(), stream.get());
    stream.synchronize();
    CHECK(all_are(to, 7));

    // Another stream waits by an event.
    const cuda::stream other;
    cuda::event filled = cuda::event::without_time();
    fill(on_device, 9, stream.get());
    filled.record(stream.get());
    filled.block(other.get());
    copy(on_device.data(), to.data(), to.size(), other.get());
    other.synchronize();
    CHECK(all_are(to, 9));
}

TEST_CASE("time between events") {
    if (!have_devices()) return;
    const cuda::stream stream;
    const cuda::device_buffer buffer(std::size_t{1} << 24);
    cuda::event from, to;
    from.record(stream.get());
    fill(buffer, 0, stream.get());
    to.record(stream.get());
    to.synchronize();
    const float elapsed = cuda::milliseconds(from, to);
    CHECK(elapsed >= 0);
    CHECK(elapsed < 10000);
    cuda::event untimed = cuda::event::without_time();
    untimed.record(stream.get());
    untimed.synchronize();
    CHECK_THAT(message_of<gpunet::cuda_error>([&] { cuda::milliseconds(from, untimed); }),
               StartsWith("cudaEventElapsedTime: "));
}

TEST_CASE("a captured graph runs when it is launched") {
    if (!have_devices()) return;
    const cuda::stream stream;
    const cuda::device_buffer buffer(1000);
    const cuda::pinned_buffer result(1000);
    std::memset(result.data(), 1, result.size());
    cuda::event begin, end;
    auto graph = cuda::executable_graph::capture(stream.get(), [&] {
        begin.record_external(stream.get());
        fill(buffer, 5, stream.get());
        copy(buffer.data(), result.data(), result.size(), stream.get());
        end.record_external(stream.get());
    });
    CHECK(graph.nodes() == 4);
    stream.synchronize();
    CHECK(all_are(result, 1));
    auto moved = std::move(graph);
    for (int run = 0; run < 3; ++run) {
        std::memset(result.data(), 1, result.size());
        moved.launch(stream.get());
        stream.synchronize();
        CHECK(all_are(result, 5));
        CHECK(cuda::milliseconds(begin, end) >= 0);
    }
    CHECK(cuda::executable_graph::capture(stream.get(), [] {}).nodes() == 0);
}

TEST_CASE("a capture that fails is ended") {
    if (!have_devices()) return;
    const cuda::stream stream;
    const cuda::device_buffer buffer(64);
    const auto failing = [&] {
        fill(buffer, 1, stream.get());
        throw std::runtime_error("in the middle");
    };
    CHECK_THROWS_WITH(cuda::executable_graph::capture(stream.get(), failing), "in the middle");
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusActive;
    cuda::check(cudaStreamIsCapturing(stream.get(), &status), "cudaStreamIsCapturing");
    CHECK(status == cudaStreamCaptureStatusNone);
    fill(buffer, 2, stream.get());
    CHECK_NOTHROW(stream.synchronize());
}

TEST_CASE("a device is current in a scope") {
    if (!have_devices(2)) return;
    const int before = cuda::current_device();
    const int other = before == 0 ? 1 : 0;
    const auto allocate_there = [&] {
        const cuda::device_scope scope(other);
        const cuda::device_scope same(other);
        CHECK(cuda::current_device() == other);
        return cuda::device_buffer(100);
    };
    {
        const cuda::device_buffer buffer = allocate_there();
        CHECK(buffer.device() == other);
        CHECK(cuda::current_device() == before);
    }
    CHECK(cuda::current_device() == before);
    CHECK_THROWS_AS(cuda::device_scope(cuda::device_count()), gpunet::cuda_error);
    CHECK(cuda::current_device() == before);
}

TEST_CASE("a kernel is compiled, loaded and launched") {
    if (!have_devices()) return;
    const cuda::device_info device = cuda::describe_device(cuda::current_device());
    if (device.name.starts_with("Fake")) {
        std::cout << "skipped: " << device.name << " runs the library's own kernels alone\n";
        return;
    }
    const cuda::nvrtc nvrtc = cuda::nvrtc::open();
    cuda::cubin_cache cache;
    const char* source = R"(
struct arguments { float* values; unsigned count; };
extern "C" __global__ void add(arguments a) {
    extern __shared__ float staged[];
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
    if (i < a.count) staged[SHARED / 4 - 1 - threadIdx.x] = a.values[i] + 1;
    if (i < a.count) a.values[i] = staged[SHARED / 4 - 1 - threadIdx.x];
})";
    struct arguments {
        float* values;
        unsigned count;
    };
    const cuda::stream stream;
    const cuda::device_buffer values(1000 * sizeof(float));
    const cuda::pinned_buffer result(values.size());
    for (const unsigned shared : {1024U, 64U << 10}) {
        const std::vector<std::string> defines = {"SHARED=" + std::to_string(shared)};
        const cuda::kernel_module module(cache.get(nvrtc, source, "add", device.capability.architecture(), defines));
        CHECK_THAT(message_of<gpunet::cuda_error>([&] { module.kernel("subtract"); }),
                   StartsWith("cudaLibraryGetKernel of kernel subtract: "));
        const cuda::kernel add = module.kernel("add");
        const arguments a{reinterpret_cast<float*>(values.data()), 1000};
        fill(values, 0, stream.get());
        const auto work = [&] {
            cuda::launch(add, {4, 1, 1}, {256, 1, 1}, shared, stream.get(), &a);
            cuda::launch(add, {4, 1, 1}, {256, 1, 1}, shared, stream.get(), &a, true);
        };
        work();
        const auto graph = cuda::executable_graph::capture(stream.get(), work);
        CHECK(graph.nodes() == 2);
        graph.launch(stream.get());
        copy(values.data(), result.data(), result.size(), stream.get());
        stream.synchronize();
        const auto* const sums = reinterpret_cast<const float*>(result.data());
        CHECK(std::all_of(sums, sums + 1000, [](float v) { return v == 4; }));
        CHECK_THAT(message_of<gpunet::cuda_error>([&] {
                       cuda::launch(add, {1, 1, 1}, {32, 1, 1}, std::size_t{1} << 20, stream.get(), &a);
                   }),
                   StartsWith("shared memory of 1048576 bytes a block: cudaErrorInvalidValue"));
    }
}

TEST_CASE("machine code that cannot be loaded is an error when a kernel is asked for") {
    if (!have_devices()) return;
    const cuda::kernel_module module(std::make_shared<const std::vector<std::byte>>(100));
    CHECK_THAT(message_of<gpunet::cuda_error>([&] { module.kernel("f"); }),
               StartsWith("cudaLibraryLoadData for kernel f: cudaError"));
}

} // namespace test_cuda_device

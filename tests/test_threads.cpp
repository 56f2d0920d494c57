// One network that many threads run for long: the same bits always, no memory that grows, and the number of threads
// that was asked for. The thread sanitizer runs them as well; oneDNN and OpenMP are not compiled with it, so that it
// only sees what this library does.
#include "core_support.hpp"
#include "process_state.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/quantize.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <latch>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace test_threads { // tests of a program are compiled together

using gpunet::extent2;
using gpunet::taps;
namespace cpu = gpunet::cpu;
namespace quantize = gpunet::quantize;

using network = gpunet::network<cpu::backend>;
using context = gpunet::context<cpu::backend>;

namespace {

/// Whether this program is slow, and its memory not what it would be, for a sanitizer watches it.
constexpr bool watched = core_test::sanitized || gpunet_test::thread_sanitized;

constexpr int many = core_test::sanitized ? 1000 : 10'000; // runs of a thread

constexpr extent2 small_size{24, 24};
constexpr std::size_t small_pixels = 3UL * 24 * 24;

/// Pictures that have nothing in common, and what one thread alone makes of each.
struct questions {
    explicit questions(const network& net) {
        context alone(net, {1, small_size, taps::none});
        for (std::size_t i = 0; i < pictures.size(); ++i) {
            pictures[i].resize(small_pixels);
            gpunet::synthetic_input(pictures[i]);
            for (float& x : pictures[i]) x *= 1.0F - 0.4F * static_cast<float>(i);
            const auto scores = alone.run(pictures[i]);
            answers[i].assign(scores.elements().begin(), scores.elements().end());
        }
    }

    std::array<std::vector<float>, 4> pictures, answers;
};

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// How many of the runs of `threads` threads, `runs` each, gave other bits than one thread alone. Each has a context of
/// its own, which it makes while others run.
long wrong_runs(const network& net, int threads, int runs) {
    const questions q(net);
    std::atomic<long> wrong = 0;
    std::latch start(threads);
    std::vector<std::jthread> all;
    for (int t = 0; t < threads; ++t)
        all.emplace_back([&, t] {
            start.arrive_and_wait();
            context own(net, {1, small_size, taps::none});
            std::vector<float> scores(q.answers[0].size());
            for (int i = 0; i < runs; ++i) {
                const std::size_t which = static_cast<std::size_t>(i + t) % q.pictures.size();
                own.run(q.pictures[which], scores);
                if (!same_bits(scores, q.answers[which])) ++wrong;
            }
        });
    all.clear(); // joins
    return wrong;
}

network make(const cpu::options& o) {
    const auto s = core_test::small("small0");
    return {s, gpunet::synthetic_weights(gpunet::lower(s)), cpu::backend(o)};
}

/// The same network in int8, which the CPU computes in bytes where it can.
network make_quantized(const cpu::options& o) {
    const auto s = core_test::small("small0");
    std::vector<gpunet::tensor<float>> pictures;
    pictures.emplace_back(gpunet::shape{1, 3, s.data.resolution.height, s.data.resolution.width});
    gpunet::synthetic_input(pictures.front().elements());
    const cpu::backend device(o);
    return {
        s,
        quantize::post_training(s, gpunet::synthetic_weights(gpunet::lower(s)), quantize::pictures_of(pictures), device)
            .weights,
        device};
}

/// The threads there are, with that which the thread sanitizer starts beside the first of the program's own.
std::ptrdiff_t threads_before() {
    std::thread([] {}).join();
    std::this_thread::sleep_for(std::chrono::milliseconds(50)); // it may be listed a little longer
    return gpunet_test::threads_of();
}

} // namespace

TEST_CASE("16 threads run one network 10000 times each: the same bits always") {
    CHECK(wrong_runs(make({.threads = 1}), 16, many) == 0);
}

TEST_CASE("16 threads run one network in int8 10000 times each: the same bits always") {
    CHECK(wrong_runs(make_quantized({.threads = 1}), 16, many) == 0);
}

TEST_CASE("16 threads that share a team get the same bits, whoever of it does which part") {
    CHECK(wrong_runs(make({.threads = 4}), 16, many / 10) == 0);
    CHECK(wrong_runs(make_quantized({.threads = 3}), 16, many / 10) == 0);
}

TEST_CASE("16 threads run what oneDNN computes: the same bits always") {
    CHECK(wrong_runs(make({.threads = 1, .format = cpu::format::channels_last}), 16, many / 10) == 0);
    CHECK(wrong_runs(make({.threads = 2, .format = cpu::format::channels_last}), 4, many / 100) == 0);
}

TEST_CASE("16 threads call a network without contexts of their own, in different shapes") {
    const network net = make({.threads = 1});
    constexpr std::array<std::int64_t, 6> sides = {24, 26, 28, 30, 32, 34}; // more than it keeps contexts for
    std::array<gpunet::tensor<float>, sides.size()> pictures, answers;
    for (std::size_t i = 0; i < sides.size(); ++i) {
        pictures[i] = gpunet::tensor<float>({1, 3, sides[i], 24});
        gpunet::synthetic_input(pictures[i].elements());
        answers[i] = net(pictures[i]);
    }
    std::atomic<long> wrong = 0;
    std::vector<std::jthread> all;
    for (std::size_t t = 0; t < 16; ++t)
        all.emplace_back([&, t] {
            for (std::size_t i = 0; i < 40; ++i) {
                const std::size_t which = (i * (t + 1) + t) % sides.size();
                if (!same_bits(net(pictures[which]).elements(), answers[which].elements())) ++wrong;
            }
        });
    all.clear();
    CHECK(wrong == 0);
}

TEST_CASE("memory does not grow over 100000 runs") {
    const network net = make({.threads = 1}), bytes = make_quantized({.threads = 1}), shared = make({.threads = 2});
    context own(net, {1, small_size, taps::none}), own_bytes(bytes, {1, small_size, taps::none}),
        own_shared(shared, {1, small_size, taps::none});
    const questions q(net);
    std::vector<float> scores(q.answers[0].size());
    const auto run = [&](int times) {
        for (int i = 0; i < times; ++i) {
            own.run(q.pictures[static_cast<std::size_t>(i) % q.pictures.size()], scores);
            own_bytes.run(q.pictures[0], scores);
            if (i % 10 == 0) own_shared.run(q.pictures[0], scores);
        }
    };
    run(1000);
    const std::ptrdiff_t resident = gpunet_test::resident_bytes(), allocated = gpunet_test::allocated_bytes();
    run(watched ? 1000 : 100'000);
    CHECK(gpunet_test::allocated_bytes() == allocated);
    if (!watched) CHECK(gpunet_test::resident_bytes() - resident < 1 << 18);
}

TEST_CASE("memory does not grow over contexts made and dropped, of ever new shapes too") {
    const network net = make({.threads = 1});
    const auto run_in_shapes = [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t height = from; height < to; ++height) {
            context c(net, {1, {height, 40}, taps::none});
            static_cast<void>(c.run(std::vector<float>(static_cast<std::size_t>(3 * height * 40))));
        }
    };
    run_in_shapes(24, 64);
    const std::ptrdiff_t resident = gpunet_test::resident_bytes(), allocated = gpunet_test::allocated_bytes();
    run_in_shapes(64, watched ? 70 : 164);
    // oneDNN keeps what it makes for a shape, up to a number: some is made before, some later.
    if (cpu::jit::available()) CHECK(gpunet_test::allocated_bytes() - allocated < 1 << 16);
    if (!watched && cpu::jit::available()) CHECK(gpunet_test::resident_bytes() - resident < 2 << 20);
}

TEST_CASE("a backend has as many threads as it was asked for, the caller's included, until its last copy goes") {
    if (!cpu::jit::available()) return; // OpenMP's, below
    const auto before = threads_before();
    {
        const network net = make({.threads = 5}); // threads that read weights are gone again
        CHECK(gpunet_test::comes_to_threads(before + 4));
        context c(net, {1, small_size, taps::none}), other(net, {2, small_size, taps::none});
        static_cast<void>(c.run(std::vector<float>(small_pixels)));
        const network copy = net;
        CHECK(gpunet_test::comes_to_threads(before + 4));
        const network second = make_quantized({.threads = 2});
        CHECK(gpunet_test::comes_to_threads(before + 5));
    }
    CHECK(gpunet_test::comes_to_threads(before));
    const network alone = make({.threads = 1});
    static_cast<void>(alone(gpunet::tensor<float>({1, 3, 24, 24})));
    CHECK(gpunet_test::comes_to_threads(before));
}

TEST_CASE("oneDNN uses as many threads as the backend was asked for, and the caller's own number stays") {
    const auto before = threads_before();
    const cpu::openmp runtime;
    if (runtime.max_threads() == 1) runtime.set_threads(2); // so that there is something to come back to
    const int usual = runtime.max_threads();
    for (const int threads : {1, 3})
        std::jthread([&, threads] { // OpenMP keeps a team for each thread that calls it, as long as that lives
            const network net = make({.threads = threads, .format = cpu::format::channels_last});
            static_cast<void>(net(gpunet::tensor<float>({2, 3, 64, 64})));
            CHECK(gpunet_test::comes_to_threads(before + threads));
        })
            .join();
    CHECK(gpunet_test::comes_to_threads(before));
    CHECK(runtime.max_threads() == usual);
}

} // namespace test_threads

// The GPU backend where things go wrong: on the fake device only, which can be told to fail.
#include "gpu_support.hpp"
#include "temporary_folder.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/stream.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <fake_device.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace test_gpu_faults { // tests of a program are compiled together

namespace cudnn = gpunet::cudnn;
using core_test::relative_l2;
using gpunet::half;

namespace {

gpunet::tensor<float> input(const gpunet::shape& s) {
    gpunet::tensor<float> t(s);
    gpunet::synthetic_input(t.elements());
    return t;
}

struct small {
    gpunet::spec::network spec = core_test::small("small0");
    gpunet::tensor_store weights = gpunet::synthetic_weights(gpunet::lower(spec));
    gpunet::tensor<float> images = input({2, 3, 64, 64});
    gpunet::tensor<float> expected = gpunet::network(spec, weights, gpunet::cpu::backend())(images);
};

const small& network_under_test() {
    static const small s;
    return s;
}

/// Rules of one test only.
struct clean_device {
    clean_device() {
        static_cast<void>(gpu_test::why_not());
        gpunet_fake::reset();
    }
    ~clean_device() { gpunet_fake::reset(); }
};

template <class T>
gpunet::network<cudnn::backend<T>> make(cudnn::options o = gpu_test::uncached()) {
    const small& s = network_under_test();
    return {s.spec, s.weights, cudnn::backend<T>(o)};
}

} // namespace

TEST_CASE("GPU: what cuDNN cannot fuse or do is done by our kernels, with the same scores") {
    const clean_device device;
    const small& s = network_under_test();
    struct {
        const char* refused;
        const char* stage;
        const char* kernel; // that steps in
    } const cases[] = {{"swish", "heuristics", ", then kernel pointwise"},
                       {"relu", "plan", ", then kernel pointwise"},
                       {"", "heuristics", "kernel convolution"},
                       {"", "plan", "kernel convolution"},
                       {"residual", "plan", "kernel convolution"},
                       {"engine=4", "execution", "cuDNN engine 3, run-time compiled"},
                       {"swish", "execution", ", then kernel pointwise"},
                       {"", "execution", "kernel convolution"}};
    for (const auto& c : cases) {
        INFO("refused: '" << c.refused << "' at " << c.stage);
        gpunet_fake::reset();
        gpunet_fake::refuse(c.refused, c.stage);
        {
            const auto net = make<float>();
            gpunet::context context(net, {.batch = 2});
            CHECK(relative_l2(context.run(s.images.elements()).elements(), s.expected.elements()) < 2e-5);
            const auto steps = context.steps();
            CHECK(std::any_of(steps.begin(), steps.end(), [&](const gpunet::layer_step& step) {
                return step.info.implementation.ends_with(c.kernel);
            }));
        }
        CHECK(gpunet_fake::report().faults == std::vector<std::string>{});
    }
}

TEST_CASE("GPU: where cuDNN has no plan, 16-bit convolutions run on tensor cores all the same") {
    const clean_device device;
    const small& s = network_under_test();
    const auto images = input({1, 3, 33, 40});
    const auto expected = gpunet::network(s.spec, s.weights, gpunet::cpu::backend())(images);
    gpunet_fake::refuse("", "execution");
    for (const bool tune : {false, true}) {
        const test::temporary_folder cache;
        auto o = gpu_test::uncached();
        o.tune = tune;
        o.cache = cache.path();
        for (int i = 0; i < 2; ++i) { // chosen, then read
            const long launches = gpunet_fake::report().graph_launches;
            const auto net = make<half>(o);
            gpunet::context context(net, {.batch = 1, .size = {33, 40}});
            CHECK(relative_l2(context.run(images.elements()).elements(), expected.elements()) <
                  4 * gpu_test::tolerance<half>());
            const auto steps = context.steps();
            CHECK(std::count_if(steps.begin(), steps.end(), [&](const gpunet::layer_step& step) {
                      return step.info.implementation.starts_with("kernel implicit_gemm ");
                  }) > 5);
            CHECK((gpunet_fake::report().graph_launches - launches > 20) == (tune && i == 0));
        }
    }
    CHECK(gpunet_fake::report().faults == std::vector<std::string>{});
}

TEST_CASE("GPU: work is done as late as a device may, and in any order a graph allows") {
    const clean_device device;
    const small& s = network_under_test();
    for (const bool graph : {true, false})
        for (const std::uint64_t seed : {0U, 1U, 2U}) {
            gpunet_fake::reset();
            gpunet_fake::set_execution(gpunet_fake::execution::lazy);
            gpunet_fake::shuffle_graphs(seed);
            auto o = gpu_test::uncached();
            o.graph = graph;
            {
                const auto net = make<float>(o);
                gpunet::context c(net, {.batch = 2});
                for (int i = 0; i < 2; ++i)
                    CHECK(relative_l2(c.run(s.images.elements()).elements(), s.expected.elements()) < 2e-5);
            }
            CHECK(gpunet_fake::report().faults == std::vector<std::string>{});
        }
}

TEST_CASE("GPU: after construction a run is one launch, and allocates nothing on the device") {
    const clean_device device;
    const auto net = make<half>();
    gpunet::context c(net, {.batch = 2});
    const auto images = network_under_test().images;
    std::vector<float> scores(20);
    c.run(images.elements(), scores);
    const auto before = gpunet_fake::report();
    for (int i = 0; i < 10; ++i) c.run(images.elements(), scores);
    const auto after = gpunet_fake::report();
    CHECK(after.calls_of("cudaGraphLaunch") - before.calls_of("cudaGraphLaunch") == 10);
    for (const char* call : {"cudaMalloc", "cudaHostAlloc", "cudaLaunchKernelExC", "cudnnBackendExecute", "cudaFree",
                             "cudaStreamBeginCapture", "cudnnBackendCreateDescriptor"})
        CHECK(after.calls_of(call) == before.calls_of(call));
}

TEST_CASE("GPU: weights and plans are shared by contexts, and everything is given back") {
    const clean_device device;
    {
        const auto net = make<half>();
        const gpunet::context first(net, {.batch = 1});
        const auto one = gpunet_fake::report();
        const gpunet::context second(net, {.batch = 1});
        const auto two = gpunet_fake::report();
        CHECK(two.calls_of("nvrtcCompileProgram") == one.calls_of("nvrtcCompileProgram"));
        CHECK(gpunet_fake::planned().size() > 0);
        CHECK(two.device_bytes - one.device_bytes < one.device_bytes);
    }
    CHECK(gpunet_fake::report().alive_of("cudaMalloc") == 0);
    CHECK(gpunet_fake::report().alive_of("cudaGraphExec") == 0);
    CHECK(gpunet_fake::report().faults == std::vector<std::string>{});
}

TEST_CASE("GPU: a call that fails is an error that names it, and nothing leaks") {
    const clean_device device;
    const small& s = network_under_test();
    long failed = 0;
    struct {
        const char* call;
        int status;
    } const calls[] = {{"cudaMalloc", 2},
                       {"cudaHostAlloc", 2},
                       {"cudaStreamCreateWithFlags", 999},
                       {"cudaStreamBeginCapture", 1},
                       {"cudaStreamEndCapture", 901},
                       {"cudaGraphInstantiate", 2},
                       {"cudaGraphLaunch", 700},
                       {"cudaLaunchKernelExC", 700},
                       {"cudaMemcpyAsync", 700},
                       {"cudaStreamSynchronize", 700},
                       {"cudnnCreate", 4000},
                       {"cudnnBackendExecute", 5000},
                       {"cudnnSetStream", 4000},
                       {"cudaLibraryLoadData", 209}};
    for (const auto& [call, status] : calls)
        for (const long nth : {1L, 2L, 5L}) {
            INFO(call << ", call " << nth);
            gpunet_fake::reset();
            gpunet_fake::fail(call, nth, status);
            try {
                const auto net = make<half>();
                gpunet::context c(net, {.batch = 2});
                static_cast<void>(c.run(s.images.elements()));
            } catch (const gpunet::error& e) {
                ++failed;
                CHECK_THAT(e.what(), Catch::Contains("cuda") || Catch::Contains("cudnn") || Catch::Contains("CUDNN"));
                CHECK(std::string(e.what()).find('\n') == std::string::npos);
            }
            CHECK(gpunet_fake::report().alive_of("cudaMalloc") == 0);
            CHECK(gpunet_fake::report().alive_of("cudaHostAlloc") == 0);
            CHECK(gpunet_fake::report().alive_of("cudaStream") == 0);
        }
    CHECK(failed > 20);
}

TEST_CASE("GPU: too little memory is an error, not a crash") {
    const clean_device device;
    gpunet_fake::set_memory(1 << 16);
    CHECK_THROWS_AS(gpunet::context(make<half>(), {.batch = 2}), gpunet::cuda_error);
    gpunet_fake::reset();
    gpunet_fake::set_device_count(0);
    CHECK_THROWS_AS(make<half>(), gpunet::unsupported_error);
}

TEST_CASE("GPU: plans and kernels are kept on disk, what is damaged there is made anew") {
    const clean_device device;
    const test::temporary_folder cache;
    const small& s = network_under_test();
    auto o = gpu_test::uncached();
    o.cache = cache.path();
    const auto scores = [&] { return make<half>(o)(s.images); };
    const auto count = [&](const char* call) { return gpunet_fake::report().calls_of(call); };
    const auto first = scores();
    const long compiled = count("nvrtcCompileProgram");
    CHECK(compiled > 0);
    std::size_t files = 0;
    for (const auto& e : std::filesystem::recursive_directory_iterator(cache.path())) files += e.is_regular_file();
    CHECK(files > 5);
    const auto again = scores();
    CHECK(count("nvrtcCompileProgram") == compiled);
    CHECK(std::equal(first.elements().begin(), first.elements().end(), again.data()));
    for (const auto& e : std::filesystem::recursive_directory_iterator(cache.path()))
        if (e.is_regular_file()) std::ofstream(e.path(), std::ios::trunc) << "damaged";
    const auto healed = scores();
    CHECK(count("nvrtcCompileProgram") == 2 * compiled);
    CHECK(std::equal(first.elements().begin(), first.elements().end(), healed.data()));
    static_cast<void>(scores());
    CHECK(count("nvrtcCompileProgram") == 2 * compiled);
}

TEST_CASE("GPU: tuning times cuDNN's engines on the device and keeps what was fastest") {
    const clean_device device;
    const test::temporary_folder cache;
    const small& s = network_under_test();
    auto o = gpu_test::uncached();
    o.cache = cache.path();
    o.tune = true;
    const auto net = make<float>(o);
    CHECK(relative_l2(net(s.images).elements(), s.expected.elements()) < 2e-5);
    const long launches = gpunet_fake::report().graph_launches;
    CHECK(launches > 20); // it did time
    CHECK(relative_l2(make<float>(o)(s.images).elements(), s.expected.elements()) < 2e-5);
    CHECK(gpunet_fake::report().graph_launches - launches <= 2); // and now knows
    CHECK(gpunet_fake::report().faults == std::vector<std::string>{});
}

TEST_CASE("GPU: networks are made side by side, though a handle of cuDNN and a capture do not go together") {
    const clean_device device;
    const small& s = network_under_test();
    {
        std::vector<std::thread> threads;
        std::atomic<int> right = 0;
        for (int t = 0; t < 6; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 3; ++i) try {
                        right += relative_l2(make<float>()(s.images).elements(), s.expected.elements()) < 2e-5;
                    } catch (const gpunet::error&) { // counted by its absence
                    }
            });
        for (std::thread& t : threads) t.join();
        CHECK(right == 18);
    }
    CHECK(gpunet_fake::report().faults == std::vector<std::string>{});
}

TEST_CASE("GPU: a context is made while another thread captures a stream of its own, in the strictest mode") {
    const clean_device device;
    const small& s = network_under_test();
    const auto net = make<float>();
    const gpunet::context first(net, {.batch = 2});
    const gpunet::cuda::stream stream;
    REQUIRE(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeGlobal) == cudaSuccess);
    std::thread([&] {
        gpunet::context second(net, {.batch = 2});
        CHECK(relative_l2(second.run(s.images.elements()).elements(), s.expected.elements()) < 2e-5);
    }).join();
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamEndCapture(stream.get(), &graph) == cudaSuccess);
    CHECK(cudaGraphDestroy(graph) == cudaSuccess);
    CHECK(gpunet_fake::report().faults == std::vector<std::string>{});
}

TEST_CASE("GPU: why cuDNN does not do a convolution is said") {
    const clean_device device;
    gpunet_fake::refuse("", "execution");
    {
        const auto net = make<float>();
        const gpunet::context context(net, {.batch = 2});
        const auto steps = context.steps();
        CHECK(std::any_of(steps.begin(), steps.end(), [](const gpunet::layer_step& step) {
            return step.info.status.starts_with("ready; ") &&
                   step.info.status.find("has no plan") != std::string::npos &&
                   step.info.status.find("a test refuses") != std::string::npos;
        }));
    }
    gpunet_fake::reset();
    gpunet_fake::fail("cudnnCreate", 2, 4000); // one to plan with
    CHECK_THROWS_AS(gpunet::context(make<float>(), {.batch = 2}), gpunet::cudnn_error);
}

TEST_CASE("GPU: kernels start early only where it was asked for") {
    const clean_device device;
    const small& s = network_under_test();
    for (const bool programmatic : {false, true}) {
        gpunet_fake::reset();
        auto o = gpu_test::uncached();
        o.programmatic = programmatic;
        CHECK(relative_l2(make<float>(o)(s.images).elements(), s.expected.elements()) < 2e-5);
        CHECK((gpunet_fake::report().programmatic_launches > 0) == programmatic);
    }
}

} // namespace test_gpu_faults

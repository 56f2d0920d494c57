// The hand-written kernels compile: each variant that the published networks need, for all architectures. NVRTC needs
// no GPU.
#include "core_support.hpp"

#include <gpunet/cuda/kernels/convert.hpp>
#include <gpunet/cuda/kernels/convolution.hpp>
#include <gpunet/cuda/kernels/dense.hpp>
#include <gpunet/cuda/kernels/depthwise.hpp>
#include <gpunet/cuda/kernels/implicit_gemm.hpp>
#include <gpunet/cuda/kernels/mean.hpp>
#include <gpunet/cuda/kernels/pointwise.hpp>
#include <gpunet/cuda/kernels/stem.hpp>
#include <gpunet/cuda/kernels/sums.hpp>
#include <gpunet/cuda/nvrtc.hpp>
#include <gpunet/graph/lower.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace test_kernels_nvrtc { // tests of a program are compiled together

namespace cuda = gpunet::cuda;
namespace graph = gpunet::graph;
namespace kernels = gpunet::cuda::kernels;
using cuda::element;
using gpunet::activation;

namespace {

/// Distinct kernels by name and macros.
using variants = std::map<std::string, kernels::kernel_launch>;

template <class Description>
void add(variants& all, const Description& d) {
    kernels::kernel_launch l = kernels::describe(d);
    std::string text(l.name);
    for (const std::string& define : l.defines) text += ' ' + define;
    all.emplace(std::move(text), std::move(l));
}

template <class Description>
Description on(element type, std::int64_t n, const graph::features& f) {
    Description d;
    d.type = type;
    d.n = n;
    d.channels = f.channels;
    d.height = f.size.height;
    d.width = f.size.width;
    return d;
}

template <class Description>
void set_window(Description& d, const graph::convolution& c) {
    d.output_height = c.output.size.height;
    d.output_width = c.output.size.width;
    d.kernel = c.kernel;
    d.stride = c.stride;
    d.top = c.padding.top;
    d.left = c.padding.left;
    d.act = c.act;
}

void add_dense(variants& all, element type, std::int64_t n, const graph::dense& d) {
    for (const std::int64_t rows : {0, 1, 8, 32}) {
        kernels::dense k;
        k.type = type;
        k.n = n;
        k.inputs = d.inputs;
        k.outputs = d.outputs;
        k.rows = rows;
        k.act = d.act;
        add(all, k);
    }
}

void add_convolution(variants& all, element type, std::int64_t n, const graph::convolution& c) {
    if (c.depthwise())
        for (const activation input_act : {activation::identity, c.act})
            for (const bool sums : {false, true}) {
                auto k = on<kernels::depthwise>(type, n, c.input);
                set_window(k, c);
                k.input_act = input_act;
                k.sums = sums;
                add(all, k);
            }
    else if (c.input.channels <= 4) {
        auto k = on<kernels::stem>(type, n, c.input);
        set_window(k, c);
        k.output_channels = c.output.channels;
        add(all, k);
    }
    for (const bool residual : {false, true}) {
        auto k = on<kernels::convolution>(type, n, c.input);
        set_window(k, c);
        k.output_channels = c.output.channels;
        k.groups = c.groups;
        k.residual = residual;
        add(all, k);
        auto p = on<kernels::pointwise>(type, n, c.output);
        p.act = c.act;
        p.residual = residual;
        for (const auto gate : {kernels::gate_source::none, kernels::gate_source::given}) {
            p.gate = gate;
            add(all, p);
        }
    }
    for (const bool flag : {false, true}) {
        auto s = on<kernels::sums>(type, n, c.output);
        s.input_act = c.act;
        s.mean = flag;
        add(all, s);
        auto v = on<kernels::convert>(type, n, c.output);
        v.to_map = flag;
        add(all, v);
    }
}

/// It has few variants: nothing depends on a convolution's shape.
void add_implicit_gemm(variants& all, element type, std::vector<activation> activations) {
    for (const kernels::gemm_tile& tile : kernels::detail::gemm_tiles)
        for (const activation act : activations)
            for (const bool residual : {false, true}) {
                auto k = on<kernels::implicit_gemm>(type, 1, {32, {14, 14}});
                k.output_channels = 64;
                k.output_height = k.output_width = 14;
                k.act = act;
                k.residual = residual;
                k.tile = tile;
                add(all, k);
            }
}

void add_network(variants& all, element type, std::int64_t n, const graph::network& net) {
    for (const graph::block& b : net.blocks) {
        graph::for_each_operation(b, [&](const auto& op) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::convolution>)
                add_convolution(all, type, n, op);
            else
                add_dense(all, type, n, op);
        });
        if (const auto* irb = std::get_if<graph::inverted_residual>(&b.body); irb && irb->squeeze_excite) {
            auto p = on<kernels::pointwise>(type, n, irb->depthwise->output);
            p.act = irb->depthwise->act;
            p.gate = kernels::gate_source::computed;
            p.squeezed = irb->squeeze_excite->excite.inputs;
            p.gate_act = irb->squeeze_excite->excite.act;
            add(all, p);
        }
    }
    kernels::mean m;
    m.n = n;
    m.channels = 1280;
    add(all, m);
}

void compile(const variants& all, const std::vector<std::string>& architectures) {
    std::optional<cuda::nvrtc> compiler;
    try {
        compiler.emplace(cuda::nvrtc::open());
    } catch (const gpunet::unsupported_error& e) {
        WARN("skipped: " << e.what());
        return;
    }
    std::vector<std::pair<const kernels::kernel_launch*, const std::string*>> work;
    for (const std::string& a : architectures)
        for (const auto& [text, l] : all)
            if (l.name != "implicit_gemm" || a != "sm_75") work.emplace_back(&l, &a);
    std::atomic<std::size_t> next = 0, compiled = 0;
    std::mutex mutex;
    std::vector<std::string> failures;
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < std::max(1U, std::thread::hardware_concurrency()); ++t)
        threads.emplace_back([&] {
            for (std::size_t i = next++; i < work.size(); i = next++) {
                const auto& [l, architecture] = work[i];
                try {
                    compiled += !compiler->compile(l->source, l->name, *architecture, l->defines).empty();
                } catch (const gpunet::error& e) {
                    const std::lock_guard lock(mutex);
                    failures.emplace_back(e.what());
                }
            }
        });
    for (std::thread& t : threads) t.join();
    CHECK(failures == std::vector<std::string>{});
    CHECK(compiled == work.size());
}

} // namespace

TEST_CASE("every kernel compiles for an H100, and the oldest and the newest GPU") {
    variants all;
    add_network(all, element::float16, 1, gpunet::lower(core_test::published("GPUNet-0")));
    add_implicit_gemm(all, element::float16, {activation::swish});
    compile(all, {"sm_90"});
    variants few;
    add_convolution(few, element::bfloat16, 1,
                    std::get<graph::conv>(gpunet::lower(core_test::published("GPUNet-0")).blocks[1].body).convolution);
    compile(few, {"sm_75", "sm_120"});
}

TEST_CASE("every variant of the published networks compiles for every architecture", "[.nvrtc]") {
    for (const element type : {element::float32, element::float16, element::bfloat16}) {
        variants all;
        for (const auto& v : core_test::variants)
            for (const std::int64_t n : {1, 8, 64})
                add_network(all, type, n, gpunet::lower(core_test::published(v.name)));
        add_implicit_gemm(all, type, {activation::identity, activation::relu, activation::swish});
        WARN(cuda::name_of(type) << ": " << all.size() << " kernels");
        compile(all, {"sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"});
    }
}

} // namespace test_kernels_nvrtc

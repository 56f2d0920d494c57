// The hand-written kernels, run by the emulator in float32, against the same operations as the CPU backend describes
// them to oneDNN.
#include "message_of.hpp"

#include <emulator.hpp>

#include <gpunet/cpu/operations.hpp>
#include <gpunet/cuda/kernels/convert.hpp>
#include <gpunet/cuda/kernels/convolution.hpp>
#include <gpunet/cuda/kernels/dense.hpp>
#include <gpunet/cuda/kernels/depthwise.hpp>
#include <gpunet/cuda/kernels/stem.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

namespace test_kernels_cpu { // tests of a program are compiled together

using gpunet::activation;
namespace graph = gpunet::graph;
namespace kernels = gpunet::cuda::kernels;

namespace {

using floats = std::vector<float>;

floats noise(std::int64_t count) {
    static std::mt19937 bits(7);
    floats values(static_cast<std::size_t>(count));
    for (float& v : values) v = static_cast<float>(bits()) * 0x1p-31F - 1.0F;
    return values;
}

/// Memory as kernels want it: aligned.
struct aligned {
    struct alignas(64) line {
        std::byte bytes[64];
    };
    std::vector<line> lines;
    explicit aligned(std::size_t bytes) : lines((bytes + 63) / 64) {}
    explicit aligned(const std::vector<std::byte>& content) : aligned(content.size()) {
        std::copy(content.begin(), content.end(), data());
    }
    std::byte* data() { return lines.empty() ? nullptr : lines.front().bytes; }
    float* floats() { return reinterpret_cast<float*>(data()); }
};

std::int64_t count(std::int64_t n, const graph::features& f) { return n * f.channels * f.size.height * f.size.width; }

aligned to_map(std::int64_t n, const graph::features& f, floats nchw) {
    kernels::convert c;
    c.n = n;
    c.channels = f.channels;
    c.height = f.size.height;
    c.width = f.size.width;
    c.to_map = true;
    aligned map(static_cast<std::size_t>(n * kernels::padded(f.channels) * f.size.height * f.size.width) * 4);
    kernels::convert_parameters p = kernels::parameters(c);
    p.input = nchw.data();
    p.output = map.data();
    gpunet::emulation::launch(kernels::describe(c), &p);
    return map;
}

floats to_nchw(std::int64_t n, const graph::features& f, aligned& map) {
    kernels::convert c;
    c.n = n;
    c.channels = f.channels;
    c.height = f.size.height;
    c.width = f.size.width;
    floats nchw(static_cast<std::size_t>(count(n, f)));
    kernels::convert_parameters p = kernels::parameters(c);
    p.input = map.data();
    p.output = nchw.data();
    gpunet::emulation::launch(kernels::describe(c), &p);
    return nchw;
}

const dnnl::engine& engine() {
    static const dnnl::engine e(dnnl::engine::kind::cpu, 0);
    return e;
}

dnnl::memory reordered(dnnl::stream& stream, const dnnl::memory::desc& from, const floats& values,
                       const dnnl::memory::desc& to) {
    dnnl::memory source(from, engine(), const_cast<float*>(values.data())), result(to, engine());
    dnnl::reorder(source, result).execute(stream, source, result);
    stream.wait();
    return result;
}

/// What the CPU backend's primitive computes, N C H W.
floats by_cpu(std::int64_t n, const graph::convolution& c, const floats& input, const floats& weights,
              const floats& bias, const floats* residual) {
    namespace cpu = gpunet::cpu;
    using tag = dnnl::memory::format_tag;
    dnnl::stream stream(engine());
    const auto in = cpu::describe(cpu::dims(n, c.input), tag::nchw),
               out = cpu::describe(cpu::dims(n, c.output), tag::nchw);
    std::optional<cpu::layout> added;
    if (residual) added = cpu::layout(cpu::describe(cpu::dims(n, c.output), tag::nhwc));
    const auto d = cpu::describe_convolution(engine(), n, c, cpu::format::automatic, added);
    dnnl::memory result =
        residual ? reordered(stream, out, *residual, d.dst_desc()) : dnnl::memory(d.dst_desc(), engine());
    dnnl::convolution_forward(d).execute(
        stream, {{DNNL_ARG_SRC, reordered(stream, in, input, d.src_desc())},
                 {DNNL_ARG_WEIGHTS, reordered(stream, cpu::plain_weights(c), weights, d.weights_desc())},
                 {DNNL_ARG_BIAS, reordered(stream, d.bias_desc(), bias, d.bias_desc())},
                 {DNNL_ARG_DST, result},
                 {DNNL_ARG_SCRATCHPAD, dnnl::memory(d.scratchpad_desc(), engine())}});
    stream.wait();
    floats values(static_cast<std::size_t>(count(n, c.output)));
    dnnl::memory plain(out, engine(), values.data());
    dnnl::reorder(result, plain).execute(stream, result, plain);
    stream.wait();
    return values;
}

double farthest(const floats& a, const floats& b) {
    REQUIRE(a.size() == b.size());
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double d = std::fabs(double{a[i]} - double{b[i]});
        if (!(d <= most)) most = d; // NaN too
    }
    return most;
}

graph::convolution convolution(std::int64_t in, std::int64_t out, gpunet::extent2 size, std::int64_t kernel,
                               std::int64_t stride, std::int64_t groups, activation act) {
    graph::convolution c;
    const std::int64_t before = (kernel - 1) / 2, after = kernel / 2;
    c.input = {in, size};
    c.output = {
        out,
        {(size.height + before + after - kernel) / stride + 1, (size.width + before + after - kernel) / stride + 1}};
    c.kernel = kernel;
    c.stride = stride;
    c.padding = {before, after, before, after};
    c.groups = groups;
    c.act = act;
    return c;
}

template <class Description>
void set_window(Description& d, std::int64_t n, const graph::convolution& c) {
    d.n = n;
    d.channels = c.input.channels;
    d.height = c.input.size.height;
    d.width = c.input.size.width;
    d.output_height = c.output.size.height;
    d.output_width = c.output.size.width;
    d.kernel = c.kernel;
    d.stride = c.stride;
    d.top = c.padding.top;
    d.left = c.padding.left;
    d.act = c.act;
}

} // namespace

TEST_CASE("kernels compute what the CPU backend computes") {
    const auto act = static_cast<activation>(GENERATE(range(0, 8)));
    const std::int64_t kernel = GENERATE(1, 3, 4, 5, 7), stride = GENERATE(1, 2);
    const std::int64_t n = 1 + stride;

    SECTION("depthwise") {
        const graph::convolution c = convolution(35, 35, {13, 10}, kernel, stride, 35, act);
        const floats x = noise(count(n, c.input)), w = noise(35 * kernel * kernel), b = noise(35);
        kernels::depthwise d;
        set_window(d, n, c);
        aligned in = to_map(n, c.input, x),
                out(static_cast<std::size_t>(n * 40 * c.output.size.height * c.output.size.width) * 4);
        aligned weights(kernels::pack_weights(d, w)), bias(kernels::pack_bias(35, b));
        kernels::depthwise_parameters p = kernels::parameters(d);
        p.input = in.data();
        p.weights = weights.data();
        p.bias = bias.floats();
        p.output = out.data();
        gpunet::emulation::launch(kernels::describe(d), &p);
        CHECK(farthest(to_nchw(n, c.output, out), by_cpu(n, c, x, w, b, nullptr)) < 2e-5);
    }
    SECTION("convolution with a residual") {
        const graph::convolution c = convolution(12, 20, {9, 6}, kernel, stride, 1, act);
        const floats x = noise(count(n, c.input)), w = noise(20 * 12 * kernel * kernel), b = noise(20),
                     r = noise(count(n, c.output));
        kernels::convolution d;
        set_window(d, n, c);
        d.output_channels = 20;
        d.residual = true;
        aligned in = to_map(n, c.input, x), out = to_map(n, c.output, r);
        aligned weights(kernels::pack_weights(d, w)), bias(kernels::pack_bias(20, b));
        kernels::convolution_parameters p = kernels::parameters(d);
        p.input = in.data();
        p.weights = weights.data();
        p.bias = bias.floats();
        p.residual = out.data();
        p.output = out.data();
        gpunet::emulation::launch(kernels::describe(d), &p);
        CHECK(farthest(to_nchw(n, c.output, out), by_cpu(n, c, x, w, b, &r)) < 2e-4);
    }
    SECTION("stem") {
        const graph::convolution c = convolution(3, 20, {14, 11}, kernel, stride, 1, act);
        const floats x = noise(count(n, c.input)), w = noise(20 * 3 * kernel * kernel), b = noise(20);
        kernels::stem d;
        set_window(d, n, c);
        d.output_channels = 20;
        aligned out(static_cast<std::size_t>(n * 24 * c.output.size.height * c.output.size.width) * 4);
        aligned weights(kernels::pack_weights(d, w)), bias(kernels::pack_bias(20, b));
        kernels::stem_parameters p = kernels::parameters(d);
        p.input = x.data();
        p.weights = weights.floats();
        p.bias = bias.floats();
        p.output = out.data();
        gpunet::emulation::launch(kernels::describe(d), &p);
        CHECK(farthest(to_nchw(n, c.output, out), by_cpu(n, c, x, w, b, nullptr)) < 1e-4);
    }
}

} // namespace test_kernels_cpu

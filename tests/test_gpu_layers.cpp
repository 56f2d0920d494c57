// The layer primitives on the GPU backend, one by one, against a plain computation in double. Before each run the
// context's memory is filled with NaN, so that whatever is read and was not written shows.
#include "gpu_support.hpp"
#include "layer_support.hpp"

#include <gpunet/cuda/device.hpp>

#include <catch2/catch.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test_gpu_layers { // tests of a program are compiled together

namespace cudnn = gpunet::cudnn;
using namespace layer_test;
using gpu_test::device;
using gpu_test::tolerance;
using gpunet::bfloat16;
using gpunet::half;

namespace {

using value = gpunet::value<cudnn::layout>;

/// Plans what `build(planner, inputs)` places, runs it, records it and runs the record. build returns what to run and
/// its output's features.
template <class T, class Build>
std::vector<float> run(std::int64_t batch, const gpunet::constants& w, const std::vector<given*>& inputs, Build&& build,
                       std::vector<gpunet::step_info>* steps = nullptr) {
    using backend = cudnn::backend<T>;
    typename backend::packed packed;
    const typename backend::planning_scope scope(device<T>());
    gpunet::planner<backend> plan(device<T>(), batch, w, packed);
    std::vector<value> values;
    for (const given* g : inputs) values.push_back(plan.external(g->what));
    auto built = build(plan, values);
    const auto& layer = built.first;
    const graph::features features = built.second;
    const auto result = plan.place_edge(features, layer.output());
    const auto map = plan.finish();
    if (steps) *steps = plan.steps();
    cudnn::memory memory = device<T>().make_memory(map);
    const typename backend::running_scope running(memory);
    const gpunet::slot last = result.output().place;
    std::byte* arena = memory.at(last) - *map.offsets[last];
    const auto poison = [&] {
        REQUIRE(cudaMemsetAsync(arena, 0xFF, map.bytes, memory.stream()) == cudaSuccess);
        memory.synchronize();
    };
    const auto emit = [&] {
        layer.run(memory);
        result.run(memory);
    };
    for (std::size_t i = 0; i < inputs.size(); ++i) memory.put(values[i].place, inputs[i]->values);
    poison();
    memory.prepare(emit);
    poison();
    memory.replay(emit);
    std::vector<float> out(
        static_cast<std::size_t>(batch * features.channels * features.size.height * features.size.width));
    memory.get(last, out);
    return out;
}

template <class T>
void check_convolution(std::int64_t batch, const graph::convolution& c, bool with_residual = false) {
    REQUIRE(c.output.size.height > 0);
    gpunet::constants w;
    fill(w, c);
    given input("input", batch, c.input), residual("residual", batch, c.output);
    std::vector<given*> inputs = {&input};
    if (with_residual) inputs.push_back(&residual);
    const auto found = run<T>(batch, w, inputs, [&](auto& plan, const auto& values) {
        return std::pair(gpunet::conv_bn_act<cudnn::backend<T>>(
                             plan, c, values[0], with_residual ? std::optional(values[1]) : std::nullopt),
                         c.output);
    });
    const maps expected = naive::convolve(input.exact, c, w.at("c"), with_residual ? &residual.exact : nullptr);
    INFO(device<T>().precision() << " batch " << batch << " " << c.input.channels << " -> " << c.output.channels
                                 << " kernel " << c.kernel << " stride " << c.stride << " groups " << c.groups << " "
                                 << to_string(c.act) << " padding " << c.padding.top << " " << c.padding.bottom
                                 << " residual " << with_residual << " last " << c.adds_last);
    CHECK(core_test::relative_l2(found, expected.values) < tolerance<T>());
}

template <class T, template <class> class Layer, class Body>
std::vector<gpunet::step_info> check_block(std::int64_t batch, const graph::block& b, const Body& body) {
    gpunet::constants w;
    graph::for_each_operation(b, [&](const auto& op) { fill(w, op); });
    given input("input", batch, b.input);
    std::vector<gpunet::step_info> steps;
    const auto found = run<T>(
        batch, w, {&input},
        [&](auto& plan, const auto& values) {
            return std::pair(Layer<cudnn::backend<T>>(plan, body, values[0]), b.output);
        },
        &steps);
    INFO(device<T>().precision() << " batch " << batch << " " << b.kind);
    CHECK(core_test::relative_l2(found, naive::compute(body, w, input.exact).values) < 2 * tolerance<T>());
    return steps;
}

} // namespace

TEMPLATE_TEST_CASE("GPU: convolutions of all kernels, strides, paddings and odd channels", "[gpu]", float, half,
                   bfloat16) {
    GPU_OR_SKIP();
    std::size_t turn = 0;
    for (const auto& [in, out] : {std::pair{3, 8}, {5, 33}, {33, 8}, {16, 32}})
        for (const std::int64_t kernel : {1, 3, 5, 7})
            for (const std::int64_t stride : {1, 2, 3})
                for (const auto rule :
                     {spec::padding_rule::symmetric, spec::padding_rule::same, spec::padding_rule::valid}) {
                    const activation act = activations[turn % std::size(activations)];
                    const std::int64_t batch = turn / 2 % 2 ? 3 : 1;
                    const extent2 size = turn % 3 ? extent2{11, 9} : extent2{8, 14};
                    ++turn;
                    check_convolution<TestType>(batch, convolution({in, size}, out, kernel, stride, rule, 1, act));
                }
}

TEMPLATE_TEST_CASE("GPU: every activation, with no residual, with one before it and with one after it", "[gpu]", float,
                   half, bfloat16) {
    GPU_OR_SKIP();
    for (const activation act : activations)
        for (const bool residual : {false, true})
            for (const bool last : {false, true})
                for (const auto& [in, out] : {std::pair{8, 16}, {5, 33}})
                    for (const auto& [batch, kernel] : {std::pair{1, 3}, {3, 1}}) {
                        if (last && !residual) continue;
                        graph::convolution c =
                            convolution({in, {6, 7}}, out, kernel, 1, spec::padding_rule::symmetric, 1, act);
                        c.adds_last = last;
                        check_convolution<TestType>(batch, c, residual);
                    }
}

TEMPLATE_TEST_CASE("GPU: groups and depthwise convolutions", "[gpu]", float, half, bfloat16) {
    GPU_OR_SKIP();
    using rule = spec::padding_rule;
    for (const std::int64_t batch : {1, 3}) {
        check_convolution<TestType>(batch, convolution({8, {7, 9}}, 16, 3, 1, rule::symmetric, 2, activation::relu));
        check_convolution<TestType>(batch, convolution({9, {7, 9}}, 6, 1, 1, rule::symmetric, 3, activation::swish));
        check_convolution<TestType>(batch, convolution({8, {7, 9}}, 16, 3, 1, rule::symmetric, 8));
        check_convolution<TestType>(batch, convolution({12, {7, 9}}, 12, 1, 1, rule::symmetric, 2), true);
    }
    std::size_t turn = 0;
    for (const std::int64_t channels : {3, 5, 8, 33, 64})
        for (const std::int64_t kernel : {2, 3, 5, 7})
            for (const std::int64_t stride : {1, 2, 3})
                for (const auto r : {rule::symmetric, rule::same, rule::valid}) {
                    const activation act = activations[turn % std::size(activations)];
                    const std::int64_t batch = turn / 4 % 2 ? 3 : 1;
                    ++turn;
                    check_convolution<TestType>(
                        batch, convolution({channels, {10, 9}}, channels, kernel, stride, r, channels, act));
                }
}

TEMPLATE_TEST_CASE("GPU: inverted residual blocks with and without each part", "[gpu]", float, half, bfloat16) {
    GPU_OR_SKIP();
    for (const char* act : {"relu", "swish", "relu6"})
        for (const bool se : {false, true})
            for (const auto& [in, out, stride] : {std::tuple{16, 16, 1}, {12, 24, 2}, {33, 33, 1}})
                for (const int expansion : {1, 3})
                    for (const int kernel : {3, 5}) {
                        const std::string layer = R"({"layer_type": "irb", "num_in_channels": )" + std::to_string(in) +
                                                  R"(, "num_out_channels": )" + std::to_string(out) +
                                                  R"(, "stride": )" + std::to_string(stride) + R"(, "expansion": )" +
                                                  std::to_string(expansion) + R"(, "kernel_size": )" +
                                                  std::to_string(kernel) + R"(, "act": ")" + act + R"(", "use_se": )" +
                                                  (se ? "true" : "false") + R"(, "stage": 1})";
                        const graph::block b = lowered(layer, {9, 10});
                        const auto& body = std::get<graph::inverted_residual>(b.body);
                        const auto steps =
                            check_block<TestType, gpunet::inverted_residual>(kernel == 3 ? 1 : 3, b, body);
                        // In (for the residual too) and out of the network's layout; the convolutions; two more for
                        // squeeze-excite.
                        CHECK(steps.size() == 2U + body.residual + 3 + (se ? 2 : 0));
                    }
}

TEMPLATE_TEST_CASE("GPU: fused inverted residual blocks with and without each part", "[gpu]", float, half, bfloat16) {
    GPU_OR_SKIP();
    for (const char* act : {"relu", "swish"})
        for (const bool se : {false, true})
            for (const auto& [in, out, stride] : {std::tuple{16, 16, 1}, {12, 24, 2}}) {
                const std::string layer = R"({"layer_type": "fused_irb", "num_in_channels": )" + std::to_string(in) +
                                          R"(, "num_out_channels": )" + std::to_string(out) + R"(, "stride": )" +
                                          std::to_string(stride) + R"(, "expansion": 4, "kernel_size": 3, "act": ")" +
                                          act + R"(", "use_se": )" + (se ? "true" : "false") + R"(, "stage": 1})";
                const graph::block b = lowered(layer, {9, 10});
                const auto& body = std::get<graph::fused_inverted_residual>(b.body);
                const auto steps = check_block<TestType, gpunet::fused_inverted_residual>(3, b, body);
                CHECK(steps.size() == 2U + body.residual + 2 + (se ? 3 : 0));
            }
}

} // namespace test_gpu_layers

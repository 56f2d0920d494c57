// The layer primitives on the CPU backend, one by one, against a plain computation in double.
#include "cpu_layer_support.hpp"

#include <gpunet/cpu.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace test_layers { // tests of a program are compiled together

using core_test::message_of;
using gpunet::cpu::format;
namespace cpu = gpunet::cpu;
using namespace layer_test;

namespace {

constexpr format formats[] = {format::automatic, format::channels_last, format::blocked};
std::string to_text(format f) {
    return f == format::automatic ? "automatic" : f == format::channels_last ? "channels_last" : "blocked";
}

constexpr double tolerance = 2e-6;

/// @returns the name of the kernel that computed it
std::string check_convolution(format f, std::int64_t batch, const graph::convolution& c, bool with_residual = false,
                              int threads = 1) {
    REQUIRE(c.output.size.height > 0);
    gpunet::constants w;
    fill(w, c);
    given input("input", batch, c.input), residual("residual", batch, c.output);
    std::vector<given*> inputs = {&input};
    if (with_residual) inputs.push_back(&residual);
    std::vector<gpunet::step_info> steps;
    const auto build = [&](auto& plan, const auto& values) {
        return std::pair(gpunet::conv_bn_act<cpu::backend>(plan, c, values[0],
                                                           with_residual ? std::optional(values[1]) : std::nullopt),
                         c.output);
    };
    const auto found = run(f, batch, w, inputs, build, &steps, threads);
    const maps expected = naive::convolve(input.exact, c, w.at("c"), with_residual ? &residual.exact : nullptr);
    INFO(to_text(f) << " batch " << batch << " " << c.input.channels << " -> " << c.output.channels << " kernel "
                    << c.kernel << " stride " << c.stride << " groups " << c.groups << " " << to_string(c.act)
                    << " padding " << c.padding.top << " " << c.padding.bottom << " residual " << with_residual);
    CHECK(core_test::relative_l2(found, expected.values) < tolerance);
    const auto computes = [](const gpunet::step_info& s) { return s.operation != "conversion"; };
    return std::find_if(steps.begin(), steps.end(), computes)->implementation;
}

template <template <class> class Layer, class Body>
void check_block(format f, std::int64_t batch, const graph::block& b, const Body& body) {
    gpunet::constants w;
    graph::for_each_operation(b, [&](const auto& op) { fill(w, op); });
    given input("input", batch, b.input);
    const auto found = run(f, batch, w, {&input}, [&](auto& plan, const auto& values) {
        return std::pair(Layer<cpu::backend>(plan, body, values[0]), b.output);
    });
    INFO(to_text(f) << " batch " << batch);
    CHECK(core_test::relative_l2(found, naive::compute(body, w, input.exact).values) < tolerance);
}

} // namespace

TEST_CASE("convolutions of all kernels, strides, paddings and odd channels") {
    std::size_t turn = 0;
    for (const auto& [in, out] : {std::pair{3, 8}, {5, 33}, {8, 5}, {33, 8}, {16, 32}})
        for (const std::int64_t kernel : {1, 3, 5, 7})
            for (const std::int64_t stride : {1, 2, 3})
                for (const auto rule :
                     {spec::padding_rule::symmetric, spec::padding_rule::same, spec::padding_rule::valid}) {
                    const activation act = activations[turn % std::size(activations)];
                    const std::int64_t batch = turn / 2 % 2 ? 3 : 1;
                    const extent2 size = turn % 3 ? extent2{11, 9} : extent2{8, 14};
                    const format f = formats[turn / 5 % 3];
                    ++turn;
                    check_convolution(f, batch, convolution({in, size}, out, kernel, stride, rule, 1, act));
                }
}

TEST_CASE("every activation, with and without a residual before it, in every format") {
    for (const format f : formats)
        for (const activation act : activations)
            for (const bool residual : {false, true})
                for (const auto& [in, out] : {std::pair{8, 16}, {5, 33}}) {
                    check_convolution(f, 1, convolution({in, {6, 7}}, out, 3, 1, spec::padding_rule::symmetric, 1, act),
                                      residual);
                    check_convolution(f, 3, convolution({in, {6, 7}}, out, 1, 1, spec::padding_rule::symmetric, 1, act),
                                      residual);
                }
}

#if GPUNET_HAS_XBYAK

namespace {

std::string kernel_name(const graph::convolution& c) {
    return cpu::jit::suits_winograd(c) ? "gpunet:avx512:winograd" : "gpunet:avx512";
}

} // namespace

TEST_CASE("kernels of our own: wide rows, many channels, several threads") {
    if (!cpu::jit::available()) {
        WARN("skipped: no AVX-512 or no Xbyak");
        return;
    }
    using rule = spec::padding_rule;
    std::size_t turn = 0;
    // Tiles are 28, 14, 9 or 6 pixels; parts of a map some 224; 256 channels a pass; groups of 16 to 64 channels.
    for (const auto& [in, out] : {std::pair{3, 40}, {16, 16}, {33, 67}, {275, 70}})
        for (const std::int64_t kernel : {1, 3, 5})
            for (const std::int64_t stride : {1, 2})
                for (const extent2 size : {extent2{3, 61}, {2, 29}, {25, 23}}) {
                    if (in > 100 && kernel * stride > 1) continue; // the loops take long
                    const activation act = activations[turn % 7];  // all but gelu
                    const int threads = 1 + static_cast<int>(turn % 3);
                    const std::int64_t batch = 1 + static_cast<std::int64_t>(turn / 3 % 2);
                    ++turn;
                    const auto c = convolution({in, size}, out, kernel, stride, rule::symmetric, 1, act);
                    CHECK(check_convolution(format::automatic, batch, c, turn % 4 == 0, threads) == kernel_name(c));
                }
    for (const std::int64_t channels : {16, 33, 100})
        for (const std::int64_t kernel : {3, 5, 7})
            for (const std::int64_t stride : {1, 2})
                for (const extent2 size : {extent2{4, 71}, {30, 22}}) {
                    const activation act = activations[turn++ % 7];
                    const auto c = convolution({channels, size}, channels, kernel, stride, rule::same, channels, act);
                    CHECK(check_convolution(format::automatic, 2, c, stride == 1 && turn % 2 == 0,
                                            1 + static_cast<int>(turn % 3)) == "gpunet:avx512");
                }
}

TEST_CASE("Winograd's convolution: tiles over every edge, parts of tiles, odd channels, several threads") {
    if (!cpu::jit::available()) {
        WARN("skipped: no AVX-512 or no Xbyak");
        return;
    }
    std::size_t turn = 0;
    constexpr std::array<std::int64_t, 3> paddings = {1, 0, 2};
    for (const auto& [kernel, in, out] : {std::tuple{3, 16, 16}, {3, 33, 67}, {3, 100, 130}, {5, 16, 24}, {5, 48, 67}})
        for (const extent2 size : {extent2{12, 13}, {18, 15}, {11, 38}, {64, 9}})
            for (std::size_t i = 0; i < (in * out < 1000 ? 3 : 1); ++i) { // the loops of the others take long
                const activation act = activations[turn % 7];             // all but gelu
                const int threads = 1 + static_cast<int>(turn / 2 % 3);
                const std::int64_t batch = 1 + static_cast<std::int64_t>(turn / 3 % 2);
                const std::int64_t padding = paddings[(turn + i) % 3];
                ++turn;
                // The output of 5x5 kernels is as large as that of 3x3 ones.
                const std::int64_t more = kernel == 5 ? 2 : 1;
                const auto c = convolution({in, {size.height * more, size.width * more + more - 1}}, out, kernel, more,
                                           padding + more - 1, 1, act);
                CHECK(check_convolution(format::automatic, batch, c, turn % 2 == 0, threads) ==
                      "gpunet:avx512:winograd");
            }
}

#endif

TEST_CASE("what is not a number stays so in kernels of our own") {
    for (const activation act : activations) {
        const auto c = convolution({16, {4, 4}}, 16, 1, 1, spec::padding_rule::symmetric, 1, act);
        gpunet::constants w;
        fill(w, c);
        w["c"].bias[3] = std::numeric_limits<float>::quiet_NaN();
        given input("input", 1, c.input);
        const auto found = run(format::automatic, 1, w, {&input}, [&](auto& plan, const auto& values) {
            return std::pair(gpunet::conv_bn_act<cpu::backend>(plan, c, values[0]), c.output);
        });
        INFO(to_string(act));
        for (std::size_t i = 0; i < found.size(); ++i)
            if (i / 16 != 3) CHECK(std::isfinite(found[i]));
        if (act == activation::gelu) continue; // oneDNN's
        CHECK(std::all_of(found.begin() + 48, found.begin() + 64, [](float x) { return std::isnan(x); }));
    }
}

TEST_CASE("padding by a number of pixels, and inputs smaller than the kernel") {
    for (const format f : formats) {
        check_convolution(f, 1, convolution({8, {5, 6}}, 8, 3, 1, std::int64_t{2}));
        check_convolution(f, 1, convolution({8, {5, 6}}, 8, 3, 2, std::int64_t{0}));
        check_convolution(f, 2, convolution({16, {1, 1}}, 16, 7, 2, spec::padding_rule::symmetric));
        check_convolution(f, 2, convolution({16, {2, 1}}, 16, 5, 1, spec::padding_rule::same));
        check_convolution(f, 1, convolution({16, {1, 40}}, 24, 3, 2, spec::padding_rule::same));
    }
}

TEST_CASE("groups and depthwise convolutions") {
    using rule = spec::padding_rule;
    for (const format f : formats)
        for (const std::int64_t batch : {1, 3}) {
            check_convolution(f, batch, convolution({8, {7, 9}}, 16, 3, 1, rule::symmetric, 2, activation::relu));
            check_convolution(f, batch, convolution({9, {7, 9}}, 6, 1, 1, rule::symmetric, 3, activation::swish));
            check_convolution(f, batch, convolution({32, {7, 9}}, 32, 3, 2, rule::same, 2));
            check_convolution(f, batch, convolution({8, {7, 9}}, 16, 3, 1, rule::symmetric, 8)); // two for each channel
            check_convolution(f, batch, convolution({12, {7, 9}}, 12, 1, 1, rule::symmetric, 2), true);
        }
    std::size_t turn = 0;
    for (const std::int64_t channels : {3, 5, 8, 33, 64})
        for (const std::int64_t kernel : {3, 5, 7})
            for (const std::int64_t stride : {1, 2, 3})
                for (const auto r : {rule::symmetric, rule::same, rule::valid}) {
                    const activation act = activations[turn % std::size(activations)];
                    const format f = formats[turn % 3];
                    const std::int64_t batch = turn / 4 % 2 ? 3 : 1;
                    ++turn;
                    check_convolution(f, batch,
                                      convolution({channels, {10, 9}}, channels, kernel, stride, r, channels, act));
                }
}

TEST_CASE("a chain of convolutions keeps its layout and its values") {
    // 5 and 3 channels fill no block; sigmoid(0) is not 0, so what pads a block must not be used.
    const graph::features input{3, {9, 10}};
    std::vector<graph::convolution> chain;
    chain.push_back(convolution(input, 5, 3, 1, spec::padding_rule::symmetric, 1, activation::sigmoid, "a"));
    chain.push_back(convolution(chain[0].output, 33, 3, 2, spec::padding_rule::same, 1, activation::hard_sigmoid, "b"));
    chain.push_back(
        convolution(chain[1].output, 33, 5, 1, spec::padding_rule::symmetric, 33, activation::sigmoid, "c"));
    chain.push_back(convolution(chain[2].output, 3, 1, 1, spec::padding_rule::symmetric, 1, activation::gelu, "d"));
    for (const format f : formats)
        for (const std::int64_t batch : {1, 3}) {
            gpunet::constants w;
            for (const auto& c : chain) fill(w, c);
            given in("input", batch, input);
            const graph::stem body{chain};
            const auto found = run(f, batch, w, {&in}, [&](auto& plan, const auto& values) {
                return std::pair(gpunet::stem<cpu::backend>(plan, body, values[0]), chain.back().output);
            });
            INFO(to_text(f) << " batch " << batch);
            CHECK(core_test::relative_l2(found, naive::compute(body, w, in.exact).values) < tolerance);
        }
}

TEST_CASE("a value may be input and residual of the same convolution") {
    const graph::features shape{16, {12, 13}};
    const auto a = convolution(shape, 16, 3, 1, spec::padding_rule::symmetric, 1, activation::relu, "a");
    const auto b = convolution(shape, 16, 5, 1, spec::padding_rule::symmetric, 1, activation::swish, "b");
    gpunet::constants w;
    fill(w, a);
    fill(w, b);
    for (const format f : formats) {
        INFO(to_text(f));
        given in("input", 2, shape);
        const auto found = run(f, 2, w, {&in}, [&](auto& plan, const auto& values) {
            gpunet::conv_bn_act<cpu::backend> first(plan, a, values[0]);
            gpunet::conv_bn_act<cpu::backend> second(plan, b, first.output(), first.output());
            return std::pair(in_turn{std::move(first), std::move(second)}, shape);
        });
        const maps middle = naive::convolve(in.exact, a, w.at("a"));
        CHECK(core_test::relative_l2(found, naive::convolve(middle, b, w.at("b"), &middle).values) < tolerance);
        // And where that value is the caller's.
        const auto external = run(f, 2, w, {&in}, [&](auto& plan, const auto& values) {
            return std::pair(gpunet::conv_bn_act<cpu::backend>(plan, b, values[0], values[0]), shape);
        });
        CHECK(core_test::relative_l2(external, naive::convolve(in.exact, b, w.at("b"), &in.exact).values) < tolerance);
    }
}

TEST_CASE("squeeze-excite with every gate") {
    for (const format f : formats)
        for (const activation gate : activations)
            for (const auto& [channels, squeezed, batch] :
                 {std::tuple{16, 4, 1}, std::tuple{33, 5, 3}, std::tuple{5, 1, 1}, std::tuple{3, 8, 2}}) {
                graph::squeeze_excite se;
                se.squeeze = {"squeeze", channels, squeezed,
                              true,      true,     activations[static_cast<std::size_t>(channels) % 8]};
                se.excite = {"excite", squeezed, channels, true, true, gate};
                gpunet::constants w;
                fill(w, se.squeeze);
                fill(w, se.excite);
                const graph::features what{channels, {5, 7}};
                given input("input", batch, what);
                const auto found = run(f, batch, w, {&input}, [&](auto& plan, const auto& values) {
                    return std::pair(gpunet::squeeze_excite<cpu::backend>(plan, se, what, values[0]), what);
                });
                INFO(to_text(f) << " " << to_string(gate) << " " << channels);
                CHECK(core_test::relative_l2(found, naive::gated(input.exact, se, w).values) < tolerance);
            }
}

TEST_CASE("matrix products with and without bias") {
    for (const bool bias : {true, false})
        for (const auto& [in, out, batch] : {std::tuple{1, 1, 1}, std::tuple{17, 33, 3}, std::tuple{128, 10, 8}}) {
            const graph::dense d{"d", in, out, bias, false, activation::swish};
            gpunet::constants w;
            fill(w, d);
            given input("input", batch, {in, {1, 1}});
            const auto found = run(format::automatic, batch, w, {&input}, [&](auto& plan, const auto& values) {
                return std::pair(plan.place(d, values[0]), graph::features{d.outputs, {1, 1}});
            });
            CHECK(core_test::relative_l2(found, naive::product(input.exact, d, w.at("d")).values) < tolerance);
        }
}

TEST_CASE("inverted residual blocks with and without each part") {
    const std::string block = R"({"layer_type": "irb", "stage": 1, )";
    for (const format f : formats)
        for (const bool se : {false, true})
            for (const bool skip : {false, true})
                for (const auto& [in, out, stride, kernel] : {std::tuple{8, 8, 1, 3}, std::tuple{33, 33, 1, 5},
                                                              std::tuple{10, 24, 2, 7}, std::tuple{5, 3, 3, 3}}) {
                    const graph::block b = lowered(
                        block + R"("num_in_channels": )" + std::to_string(in) + R"(, "num_out_channels": )" +
                            std::to_string(out) + R"(, "kernel_size": )" + std::to_string(kernel) + R"(, "stride": )" +
                            std::to_string(stride) + R"(, "expansion": )" + (skip ? "1" : "2.55") +
                            R"(, "act": "swish", "skip_unit_expansion": true, "use_se": )" + (se ? "true" : "false") +
                            "}",
                        {9, 11});
                    const auto& body = std::get<graph::inverted_residual>(b.body);
                    CHECK(body.expand.has_value() != skip);
                    CHECK(body.residual == (in == out && stride == 1));
                    CHECK(body.squeeze_excite.has_value() == se);
                    INFO(in << " -> " << out << " se " << se << " skip " << skip);
                    check_block<gpunet::inverted_residual>(f, in == 8 ? 3 : 1, b, body);
                }
    // In groups, and without the residual that is possible.
    for (const format f : formats)
        for (const char* fields : {R"("groups": 2)", R"("residual": false)", R"("padding": "same", "groups": 4)"}) {
            const graph::block b =
                lowered(R"({"layer_type": "irb", "stage": 1, "num_in_channels": 16, "num_out_channels": 16,
                "kernel_size": 3, "stride": 1, "expansion": 3, "act": "gelu", )" +
                            std::string(fields) + "}",
                        {9, 11});
            INFO(fields);
            check_block<gpunet::inverted_residual>(f, 2, b, std::get<graph::inverted_residual>(b.body));
        }
}

TEST_CASE("fused inverted residual blocks with and without each part") {
    for (const format f : formats)
        for (const bool se : {false, true})
            for (const char* gate : {"sigmoid", "hard_sigmoid"})
                for (const auto& [in, out, stride, kernel] :
                     {std::tuple{8, 8, 1, 3}, std::tuple{33, 33, 1, 5}, std::tuple{10, 24, 2, 3},
                      std::tuple{3, 3, 1, 1}, std::tuple{3, 5, 3, 7}}) {
                    const graph::block b =
                        lowered(R"({"layer_type": "fused_irb", "stage": 1, "num_in_channels": )" + std::to_string(in) +
                                    R"(, "num_out_channels": )" + std::to_string(out) + R"(, "kernel_size": )" +
                                    std::to_string(kernel) + R"(, "stride": )" + std::to_string(stride) +
                                    R"(, "expansion": 2.2, "act": "relu", "se_act": "swish", "se_gate": ")" + gate +
                                    R"(", "use_se": )" + (se ? "true" : "false") + "}",
                                {9, 11});
                    const auto& body = std::get<graph::fused_inverted_residual>(b.body);
                    CHECK(body.residual == (in == out && stride == 1));
                    INFO(in << " -> " << out << " se " << se << " " << gate);
                    check_block<gpunet::fused_inverted_residual>(f, in == 8 ? 3 : 1, b, body);
                }
}

TEST_CASE("stems of one and of three convolutions") {
    for (const format f : formats)
        for (const std::int64_t batch : {1, 3})
            for (const char* kind : {"head", "head_large"})
                for (const int in : {1, 3, 4})
                    for (const char* padding : {"symmetric", "same", "valid"}) {
                        const graph::block b = lowered(R"({"layer_type": ")" + std::string(kind) +
                                                           R"(", "num_in_channels": )" + std::to_string(in) +
                                                           R"(, "num_out_channels": 9, "padding": ")" + padding + "\"}",
                                                       {15, 16});
                        INFO(kind << " " << in << " " << padding);
                        check_block<gpunet::stem>(f, batch, b, std::get<graph::stem>(b.body));
                    }
}

TEST_CASE("tails with and without a hidden product") {
    for (const format f : formats)
        for (const std::int64_t batch : {1, 3})
            for (const auto& [in, mid, out, classes] :
                 {std::tuple{8, 32, 16, 10}, std::tuple{33, 5, 7, 1}, std::tuple{5, 17, 33, 100}})
                for (const bool hidden : {false, true}) {
                    const spec::network net = gpunet::parse_spec(
                        R"([{"layer_type": "data", "img_resolution": 7}, {"layer_type": "tail", "act": "hard_swish", "num_in_channels": )" +
                            std::to_string(in) + R"(, "num_out_channels": )" + std::to_string(out) +
                            R"(, "num_classes": )" + std::to_string(classes) + R"(, "num_mid_channels": )" +
                            std::to_string(mid) + R"(, "tail_form": ")" +
                            (hidden ? "conv_pool_conv_linear" : "conv_pool_linear") + "\"}]",
                        "tail.json");
                    const graph::block b = gpunet::lower(net, {7, 5}).blocks[0];
                    const auto& body = std::get<graph::tail>(b.body);
                    CHECK(body.hidden.has_value() == hidden);
                    INFO(in << " " << hidden);
                    check_block<gpunet::tail>(f, batch, b, body);
                }
}

TEST_CASE("separable blocks, with space-to-depth, with and without squeeze-excite") {
    for (const format f : formats)
        for (const char* fields :
             {R"("kernel_size": 3)", R"("kernel_size": 3, "space_to_depth": true)",
              R"("kernel_size": 5, "space_to_depth": true, "use_se": true)",
              R"("kernel_size": 3, "space_to_depth": true, "use_se": true, "se_gate": "hard_sigmoid")"})
            for (const extent2 size : {extent2{9, 11}, extent2{8, 14}}) {
                const graph::block b = lowered(R"({"layer_type": "separable", "stage": 1, "num_in_channels": 12,
                    "num_out_channels": 12, "stride": 1, "act": "swish", "residual": false, )" +
                                                   std::string(fields) + "}",
                                               size, R"(, "padding": "symmetric")");
                INFO(fields);
                check_block<gpunet::inverted_residual>(f, 2, b, std::get<graph::inverted_residual>(b.body));
            }
}

TEST_CASE("universal inverted bottlenecks with each of their depthwise convolutions") {
    for (const format f : formats)
        for (const int start : {0, 3, 5})
            for (const int middle : {0, 3, 5})
                for (const auto& [out, stride] : {std::pair{16, 1}, std::pair{24, 2}}) {
                    if (start == 0 && middle == 0 && stride > 1) continue;
                    const graph::block b = lowered(
                        R"({"layer_type": "uib", "stage": 1, "num_in_channels": 16, "expansion": 3, "num_out_channels": )" +
                            std::to_string(out) + R"(, "stride": )" + std::to_string(stride) +
                            R"(, "start_kernel_size": )" + std::to_string(start) + R"(, "kernel_size": )" +
                            std::to_string(middle) + "}",
                        {9, 11});
                    const auto& body = std::get<graph::inverted_residual>(b.body);
                    CHECK(body.entry.has_value() == (start > 0));
                    CHECK(body.depthwise.has_value() == (middle > 0));
                    CHECK(body.residual == (stride == 1));
                    INFO(start << " " << middle << " stride " << stride);
                    check_block<gpunet::inverted_residual>(f, start == 3 ? 3 : 1, b, body);
                }
}

TEST_CASE("a residual is added after the activation where the convolution says so") {
    constexpr std::array acts = {activation::relu, activation::swish, activation::hard_swish, activation::hard_sigmoid,
                                 activation::relu6};
    std::size_t turn = 0;
    for (const format f : formats)
        for (int round = 0; round < 2; ++round)
            for (const auto& [channels, kernel, groups] :
                 {std::tuple{24, 3, 1}, std::tuple{33, 3, 1}, std::tuple{160, 1, 1}, std::tuple{24, 5, 1},
                  std::tuple{40, 3, 40}}) {
                const activation act = acts[turn++ % 4 + static_cast<std::size_t>(round)];
                auto c =
                    convolution({channels, {13, 17}}, channels, kernel, 1, spec::padding_rule::symmetric, groups, act);
                c.adds_last = true;
                gpunet::constants w;
                fill(w, c);
                given input("input", 2, c.input);
                std::vector<gpunet::step_info> steps;
                const auto found = run(
                    f, 2, w, {&input},
                    [&](auto& plan, const auto& v) {
                        return std::pair(gpunet::conv_bn_act<cpu::backend>(plan, c, v[0], v[0]), c.output);
                    },
                    &steps);
                INFO(to_text(f) << " " << to_string(act) << " " << channels << " kernel " << kernel << " " << groups);
                const maps expected = naive::convolve(input.exact, c, w.at("c"), &input.exact);
                CHECK(core_test::relative_l2(found, expected.values) < tolerance);
                for (const auto& s : steps) {
                    INFO(s.operation << ": " << s.implementation);
                    CHECK((s.operation == "conversion" || !s.implementation.starts_with("ref")));
                }
            }
}

TEST_CASE("tails that pool before their convolution, with batch norm and without") {
    for (const format f : formats)
        for (const std::int64_t batch : {1, 3})
            for (const bool norm : {false, true}) {
                const spec::network net = gpunet::parse_spec(
                    R"([{"layer_type": "data", "img_resolution": 7, "naming": "timm"}, {"layer_type": "tail",
                        "act": "hard_swish", "num_in_channels": 33, "num_out_channels": 17, "num_classes": 10,
                        "tail_form": "pool_conv_linear", "pooled_norm": )" +
                        std::string(norm ? "true" : "false") + "}]",
                    "tail.json");
                const graph::block b = gpunet::lower(net, {7, 5}).blocks[0];
                const auto& body = std::get<graph::tail>(b.body);
                CHECK_FALSE(body.convolution);
                REQUIRE(body.hidden);
                CHECK(body.hidden->has_bias() == norm);
                INFO(norm);
                check_block<gpunet::tail>(f, batch, b, body);
            }
}

TEST_CASE("steps say what they do") {
    gpunet::constants w;
    const auto c = convolution({8, {7, 9}}, 16, 3, 2, spec::padding_rule::symmetric, 2, activation::relu);
    fill(w, c);
    given input("input", 1, c.input), residual("residual", 1, c.output);
    std::vector<gpunet::step_info> steps;
    static_cast<void>(run(
        format::channels_last, 1, w, {&input, &residual},
        [&](auto& plan, const auto& v) {
            return std::pair(gpunet::conv_bn_act<cpu::backend>(plan, c, v[0], v[1]), c.output);
        },
        &steps));
    REQUIRE(steps.size() >= 3);
    bool found = false;
    for (const auto& s : steps) {
        CHECK_FALSE(s.implementation.empty());
        found = found || s.operation == "conv 3x3 in 2 groups stride 2, 8x7x9 to 16x4x5, relu, plus residual";
    }
    CHECK(found);
}

TEST_CASE("what oneDNN cannot do is an error that says what and who") {
    auto c = convolution({8, {7, 9}}, 16, 3, 1, spec::padding_rule::symmetric);
    c.output.size = {100, 100}; // does not follow from the input
    gpunet::constants w;
    fill(w, c);
    given input("input", 1, c.input);
    const std::string message = message_of<gpunet::unsupported_error>([&] {
        static_cast<void>(run(format::automatic, 1, w, {&input}, [&](auto& plan, const auto& v) {
            return std::pair(gpunet::conv_bn_act<cpu::backend>(plan, c, v[0]), c.output);
        }));
    });
    CHECK_THAT(message, Catch::StartsWith("conv 3x3, 8x7x9 to 16x100x100: oneDNN "));
    CHECK_THAT(message, Catch::Contains(" has no implementation ("));
    CHECK(message_of<gpunet::argument_error>([] {
              cpu::backend(cpu::options{-1, format::automatic});
          }) == "threads: expected 0 or more, found -1");
}

} // namespace test_layers

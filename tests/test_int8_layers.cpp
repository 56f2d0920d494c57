// Layers on maps of bytes, against a plain computation in double on the same whole numbers.
#include "cpu_layer_support.hpp"

#include <gpunet/quantize/round.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace test_int8_layers { // tests of a program are compiled together

using namespace layer_test;
using gpunet::quantize::nearest;

namespace {

constexpr float input_scale = 0.03125F;

bool available() {
    if (cpu::backend().has_int8()) return true;
    WARN("skipped: no AVX-512 with VNNI, no Xbyak, or no OpenMP");
    return false;
}

/// Numbers that bytes can say.
given bytes(std::int64_t batch, const graph::features& f) {
    given g("input", batch, f);
    for (std::size_t i = 0; i < g.values.size(); ++i) {
        g.values[i] = nearest(g.values[i] * 3, input_scale) * input_scale; // some at the ends
        g.exact.values[i] = double{g.values[i]};
    }
    return g;
}

/// Its output is its input, as bytes.
graph::convolution entrance(gpunet::constants& w, const graph::features& f) {
    graph::convolution c =
        convolution(f, f.channels, 1, 1, spec::padding_rule::symmetric, 1, activation::identity, "in");
    gpunet::folded& e = w["in"];
    e.weights.assign(static_cast<std::size_t>(f.channels * f.channels), 0.0F);
    for (std::int64_t i = 0; i < f.channels; ++i) e.weights[static_cast<std::size_t>(i * f.channels + i)] = 1;
    e.bias.assign(static_cast<std::size_t>(f.channels), 0.0F);
    e.output_scale = input_scale;
    return c;
}

/// Rounds the weights to int8.
void quantize(gpunet::folded& f, const graph::convolution& c) {
    gpunet::quantized_weights q{{}, {}, input_scale};
    const std::size_t each = f.weights.size() / static_cast<std::size_t>(c.output.channels);
    for (std::size_t o = 0; o < f.bias.size(); ++o) {
        float largest = 0;
        for (std::size_t i = o * each; i < (o + 1) * each; ++i) largest = std::max(largest, std::fabs(f.weights[i]));
        q.scales.push_back(largest / 127);
        for (std::size_t i = o * each; i < (o + 1) * each; ++i) {
            q.weights.push_back(gpunet::quantize::to_int8(f.weights[i], q.scales[o]));
            f.weights[i] = static_cast<float>(q.weights.back()) * q.scales[o];
        }
        f.bias[o] = std::nearbyint(f.bias[o] / (input_scale * q.scales[o])) * input_scale * q.scales[o];
    }
    f.int8 = std::move(q);
}

/// That clips some.
float scale_of(const maps& m) {
    double largest = 0;
    for (const double x : m.values) largest = std::max(largest, std::fabs(x));
    return static_cast<float>(largest * 0.9 / 127);
}

/// One unit where the sum lies halfway, which is seldom.
void check_bytes(const std::vector<float>& found, const maps& expected, float scale) {
    REQUIRE(found.size() == expected.values.size());
    std::size_t others = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const float q = nearest(static_cast<float>(expected.values[i]), scale);
        const float off = std::fabs(found[i] / scale - q);
        if (off > 0.01F) ++others;
        if (off > 1.01F) FAIL_CHECK("at " << i << ": " << found[i] / scale << " and not " << q);
    }
    CHECK(others <= 1 + found.size() / 200);
}

/// A convolution after the entrance, whose output is its residual too if `residual`.
void check_convolution(std::int64_t batch, const graph::convolution& c, bool residual, int threads) {
    gpunet::constants w;
    const graph::convolution in = entrance(w, c.input);
    fill(w, c);
    quantize(w[c.weights], c);
    given input = bytes(batch, c.input);
    const maps expected = naive::convolve(input.exact, c, w.at(c.weights), residual ? &input.exact : nullptr);
    const float scale = scale_of(expected);
    w[c.weights].output_scale = scale;
    std::vector<gpunet::step_info> steps;
    const auto build = [&](auto& plan, const auto& values) {
        gpunet::conv_bn_act<cpu::backend> first(plan, in, values[0]);
        gpunet::conv_bn_act<cpu::backend> second(plan, c, first.output(),
                                                 residual ? std::optional(first.output()) : std::nullopt);
        return std::pair(in_turn{std::move(first), std::move(second)}, c.output);
    };
    const auto found = run(cpu::format::automatic, batch, w, {&input}, build, &steps, threads);
    INFO("batch " << batch << " " << c.input.channels << " -> " << c.output.channels << " kernel " << c.kernel
                  << " stride " << c.stride << " groups " << c.groups << " " << to_string(c.act) << " padding "
                  << c.padding.top << " " << c.padding.bottom << " residual " << residual);
    CHECK(std::count_if(steps.begin(), steps.end(),
                        [](const auto& s) { return s.implementation == "gpunet:avx512:int8"; }) == 1);
    check_bytes(found, expected, scale);
}

} // namespace

TEST_CASE("int8 convolutions of all kernels, strides, paddings and odd channels") {
    if (!available()) return;
    using rule = spec::padding_rule;
    std::size_t turn = 0;
    for (const auto& [in, out] : {std::pair{16, 16}, {33, 67}, {9, 130}, {130, 9}, {64, 64}, {5, 24}})
        for (const std::int64_t kernel : {1, 3, 5})
            for (const std::int64_t stride : {1, 2})
                for (const auto r : {rule::symmetric, rule::same, rule::valid}) {
                    const activation act = activations[turn % 7]; // all but gelu
                    const int threads = 1 + static_cast<int>(turn % 3);
                    const std::int64_t batch = 1 + static_cast<std::int64_t>(turn / 3 % 2);
                    const extent2 size = turn % 2 ? extent2{6, 31} : extent2{11, 9};
                    ++turn;
                    check_convolution(batch, convolution({in, size}, out, kernel, stride, r, 1, act), false, threads);
                }
}

TEST_CASE("int8 convolutions add the residual before the activation, or after it") {
    if (!available()) return;
    for (const bool last : {false, true})
        for (std::size_t i = 0; i < 7; ++i)
            for (const std::int64_t channels : {24, 70})
                for (const auto& [batch, kernel, groups, threads] :
                     {std::tuple{2, 1, std::int64_t{1}, 2}, std::tuple{1, 3, std::int64_t{1}, 1},
                      std::tuple{1, 3, channels, 1}}) {
                    auto c = convolution({channels, {5, 7}}, channels, kernel, 1, spec::padding_rule::symmetric, groups,
                                         activations[i]);
                    c.adds_last = last;
                    check_convolution(batch, c, true, threads);
                }
}

TEST_CASE("int8 depthwise convolutions") {
    if (!available()) return;
    std::size_t turn = 0;
    for (const std::int64_t channels : {16, 33, 100})
        for (const std::int64_t kernel : {3, 5, 7})
            for (const std::int64_t stride : {1, 2})
                for (const extent2 size : {extent2{4, 51}, {20, 22}}) {
                    const activation act = activations[turn++ % 7];
                    check_convolution(2,
                                      convolution({channels, size}, channels, kernel, stride, spec::padding_rule::same,
                                                  channels, act),
                                      false, 1 + static_cast<int>(turn % 3));
                }
}

TEST_CASE("numbers pass the entrance and the edge as they are, the ends included") {
    if (!available()) return;
    gpunet::constants w;
    const graph::features f{70, {5, 3}};
    const graph::convolution in = entrance(w, f);
    given input = bytes(2, f);
    CHECK(*std::max_element(input.values.begin(), input.values.end()) == 127 * input_scale);
    CHECK(*std::min_element(input.values.begin(), input.values.end()) == -127 * input_scale);
    const auto build = [&](auto& plan, const auto& values) {
        return std::pair(gpunet::conv_bn_act<cpu::backend>(plan, in, values[0]), f);
    };
    CHECK(run(cpu::format::automatic, 2, w, {&input}, build) == input.values);
    given wide = input;
    for (float& x : wide.values) x *= 1e9F; // far beyond the ends
    const auto clipped = run(cpu::format::automatic, 2, w, {&wide}, build);
    for (std::size_t i = 0; i < clipped.size(); ++i)
        CHECK(clipped[i] == (input.values[i] > 0 ? 127 : input.values[i] < 0 ? -127 : 0) * input_scale);
}

TEST_CASE("squeeze-excite and the mean on bytes") {
    if (!available()) return;
    for (const std::int64_t channels : {16, 33, 150}) {
        gpunet::constants w;
        const graph::features f{channels, {6, 7}};
        const graph::convolution in = entrance(w, f);
        graph::squeeze_excite se;
        se.squeeze = {"squeeze", channels, 8, true, true, activation::swish};
        se.excite = {"excite", 8, channels, true, true, activation::sigmoid};
        fill(w, se.squeeze);
        fill(w, se.excite);
        given input = bytes(2, f);
        const maps expected = naive::gated(input.exact, se, w);
        const float scale = scale_of(expected);
        w["excite"].output_scale = scale;
        INFO(channels);
        check_bytes(run(cpu::format::automatic, 2, w, {&input},
                        [&](auto& plan, const auto& values) {
                            gpunet::conv_bn_act<cpu::backend> first(plan, in, values[0]);
                            gpunet::squeeze_excite<cpu::backend> second(plan, se, f, first.output());
                            return std::pair(in_turn{std::move(first), std::move(second)}, f);
                        }),
                    expected, scale);
        const auto means = run(cpu::format::automatic, 2, w, {&input}, [&](auto& plan, const auto& values) {
            gpunet::conv_bn_act<cpu::backend> first(plan, in, values[0]);
            gpunet::placed<cpu::backend> second = plan.place(gpunet::global_mean{f}, first.output());
            return std::pair(in_turn{std::move(first), std::move(second)}, graph::features{channels, {1, 1}});
        });
        CHECK(core_test::relative_l2(means, naive::mean(input.exact).values) < 2e-6);
    }
}

TEST_CASE("what has no code for bytes runs in float32 between them") {
    if (!available()) return;
    gpunet::constants w;
    const graph::features f{12, {5, 6}};
    const graph::convolution in = entrance(w, f);
    using rule = spec::padding_rule;
    for (const bool residual : {false, true}) {
        const auto odd = convolution(f, 12, 3, 1, rule::symmetric, 3, activation::gelu, "odd");
        const auto after = convolution(f, 20, 1, 1, rule::symmetric, 1, activation::relu, "after");
        for (const auto& c : {odd, after}) {
            fill(w, c);
            quantize(w[c.weights], c);
        }
        given input = bytes(1, f);
        const maps between = naive::convolve(input.exact, odd, w.at("odd"), residual ? &input.exact : nullptr);
        // At the scale that the next one reads at.
        maps rounded = between;
        for (double& x : rounded.values) x = double{nearest(static_cast<float>(x), input_scale) * input_scale};
        w["odd"].output_scale = input_scale;
        const maps expected = naive::convolve(rounded, after, w.at("after"));
        const float scale = scale_of(expected);
        w["after"].output_scale = scale;
        check_bytes(run(cpu::format::automatic, 1, w, {&input},
                        [&](auto& plan, const auto& values) {
                            gpunet::conv_bn_act<cpu::backend> first(plan, in, values[0]);
                            gpunet::conv_bn_act<cpu::backend> second(
                                plan, odd, first.output(), residual ? std::optional(first.output()) : std::nullopt);
                            gpunet::conv_bn_act<cpu::backend> third(plan, after, second.output());
                            return std::pair(in_turn{in_turn{std::move(first), std::move(second)}, std::move(third)},
                                             after.output);
                        }),
                    expected, scale);
    }
}

} // namespace test_int8_layers

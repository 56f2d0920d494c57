// What the tests of the layer primitives share: inputs, definitions written down as loops, ways to describe layers.
#pragma once

#include "core_support.hpp"
#include "sum_convolution.hpp"

#include <gpunet/gpunet.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace layer_test {

using gpunet::activation;
using gpunet::extent2;
namespace graph = gpunet::graph;
namespace spec = gpunet::spec;

inline constexpr activation activations[] = {activation::identity,     activation::relu,       activation::relu6,
                                             activation::swish,        activation::hard_swish, activation::sigmoid,
                                             activation::hard_sigmoid, activation::gelu};

inline std::vector<float> noise(const std::string& name, std::size_t count, float scale) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i)
        values[i] = (2 * gpunet::synthetic_uniform(gpunet::fnv1a(name), i) - 1) * scale;
    return values;
}

/// Feature maps of a batch, N C H W.
struct maps {
    std::int64_t batch = 1;
    graph::features what;
    std::vector<double> values;

    maps(std::int64_t n, const graph::features& f)
        : batch(n), what(f), values(static_cast<std::size_t>(n * f.channels * f.size.height * f.size.width)) {}
    double& at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) {
        return values[static_cast<std::size_t>(((n * what.channels + c) * what.size.height + y) * what.size.width + x)];
    }
    double at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) const {
        return const_cast<maps&>(*this).at(n, c, y, x);
    }
};

/// The reference: definitions written down as loops.
namespace naive {

inline maps convolve(const maps& in, const graph::convolution& c, const gpunet::folded& w,
                     const maps* residual = nullptr) {
    maps out(in.batch, c.output);
    const graph::features& from = c.input;
    const graph::features& to = c.output;
    sum_convolution({in.batch, c.groups, c.kernel, c.stride, c.padding.top, c.padding.left},
                    {in.values.data(), from.channels, from.size.height, from.size.width}, w.weights.data(),
                    {out.values.data(), to.channels, to.size.height, to.size.width});
    for (std::int64_t n = 0; n < in.batch; ++n)
        for (std::int64_t o = 0; o < c.output.channels; ++o)
            for (std::int64_t y = 0; y < c.output.size.height; ++y)
                for (std::int64_t x = 0; x < c.output.size.width; ++x) {
                    const double sum = double{w.bias[static_cast<std::size_t>(o)]} + out.at(n, o, y, x);
                    const double more = residual ? residual->at(n, o, y, x) : 0;
                    out.at(n, o, y, x) =
                        c.adds_last ? gpunet::apply(c.act, sum) + more : gpunet::apply(c.act, sum + more);
                }
    return out;
}

inline maps mean(const maps& in) {
    maps out(in.batch, {in.what.channels, {1, 1}});
    const double area = static_cast<double>(in.what.size.height * in.what.size.width);
    for (std::int64_t n = 0; n < in.batch; ++n)
        for (std::int64_t c = 0; c < in.what.channels; ++c) {
            double sum = 0;
            for (std::int64_t y = 0; y < in.what.size.height; ++y)
                for (std::int64_t x = 0; x < in.what.size.width; ++x) sum += in.at(n, c, y, x);
            out.at(n, c, 0, 0) = sum / area;
        }
    return out;
}

inline maps product(const maps& in, const graph::dense& d, const gpunet::folded& w) {
    maps out(in.batch, {d.outputs, {1, 1}});
    for (std::int64_t n = 0; n < in.batch; ++n)
        for (std::int64_t o = 0; o < d.outputs; ++o) {
            double sum = d.has_bias() ? double{w.bias[static_cast<std::size_t>(o)]} : 0;
            for (std::int64_t i = 0; i < d.inputs; ++i)
                sum += double{w.weights[static_cast<std::size_t>(o * d.inputs + i)]} * in.at(n, i, 0, 0);
            out.at(n, o, 0, 0) = gpunet::apply(d.act, sum);
        }
    return out;
}

inline maps gated(maps in, const graph::squeeze_excite& se, const gpunet::constants& w) {
    const maps factors =
        product(product(mean(in), se.squeeze, w.at(se.squeeze.weights)), se.excite, w.at(se.excite.weights));
    for (std::int64_t n = 0; n < in.batch; ++n)
        for (std::int64_t c = 0; c < in.what.channels; ++c)
            for (std::int64_t y = 0; y < in.what.size.height; ++y)
                for (std::int64_t x = 0; x < in.what.size.width; ++x) in.at(n, c, y, x) *= factors.at(n, c, 0, 0);
    return in;
}

inline maps compute(const graph::convolution& c, const gpunet::constants& w, const maps& in) {
    return convolve(in, c, w.at(c.weights));
}
inline maps compute(const graph::stem& s, const gpunet::constants& w, maps now) {
    for (const auto& c : s.convolutions) now = compute(c, w, now);
    return now;
}
inline maps compute(const graph::inverted_residual& b, const gpunet::constants& w, const maps& in) {
    maps now = in;
    for (const auto* c : {&b.entry, &b.expand, &b.depthwise})
        if (*c) now = compute(**c, w, now);
    if (b.squeeze_excite) now = gated(now, *b.squeeze_excite, w);
    return convolve(now, b.project, w.at(b.project.weights), b.residual ? &in : nullptr);
}
inline maps compute(const graph::fused_inverted_residual& b, const gpunet::constants& w, const maps& in) {
    maps now = compute(b.expand, w, in);
    if (b.squeeze_excite) now = gated(now, *b.squeeze_excite, w);
    return convolve(now, b.project, w.at(b.project.weights), b.residual ? &in : nullptr);
}
inline maps compute(const graph::tail& t, const gpunet::constants& w, const maps& in) {
    maps now = mean(t.convolution ? compute(*t.convolution, w, in) : in);
    if (t.hidden) now = product(now, *t.hidden, w.at(t.hidden->weights));
    return product(now, t.classifier, w.at(t.classifier.weights));
}

} // namespace naive

/// Inputs whose bytes are remembered, to see that nobody writes to them.
struct given {
    graph::features what;
    std::vector<float> values;
    maps exact;

    given(const std::string& name, std::int64_t batch, const graph::features& f) : what(f), values(), exact(batch, f) {
        values = noise(name, exact.values.size(), 2.0F);
        exact.values.assign(values.begin(), values.end());
    }
};

inline graph::convolution convolution(const graph::features& in, std::int64_t out, std::int64_t kernel,
                                      std::int64_t stride, const spec::padding& pad, std::int64_t groups = 1,
                                      activation act = activation::identity, const std::string& name = "c") {
    graph::convolution c;
    c.weights = name;
    c.norm = name + ".norm";
    c.input = in;
    c.kernel = kernel;
    c.stride = stride;
    c.groups = groups;
    c.act = act;
    c.padding = graph::resolve(pad, in.size, kernel, stride);
    c.output = {out, graph::output_extent(in.size, kernel, stride, c.padding)};
    return c;
}

template <class Operation>
void fill(gpunet::constants& w, const Operation& op) {
    const gpunet::shape s = gpunet::weight_shape(op);
    const auto count = static_cast<std::size_t>(gpunet::element_count(s));
    const auto fan_in = static_cast<float>(gpunet::element_count(s) / s[0]);
    w[op.weights].weights = noise(op.weights + ".w", count, 1.7F / std::sqrt(fan_in));
    bool bias = true;
    if constexpr (std::is_same_v<Operation, graph::dense>) bias = op.has_bias();
    if (bias) w[op.weights].bias = noise(op.weights + ".b", static_cast<std::size_t>(s[0]), 0.5F);
}

/// The only block before the tail of a network with this one layer.
inline graph::block lowered(const std::string& layer, extent2 size, const std::string& data = "") {
    const auto out = nlohmann::json::parse(layer)["num_out_channels"].get<int>();
    const spec::network net = gpunet::parse_spec(R"([{"layer_type": "data", "img_resolution": 8)" + data + "}, " +
                                                     layer + R"(, {"layer_type": "tail", "num_in_channels": )" +
                                                     std::to_string(out) + R"(, "num_out_channels": 1}])",
                                                 "layer.json");
    return gpunet::lower(net, size).blocks[0];
}

} // namespace layer_test

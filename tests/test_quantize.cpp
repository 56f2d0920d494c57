// Post-training quantization: scales, rounding, the file and what refuses it, the simulated network, real pictures.
#include "core_support.hpp"
#include "layer_support.hpp"
#include "weights_support.hpp"

#include <gpunet/cpu.hpp>
#include <gpunet/hub.hpp>
#include <gpunet/image.hpp>
#include <gpunet/quantize.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace test_quantize { // tests of a program are compiled together

using Catch::Contains;
using core_test::message_of;
using core_test::sanitized;
using core_test::small;
using gpunet::dtype;
using gpunet::quantize::histogram;
using gpunet::quantize::method;

namespace fs = std::filesystem;
namespace graph = gpunet::graph;
namespace quantize = gpunet::quantize;

namespace {

std::vector<gpunet::tensor<float>> noise_pictures(const gpunet::spec::network& net, std::size_t count) {
    const graph::features f = gpunet::lower(net).input;
    std::vector<gpunet::tensor<float>> all;
    for (std::size_t i = 0; i < count; ++i) {
        const gpunet::shape s{1, f.channels, f.size.height, f.size.width};
        all.emplace_back(s, layer_test::noise("picture " + std::to_string(i),
                                              static_cast<std::size_t>(gpunet::element_count(s)), 2.0F));
    }
    return all;
}

/// A network with synthetic weights, quantized by noise.
struct example {
    explicit example(const std::string& name, method m = method::mse)
        : spec(small(name)), net(gpunet::lower(spec)), weights(gpunet::synthetic_weights(net)),
          pictures(noise_pictures(spec, 4)),
          made(quantize::post_training(spec, weights, quantize::pictures_of(pictures), gpunet::cpu::backend(),
                                       {.method = m, .progress = {}})) {}

    gpunet::spec::network spec;
    graph::network net;
    gpunet::tensor_store weights;
    std::vector<gpunet::tensor<float>> pictures;
    quantize::result made;
};

/// The same tensors after `edit`.
gpunet::tensor_store edited(const gpunet::tensor_store& store,
                            const std::function<void(gpunet::tensor_store::container&)>& edit) {
    auto keep = std::make_shared<gpunet::tensor_store>(store);
    gpunet::tensor_store::container items(store.begin(), store.end());
    edit(items);
    return {"q.safetensors", std::move(items), keep};
}

/// The same with one number of a tensor changed.
template <class T>
gpunet::tensor_store poisoned(const gpunet::tensor_store& store, const std::string& name, std::size_t at, T value) {
    const gpunet::stored_tensor& t = *store.find(name);
    auto numbers = std::make_shared<std::vector<T>>(static_cast<std::size_t>(t.element_count()));
    REQUIRE(gpunet::size_of(t.type) == sizeof(T));
    std::memcpy(numbers->data(), t.data, numbers->size() * sizeof(T));
    numbers->at(at) = value;
    gpunet::tensor_store::container items(store.begin(), store.end());
    items[name].data = std::as_bytes(std::span(*numbers)).data();
    auto keep = std::make_shared<std::pair<gpunet::tensor_store, decltype(numbers)>>(store, numbers);
    return {"q.safetensors", std::move(items), keep};
}

/// What a quantized network is to compute, written down as loops over `folded`.
struct naive_quantized {
    const gpunet::constants& w;

    static layer_test::maps rounded(layer_test::maps m, float scale) {
        for (double& x : m.values) x = std::clamp(std::nearbyint(x / double{scale}), -127.0, 127.0) * double{scale};
        return m;
    }
    layer_test::maps convolve(const layer_test::maps& in, const graph::convolution& c,
                              const layer_test::maps* residual = nullptr) const {
        const gpunet::folded& f = w.at(c.weights);
        return rounded(layer_test::naive::convolve(in, c, f, residual), *f.output_scale);
    }
    template <class Block>
    layer_test::maps gate_and_project(const Block& b, const layer_test::maps& in, layer_test::maps now) const {
        if (b.squeeze_excite)
            now = rounded(layer_test::naive::gated(now, *b.squeeze_excite, w),
                          *w.at(b.squeeze_excite->excite.weights).output_scale);
        return convolve(now, b.project, b.residual ? &in : nullptr);
    }
    layer_test::maps operator()(const graph::stem& s, layer_test::maps now) const {
        for (const auto& c : s.convolutions) now = convolve(now, c);
        return now;
    }
    layer_test::maps operator()(const graph::conv& c, const layer_test::maps& in) const {
        return convolve(in, c.convolution, c.residual ? &in : nullptr);
    }
    layer_test::maps operator()(const graph::inverted_residual& b, const layer_test::maps& in) const {
        layer_test::maps now = in;
        for (const auto* c : {&b.entry, &b.expand, &b.depthwise})
            if (*c) now = convolve(now, **c);
        return gate_and_project(b, in, now);
    }
    layer_test::maps operator()(const graph::fused_inverted_residual& b, const layer_test::maps& in) const {
        return gate_and_project(b, in, convolve(in, b.expand));
    }
    layer_test::maps operator()(const graph::tail& t, const layer_test::maps& in) const {
        layer_test::maps now = layer_test::naive::mean(t.convolution ? convolve(in, *t.convolution) : in);
        if (t.hidden) now = layer_test::naive::product(now, *t.hidden, w.at(t.hidden->weights));
        return layer_test::naive::product(now, t.classifier, w.at(t.classifier.weights));
    }
};

/// Counts what it is given of int8.
struct float_backend : gpunet::cpu::backend {
    using backend::plan;
    planned_step plan(std::int64_t n, const graph::convolution& c, const gpunet::folded& f, packed& cache,
                      const std::vector<layout>& operands) const {
        *scales += f.int8.has_value() + f.output_scale.has_value();
        return backend::plan(n, c, f, cache, operands);
    }
    planned_step plan(std::int64_t n, const gpunet::channel_gate& g, const std::vector<layout>& operands) const {
        *scales += g.output_scale.has_value();
        return backend::plan(n, g, operands);
    }
    std::shared_ptr<int> scales = std::make_shared<int>(0);
};

/// A part of a photograph: `size` pixels of each side from (left, top).
gpunet::image cut(const gpunet::image& from, std::int64_t left, std::int64_t top, std::int64_t size) {
    gpunet::image part(size, size);
    for (std::int64_t y = 0; y < size; ++y)
        std::copy_n(from.pixels.begin() + ((top + y) * from.width + left) * 3, size * 3,
                    part.pixels.begin() + y * size * 3);
    return part;
}

/// Parts of the assets' photographs, normalised for a model. Every part of another `phase` is another one.
std::vector<gpunet::tensor<float>> real_pictures(const fs::path& assets, const gpunet::model& m, std::int64_t phase,
                                                 std::int64_t each) {
    std::vector<gpunet::tensor<float>> all;
    for (const char* file : {"chelsea.png", "coffee.png", "rocket.jpg"}) {
        const gpunet::image whole = gpunet::read_image(assets / file);
        for (std::int64_t i = 0; i < each; ++i) {
            const std::int64_t side = 200 + (i * 37 + phase * 11) % 90;
            const std::int64_t left = (i * 53 + phase * 29) % (whole.width - side);
            const std::int64_t top = (i * 31 + phase * 17) % (whole.height - side);
            all.push_back(gpunet::preprocess(cut(whole, left, top, side), m.input));
        }
    }
    return all;
}

} // namespace

TEST_CASE("numbers are rounded to the nearest, halves to the even one, and never to -128") {
    const std::vector<std::pair<float, int>> examples = {{0.0F, 0},    {0.25F, 0},     {0.75F, 2},    {1.25F, 2},
                                                         {-0.75F, -2}, {0.26F, 1},     {63.5F, 127},  {64.0F, 127},
                                                         {1e30F, 127}, {-63.9F, -127}, {-1e30F, -127}};
    for (const auto& [x, q] : examples) {
        INFO(x);
        CHECK(int{quantize::to_int8(x, 0.5F)} == q);
    }
    std::vector<float> values = {0.3F, -100.0F, 7.0F};
    quantize::round_to(0.5F, values);
    CHECK(values == std::vector<float>{0.5F, -63.5F, 7.0F});
}

TEST_CASE("weights that see the same input are rounded so that their sum is right as well") {
    std::vector<std::int8_t> q;
    quantize::detail::round_together(std::vector<float>{0.4F, 0.45F, 0.3F, 0.35F}, 1.0F, q); // in all 1.5
    CHECK(q == std::vector<std::int8_t>{0, 1, 0, 0});
    q = {7};
    quantize::detail::round_together(std::vector<float>{-127.0F, -126.6F, -0.7F, 3.45F}, 1.0F, q); // -250.85
    CHECK(q == std::vector<std::int8_t>{7, -127, -127, -1, 4});
    for (std::size_t n : {std::size_t{9}, std::size_t{25}, std::size_t{640}}) {
        const auto w = layer_test::noise("w" + std::to_string(n), n, 0.8F);
        q.clear();
        quantize::detail::round_together(w, 0.01F, q);
        double sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const double off = q[i] - double{w[i]} / 0.01;
            CHECK(std::fabs(off) < 1.0001);
            sum += off;
        }
        CHECK(std::fabs(sum) < 0.51);
    }
}

TEST_CASE("the bias makes up for what rounding the weights takes from the mean") {
    for (const std::int64_t groups : {1, 2, 12})
        for (const std::int64_t kernel : {1, 3}) {
            INFO(groups << " " << kernel);
            const auto c = layer_test::convolution({12, {7, 7}}, 24, kernel, 1, gpunet::spec::padding{}, groups);
            gpunet::constants w;
            layer_test::fill(w, c);
            std::vector<double> means;
            for (const float x : layer_test::noise("means", 12, 1.0F)) means.push_back(double{x});
            const gpunet::folded& f = w.at("c");
            const auto q = quantize::quantize_convolution(c, f, 0.02F, means);
            const std::size_t each = f.weights.size() / 24, taps = static_cast<std::size_t>(kernel * kernel);
            for (std::size_t o = 0; o < 24; ++o) {
                double exact = double{f.bias[o]}, found = double{q.bias[o]};
                for (std::size_t i = 0; i < each; ++i) {
                    const auto inputs = static_cast<std::size_t>(12 / groups),
                               outputs = static_cast<std::size_t>(24 / groups);
                    const double mean = means[o / outputs * inputs + i / taps];
                    exact += double{f.weights[o * each + i]} * mean;
                    found += double{q.scales[o]} * q.weights[o * each + i] * mean;
                }
                CHECK(std::fabs(found - exact) < 0.51 * 0.02 * double{q.scales[o]} + 1e-6);
            }
        }
}

TEST_CASE("scales: the maximum over 127, or that of the least squared error") {
    const auto of = [](const std::vector<float>& values, method m) {
        histogram h;
        h.add(values);
        return h.best_scale(m);
    };
    CHECK(of({1.0F, -12.7F, 3.0F}, method::max) == Approx(0.1));
    CHECK(of({0.0F, 0.0F}, method::mse) == 1.0F); // any will do
    CHECK(of({}, method::max) == 1.0F);
    // Uniform numbers: clipping costs more than it gains.
    const auto uniform = layer_test::noise("uniform", 20000, 6.0F);
    CHECK(of(uniform, method::mse) == Approx(6.0 / 127).epsilon(0.03));
    // One stray among many: it is clipped, and the choice is as good as a search says.
    auto stray = layer_test::noise("stray", 20000, 1.0F);
    stray[77] = -30.0F;
    const auto error = [&](float scale) {
        double sum = 0;
        for (const float x : stray) {
            const double off = double{x} - double{quantize::nearest(x, scale)} * double{scale};
            sum += off * off;
        }
        return sum;
    };
    const float chosen = of(stray, method::mse);
    CHECK(chosen < of(stray, method::max));
    double least = error(chosen);
    for (int i = 0; i < 200; ++i) least = std::min(least, error(0.005F + 0.0012F * static_cast<float>(i)));
    CHECK(error(chosen) < 1.1 * least);
    // In any order, in any portions.
    histogram one, two;
    one.add(uniform);
    two.add(std::span(uniform).first(777));
    two.add(std::span(uniform).subspan(777));
    CHECK(one.best_scale(method::mse) == two.best_scale(method::mse));
    CHECK(one.max() == two.max());
    one.add(std::vector{1.0F, std::numeric_limits<float>::infinity()});
    two.add(std::vector{std::numeric_limits<float>::quiet_NaN()});
    CHECK_FALSE((one.finite() || two.finite()));
}

TEST_CASE("a quantized file says what a network computes with, as fold reads it") {
    for (const char* name : {"small0", "smallD", "smallP"}) {
        INFO(name);
        const example e(name);
        const test::temporary_folder folder;
        gpunet::write_safetensors(folder / "q.safetensors", e.made.weights, e.made.metadata);
        const gpunet::tensor_store read = gpunet::read_weights(folder / "q.safetensors");
        CHECK(gpunet::is_quantized(e.net, read));
        CHECK_FALSE(gpunet::is_quantized(e.net, e.weights));
        const gpunet::constants exact = gpunet::fold(e.net, e.weights), found = gpunet::fold(e.net, read);
        REQUIRE(found.size() == exact.size());
        bool first = true;
        graph::visit_convolutions(e.net, [&](const graph::convolution& c, std::string_view source) {
            INFO(c.weights);
            const gpunet::folded& f = found.at(c.weights);
            REQUIRE(f.output_scale);
            CHECK(f.int8.has_value() == !first);
            CHECK(source.empty() == first);
            first = false;
            if (!f.int8) {
                CHECK(f.weights == exact.at(c.weights).weights);
                CHECK(f.bias == exact.at(c.weights).bias);
                return;
            }
            CHECK(f.int8->input_scale == *found.at(source).output_scale);
            const std::size_t each = f.weights.size() / f.bias.size();
            REQUIRE(f.int8->weights.size() == f.weights.size());
            REQUIRE(f.int8->scales.size() == f.bias.size());
            const auto whole = gpunet::integer_bias(f);
            for (std::size_t o = 0; o < f.bias.size(); ++o) {
                const float s = f.int8->scales[o];
                for (std::size_t i = o * each; i < (o + 1) * each; ++i) {
                    CHECK(f.weights[i] == s * static_cast<float>(f.int8->weights[i]));
                    CHECK(std::fabs(f.weights[i] - exact.at(c.weights).weights[i]) <= 1.001F * s);
                }
                CHECK(float(whole[o] * (double{f.int8->input_scale} * double{s})) == f.bias[o]);
                CHECK(f.bias[o] == Approx(exact.at(c.weights).bias[o]).margin(0.05));
            }
        });
        for (const graph::block& b : e.net.blocks)
            if (const graph::squeeze_excite* gate = graph::gate_of(b)) {
                CHECK(found.at(gate->excite.weights).output_scale);
                CHECK_FALSE(found.at(gate->squeeze.weights).output_scale);
                CHECK(found.at(gate->excite.weights).weights == exact.at(gate->excite.weights).weights);
            }
    }
}

TEST_CASE("quantization is deterministic, and its file says how it was made") {
    const test::temporary_folder folder;
    const example a("small0"), b("small0"), c("small0", method::max);
    gpunet::write_safetensors(folder / "a", a.made.weights, a.made.metadata);
    gpunet::write_safetensors(folder / "b", b.made.weights, b.made.metadata);
    CHECK(test::file_content(folder / "a") == test::file_content(folder / "b"));
    CHECK(a.made.metadata.at("gpunet.quantization") == "int8 symmetric, version 1");
    CHECK(a.made.metadata.at("gpunet.calibration.method") == "mse");
    CHECK(a.made.metadata.at("gpunet.calibration.pictures") == "4");
    CHECK(c.made.metadata.at("gpunet.calibration.method") == "max");
}

TEST_CASE("what is wrong with a quantized file is named") {
    const example e("small0");
    const gpunet::tensor_store& good = e.made.weights;
    const std::string conv = "network.stage: 1 layer3.conv", head = "network.head: 2.net.0",
                      excite = "network.stage: 2 layer5.se.conv_expand", classifier = "network. layer11.net.6";
    REQUIRE(good.find(conv + ".weight_scale"));
    REQUIRE(good.find(excite + ".output_scale"));
    const auto bad = edited(good, [&](auto& items) {
        items["extra"] = items[conv + ".bias"];
        items[head + ".weight_scale"] = items[conv + ".weight_scale"]; // the first convolution has none
        items.erase(conv + ".weight_scale");
        items.erase(excite + ".output_scale");
        items[conv + ".weight"].type = dtype::uint8;
        items[classifier + ".weight"].dimensions = {16, 10};
        items[conv + ".output_scale"].dimensions = {1};
    });
    try {
        gpunet::fold(e.net, bad);
        FAIL("expected an error");
    } catch (const gpunet::binding_error& error) {
        CHECK(error.missing == std::vector<std::string>{conv + ".weight_scale", excite + ".output_scale"});
        CHECK(error.unexpected == std::vector<std::string>{"extra", head + ".weight_scale"});
        CHECK(error.misshaped ==
              std::vector<std::string>{"'" + conv + ".weight': expected int8, found uint8",
                                       "'" + conv + ".output_scale': expected shape [], found [1]",
                                       "'" + classifier + ".weight': expected shape [10, 16], found [16, 10]"});
    }
    const auto refused = [&](const gpunet::tensor_store& store) {
        return message_of<gpunet::weights_error>([&] { gpunet::fold(e.net, store); });
    };
    CHECK(refused(poisoned(good, conv + ".weight", 3, std::int8_t{-128})) ==
          "q.safetensors: tensor '" + conv + ".weight': expected int8 from -127 to 127, found -128 at element 3");
    for (const char* scale : {".weight_scale", ".output_scale"})
        for (const float value : {0.0F, -0.5F, 1e-40F, 3e38F}) {
            const std::size_t at = std::string(scale) == ".weight_scale" ? 5 : 0;
            CHECK(refused(poisoned(good, conv + scale, at, value)) ==
                  "q.safetensors: tensor '" + conv + scale + "': expected a scale above 0 for int8, found " +
                      std::to_string(value) + " at element " + std::to_string(at));
        }
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const std::string& name :
         {conv + ".weight_scale", conv + ".bias", head + ".weight", excite + ".output_scale", classifier + ".weight"})
        CHECK(refused(poisoned(good, name, 0, nan)) ==
              "q.safetensors: tensor '" + name + "': expected finite numbers, found nan at element 0");
    CHECK_THAT(refused(poisoned(good, conv + ".bias", 2, 1e9F)),
               Contains("tensor '" + conv + ".bias': expected a bias within int32 times ") &&
                   Contains("found 1000000000.000000 at element 2"));
    // A file of both kinds is neither.
    CHECK_THROWS_AS(gpunet::fold(e.net, edited(good, [&](auto& items) { items.erase(head + ".output_scale"); })),
                    gpunet::binding_error);
}

TEST_CASE("every feature map is observed once, in order, on any format") {
    const example e("small0");
    const auto expected = graph::feature_maps(e.net);
    CHECK(std::count(expected.begin(), expected.end(), "network.stage: 2 layer5.se.conv_expand") == 1);
    std::map<int, std::vector<float>> first; // the first feature map in each format
    for (const auto format :
         {gpunet::cpu::format::automatic, gpunet::cpu::format::channels_last, gpunet::cpu::format::blocked}) {
        std::vector<std::string> names;
        bool scaled = true;
        const auto see = [&](const quantize::feature_map& f) {
            scaled = scaled && f.scale.has_value();
            // The same numbers in N C H W, without what pads the layout.
            const std::vector<float> plain = f.plain();
            REQUIRE(plain.size() == static_cast<std::size_t>(gpunet::element_count(f.shape)));
            double sum = 0, of_plain = 0;
            for (const float x : f.values) sum += double{x} * double{x};
            for (const float x : plain) of_plain += double{x} * double{x};
            CHECK(sum == Approx(of_plain));
            if (names.empty()) first[static_cast<int>(format)] = plain;
            names.emplace_back(f.name);
        };
        const gpunet::cpu::backend inner({.threads = 0, .format = format});
        const gpunet::network net(e.spec, e.made.weights, quantize::simulated(inner, see));
        const auto scores = net(e.pictures[0]);
        CHECK(names == expected);
        CHECK(scaled);
        CHECK(net.device().name() == inner.name());
    }
    REQUIRE(first.size() == 3);
    CHECK(core_test::relative_l2(first[0], first[1]) < 1e-3);
    CHECK(core_test::relative_l2(first[0], first[2]) < 1e-3);
}

TEST_CASE("the simulated network runs in float32 on a backend that has int8") {
    const example e("small0");
    const float_backend inner;
    const gpunet::network net(e.spec, e.made.weights, inner);
    const auto scores = net(e.pictures[0]);
    CHECK(*inner.scales > 0); // squeeze_excite gives its gate's, too
    *inner.scales = 0;
    const gpunet::network simulated(e.spec, e.made.weights, quantize::simulated(inner));
    const auto rounded = simulated(e.pictures[0]);
    CHECK(*inner.scales == 0);
}

TEST_CASE("the simulated network computes what loops over the definition compute") {
    for (const char* name : {"small0", "smallD", "smallP"}) {
        INFO(name);
        const example e(name);
        const gpunet::constants w = gpunet::fold(e.net, e.made.weights);
        layer_test::maps now(1, e.net.input);
        now.values.assign(e.pictures[0].elements().begin(), e.pictures[0].elements().end());
        for (const graph::block& b : e.net.blocks)
            now = std::visit([&](const auto& body) { return naive_quantized{w}(body, now); }, b.body);
        const gpunet::network net(e.spec, e.made.weights, quantize::simulated(gpunet::cpu::backend()));
        const auto scores = net(e.pictures[0]);
        // Sums in another order tip a few numbers to the other neighbour.
        CHECK(core_test::relative_l2(scores.elements(), now.values) < 0.02);
    }
}

TEST_CASE("a quantized network is close to the one it was made of, and any backend runs it") {
    for (const char* name : {"small0", "smallD", "smallP"})
        for (const method m : {method::mse, method::max}) {
            INFO(name << " " << quantize::to_string(m));
            const example e(name, m);
            const auto c = quantize::compare(e.spec, e.weights, e.made.weights, quantize::pictures_of(e.pictures), 3,
                                             gpunet::cpu::backend());
            CHECK(c.pictures == 3);
            CHECK(c.logits.decibels() > 15);
            REQUIRE(c.maps.size() == graph::feature_maps(e.net).size());
            for (const auto& q : c.maps) {
                INFO(q.name);
                CHECK(q.power.decibels() > 15);
                CHECK(q.scale > 0);
            }
            const gpunet::network exact(e.spec, e.weights, gpunet::cpu::backend()),
                plain(e.spec, e.made.weights, gpunet::cpu::backend());
            const auto wanted = exact(e.pictures[0]), found = plain(e.pictures[0]);
            CHECK(core_test::relative_l2(found.elements(), wanted.elements()) < 0.1);
        }
}

TEST_CASE("kernels for int8 compute what the simulated network says, layer by layer") {
    const gpunet::cpu::backend device;
    for (const char* name : {"small0", "smallD", "smallP"}) {
        INFO(name);
        const example e(name);
        const gpunet::network fast(e.spec, e.made.weights, device);
        const gpunet::network defined(e.spec, e.made.weights, quantize::simulated(device));
        const gpunet::context_options all{.taps = gpunet::taps::layers};
        gpunet::context run_fast(fast, all);
        gpunet::context run_defined(defined, all);
        if (!device.has_int8()) {
            WARN("skipped: no AVX-512 with VNNI, no Xbyak, or no OpenMP");
            return;
        }
        static_cast<void>(run_fast.run(e.pictures[0].elements()));
        static_cast<void>(run_defined.run(e.pictures[0].elements()));
        const auto found = run_fast.features(), expected = run_defined.features();
        REQUIRE(found.size() == expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            quantize::power p;
            p.add(expected[i].values.elements(), found[i].values.elements());
            INFO("layer " << found[i].layer);
            CHECK(p.decibels() > 35); // sums that lie halfway may go either way
        }
    }
}

TEST_CASE("what cannot be quantized is refused") {
    const example e("small0");
    const auto again = [&](const gpunet::tensor_store& weights, const quantize::pictures& from) {
        static_cast<void>(quantize::post_training(e.spec, weights, from, gpunet::cpu::backend()));
    };
    const auto pictures = quantize::pictures_of(e.pictures);
    CHECK(message_of<gpunet::weights_error>([&] { again(e.made.weights, pictures); }) ==
          "synthetic in int8: expected float weights to quantize, found int8 weights");
    CHECK(message_of<gpunet::argument_error>([&] { again(e.weights, {}); }) ==
          "calibration: expected at least one picture, found none");
    const std::vector<gpunet::tensor<float>> tiny(1, gpunet::tensor<float>({1, 3, 2, 2}));
    CHECK_THAT(message_of<gpunet::argument_error>([&] { again(e.weights, quantize::pictures_of(tiny)); }),
               Contains("picture 0: expected 12288 numbers, found 12"));
    auto broken = e.pictures;
    broken[1].elements()[5] = std::numeric_limits<float>::infinity();
    CHECK_THAT(message_of<gpunet::weights_error>([&] { again(e.weights, quantize::pictures_of(broken)); }),
               Contains("synthetic: output of 'network.") && Contains("': expected finite numbers, found others"));
    CHECK_THROWS_AS(again(gpunet::synthetic_weights(gpunet::lower(small("smallP"))), pictures), gpunet::binding_error);
}

TEST_CASE("EfficientNet-Lite0 in int8 says of real pictures what it says in float32") {
    const char* assets = std::getenv("GPUNET_TEST_ASSETS");
    if (!assets || !*assets) {
        std::cout << "skipped: GPUNET_TEST_ASSETS names no directory with EfficientNet-Lite0.pth and pictures\n";
        return;
    }
    const auto hub = gpunet::registry::builtin();
    const gpunet::model& m = hub.find("EfficientNet-Lite0");
    const auto weights = gpunet::read_weights(fs::path(assets) / "EfficientNet-Lite0.pth");
    const auto calibration = real_pictures(assets, m, 0, sanitized ? 4 : 10);
    const auto others = real_pictures(assets, m, 1, sanitized ? 5 : 20);
    const auto made =
        quantize::post_training(m.network, weights, quantize::pictures_of(calibration), gpunet::cpu::backend());
    const auto c = quantize::compare(m.network, weights, made.weights, quantize::pictures_of(others), others.size(),
                                     gpunet::cpu::backend());
    INFO("logits " << c.logits.decibels() << " dB, the same top-1 of " << c.same_top1 << " of " << c.pictures);
    CHECK(c.logits.decibels() > 17);
    CHECK(10 * c.same_top1 >= 8 * c.pictures);
}

} // namespace test_quantize

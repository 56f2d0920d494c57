#include "core_support.hpp"

#include <gpunet/graph/lower.hpp>
#include <gpunet/tensor.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/make.hpp>
#include <gpunet/weights/parameters.hpp>
#include <gpunet/weights/synthetic.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace test_weights_core { // tests of a program are compiled together

using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;
using core_test::message_of;
using core_test::small;
namespace graph = gpunet::graph;

namespace {

std::uint64_t number(const std::string& hex) { return std::stoull(hex, nullptr, 16); }

std::uint32_t bits(float value) { return std::bit_cast<std::uint32_t>(value); }

std::vector<float> values_of(const gpunet::tensor_store& store, const std::string& name) {
    const gpunet::stored_tensor* t = store.find(name);
    INFO(name);
    REQUIRE(t);
    std::vector<float> values(static_cast<std::size_t>(t->element_count()));
    gpunet::copy_as_float(*t, values);
    return values;
}

gpunet::tensor_store::container items_of(const gpunet::tensor_store& store) { return {store.begin(), store.end()}; }

/// A network's synthetic weights with its tensors changed by `edit`. The original's bytes live on in the returned one.
gpunet::tensor_store edited(const gpunet::tensor_store& store,
                            const std::function<void(gpunet::tensor_store::container&)>& edit) {
    auto items = items_of(store);
    edit(items);
    return {store.source(), std::move(items), std::make_shared<gpunet::tensor_store>(store)};
}

/// The weights of small0 with one element of one tensor replaced.
gpunet::tensor_store poisoned(const graph::network& net, const std::string& name, std::size_t element, float value) {
    bool found = false;
    auto store = gpunet::make_weights(
        net,
        [&](const gpunet::parameter& p, std::span<float> values) {
            gpunet::synthetic_values(p, "", values);
            if (p.name != name) return;
            found = true;
            values[element] = value;
        },
        "poisoned.pth");
    REQUIRE(found);
    return store;
}

template <class T>
gpunet::stored_tensor view_of(gpunet::dtype type, gpunet::shape dimensions, std::vector<std::int64_t> strides,
                              const std::vector<T>& values, std::size_t start = 0) {
    return {type, std::move(dimensions), std::move(strides), std::as_bytes(std::span(values).subspan(start)).data()};
}

} // namespace

TEST_CASE("the synthetic scheme's vectors, bit by bit") {
    const auto vectors = core_test::read_json("goldens/scheme_vectors.json");
    for (const auto& item : vectors["fnv1a"].items()) {
        INFO(item.key());
        CHECK(gpunet::fnv1a(item.key()) == number(item.value()));
    }
    for (const auto& item : vectors["splitmix64"].items())
        CHECK(gpunet::splitmix64(number(item.key())) == number(item.value()));
    for (const auto& item : vectors["u"].items())
        for (std::size_t i = 0; i < item.value().size(); ++i)
            CHECK(gpunet::synthetic_uniform(gpunet::fnv1a(item.key()), i) == item.value()[i].get<float>());

    const auto g0 = gpunet::lower(core_test::published("GPUNet-0")),
               d1 = gpunet::lower(core_test::published("GPUNet-D1"));
    auto list = gpunet::parameters(g0);
    for (auto& p : gpunet::parameters(d1)) list.push_back(std::move(p));
    REQUIRE(vectors["tensors"].size() == 10);
    for (const auto& vector : vectors["tensors"]) {
        const auto key = vector["key"].get<std::string>();
        INFO(key);
        const auto p = std::find_if(list.begin(), list.end(), [&](const auto& q) { return q.name == key; });
        REQUIRE(p != list.end());
        REQUIRE(p->dimensions == vector["shape"].get<gpunet::shape>());
        std::vector<float> values(static_cast<std::size_t>(gpunet::element_count(p->dimensions)));
        gpunet::synthetic_values(*p, "", values);
        for (std::size_t i = 0; i < 4; ++i) CHECK(bits(values[i]) == number(vector["first4_bits"][i]));
        CHECK(bits(values.back()) == number(vector["last_bits"]));
    }
    std::vector<float> input(4);
    gpunet::synthetic_input(input);
    for (std::size_t i = 0; i < 4; ++i) CHECK(input[i] == 4 * vectors["u"]["input"][i].get<float>() - 2);
}

TEST_CASE("synthetic weights of a whole network") {
    const graph::network net = gpunet::lower(small("small0"));
    const gpunet::tensor_store plain = gpunet::synthetic_weights(net), salted = gpunet::synthetic_weights(net, "ema/");
    CHECK(plain.source() == "synthetic");
    std::size_t wanted = 0;
    for (const gpunet::parameter& p : gpunet::parameters(net)) {
        if (p.optional()) continue;
        INFO(p.name);
        ++wanted;
        std::vector<float> expected(static_cast<std::size_t>(gpunet::element_count(p.dimensions)));
        gpunet::synthetic_values(p, "", expected);
        CHECK(values_of(plain, p.name) == expected);
        gpunet::synthetic_values(p, "ema/", expected);
        CHECK(values_of(salted, p.name) == expected);
        CHECK(values_of(plain, p.name) != values_of(salted, p.name));
    }
    CHECK(plain.size() == wanted);
    // Residual branches are weaker, by each family's names.
    const std::vector<std::pair<std::string, double>> gains = {{"network.stage: 1 layer4.conv_pwl.weight", 0.85},
                                                               {"network.stage: 1 irb4.body.6.weight", 0.85},
                                                               {"_blocks.3._project_conv.weight", 0.85},
                                                               {"_blocks.3._project_conv.bias", 1.4},
                                                               {"blocks.3.1.conv_pwl.weight", 0.15},
                                                               {"blocks.13.12.pw_proj.conv.weight", 0.15},
                                                               {"blocks.13.0.conv_pwl.weight", 1.4},
                                                               {"blocks.1.0.se.conv_expand.weight", 0.05},
                                                               {"network.stage: 1 layer4.se.conv_expand.weight", 1.4},
                                                               {"conv_stem.weight", 14.0},
                                                               {"_conv_stem.weight", 1.4},
                                                               {"blocks.", 1.4},
                                                               {"blocks.3.1.conv_pw.weight", 1.4},
                                                               {"conv_head.weight", 1.4}};
    for (const auto& [name, gain] : gains) {
        INFO(name);
        CHECK(gpunet::detail::synthetic_gain(name) == gain);
    }
    const gpunet::parameter batches{"x.num_batches_tracked", {}, gpunet::parameter_role::batches};
    std::vector<float> one = {7};
    gpunet::synthetic_values(batches, "", one);
    CHECK(one[0] == 0);
}

TEST_CASE("weights from a callback") {
    const graph::network net = gpunet::lower(small("smallP"));
    std::vector<std::string> asked;
    gpunet::tensor_store copy;
    {
        const auto store = gpunet::make_weights(net, [&](const gpunet::parameter& p, std::span<float> values) {
            CHECK(static_cast<std::int64_t>(values.size()) == gpunet::element_count(p.dimensions));
            asked.push_back(p.name);
            std::iota(values.begin(), values.end(), static_cast<float>(asked.size()));
        });
        CHECK(store.source() == "callback");
        copy = store;
    }
    std::vector<std::string> expected;
    for (const auto& p : gpunet::parameters(net))
        if (!p.optional()) expected.push_back(p.name);
    CHECK(asked == expected);
    CHECK(copy.size() == expected.size());
    // A copy keeps the bytes alive.
    for (std::size_t i = 0; i < asked.size(); ++i) {
        const auto values = values_of(copy, asked[i]);
        CHECK(values.front() == static_cast<float>(i + 1));
        CHECK(values.back() == static_cast<float>(i + values.size()));
    }
    CHECK(gpunet::fold(net, copy).size() > 0);
    // What the callback throws comes through.
    CHECK_THROWS_WITH(gpunet::make_weights(net, [](const auto&, auto) { throw std::runtime_error("mine"); }), "mine");
}

TEST_CASE("batch norm folds as a computation in double says") {
    for (const char* name : {"small0", "smallD", "smallP"}) {
        const graph::network net = gpunet::lower(small(name));
        const gpunet::tensor_store store = gpunet::synthetic_weights(net);
        const gpunet::constants folded = gpunet::fold(net, store);
        std::size_t operations = 0;
        for (const graph::block& b : net.blocks)
            graph::for_each_operation(b, [&](const auto& op) {
                INFO(name << " " << op.weights);
                ++operations;
                const gpunet::folded& found = folded.at(op.weights);
                const auto weights = values_of(store, op.weights + ".weight");
                REQUIRE(found.weights.size() == weights.size());
                if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::convolution>) {
                    const auto gamma = values_of(store, op.norm + ".weight"),
                               beta = values_of(store, op.norm + ".bias");
                    const auto mean = values_of(store, op.norm + ".running_mean");
                    const auto var = values_of(store, op.norm + ".running_var");
                    const auto channels = static_cast<std::size_t>(op.output.channels);
                    REQUIRE(found.bias.size() == channels);
                    const std::size_t each = weights.size() / channels;
                    double worst = 0;
                    for (std::size_t i = 0; i < weights.size(); ++i) {
                        const std::size_t o = i / each;
                        const double scale = double{gamma[o]} / std::sqrt(double{var[o]} + op.epsilon);
                        const double w = double{weights[i]} * scale, c = double{beta[o]} - double{mean[o]} * scale;
                        worst =
                            std::max(worst, std::fabs(double{found.weights[i]} - w) / std::max(1e-30, std::fabs(w)));
                        worst = std::max(worst, std::fabs(double{found.bias[o]} - c) / std::max(1e-3, std::fabs(c)));
                    }
                    CHECK(worst <= 0x1p-24 * (1 + 1e-9)); // rounded to float once
                } else {
                    CHECK(found.weights == weights);
                    CHECK(found.bias == (op.bias ? values_of(store, op.weights + ".bias") : std::vector<float>()));
                }
            });
        CHECK(folded.size() == operations);
    }
}

TEST_CASE("constants that are asked for and missing are named") {
    CHECK(message_of<gpunet::weights_error>([] { gpunet::constants().at("network.x"); }) ==
          "constants: expected 'network.x', found nothing");
}

TEST_CASE("all that does not fit is reported together") {
    const graph::network net = gpunet::lower(small("small0"));
    const gpunet::tensor_store good = gpunet::synthetic_weights(net);
    const std::string head = "network.head: 2.net.0.weight", norm = "network.head: 2.net.1.bias",
                      classifier = "network. layer11.net.6.weight",
                      se = "network.stage: 2 layer5.se.conv_reduce.weight";
    REQUIRE(good.find(head));
    REQUIRE(good.find(classifier));
    const gpunet::tensor_store bad = edited(good, [&](auto& items) {
        items["extra.one"] = items[norm];
        items["extra.two"] = items[norm];
        items.erase(head);
        items.erase(norm);
        items[classifier].dimensions = {16, 10};
        items[se].type = gpunet::dtype::int64;
    });
    try {
        gpunet::fold(net, bad);
        FAIL("expected an error");
    } catch (const gpunet::binding_error& e) {
        CHECK(e.missing == std::vector<std::string>{head, norm});
        CHECK(e.unexpected == std::vector<std::string>{"extra.one", "extra.two"});
        CHECK(e.misshaped == std::vector<std::string>{"'" + se + "': expected a floating-point type, found int64",
                                                      "'" + classifier + "': expected shape [10, 16], found [16, 10]"});
        CHECK(std::string(e.what()) == "synthetic: does not fit the network: missing '" + head + "', '" + norm +
                                           "'; unexpected 'extra.one', 'extra.two'; '" + se +
                                           "': expected a floating-point type, found int64, '" + classifier +
                                           "': expected shape [10, 16], found [16, 10]");
    }
}

TEST_CASE("a long report is shortened to one line, its lists are complete") {
    const graph::network net = gpunet::lower(small("small0")), other = gpunet::lower(small("smallD"));
    std::size_t required = 0;
    for (const auto& p : gpunet::parameters(net)) required += p.optional() ? 0 : 1;
    const auto foreign = gpunet::synthetic_weights(other);
    try {
        gpunet::fold(net, foreign);
        FAIL("expected an error");
    } catch (const gpunet::binding_error& e) {
        CHECK(e.missing.size() == required);
        CHECK(e.unexpected.size() == foreign.size());
        CHECK(e.misshaped.empty());
        const std::string what = e.what();
        CHECK(what.find('\n') == std::string::npos);
        CHECK(what.size() < 1200);
        CHECK_THAT(what, StartsWith("synthetic: does not fit the network: missing 'network.head: 2.net.0.weight', "));
        CHECK_THAT(what, Contains(" and " + std::to_string(required - 6) + " more; unexpected '"));
        CHECK_THAT(what, EndsWith(" and " + std::to_string(foreign.size() - 6) + " more"));
        CHECK(std::set<std::string>(e.missing.begin(), e.missing.end()).size() == required);
    }
    // It is a weights_error to who does not care.
    CHECK_THROWS_AS(gpunet::fold(net, gpunet::tensor_store()), gpunet::weights_error);
}

TEST_CASE("threads that fold agree with one, and say what it says of what is wrong") {
    const graph::network net = gpunet::lower(small("small0"));
    const auto store = gpunet::synthetic_weights(net);
    const gpunet::constants one = gpunet::fold(net, store), four = gpunet::fold(net, store, 4);
    REQUIRE(one.size() == four.size());
    for (const auto& [name, folded] : one) {
        CHECK(four.at(name).weights == folded.weights);
        CHECK(four.at(name).bias == folded.bias);
    }
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const gpunet::tensor_store bad = gpunet::make_weights(net, [&](const auto& parameter, auto values) {
        std::fill(values.begin(), values.end(), parameter.name.ends_with(".conv_expand.bias") ? nan : 1.0F);
    });
    const auto found = [&](int threads) {
        return message_of<gpunet::weights_error>([&] { gpunet::fold(net, bad, threads); });
    };
    CHECK(found(1).find("expected finite numbers, found nan at element 0") != std::string::npos);
    for (int i = 0; i < 20; ++i) CHECK(found(4) == found(1));
}

TEST_CASE("numbers that are not finite, and variances that are none, are named") {
    const graph::network net = gpunet::lower(small("small0"));
    const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    const auto refused = [&](const std::string& name, std::size_t element, float value) {
        const auto store = poisoned(net, name, element, value);
        return message_of<gpunet::weights_error>([&] { gpunet::fold(net, store); });
    };
    const std::string conv = "network.stage: 1 layer3.conv.weight", var = "network.stage: 1 layer3.bn1.running_var";
    CHECK(refused(conv, 5, nan) ==
          "poisoned.pth: tensor '" + conv + "': expected finite numbers, found nan at element 5");
    CHECK(refused(conv, 0, -inf) ==
          "poisoned.pth: tensor '" + conv + "': expected finite numbers, found -inf at element 0");
    for (const char* leaf : {"weight", "bias", "running_mean", "running_var"})
        CHECK(refused("network.stage: 1 layer3.bn1." + std::string(leaf), 7, inf) ==
              "poisoned.pth: tensor 'network.stage: 1 layer3.bn1." + std::string(leaf) +
                  "': expected finite numbers, found inf at element 7");
    for (const char* name : {"network. layer11.net.6.weight", "network. layer11.net.6.bias",
                             "network.stage: 2 layer5.se.conv_expand.bias"})
        CHECK(refused(name, 3, nan) ==
              "poisoned.pth: tensor '" + std::string(name) + "': expected finite numbers, found nan at element 3");
    CHECK(refused(var, 2, -0.5F) ==
          "poisoned.pth: tensor '" + var + "': expected a variance, found -0.500000 at element 2");
    CHECK(
        refused(var, 6, -0.001F).starts_with("poisoned.pth: tensor '" + var + "': expected a variance, found -0.001"));
    // Zero is a variance: epsilon keeps the scale finite.
    const auto zero = poisoned(net, var, 2, 0.0F);
    CHECK(std::isfinite(gpunet::fold(net, zero).at("network.stage: 1 layer3.conv").bias[2]));
}

TEST_CASE("the count of training batches is optional and may be anything") {
    const graph::network net = gpunet::lower(small("small0"));
    const gpunet::tensor_store without = gpunet::synthetic_weights(net);
    const std::vector<std::int64_t> count = {12345};
    const auto with = edited(without, [&](auto& items) {
        for (const auto& p : gpunet::parameters(net))
            if (p.optional()) items[p.name] = view_of(gpunet::dtype::int64, {}, {}, count);
    });
    CHECK(with.size() > without.size());
    CHECK(gpunet::fold(net, with).size() == gpunet::fold(net, without).size());
}

TEST_CASE("a file's tensors may be half, bfloat16 or double") {
    const graph::network net = gpunet::lower(small("smallP"));
    const gpunet::tensor_store store = gpunet::synthetic_weights(net);
    const std::string name = "network.head: 2.net.0.weight";
    const auto values = values_of(store, name);
    std::vector<double> doubles(values.begin(), values.end());
    std::vector<gpunet::half> halves;
    std::vector<gpunet::bfloat16> brains;
    for (const float v : values) {
        halves.emplace_back(v);
        brains.emplace_back(v);
    }
    const auto fold_with = [&](gpunet::stored_tensor t) {
        return gpunet::fold(net, edited(store, [&](auto& items) { items[name] = t; }))
            .at("network.head: 2.net.0")
            .weights;
    };
    const auto shape = store.find(name)->dimensions;
    const auto strides = gpunet::dense_strides(shape);
    const auto exact = gpunet::fold(net, store).at("network.head: 2.net.0").weights;
    CHECK(fold_with(view_of(gpunet::dtype::float64, shape, strides, doubles)) == exact);
    CHECK(core_test::relative_l2(fold_with(view_of(gpunet::dtype::float16, shape, strides, halves)), exact) < 1e-3);
    CHECK(core_test::relative_l2(fold_with(view_of(gpunet::dtype::bfloat16, shape, strides, brains)), exact) < 1e-2);
}

TEST_CASE("tensors of any type and stride convert to dense float") {
    using gpunet::dtype;
    const auto converted = [](const gpunet::stored_tensor& t) {
        std::vector<float> out(static_cast<std::size_t>(t.element_count()));
        gpunet::copy_as_float(t, out);
        return out;
    };
    const std::vector<float> floats = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    CHECK(converted(view_of(dtype::float32, {3, 4}, {4, 1}, floats)) == floats);
    CHECK(converted(view_of(dtype::float32, {4, 3}, {1, 4}, floats)) ==
          std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}); // transposed
    CHECK(converted(view_of(dtype::float32, {2, 3}, {6, 2}, floats, 1)) == std::vector<float>{1, 3, 5, 7, 9, 11});
    CHECK(converted(view_of(dtype::float32, {2, 3}, {0, 1}, floats)) ==
          std::vector<float>{0, 1, 2, 0, 1, 2}); // broadcast
    CHECK(converted(view_of(dtype::float32, {4}, {0}, floats, 7)) == std::vector<float>{7, 7, 7, 7});
    CHECK(converted(view_of(dtype::float32, {2, 1, 2}, {2, 99, 1}, floats)) == std::vector<float>{0, 1, 2, 3});
    CHECK(converted(view_of(dtype::float32, {}, {}, floats, 5)) == std::vector<float>{5});
    CHECK(converted({dtype::float32, {0}, {1}, nullptr}).empty());
    CHECK(converted({dtype::float32, {2, 0, 3}, {0, 3, 1}, nullptr}).empty());
    CHECK(converted({dtype::float64, {3, 0}, {5, 1}, nullptr}).empty());

    const std::vector<double> doubles = {0.5, -1e300, 1e-300, 0.1};
    const auto narrowed = converted(view_of(dtype::float64, {2, 2}, {1, 2}, doubles));
    CHECK(narrowed[0] == 0.5F);
    CHECK(narrowed[1] == 0.0F);
    CHECK(narrowed[2] == -std::numeric_limits<float>::infinity());
    CHECK(narrowed[3] == 0.1F);
    const std::vector<gpunet::half> halves = {gpunet::half(1.5F), gpunet::half(-65504.0F), gpunet::half(6e-8F)};
    CHECK(converted(view_of(dtype::float16, {3}, {1}, halves)) == std::vector<float>{1.5F, -65504.0F, 0x1p-24F});
    const std::vector<gpunet::bfloat16> brains = {gpunet::bfloat16(1.5F), gpunet::bfloat16(-1e38F)};
    CHECK(converted(view_of(dtype::bfloat16, {2}, {1}, brains))[0] == 1.5F);

    // Not aligned.
    std::vector<std::byte> bytes(9);
    const float pair[] = {2.5F, -3.0F};
    std::memcpy(bytes.data() + 1, pair, sizeof pair);
    CHECK(converted({dtype::float32, {2}, {1}, bytes.data() + 1}) == std::vector<float>{2.5F, -3.0F});
    CHECK(converted({dtype::float32, {2, 1}, {1, 7}, bytes.data() + 1}) == std::vector<float>{2.5F, -3.0F});

    const std::vector<std::int64_t> integers = {1, 2, 3, 4};
    for (const dtype type : {dtype::int64, dtype::int32, dtype::int16, dtype::int8, dtype::uint8, dtype::boolean}) {
        std::vector<float> out(2);
        CHECK(message_of<gpunet::weights_error>([&] {
                  gpunet::copy_as_float(view_of(type, {2}, {1}, integers), out);
              }) == std::string("expected a floating-point tensor, found ") + to_string(type));
    }
    std::vector<float> three(3);
    CHECK(message_of<gpunet::argument_error>([&] {
              gpunet::copy_as_float(view_of(dtype::float32, {2, 2}, {2, 1}, floats), three);
          }) == "copy_as_float: expected room for 4 elements, found 3");
}

TEST_CASE("element types have sizes and names") {
    using gpunet::dtype;
    const std::vector<std::pair<dtype, std::pair<std::size_t, std::string>>> rows = {
        {dtype::float64, {8, "float64"}},   {dtype::float32, {4, "float32"}}, {dtype::float16, {2, "float16"}},
        {dtype::bfloat16, {2, "bfloat16"}}, {dtype::int64, {8, "int64"}},     {dtype::int32, {4, "int32"}},
        {dtype::int16, {2, "int16"}},       {dtype::int8, {1, "int8"}},       {dtype::uint8, {1, "uint8"}},
        {dtype::boolean, {1, "bool"}}};
    for (const auto& [type, expected] : rows) {
        CHECK(gpunet::size_of(type) == expected.first);
        CHECK(gpunet::to_string(type) == expected.second);
    }
}

TEST_CASE("an empty store") {
    const gpunet::tensor_store none;
    CHECK(none.size() == 0);
    CHECK(none.begin() == none.end());
    CHECK(none.find("x") == nullptr);
    CHECK(none.source().empty());
}

TEST_CASE("tensors own, views look on, and both check their size") {
    gpunet::tensor<float> t({2, 3});
    CHECK(t.size() == 6);
    CHECK(t.elements()[5] == 0);
    t.data()[4] = 7;
    const gpunet::tensor_view<const float> view = t;
    CHECK(view.shape() == gpunet::shape{2, 3});
    CHECK(view.elements()[4] == 7);
    CHECK(view.data() == t.data());
    t.view().elements()[0] = 1;
    CHECK(view.elements()[0] == 1);
    CHECK(message_of<gpunet::argument_error>([] {
              gpunet::tensor<float>({2, 2}, {1, 2, 3});
          }) == "tensor of shape [2, 2]: expected 4 elements, found 3");
    CHECK(message_of<gpunet::argument_error>([&] { gpunet::tensor_view<float>({7}, t.elements()); }) ==
          "tensor of shape [7]: expected 7 elements, found 6");
    CHECK(message_of<gpunet::argument_error>([] { gpunet::tensor<float>({-1}); }) == "shape [-1]: a size is negative");
}

} // namespace test_weights_core

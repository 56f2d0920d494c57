// Whether a network on this machine computes what its reference implementation computes.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/golden.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/network.hpp>
#include <gpunet/tensor.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet {

/// How far logits are off.
struct logits_difference {
    double relative_l2 = 0; // |found - expected| / |expected|, all pictures as one vector; not finite if a logit is not
    double max_abs = 0;     // of the largest single difference
    bool same_top1 = true;  // of every picture
};

/// @param pictures  in the batch
/// @throws argument_error unless both are as long, and not empty
inline logits_difference compare_logits(std::span<const float> found, std::span<const float> expected,
                                        std::int64_t pictures = 1) {
    if (found.size() != expected.size() || found.empty() || pictures < 1 ||
        found.size() % static_cast<std::size_t>(pictures) != 0)
        throw argument_error("logits: expected " + std::to_string(expected.size()) + " of " + std::to_string(pictures) +
                             " pictures, found " + std::to_string(found.size()));
    double squares = 0, norm = 0;
    logits_difference d;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const double e = double{expected[i]}, off = std::fabs(double{found[i]} - e);
        squares += off * off;
        norm += e * e;
        d.max_abs = std::isnan(off) ? off : std::max(d.max_abs, off); // NaN stays
    }
    d.relative_l2 = squares > 0 || std::isnan(squares) ? std::sqrt(squares / norm) : 0.0;
    const std::size_t classes = found.size() / static_cast<std::size_t>(pictures);
    for (std::size_t i = 0; i < found.size(); i += classes) {
        const auto best = [&](std::span<const float> all) {
            const auto one = all.subspan(i, classes);
            return std::max_element(one.begin(), one.end()) - one.begin();
        };
        d.same_top1 = d.same_top1 && best(found) == best(expected);
    }
    return d;
}

/// The relative L2 up to which logits on the synthetic input are right. fp32: the weakest mistake that was tried in the
/// graphs, a wrong epsilon of one batch norm, is off by 4e-4; rounding, in PyTorch and here, by 3e-7 to 1.2e-6. In the
/// others rounding itself is off by up to 1.1e-3 (tf32, fp16) and 8e-3 (bf16) in the GPUNets, all weights
/// and every layer's output rounded; five times that is allowed.
/// @param precision  "fp32", "tf32", "fp16", "bf16"
/// @throws argument_error naming any other
inline double golden_tolerance(std::string_view precision) {
    constexpr std::array<std::pair<std::string_view, double>, 4> tolerances = {
        {{"fp32", 1e-4}, {"tf32", 5e-3}, {"fp16", 5e-3}, {"bf16", 4e-2}}};
    for (const auto& [name, tolerance] : tolerances)
        if (name == precision) return tolerance;
    throw argument_error("precision: expected fp32, tf32, fp16 or bf16, found \"" + std::string(precision) + "\"");
}

/// How far a network's logits are from the golden's, and whether that is near enough.
struct verification {
    logits_difference difference;
    double tolerance = 0; // of relative_l2
    bool ok = false;
};

/// Runs a network of any backend, made with the golden's weights, on the golden's input.
/// @throws argument_error also where the network has not as many classes as the golden
template <class Network>
verification verify(const Network& net, const golden& g, std::string_view precision) {
    verification v;
    v.tolerance = golden_tolerance(precision);
    tensor<float> images({g.batch, 3, g.size.height, g.size.width});
    synthetic_input(images.elements());
    const tensor<float> scores = net(images.view());
    v.difference = compare_logits(scores.elements(), g.logits, g.batch);
    v.ok = v.difference.relative_l2 <= v.tolerance; // false where it is not a number
    return v;
}

/// The model's golden for these weights: "synthetic" or a parameters_sha256. Null where it has none.
inline const golden* find_golden(const model& m, std::string_view weights = "synthetic") {
    const auto at =
        std::find_if(m.goldens.begin(), m.goldens.end(), [&](const golden& g) { return g.weights == weights; });
    return at == m.goldens.end() ? nullptr : &*at;
}

/// Verifies a model on a device with synthetic weights; needs no pretrained ones.
/// @throws unsupported_error where its record has no golden for them
template <backend B>
verification verify(const model& m, B device, std::string_view precision) {
    const golden* g = find_golden(m);
    if (!g) throw unsupported_error(m.name + ": its record has no golden with synthetic weights");
    return verify(network<B>(m.network, synthetic_weights(lower(m.network)), std::move(device)), *g, precision);
}

} // namespace gpunet

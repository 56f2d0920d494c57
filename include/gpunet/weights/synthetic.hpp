// Deterministic weights and inputs: every number is a function of its tensor's name and its index, so that any program
// can make the same ones and results can be compared digit by digit. Arithmetic is float32, rounded to nearest even.
#pragma once

#include <gpunet/detail/fnv1a.hpp>
#include <gpunet/weights/make.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gpunet {

/// One step of SplitMix64 (Steele, Lea, Flood 2014).
constexpr std::uint64_t splitmix64(std::uint64_t x) noexcept {
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
    x = (x ^ x >> 27) * 0x94D049BB133111EBU;
    return x ^ x >> 31;
}

/// Element i of the uniform sequence of a seed, in [0, 1), a multiple of 2^-24.
constexpr float synthetic_uniform(std::uint64_t seed, std::uint64_t i) noexcept {
    return static_cast<float>(splitmix64(seed + i * 0x9E3779B97F4A7C15U) >> 40) * 0x1p-24F;
}

namespace detail {

/// How much stronger a weight's output is than its input, activations apart. What goes into a residual sum is weaker.
/// In timm's networks, of dozens of blocks with gates, the picture must be strong and branches and gates weak, or the
/// one would fade behind the biases, and with the others rounding errors would grow until nothing else was left.
inline double synthetic_gain(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 4> branches = {".conv_pwl.weight", ".body.6.weight", "._project_conv.weight",
                                                          ".pw_proj.conv.weight"};
    const bool branch =
        std::any_of(branches.begin(), branches.end(), [&](std::string_view s) { return name.ends_with(s); });
    if (name == "conv_stem.weight") return 14.0;
    if (!name.starts_with("blocks.")) return branch ? 0.85 : 1.4;
    if (name.ends_with(".se.conv_expand.weight")) return 0.05;
    const std::size_t stage_end = name.find('.', 7); // a stage's first block sums nothing
    const bool first = stage_end != name.npos && name.substr(stage_end).starts_with(".0.");
    return branch && !first ? 0.15 : 1.4;
}

} // namespace detail

/// Fills one parameter. The seed is fnv1a(salt + name).
inline void synthetic_values(const parameter& p, std::string_view salt, std::span<float> values) {
    const std::uint64_t seed = fnv1a(std::string(salt) + p.name);
    const auto fill = [&](auto&& value) {
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(synthetic_uniform(seed, i));
    };
    switch (p.role) {
    case parameter_role::weight: {
        double fan_in = 1;
        for (std::size_t d = 1; d < p.dimensions.size(); ++d) fan_in *= static_cast<double>(p.dimensions[d]);
        const auto scale = static_cast<float>(std::sqrt(3.0 / fan_in) * detail::synthetic_gain(p.name));
        return fill([scale](float u) { return (2.0F * u - 1.0F) * scale; });
    }
    case parameter_role::norm_weight:
    case parameter_role::running_var: return fill([](float u) { return 0.75F + 0.5F * u; });
    case parameter_role::bias:
    case parameter_role::norm_bias:
    case parameter_role::running_mean: return fill([](float u) { return (2.0F * u - 1.0F) * 0.1F; });
    case parameter_role::batches: return fill([](float) { return 0.0F; });
    case parameter_role::scale: return fill([](float) { return 1.0F; });
    }
}

/// A whole network's weights.
inline tensor_store synthetic_weights(const graph::network& net, const std::string& salt = "") {
    return make_weights(
        net, [&](const parameter& p, std::span<float> values) { synthetic_values(p, salt, values); }, "synthetic");
}

/// An input in [-2, 2), NCHW.
inline void synthetic_input(std::span<float> nchw) noexcept {
    constexpr std::uint64_t seed = fnv1a("input");
    for (std::size_t i = 0; i < nchw.size(); ++i) nchw[i] = 4.0F * synthetic_uniform(seed, i) - 2.0F;
}

} // namespace gpunet

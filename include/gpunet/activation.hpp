// The activation functions a spec may name.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gpunet {

/// identity: x; relu: max(x, 0); relu6: min(max(x, 0), 6); swish: x sigmoid(x); hard_swish: x relu6(x + 3) / 6;
/// sigmoid: 1 / (1 + exp(-x)); hard_sigmoid: relu6(x + 3) / 6; gelu: x (1 + erf(x / sqrt 2)) / 2.
enum class activation : std::uint8_t { identity, relu, relu6, swish, hard_swish, sigmoid, hard_sigmoid, gelu };

inline constexpr std::array<std::string_view, 8> activation_names = {"identity",   "relu",    "relu6",        "swish",
                                                                     "hard_swish", "sigmoid", "hard_sigmoid", "gelu"};

/// Its name in a spec.
constexpr std::string_view to_string(activation a) noexcept { return activation_names[static_cast<std::size_t>(a)]; }

/// The activation of that name; "silu" is swish.
constexpr std::optional<activation> parse_activation(std::string_view name) noexcept {
    if (name == "silu") return activation::swish;
    for (std::size_t i = 0; i < activation_names.size(); ++i)
        if (activation_names[i] == name) return static_cast<activation>(i);
    return std::nullopt;
}

/// The definition of each function; backends are tested against it.
inline double apply(activation a, double x) noexcept {
    const auto relu6 = [](double v) { return std::fmin(std::fmax(v, 0.0), 6.0); };
    switch (a) {
    case activation::identity: return x;
    case activation::relu: return std::fmax(x, 0.0);
    case activation::relu6: return relu6(x);
    case activation::swish: return x / (1.0 + std::exp(-x));
    case activation::hard_swish: return x * relu6(x + 3.0) / 6.0;
    case activation::sigmoid: return 1.0 / (1.0 + std::exp(-x));
    case activation::hard_sigmoid: return relu6(x + 3.0) / 6.0;
    case activation::gelu: return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    }
    return x;
}

} // namespace gpunet

// What a model's reference implementation makes of an input that anyone can make, so that a machine can prove itself.
#pragma once

#include <gpunet/detail/object_reader.hpp>
#include <gpunet/error.hpp>
#include <gpunet/shape.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpunet {

/// The reference's logits of the synthetic input (gpunet::synthetic_input) of one shape, computed in float64.
struct golden {
    std::string weights;       // "synthetic" (gpunet::synthetic_weights), or the parameters_sha256 of pretrained ones
    std::int64_t batch = 1;    // pictures in the input
    extent2 size;              // of the input, in pixels
    std::string source;        // which implementation computed them
    std::vector<float> logits; // batch x classes

    bool synthetic() const noexcept { return weights == "synthetic"; }
};

namespace detail {

/// The largest golden a record may carry, in logits.
inline constexpr std::size_t max_golden_logits = std::size_t{1} << 20;

inline golden read_golden(object_reader<spec_error>& in) {
    golden g;
    g.weights = in.string("weights");
    if (!g.synthetic() &&
        (g.weights.size() != 64 || g.weights.find_first_not_of("0123456789abcdef") != std::string::npos))
        in.fail("weights", "\"synthetic\" or a SHA-256 of 64 lower-case hexadecimal digits", json(g.weights));
    object_reader<spec_error> input(in.required("input", "an object"), in.where() + ": input");
    if (const std::string scheme = input.string("scheme"); scheme != "synthetic")
        input.fail("scheme", "\"synthetic\"", json(scheme));
    g.batch = input.integer("batch", 1, 1 << 10);
    g.size = {input.integer("height", 1, 1 << 16), input.integer("width", 1, 1 << 16)};
    g.source = in.string("source");
    const json& logits = in.required("logits", "a list of numbers");
    if (!logits.is_array() || logits.empty() || logits.size() > max_golden_logits)
        in.fail("logits", "a list of 1 to " + std::to_string(max_golden_logits) + " numbers", logits);
    g.logits.reserve(logits.size());
    for (const json& x : logits) {
        g.logits.push_back(x.is_number() ? x.get<float>() : HUGE_VALF);
        if (!std::isfinite(g.logits.back())) in.fail("logits", "finite numbers", x);
    }
    return g;
}

/// Without its logits, of which the classes are counted.
inline ordered_json to_json(const golden& g) {
    return {
        {"weights", g.weights},
        {"input", {{"scheme", "synthetic"}, {"batch", g.batch}, {"height", g.size.height}, {"width", g.size.width}}},
        {"source", g.source}};
}

} // namespace detail
} // namespace gpunet

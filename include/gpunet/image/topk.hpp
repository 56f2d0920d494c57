// From a network's logits to its best guesses.
#pragma once

#include <gpunet/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace gpunet {

/// One class and how likely it is.
struct prediction {
    std::int64_t index = 0; ///< of the class, from 0
    float probability = 0;  ///< 0 to 1
    friend bool operator==(const prediction&, const prediction&) = default;
};

/// The probabilities that logits stand for: exp(x - max) / sum of them all, summed in double precision. A logit of
/// minus infinity has probability 0.
/// @param probabilities  as many as logits; may be the same memory
/// @throws argument_error if there are no logits, the spans differ in length, a logit is not a number or plus infinity
///         (named by its index), or all are minus infinity.
inline void softmax(std::span<const float> logits, std::span<float> probabilities) {
    if (logits.empty()) throw argument_error("softmax: expected at least one logit");
    if (logits.size() != probabilities.size())
        throw argument_error("softmax: expected room for " + std::to_string(logits.size()) + " probabilities, found " +
                             std::to_string(probabilities.size()));
    for (std::size_t i = 0; i < logits.size(); ++i)
        if (std::isnan(logits[i]) || (std::isinf(logits[i]) && logits[i] > 0))
            throw argument_error("softmax: logit " + std::to_string(i) + " of " + std::to_string(logits.size()) +
                                 " is " + (std::isnan(logits[i]) ? "not a number" : "infinite"));
    const double greatest = *std::max_element(logits.begin(), logits.end());
    if (std::isinf(greatest)) throw argument_error("softmax: every logit is minus infinity");
    const double sum = std::accumulate(logits.begin(), logits.end(), 0.0, [&](double total, float logit) {
        return total + std::exp(static_cast<double>(logit) - greatest);
    });
    std::transform(logits.begin(), logits.end(), probabilities.begin(), [&](float logit) {
        return static_cast<float>(std::exp(static_cast<double>(logit) - greatest) / sum);
    });
}

/// The same into a vector.
inline std::vector<float> softmax(std::span<const float> logits) {
    std::vector<float> probabilities(logits.size());
    softmax(logits, probabilities);
    return probabilities;
}

/// The `k` greatest logits' classes with their softmax probabilities, greatest first; of equal logits the lower index
/// first. Fewer than `k` if there are fewer classes.
/// @throws argument_error as `softmax` does.
inline std::vector<prediction> top_k(std::span<const float> logits, std::size_t k) {
    const std::vector<float> probabilities = softmax(logits);
    std::vector<std::size_t> order(logits.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto last = order.begin() + static_cast<std::ptrdiff_t>(std::min(k, order.size()));
    std::partial_sort(order.begin(), last, order.end(), [&](std::size_t a, std::size_t b) {
        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    std::vector<prediction> best;
    for (auto i = order.begin(); i != last; ++i) best.push_back({static_cast<std::int64_t>(*i), probabilities[*i]});
    return best;
}

} // namespace gpunet

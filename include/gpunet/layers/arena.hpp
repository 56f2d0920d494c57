// Where values live in one block of memory, so that values which are never alive together share it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace gpunet {

/// A value that is alive from step `first` to step `last`, both included.
struct lifetime {
    std::size_t bytes = 0;
    std::size_t first = 0;
    std::size_t last = 0;
};

struct arena_plan {
    std::vector<std::size_t> offsets; // one a lifetime, multiples of the alignment
    std::size_t bytes = 0;
};

/// Places the largest values first, each at the lowest offset where it meets no value alive at the same time.
/// (Greedy by size: Pisarchyk, Lee 2020, "Efficient memory management for deep neural net inference".)
inline arena_plan plan_arena(std::span<const lifetime> values, std::size_t alignment = 64) {
    arena_plan plan;
    plan.offsets.resize(values.size());
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return values[a].bytes != values[b].bytes ? values[a].bytes > values[b].bytes : a < b;
    });
    const auto padded = [&](std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; };
    std::vector<std::size_t> placed;
    for (const std::size_t i : order) {
        std::vector<std::pair<std::size_t, std::size_t>> taken; // [from, to) of values alive at the same time
        for (const std::size_t j : placed)
            if (values[j].first <= values[i].last && values[i].first <= values[j].last)
                taken.emplace_back(plan.offsets[j], plan.offsets[j] + padded(values[j].bytes));
        std::sort(taken.begin(), taken.end());
        std::size_t offset = 0;
        for (const auto& [from, to] : taken) {
            if (offset + padded(values[i].bytes) <= from) break;
            offset = std::max(offset, to);
        }
        plan.offsets[i] = offset;
        plan.bytes = std::max(plan.bytes, offset + padded(values[i].bytes));
        placed.push_back(i);
    }
    return plan;
}

} // namespace gpunet

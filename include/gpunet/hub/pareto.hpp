// Which choices nothing else beats.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace gpunet {

/// What a choice costs, of which less is better, and what it gives, of which more is better.
struct trade_off {
    double cost = 0;
    double gain = 0;
};

/// Whether `a` is at least as good as `b` in both and better in one.
inline bool dominates(const trade_off& a, const trade_off& b) noexcept {
    return a.cost <= b.cost && a.gain >= b.gain && (a.cost < b.cost || a.gain > b.gain);
}

/// The indices of all that nothing dominates, by rising cost. Of equals each is on the front, in the order given. A
/// choice whose cost or gain is not finite is on no front.
inline std::vector<std::size_t> pareto_front(std::span<const trade_off> all) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (std::isfinite(all[i].cost) && std::isfinite(all[i].gain)) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return all[a].cost < all[b].cost || (all[a].cost == all[b].cost && all[a].gain > all[b].gain);
    });
    std::vector<std::size_t> front;
    for (const std::size_t i : order)
        if (front.empty() || !dominates(all[front.back()], all[i])) front.push_back(i);
    return front;
}

} // namespace gpunet

// How a convolution's blocks of output channels are computed together.
#pragma once

#include <gpunet/cpu/jit/row.hpp>
#include <gpunet/cpu/jit/row_code.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace gpunet::cpu::jit {

/// Sizes of the groups, the largest first, with which rows of `width` pixels take the fewest cycles: of fused
/// multiply-adds and of loads a core does two a cycle each, and a tile is a little more than those.
inline std::vector<int> group_sizes(std::int64_t blocks, int width) {
    const auto cycles = [&](int size) {
        double sum = 0;
        for (const tile& t : tiles_of(width, pixels_of_tile(size)))
            sum += std::max(t.size * size, t.size + size) / 2.0 + 0.3;
        return sum;
    };
    const double cost[] = {0, cycles(1), cycles(2), cycles(3), cycles(4)};
    const auto count = static_cast<std::size_t>(blocks);
    std::vector<double> best(count + 1, std::numeric_limits<double>::infinity());
    std::vector<std::size_t> last(count + 1, 0);
    best[0] = 0;
    for (std::size_t n = 1; n <= count; ++n)
        for (std::size_t size = 1; size <= std::min<std::size_t>(4, n); ++size)
            if (best[n - size] + cost[size] < best[n]) {
                best[n] = best[n - size] + cost[size];
                last[n] = size;
            }
    std::vector<int> sizes;
    for (std::size_t n = count; n > 0; n -= last[n]) sizes.push_back(static_cast<int>(last[n]));
    std::sort(sizes.rbegin(), sizes.rend());
    return sizes;
}

} // namespace gpunet::cpu::jit

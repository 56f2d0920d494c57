#include <gpunet/layers/arena.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

namespace test_arena { // tests of a program are compiled together

namespace {

std::size_t padded(std::size_t bytes, std::size_t alignment) { return (bytes + alignment - 1) / alignment * alignment; }

/// Checks what every plan must have, whatever the values.
void check(const std::vector<gpunet::lifetime>& values, std::size_t alignment) {
    const gpunet::arena_plan plan = gpunet::plan_arena(values, alignment);
    REQUIRE(plan.offsets.size() == values.size());
    std::size_t sum = 0, last_step = 0, end = 0;
    bool aligned = true, disjoint = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
        aligned = aligned && plan.offsets[i] % alignment == 0;
        sum += padded(values[i].bytes, alignment);
        last_step = std::max(last_step, values[i].last);
        end = std::max(end, plan.offsets[i] + values[i].bytes);
        for (std::size_t j = 0; j < i; ++j) {
            const bool together = values[i].first <= values[j].last && values[j].first <= values[i].last;
            const bool overlap = plan.offsets[i] < plan.offsets[j] + values[j].bytes &&
                                 plan.offsets[j] < plan.offsets[i] + values[i].bytes;
            disjoint = disjoint && !(together && overlap && values[i].bytes > 0 && values[j].bytes > 0);
        }
    }
    CHECK(aligned);
    CHECK(disjoint);
    CHECK(end <= plan.bytes);
    CHECK(plan.bytes <= sum);
    std::size_t most = 0;
    for (std::size_t step = 0; step <= last_step; ++step) {
        std::size_t now = 0;
        for (const gpunet::lifetime& v : values)
            if (v.first <= step && step <= v.last) now += v.bytes;
        most = std::max(most, now);
    }
    CHECK(plan.bytes >= most);
}

} // namespace

TEST_CASE("values that are alive together never share memory, whatever the values") {
    std::mt19937 random(20220504);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    for (int round = 0; round < 1500; ++round) {
        const std::size_t steps = 1 + below(30), largest = std::size_t{1} << below(20);
        std::vector<gpunet::lifetime> values(below(40));
        for (gpunet::lifetime& v : values) {
            v.bytes = below(8) == 0 ? 0 : below(largest + 1);
            v.first = below(steps);
            v.last = std::min(steps - 1, v.first + (below(4) == 0 ? below(steps) : below(3)));
        }
        INFO("round " << round);
        check(values, std::size_t{1} << below(9));
    }
}

TEST_CASE("a chain of values needs memory for two neighbours") {
    std::vector<gpunet::lifetime> chain;
    for (std::size_t i = 0; i < 50; ++i) chain.push_back({6400, i, i + 1});
    CHECK(gpunet::plan_arena(chain).bytes == 2 * 6400);
    check(chain, 64);
}

TEST_CASE("small cases of the arena") {
    CHECK(gpunet::plan_arena({}).bytes == 0);
    CHECK(gpunet::plan_arena({}).offsets.empty());
    const std::vector<gpunet::lifetime> one = {{1, 0, 0}};
    CHECK(gpunet::plan_arena(one).bytes == 64);
    CHECK(gpunet::plan_arena(one, 1).bytes == 1);
    // Alive only at one and the same step: last is included.
    const std::vector<gpunet::lifetime> touching = {{64, 0, 1}, {64, 1, 2}};
    CHECK(gpunet::plan_arena(touching).bytes == 128);
    const std::vector<gpunet::lifetime> apart = {{64, 0, 0}, {64, 1, 2}};
    CHECK(gpunet::plan_arena(apart).bytes == 64);
    // A small value fits between two large ones.
    const std::vector<gpunet::lifetime> gap = {{256, 0, 9}, {128, 0, 3}, {128, 4, 9}, {64, 2, 5}};
    CHECK(gpunet::plan_arena(gap).bytes == 256 + 128 + 64);
    check(gap, 64);
}

} // namespace test_arena

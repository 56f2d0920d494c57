// Runs layers on the CPU backend.
#pragma once

#include "layer_support.hpp"

#include <gpunet/cpu.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace layer_test {

namespace cpu = gpunet::cpu;

using value = gpunet::value<cpu::layout>;

/// Fills the memory of a context with NaN, so that whatever is read and was not written shows. Plans whatever
/// `build(planner, inputs)` places and runs it once. build returns what to run and its output's features.
template <class Build>
std::vector<float> run(cpu::format f, std::int64_t batch, const gpunet::constants& w, const std::vector<given*>& inputs,
                       Build&& build, std::vector<gpunet::step_info>* steps = nullptr, int threads = 1) {
    const cpu::backend device({threads, f});
    cpu::packed packed;
    const cpu::backend::planning_scope scope(device);
    gpunet::planner<cpu::backend> plan(device, batch, w, packed);
    std::vector<value> values;
    for (const given* g : inputs) values.push_back(plan.external(g->what));
    auto [layer, features] = build(plan, values);
    const auto result = plan.place_edge(features, layer.output());
    const auto map = plan.finish();
    cpu::memory memory = device.make_memory(map);

    // The arena starts so many bytes before any of its slots.
    const gpunet::slot last = result.output().place;
    auto* arena = reinterpret_cast<std::byte*>(const_cast<float*>(memory.view(last, 1))) - *map.offsets[last];
    std::memset(arena, 0xFF, map.bytes); // NaN

    std::vector<std::vector<float>> before;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        memory.put(values[i].place, inputs[i]->values);
        before.push_back(inputs[i]->values);
    }
    {
        const cpu::backend::running_scope as_a_context(memory);
        layer.run(memory);
        result.run(memory);
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(inputs[i]->values == before[i]);
    if (steps) *steps = plan.steps();
    const auto count = static_cast<std::size_t>(batch * features.channels * features.size.height * features.size.width);
    const float* out = memory.view(last, count);
    return {out, out + count};
}

/// Layers one after the other, as one.
template <class First, class Second>
struct in_turn {
    First first;
    Second second;
    const value& output() const { return second.output(); }
    void run(cpu::memory& m) const {
        first.run(m);
        second.run(m);
    }
};
template <class First, class Second>
in_turn(First, Second) -> in_turn<First, Second>;

} // namespace layer_test

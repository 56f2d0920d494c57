// What a backend offers to the layer primitives. Two phases: planning turns one operation on values of known layouts
// into a step; running a step does the work in a context and allocates nothing.
#pragma once

#include <gpunet/graph/network.hpp>
#include <gpunet/weights/fold.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct CUstream_st; // what a cudaStream_t points to

namespace gpunet {

/// A place for a value in a context, by number.
using slot = std::uint32_t;

/// Mean over height and width: N, C, H, W to N, C.
struct global_mean {
    graph::features input;
};

/// Multiplies each channel of the first operand, N, C, H, W, by the second, N, C; in place.
struct channel_gate {
    graph::features input;
    std::string name{};                  // the excite product's weights in the graph
    std::optional<float> output_scale{}; // of the product in int8, where the network is quantized
};

/// Copies a value into another layout.
template <class Layout>
struct conversion {
    Layout to;
};

/// A planned operation.
template <class Step, class Layout>
struct planned {
    Step step;
    std::vector<Layout> operands;        // the layouts the step takes its operands in
    Layout output;                       // the layout it gives
    std::optional<Layout> workspace;     // memory it needs while it runs
    std::optional<std::size_t> in_place; // the operand whose memory the output takes over
};

/// What a step does and which kernel does it, for people and tests.
struct step_info {
    std::string operation;          // "conv 3x3 stride 2, 32x112x112 to 64x56x56, relu"
    std::string implementation;     // the backend's own name of the kernel
    std::size_t workspace = 0;      // bytes
    std::string status = "ready";   // otherwise what keeps it from running here
    std::int64_t bytes = 0;         // read and written: operands, weights, output; 0 where the backend does not count
    std::int64_t multiply_adds = 0; // likewise
};

/// What step.run gets: the numbers of its operands' slots in order, of its output's and its workspace's.
struct step_slots {
    std::vector<slot> operands;
    slot output = 0;
    std::optional<slot> workspace;
};

/// How a context lays out its memory: slot i has layout `layouts[i]` at `offsets[i]` of an arena of `bytes`, or is
/// external, bound to the caller's memory at each run.
template <class Layout>
struct memory_map {
    std::vector<Layout> layouts;
    std::vector<std::optional<std::size_t>> offsets; // empty where external
    std::size_t bytes = 0;
};

/// A backend is a cheap value: which device, and how to use it. `layout` describes how a value lies in memory and is
/// opaque to everybody else; `packed` keeps weights in the device's format, shared by all plans of a network; `memory`
/// is what a context runs in; `stopwatch` times the parts of a run. Batch N is part of every plan.
/// A plan may be prepared in the background: layout.bytes() and step.info() wait for it, and throw what it threw.
template <class B>
concept backend = std::copyable<B> && std::copyable<typename B::layout> && std::copyable<typename B::step> &&
    requires(const B& b, std::int64_t n, const graph::convolution& convolution, const graph::dense& dense,
             const global_mean& mean, const channel_gate& gate, const conversion<typename B::layout>& convert,
             const folded& weights, typename B::packed& packed, const std::vector<typename B::layout>& operands,
             const typename B::layout& layout, const typename B::step& step, typename B::memory& memory,
             const step_slots& slots, slot edge, std::span<const float> images, std::span<float> scores,
             typename B::stopwatch& watch, std::size_t mark, CUstream_st* stream, void (*emit)()) {
    typename B::planning_scope; // constructed from a backend around planning
    typename B::running_scope;  // constructed from a memory around running
    { b.name() } -> std::convertible_to<std::string>;
    // Operands: the input, and the residual if there is one, which is added before the activation, or after it where
    // convolution.adds_last.
    {
        b.plan(n, convolution, weights, packed, operands)
        } -> std::same_as<planned<typename B::step, typename B::layout>>;
    { b.plan(n, dense, weights, packed, operands) } -> std::same_as<planned<typename B::step, typename B::layout>>;
    { b.plan(n, mean, operands) } -> std::same_as<planned<typename B::step, typename B::layout>>;
    { b.plan(n, gate, operands) } -> std::same_as<planned<typename B::step, typename B::layout>>;
    { b.plan(n, convert, operands) } -> std::same_as<planned<typename B::step, typename B::layout>>;
    // The layout of values at the network's edges: float32, N C H W.
    { b.edge_layout(n, graph::features{}) } -> std::same_as<typename B::layout>;
    // The stream is for backends that run on one, null for one of the memory's own.
    { b.make_memory(memory_map<typename B::layout>{}, stream) } -> std::same_as<typename B::memory>;
    // emit() runs all steps. Before the first run a device may record them; then for each run the input is put, the
    // steps are replayed, and outputs are got, which waits for them, or looked at until the next run.
    memory.prepare(emit);
    memory.put(edge, images);
    memory.replay(emit);
    memory.get(edge, scores);
    { memory.view(edge, std::size_t{}) } -> std::convertible_to<const float*>;
    // A timed run: emit() calls mark(0), mark(1), ... between the steps; milliseconds(i) lie between marks i and i + 1.
    requires std::constructible_from<typename B::stopwatch, const typename B::memory&, std::size_t>;
    watch.replay(emit);
    watch.mark(mark);
    { watch.milliseconds(mark) } -> std::same_as<double>;
    { layout.bytes() } -> std::same_as<std::size_t>;
    { layout == layout } -> std::convertible_to<bool>;
    step.run(memory, slots);
    { step.info() } -> std::convertible_to<step_info>;
};

} // namespace gpunet

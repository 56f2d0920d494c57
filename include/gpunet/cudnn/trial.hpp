// Trying cuDNN's plans on the device: whether they run there, and how fast.
#pragma once

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/error.hpp>
#include <gpunet/cuda/event.hpp>
#include <gpunet/cuda/graph.hpp>
#include <gpunet/cuda/stream.hpp>
#include <gpunet/cudnn/plan.hpp>
#include <gpunet/cudnn/plan_store.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace gpunet::cudnn {

/// Runs a plan once on zeros (no engine's path depends on the numbers), and again as a context would: recorded.
/// @param record  whether contexts record
/// @param timed   whether to time it: the best of some recorded graphs of runs one after the other
/// @throws cuda_error where there is no memory for it, or the device is lost
inline trial_result try_plan(const plan& p, handle& h, bool record, bool timed) {
    constexpr int runs = 20, repetitions = 5;
    const convolution_problem& c = p.problem();
    const auto element = static_cast<std::int64_t>(element_size(c.type));
    const std::int64_t output = c.n * c.oh * c.ow * c.k * element;
    const std::array<std::int64_t, 6> bytes = {c.n * c.h * c.w * c.c * element,
                                               c.k * c.kernel * c.kernel * (c.c / c.groups) * element,
                                               output,
                                               c.k * 4,
                                               c.residual ? output : 16,
                                               c.gate ? c.n * c.c * 4 : 16};
    const cuda::stream stream;
    std::vector<cuda::device_buffer> buffers;
    std::vector<binding> tensors;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        buffers.emplace_back(static_cast<std::size_t>(bytes[i]));
        cuda::check(cudaMemsetAsync(buffers.back().data(), 0, buffers.back().size(), stream.get()), "cudaMemsetAsync");
        const std::int64_t id = static_cast<std::int64_t>(i) + uid::x;
        if ((id == uid::residual && !c.residual) || (id == uid::gate && !c.gate) || (id == uid::bias && !c.bias))
            continue;
        tensors.push_back({id, buffers.back().data()});
    }
    const cuda::device_buffer workspace(std::max<std::size_t>(p.workspace(), 16));
    h.set_stream(stream.get());
    trial_result result;
    std::optional<cuda::executable_graph> graph;
    try {
        const auto arguments = p.bind(tensors, workspace.data());
        p.run(h.get(), arguments);
        stream.synchronize();
        if (record || timed)
            graph = cuda::executable_graph::capture(stream.get(), [&] {
                for (int i = 0; i < (timed ? runs : 1); ++i) p.run(h.get(), arguments);
            });
    } catch (const error& e) {
        stream.synchronize(); // a device that is lost fails here again
        result.refused = e.what();
    }
    if (!timed || !graph) return result;
    // Until the clocks have risen: else the candidates timed first seem slow.
    const auto enough = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    do {
        graph->launch(stream.get());
        stream.synchronize();
    } while (std::chrono::steady_clock::now() < enough);
    for (int i = 0; i < repetitions; ++i) {
        cuda::event before, after;
        before.record(stream.get());
        graph->launch(stream.get());
        after.record(stream.get());
        after.synchronize();
        const double each = 1e3 * cuda::milliseconds(before, after) / runs;
        result.microseconds = i == 0 ? each : std::min(result.microseconds, each);
    }
    return result;
}

} // namespace gpunet::cudnn

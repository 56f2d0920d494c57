// Timing cuDNN's plans on the device.
#pragma once

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/device.hpp>
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
#include <memory>
#include <optional>
#include <vector>

namespace gpunet::cudnn {

/// Microseconds of one run of a plan: the best of some recorded graphs of runs one after the other, on zeros (no
/// engine's path depends on the numbers).
inline double time_plan(const plan& p, handle& h) {
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
    const auto arguments = p.bind(tensors, workspace.data());
    p.run(h.get(), arguments);
    stream.synchronize();
    const auto graph = cuda::executable_graph::capture(stream.get(), [&] {
        for (int i = 0; i < runs; ++i) p.run(h.get(), arguments);
    });
    // Until the clocks have risen: else the candidates timed first seem slow.
    const auto enough = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    do {
        graph.launch(stream.get());
        stream.synchronize();
    } while (std::chrono::steady_clock::now() < enough);
    double best = 0;
    for (int i = 0; i < repetitions; ++i) {
        cuda::event before, after;
        before.record(stream.get());
        graph.launch(stream.get());
        after.record(stream.get());
        after.synchronize();
        const double each = 1e3 * cuda::milliseconds(before, after) / runs;
        best = i == 0 ? each : std::min(best, each);
    }
    return best;
}

/// For a plan_store of a device's plans.
inline tuner stopwatch_tuner(int device) {
    // One handle for all: making and destroying one takes long, and waits for all that the device does.
    return [device, kept = std::make_shared<std::optional<handle>>()](const plan& p) {
        const cuda::device_scope scope(device);
        if (!*kept) kept->emplace(library::open());
        return time_plan(p, **kept);
    };
}

} // namespace gpunet::cudnn

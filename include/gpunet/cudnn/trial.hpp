// Trying cuDNN's plans, and kernels of ours, on the device: whether they run there, and how fast.
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

/// What a trial tries with: a stream, and zeros for each of a problem's tensors (no engine's path depends on the
/// numbers).
class trial_memory {
  public:
    /// @throws cuda_error
    explicit trial_memory(const convolution_problem& c) {
        const auto element = static_cast<std::int64_t>(element_size(c.type));
        const std::int64_t output = c.n * c.oh * c.ow * c.k * element;
        const std::array<std::int64_t, 6> bytes = {c.n * c.h * c.w * c.c * element,
                                                   c.k * c.kernel * c.kernel * (c.c / c.groups) * element,
                                                   output,
                                                   c.k * 4,
                                                   c.residual ? output : 16,
                                                   c.gate ? c.n * c.c * 4 : 16};
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            buffers_.emplace_back(static_cast<std::size_t>(bytes[i]));
            cuda::check(cudaMemsetAsync(buffers_.back().data(), 0, buffers_.back().size(), stream_.get()),
                        "cudaMemsetAsync");
            const std::int64_t id = static_cast<std::int64_t>(i) + uid::x;
            if ((id == uid::residual && !c.residual) || (id == uid::gate && !c.gate) || (id == uid::bias && !c.bias))
                continue;
            tensors_.push_back({id, buffers_.back().data()});
        }
    }

    cudaStream_t stream() const noexcept { return stream_.get(); }
    const std::vector<binding>& tensors() const noexcept { return tensors_; }
    /// Of the tensor of that uid, one of those the problem has or not.
    void* at(std::int64_t id) const { return buffers_[static_cast<std::size_t>(id - uid::x)].data(); }

  private:
    cuda::stream stream_;
    std::vector<cuda::device_buffer> buffers_;
    std::vector<binding> tensors_;
};

/// Runs something once, and again as a context would: recorded.
/// @param record  whether contexts record
/// @param timed   whether to time it: the best of some recorded graphs of runs one after the other
/// @param run     enqueues it on the memory's stream
/// @throws cuda_error where there is no memory for it, or the device is lost
template <class Run>
trial_result try_run(const trial_memory& m, bool record, bool timed, Run&& run) {
    constexpr int runs = 20, repetitions = 5;
    trial_result result;
    std::optional<cuda::executable_graph> graph;
    try {
        run();
        cuda::synchronize(m.stream());
        if (record || timed)
            graph = cuda::executable_graph::capture(m.stream(), [&] {
                for (int i = 0; i < (timed ? runs : 1); ++i) run();
            });
    } catch (const error& e) {
        cuda::synchronize(m.stream()); // a device that is lost fails here again
        result.refused = e.what();
    }
    if (!timed || !graph) return result;
    // Until the clocks have risen: else the candidates timed first seem slow.
    const auto enough = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    do {
        graph->launch(m.stream());
        cuda::synchronize(m.stream());
    } while (std::chrono::steady_clock::now() < enough);
    for (int i = 0; i < repetitions; ++i) {
        cuda::event before, after;
        before.record(m.stream());
        graph->launch(m.stream());
        after.record(m.stream());
        after.synchronize();
        const double each = 1e3 * cuda::milliseconds(before, after) / runs;
        result.microseconds = i == 0 ? each : std::min(result.microseconds, each);
    }
    return result;
}

/// As try_run, of a plan.
inline trial_result try_plan(const plan& p, handle& h, bool record, bool timed) {
    const trial_memory m(p.problem());
    const cuda::device_buffer workspace(std::max<std::size_t>(p.workspace(), 16));
    h.set_stream(m.stream());
    std::optional<plan::arguments> arguments;
    return try_run(m, record, timed, [&] {
        if (!arguments) arguments.emplace(p.bind(m.tensors(), workspace.data()));
        p.run(h.get(), *arguments);
    });
}

} // namespace gpunet::cudnn

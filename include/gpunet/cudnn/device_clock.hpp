// What measure_network needs of the GPU backend: which GPU it is, and a run timed by its own events.
#pragma once

#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/event.hpp>
#include <gpunet/cudnn/availability.hpp>
#include <gpunet/cudnn/backend.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/network.hpp>

#include <chrono>

namespace gpunet::cudnn {

/// The GPU of a backend, as latency records describe it.
template <class T>
gpunet::device device_of(const backend<T>& b) {
    return describe_device(b.device().device(), b.precision());
}

/// Runs a context and gives what that took on the GPU, from input to scores in its memory.
template <class T>
class timed_run {
  public:
    timed_run(const network<backend<T>>& net, context<backend<T>>& c)
        : context_(c), scope_(net.device().device().device()) {}

    std::chrono::duration<double, std::milli> operator()() {
        before_.record(context_.stream());
        context_.enqueue(nullptr, nullptr);
        after_.record(context_.stream());
        after_.synchronize();
        return std::chrono::duration<double, std::milli>(cuda::milliseconds(before_, after_));
    }

  private:
    context<backend<T>>& context_;
    cuda::device_scope scope_;
    cuda::event before_, after_;
};

template <class T>
timed_run<T> device_clock(const network<backend<T>>& net, context<backend<T>>& c) {
    return {net, c};
}

} // namespace gpunet::cudnn

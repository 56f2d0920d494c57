// Weights in the form the GPU's kernels want, made and uploaded once and shared by all plans of a network.
#pragma once

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/device.hpp>
#include <gpunet/cuda/error.hpp>
#include <gpunet/cuda/stream.hpp>
#include <gpunet/cudnn/session.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// Weights on their way to the device; get() waits, and throws what making them threw. Null when planning without a
/// device.
using pending_weights = std::shared_future<std::shared_ptr<const cuda::device_buffer>>;

/// Their address. @tparam T  of what lies there
template <class T>
const T* address(const pending_weights& w) {
    const auto& buffer = w.get();
    return buffer ? reinterpret_cast<const T*>(buffer->data()) : nullptr;
}

class device_weights {
  public:
    device_weights() = default;
    device_weights(const device_weights&) = delete;
    device_weights& operator=(const device_weights&) = delete;
    /// Waits: what is being made refers to the network's constants.
    ~device_weights() {
        for (const auto& [name, weights] : items_) weights.wait();
    }

    /// The bytes that make() gives, on the session's device; made in the background, once for each name. What make()
    /// refers to must live as long as this.
    template <class Make>
    pending_weights get(session& s, const std::string& name, Make make) {
        if (!s.present()) return ready(nullptr);
        const auto found = items_.find(name);
        if (found != items_.end()) return found->second;
        auto task = [device = s.device(), make = std::move(make)]() -> std::shared_ptr<const cuda::device_buffer> {
            const std::vector<std::byte> values = make();
            const cuda::device_scope scope(device);
            auto buffer = std::make_shared<cuda::device_buffer>(values.size());
            const cuda::stream stream; // the default stream would wait for the application's, and spoil their captures
            cuda::check(
                cudaMemcpyAsync(buffer->data(), values.data(), values.size(), cudaMemcpyHostToDevice, stream.get()),
                "cudaMemcpyAsync");
            stream.synchronize();
            return buffer;
        };
        return items_.emplace(name, s.workers().run(std::move(task)).share()).first->second;
    }

    /// Of those that are there; waits for all.
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const auto& [name, weights] : items_) sum += weights.get()->size();
        return sum;
    }

  private:
    static pending_weights ready(std::shared_ptr<const cuda::device_buffer> buffer) {
        std::promise<std::shared_ptr<const cuda::device_buffer>> p;
        p.set_value(std::move(buffer));
        return p.get_future().share();
    }

    std::map<std::string, pending_weights> items_;
};

} // namespace gpunet::cudnn

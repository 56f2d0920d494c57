// Weights in the form the GPU's kernels want, uploaded once and shared by all plans of a network.
#pragma once

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gpunet::cudnn {

class device_weights {
  public:
    /// The bytes that make() gives, on the current device; made once for each name. Null when planning without a
    /// device.
    template <class Make>
    const std::byte* get(const std::string& name, bool have_device, Make&& make) {
        if (!have_device) return nullptr;
        const auto found = items_.find(name);
        if (found != items_.end()) return found->second.data();
        const std::vector<std::byte> values = make();
        cuda::device_buffer buffer(values.size());
        // From pageable memory: the call returns when the values have been read.
        cuda::check(cudaMemcpyAsync(buffer.data(), values.data(), values.size(), cudaMemcpyHostToDevice, nullptr),
                    "cudaMemcpyAsync");
        cuda::check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
        return items_.emplace(name, std::move(buffer)).first->second.data();
    }

    std::size_t bytes() const noexcept {
        std::size_t sum = 0;
        for (const auto& [name, buffer] : items_) sum += buffer.size();
        return sum;
    }

  private:
    std::map<std::string, cuda::device_buffer> items_;
};

} // namespace gpunet::cudnn

// What one context runs in: an arena, oneDNN's handles into it, a stream. One thread at a time.
#pragma once

#include <gpunet/cpu/layout.hpp>
#include <gpunet/cpu/threads.hpp>
#include <gpunet/layers/backend.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace gpunet::cpu {

class memory {
  public:
    memory(const dnnl::engine& engine, const openmp& runtime, int threads, const memory_map<layout>& map)
        : arena_(static_cast<std::byte*>(::operator new[](map.bytes + 64, alignment))), stream_(engine),
          runtime_(runtime), threads_(threads) {
        for (std::size_t i = 0; i < map.layouts.size(); ++i)
            slots_.emplace_back(map.layouts[i].descriptor(), engine,
                                map.offsets[i] ? static_cast<void*>(arena_.get() + *map.offsets[i]) : nullptr);
    }

    /// Points an external slot at the caller's memory. Nothing writes to such a slot.
    void bind(slot s, const float* data) { slots_[s].set_data_handle(const_cast<float*>(data)); }
    /// The float32 N C H W values of an edge slot after a run.
    const float* data(slot s) const { return static_cast<const float*>(slots_[s].get_data_handle()); }

    dnnl_memory_t handle(slot s) const { return slots_[s].get(); }
    dnnl_stream_t stream() const { return stream_.get(); }
    const openmp& runtime() const noexcept { return runtime_; }
    int threads() const noexcept { return threads_; }

  private:
    static constexpr std::align_val_t alignment{64};
    struct release {
        void operator()(std::byte* p) const noexcept { ::operator delete[](p, alignment); }
    };

    std::unique_ptr<std::byte[], release> arena_;
    std::vector<dnnl::memory> slots_;
    dnnl::stream stream_;
    openmp runtime_;
    int threads_;
};

} // namespace gpunet::cpu

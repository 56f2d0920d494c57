// What one context runs in: an arena, oneDNN's handles into it, a stream; and a clock. One thread at a time.
#pragma once

#include <gpunet/cpu/aligned_array.hpp>
#include <gpunet/cpu/layout.hpp>
#include <gpunet/cpu/thread_team.hpp>
#include <gpunet/cpu/threads.hpp>
#include <gpunet/layers/backend.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace gpunet::cpu {

class memory {
  public:
    memory(const dnnl::engine& engine, const openmp& runtime, int threads, std::shared_ptr<const thread_team> team,
           const memory_map<layout>& map)
        : arena_(make_aligned<std::byte>(map.bytes + 64)), stream_(engine), runtime_(runtime), threads_(threads),
          team_(std::move(team)) {
        for (std::size_t i = 0; i < map.layouts.size(); ++i)
            slots_.emplace_back(map.layouts[i].descriptor(), engine,
                                map.offsets[i] ? static_cast<void*>(arena_.get() + *map.offsets[i]) : nullptr);
    }

    static constexpr std::size_t alignment = cache_line;

    /// Points an external slot at the caller's memory. Nothing writes to such a slot.
    void put(slot s, std::span<const float> values) { slots_[s].set_data_handle(const_cast<float*>(values.data())); }
    template <class Emit>
    void prepare(Emit&&) {}
    template <class Emit>
    void replay(Emit&& emit) {
        emit();
    }
    /// The float32 N C H W values of an edge slot after a run.
    void get(slot s, std::span<float> values) const {
        std::copy_n(view(s, values.size()), values.size(), values.begin());
    }
    const float* view(slot s, std::size_t) const { return data(s); }

    float* data(slot s) const { return static_cast<float*>(slots_[s].get_data_handle()); }
    dnnl_memory_t handle(slot s) const { return slots_[s].get(); }
    dnnl_stream_t stream() const { return stream_.get(); }
    const openmp& runtime() const noexcept { return runtime_; }
    int threads() const noexcept { return threads_; }
    const thread_team& team() const noexcept { return *team_; }

  private:
    aligned_array<std::byte> arena_;
    std::vector<dnnl::memory> slots_;
    dnnl::stream stream_;
    openmp runtime_; // oneDNN's, and how many threads it uses
    int threads_;
    std::shared_ptr<const thread_team> team_;
};

/// Times the parts of a run by the steady clock.
class stopwatch {
  public:
    stopwatch(const memory&, std::size_t marks) : times_(marks) {}

    template <class Emit>
    void replay(Emit&& emit) {
        emit();
    }
    void mark(std::size_t i) { times_[i] = std::chrono::steady_clock::now(); }
    double milliseconds(std::size_t i) const {
        return std::chrono::duration<double, std::milli>(times_[i + 1] - times_[i]).count();
    }

  private:
    std::vector<std::chrono::steady_clock::time_point> times_;
};

} // namespace gpunet::cpu

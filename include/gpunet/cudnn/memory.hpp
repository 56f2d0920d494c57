// What one context runs in on a GPU: an arena, a stream, the recorded graph; and a clock. One thread at a time.
#pragma once

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/error.hpp>
#include <gpunet/cuda/event.hpp>
#include <gpunet/cuda/graph.hpp>
#include <gpunet/cuda/stream.hpp>
#include <gpunet/cudnn/layout.hpp>
#include <gpunet/cudnn/session.hpp>
#include <gpunet/layers/backend.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

class memory {
  public:
    static constexpr std::size_t alignment = 256;

    /// On the current device, which is the session's.
    /// @param user  the stream that runs are enqueued on; null for one of the memory's own
    /// @throws cuda_error, for one where there is not enough memory
    memory(std::shared_ptr<session> device, const memory_map<layout>& map, cudaStream_t user)
        : device_(std::move(device)), own_(std::make_shared<cuda::stream>()), user_(user ? user : own_->get()),
          arena_(std::max<std::size_t>(map.bytes, alignment)) {
        for (std::size_t i = 0; i < map.layouts.size(); ++i) {
            if (map.offsets[i]) {
                slots_.push_back(arena_.data() + *map.offsets[i]);
                continue;
            }
            inputs_.emplace_back(map.layouts[i].bytes());
            slots_.push_back(inputs_.back().data());
            // prepare() runs on it before the caller has put anything there.
            cuda::check(cudaMemsetAsync(inputs_.back().data(), 0, inputs_.back().size(), own_->get()),
                        "cudaMemsetAsync");
        }
    }

    /// Copies the caller's values to the device.
    void put(slot s, std::span<const float> values) {
        const std::size_t bytes = values.size_bytes();
        if (staged_in_.size() < bytes) staged_in_ = cuda::pinned_buffer(bytes);
        // The last run has been waited for: get() did.
        std::copy_n(reinterpret_cast<const std::byte*>(values.data()), bytes, staged_in_.data());
        cuda::check(cudaMemcpyAsync(at(s), staged_in_.data(), bytes, cudaMemcpyHostToDevice, user_), "cudaMemcpyAsync");
    }
    /// Copies a value to the caller and waits for it.
    void get(slot s, std::span<float> values) {
        const std::size_t bytes = values.size_bytes();
        if (staged_out_.size() < bytes) staged_out_ = cuda::pinned_buffer(bytes);
        cuda::check(cudaMemcpyAsync(staged_out_.data(), at(s), bytes, cudaMemcpyDeviceToHost, user_),
                    "cudaMemcpyAsync");
        synchronize();
        std::copy_n(staged_out_.data(), bytes, reinterpret_cast<std::byte*>(values.data()));
    }
    /// A copy of a value on the host; valid until the slot is viewed again.
    const float* view(slot s, std::size_t count) {
        if (views_.size() < slots_.size()) views_.resize(slots_.size());
        views_[s].resize(count);
        get(s, views_[s]);
        return views_[s].data();
    }

    /// Runs everything once, so that all kernels are loaded, and records it.
    template <class Emit>
    void prepare(Emit&& emit) {
        emit();
        own_->synchronize();
        if (!device_->options().graph) return;
        graph_ = cuda::executable_graph::capture(own_->get(), emit);
        graph_->upload(own_->get());
        own_->synchronize();
    }
    template <class Emit>
    void replay(Emit&& emit) {
        if (graph_) return graph_->launch(user_);
        // Steps run on the memory's own stream, which here must follow the caller's, and the caller's it.
        follow(own_->get(), user_);
        emit();
        follow(user_, own_->get());
    }

    void copy_in(slot s, const float* values, std::int64_t count) {
        cuda::check(
            cudaMemcpyAsync(at(s), values, static_cast<std::size_t>(count) * sizeof(float), cudaMemcpyDefault, user_),
            "cudaMemcpyAsync");
    }
    void copy_out(slot s, float* values, std::int64_t count) {
        cuda::check(
            cudaMemcpyAsync(values, at(s), static_cast<std::size_t>(count) * sizeof(float), cudaMemcpyDefault, user_),
            "cudaMemcpyAsync");
    }
    float* address(slot s) const noexcept { return reinterpret_cast<float*>(at(s)); }
    cudaStream_t stream() const noexcept { return user_; }
    void synchronize() { cuda::synchronize(user_); }

    // For steps.
    std::byte* at(slot s) const noexcept { return slots_[s]; }
    session& device() const noexcept { return *device_; }
    const std::shared_ptr<cuda::stream>& recording() const noexcept { return own_; }

  private:
    void follow(cudaStream_t later, cudaStream_t earlier) {
        if (later == earlier) return;
        if (!order_) order_.emplace();
        order_->record(earlier);
        cuda::check(cudaStreamWaitEvent(later, order_->get(), 0), "cudaStreamWaitEvent");
    }

    std::shared_ptr<session> device_;
    std::shared_ptr<cuda::stream> own_;
    cudaStream_t user_;
    cuda::device_buffer arena_;
    std::vector<cuda::device_buffer> inputs_;
    std::vector<std::byte*> slots_;
    cuda::pinned_buffer staged_in_{0}, staged_out_{0};
    std::vector<std::vector<float>> views_;
    std::optional<cuda::event> order_;
    std::optional<cuda::executable_graph> graph_;
};

/// Times the parts of a run by the device's events, inside a recorded graph of its own.
class stopwatch {
  public:
    stopwatch(const memory& m, std::size_t marks)
        : stream_(m.recording()), user_(m.stream()), record_(m.device().options().graph) {
        for (std::size_t i = 0; i < marks; ++i) events_.emplace_back();
    }

    template <class Emit>
    void replay(Emit&& emit) {
        if (!record_) {
            cuda::synchronize(user_);
            emit();
            return stream_->synchronize();
        }
        if (!graph_) graph_ = cuda::executable_graph::capture(stream_->get(), emit);
        graph_->launch(user_);
    }
    void mark(std::size_t i) {
        if (record_)
            events_[i].record_external(stream_->get());
        else
            events_[i].record(stream_->get());
    }
    double milliseconds(std::size_t i) const { return cuda::milliseconds(events_[i], events_[i + 1]); }

  private:
    std::shared_ptr<cuda::stream> stream_;
    cudaStream_t user_;
    bool record_;
    std::vector<cuda::event> events_;
    std::optional<cuda::executable_graph> graph_;
};

} // namespace gpunet::cudnn

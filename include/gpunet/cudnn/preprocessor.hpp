// Pictures to a network's input on the GPU: resizing, cropping and scaling, bit for bit as gpunet::preprocess does
// them.
#pragma once

#include <gpunet/cuda/buffer.hpp>
#include <gpunet/cuda/error.hpp>
#include <gpunet/cuda/event.hpp>
#include <gpunet/cuda/kernel.hpp>
#include <gpunet/cuda/kernels/preprocess.hpp>
#include <gpunet/cudnn/session.hpp>
#include <gpunet/error.hpp>
#include <gpunet/image/image.hpp>
#include <gpunet/image/preprocess.hpp>
#include <gpunet/shape.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// Puts pictures of any sizes into a batch in the GPU's memory. Work is only enqueued, on any streams of the device
/// that are not being captured. For one thread at a time.
class preprocessor {
  public:
    /// @param settings  of the model's record (model::input), with the size of the network's input
    /// @param batch     places of a destination, [batch, 3, height, width]
    /// @param depth     pictures under way at once: one more waits until the oldest has been copied to the device
    /// @throws argument_error; unsupported_error when planning without a device; cuda_error
    preprocessor(session& device, const preprocessing& settings, std::int64_t batch = 1, std::size_t depth = 2)
        : device_(device.device()), programmatic_(device.options().programmatic), settings_(settings), batch_(batch) {
        validate(settings);
        if (batch < 1 || depth < 1)
            throw argument_error("preprocessor: expected a batch and a depth of at least 1, found " +
                                 std::to_string(batch) + " and " + std::to_string(depth));
        const cuda::device_scope scope(device_);
        cuda::kernels::preprocess any; // one kernel does all
        any.rows = any.columns = any.height = any.width = 1;
        const cuda::kernels::kernel_launch launch = cuda::kernels::describe(any);
        module_ = device.kernel(launch).get();
        kernel_ = module_->kernel(std::string(launch.name));
        for (std::size_t i = 0; i < depth; ++i) places_.emplace_back();
    }
    /// @param backend  a cudnn::backend
    template <class Backend>
    requires requires(const Backend& b) {
        { b.device() } -> std::same_as<session&>;
    }
    preprocessor(const Backend& backend, const preprocessing& settings, std::int64_t batch = 1, std::size_t depth = 2)
        : preprocessor(backend.device(), settings, batch, depth) {}

    preprocessor(preprocessor&&) = default;
    preprocessor& operator=(preprocessor&&) = delete;
    /// Waits for what was enqueued.
    ~preprocessor() {
        for (const place& p : places_) {
            static_cast<void>(cudaEventSynchronize(p.copied.get()));
            static_cast<void>(cudaEventSynchronize(p.done.get()));
        }
    }

    const preprocessing& settings() const noexcept { return settings_; }
    std::int64_t batch() const noexcept { return batch_; }

    /// A picture in host memory, of which no more is used once the call returns.
    /// @param index        its place in the batch
    /// @param destination  the whole batch, in the device's memory; written when the stream has come so far
    /// @throws argument_error for a bad view or place; unsupported_error for a picture beyond the kernel's limits;
    ///         cuda_error
    void enqueue(std::int64_t index, const image_view& picture, float* destination, cudaStream_t stream) {
        run(index, batch_, picture, destination, stream, true);
    }
    /// A picture in the device's memory, which must stay as it is until the stream has done the work.
    void enqueue_from_device(std::int64_t index, const image_view& picture, float* destination, cudaStream_t stream) {
        run(index, batch_, picture, destination, stream, false);
    }

    /// A picture in host memory to its place in a context's own input, on the context's stream: a run with
    /// context.enqueue(nullptr, scores) follows it. @throws argument_error also for a context of another input
    template <class Context>
    requires requires(Context& c) {
        { c.device_input() } -> std::same_as<float*>;
        { c.stream() } -> std::same_as<cudaStream_t>;
    }
    void enqueue(std::int64_t index, const image_view& picture, Context& context) {
        const shape found = context.input_shape(), expected{found[0], 3, settings_.size.height, settings_.size.width};
        if (found != expected)
            throw argument_error("preprocessor: expected a context of input " + to_string(expected) + ", found " +
                                 to_string(found));
        run(index, found[0], picture, context.device_input(), context.stream(), true);
    }

  private:
    using plan = cuda::kernels::preprocess_plan;

    /// The memory for one picture under way: tables, pixels if they come from the host, what the first pass makes.
    struct place {
        cuda::event copied = cuda::event::without_time(), done = cuda::event::without_time();
        cuda::pinned_buffer staging{0};
        cuda::device_buffer memory{0};
        std::shared_ptr<const plan> loaded; // whose tables are in `memory`
    };

    static constexpr std::size_t most_plans = 64;
    static constexpr std::size_t chunk = std::size_t{1} << 20; // bytes to stage before they are sent

    /// The least recently used go first.
    std::shared_ptr<const plan> plan_for(extent2 picture) {
        auto known = std::find_if(plans_.begin(), plans_.end(), [&](const auto& p) { return p->picture == picture; });
        if (known == plans_.end()) {
            plans_.push_front(std::make_shared<const plan>(cuda::kernels::plan_preprocess(picture, settings_)));
            if (plans_.size() > most_plans) plans_.pop_back();
            known = plans_.begin();
        }
        plans_.splice(plans_.begin(), plans_, known);
        return plans_.front();
    }

    void run(std::int64_t index, std::int64_t batch, const image_view& picture, float* destination, cudaStream_t stream,
             bool from_host) {
        validate(picture);
        if (destination == nullptr) throw argument_error("preprocessor: destination is null");
        if (index < 0 || index >= batch)
            throw argument_error("preprocessor: picture " + std::to_string(index) + " of a batch of " +
                                 std::to_string(batch));
        destination += index * 3 * settings_.size.height * settings_.size.width;
        const auto work = plan_for({picture.height, picture.width});
        const cuda::device_scope scope(device_);
        place& p = places_[next_++ % places_.size()];
        try {
            emit(p, work, picture, destination, stream, from_host);
        } catch (...) {
            p.loaded.reset();
            static_cast<void>(cudaStreamSynchronize(stream)); // the events may not tell
            throw;
        }
    }

    void emit(place& p, const std::shared_ptr<const plan>& work, const image_view& picture, float* destination,
              cudaStream_t stream, bool from_host) {
        const pixel_box& box = work->needed;
        const std::size_t row = static_cast<std::size_t>(box.width) * 3, tables = work->tables.size();
        const std::size_t pixels = from_host ? row * static_cast<std::size_t>(box.height) : 0;
        const std::size_t words = (tables + pixels + 255) / 256 * 256;
        if (p.memory.size() < words + work->words) {
            p.done.synchronize();
            p.loaded.reset();
            p.memory = cuda::device_buffer(0); // not two at once
            p.memory = cuda::device_buffer(words + work->words);
        }
        p.done.block(stream);
        if (from_host || p.loaded != work)
            stage(p, *work, p.loaded != work, picture, from_host ? box.height : 0, stream);
        p.loaded = work;

        std::byte* const memory = p.memory.data();
        for (std::size_t i = 0; i < work->passes.size(); ++i) {
            auto parameters = work->passes[i].parameters;
            if (i > 0) {
                parameters.input = reinterpret_cast<const unsigned char*>(memory + words);
            } else {
                parameters.input = from_host ? reinterpret_cast<const unsigned char*>(memory + tables)
                                             : picture.row(box.top) + box.left * 3;
                parameters.stride = from_host ? static_cast<long long>(row) : picture.stride;
                parameters.bgr = picture.order == pixel_order::bgr;
            }
            parameters.table = reinterpret_cast<const int*>(memory + work->passes[i].table);
            parameters.scaled = reinterpret_cast<const float*>(memory);
            parameters.output = parameters.last ? static_cast<void*>(destination) : memory + words;
            const cuda::kernels::kernel_launch& launch = work->passes[i].launch;
            // The first pass follows copies, which do not end early.
            cuda::launch(kernel_, launch.grid, launch.block, launch.shared_bytes, stream, &parameters,
                         programmatic_ && i > 0);
        }
        p.done.record(stream);
    }

    /// Sends the tables, unless they are there, and the first `rows` needed rows of the picture, which lie after them.
    static void stage(place& p, const plan& work, bool tables, const image_view& picture, std::int64_t rows,
                      cudaStream_t stream) {
        const auto row_bytes = static_cast<std::size_t>(work.needed.width) * 3;
        const std::size_t bytes = work.tables.size() + row_bytes * static_cast<std::size_t>(rows);
        p.copied.synchronize();
        if (p.staging.size() < bytes) {
            p.staging = cuda::pinned_buffer(0);
            p.staging = cuda::pinned_buffer(bytes);
        }
        std::byte* const staging = p.staging.data();
        std::size_t sent = tables ? 0 : work.tables.size(), filled = work.tables.size();
        if (tables) std::memcpy(staging, work.tables.data(), work.tables.size());
        const auto send = [&] {
            cuda::check(
                cudaMemcpyAsync(p.memory.data() + sent, staging + sent, filled - sent, cudaMemcpyHostToDevice, stream),
                "cudaMemcpyAsync");
            sent = filled;
        };
        for (std::int64_t y = 0; y < rows; ++y) {
            std::memcpy(staging + filled, picture.row(work.needed.top + y) + work.needed.left * 3, row_bytes);
            filled += row_bytes;
            if (filled - sent >= chunk) send();
        }
        if (filled > sent) send();
        p.copied.record(stream);
    }

    int device_;
    bool programmatic_;
    preprocessing settings_;
    std::int64_t batch_;
    std::shared_ptr<const cuda::kernel_module> module_;
    cuda::kernel kernel_ = nullptr;
    std::list<std::shared_ptr<const plan>> plans_;
    std::vector<place> places_;
    std::size_t next_ = 0;
};

} // namespace gpunet::cudnn

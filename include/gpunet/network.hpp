// A network with its weights on a backend, and the contexts that run it.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/execution_plan.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/graph/pyramid.hpp>
#include <gpunet/limits.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/tensor.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace gpunet {

/// The output of one layer after a run. Valid until its context runs again or is destroyed.
struct feature_map {
    std::int64_t layer = 0; // position in the spec's JSON list, from 1
    std::optional<std::int64_t> stage;
    std::string kind;                // "layer_type"
    std::int64_t stride = 0;         // pixels of the picture from one of the map's to the next; 0 of a tail
    tensor_view<const float> values; // N C H W; a tail's are N x classes
};

/// The output of one layer on the device: float32.
struct device_feature_map {
    std::int64_t layer = 0;  // position in the spec's JSON list, from 1
    std::int64_t stride = 0; // as a feature_map's
    gpunet::shape shape;     // N C H W; a tail's is N x classes
    const float* values = nullptr;
};

/// A level of a feature pyramid, from network::pyramid.
struct pyramid_map {
    std::int64_t layer = 0;  // position in the spec's JSON list, from 1
    std::int64_t stride = 0; // pixels of the picture from one of the map's to the next
    tensor<float> values;    // N C H W
};

/// The shape of a context and what it keeps.
struct context_options {
    std::int64_t batch = 1;
    extent2 size{}; // of the input; the spec's native size where zero
    gpunet::taps taps = taps::none;
    CUstream_st* stream = nullptr; // the caller's cudaStream_t to run on; the context's own where null
};

template <backend B>
class network;
template <backend B>
class context;

namespace detail {

/// What a network and its contexts share. Plans are made under a lock and immutable afterwards.
template <backend B>
class network_state {
  public:
    network_state(spec::network net, const tensor_store& weights, B device, const limits& caps)
        : spec_(std::move(net)), device_(std::move(device)), limits_(caps),
          constants_(fold(lower(spec_, spec_.data.resolution, caps), weights, host_threads())) {}

    const spec::network& spec() const noexcept { return spec_; }
    const B& device() const noexcept { return device_; }

    /// The plan for a shape; made once while any context uses it.
    std::shared_ptr<const execution_plan<B>> plan(const context_options& o) {
        const extent2 size = o.size == extent2{} ? spec_.data.resolution : o.size;
        graph::network net = lower(spec_, size, limits_);
        const std::scoped_lock lock(mutex_);
        std::erase_if(plans_, [](const auto& entry) { return entry.second.expired(); });
        auto& known = plans_[{o.batch, size.height, size.width, o.taps}];
        if (auto plan = known.lock()) return plan;
        auto plan = std::make_shared<const execution_plan<B>>(device_, std::move(net), o.batch, o.taps, constants_,
                                                              packed_, limits_);
        known = plan;
        return plan;
    }

  private:
    using key = std::tuple<std::int64_t, std::int64_t, std::int64_t, taps>;

    int host_threads() const {
        if constexpr (requires { device_.threads(); })
            return device_.threads();
        else
            return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 16U));
    }

    spec::network spec_;
    B device_;
    limits limits_;
    constants constants_;
    std::mutex mutex_;
    typename B::packed packed_;
    std::map<key, std::weak_ptr<const execution_plan<B>>> plans_;
};

/// Contexts that wait for the next call of their shape; the least recently used go first.
template <backend B>
class idle_contexts {
  public:
    context<B> take(const network<B>& net, const context_options& o) {
        {
            const std::scoped_lock lock(mutex_);
            for (auto c = contexts_.begin(); c != contexts_.end(); ++c) {
                if (!c->fits(o)) continue;
                context<B> found = std::move(*c);
                contexts_.erase(c);
                return found;
            }
        }
        return context<B>(net, o);
    }

    void give(context<B> c) {
        const std::scoped_lock lock(mutex_);
        contexts_.push_back(std::move(c));
        if (contexts_.size() > most) contexts_.pop_front();
    }

  private:
    static constexpr std::size_t most = 4;

    std::mutex mutex_;
    std::list<context<B>> contexts_;
};

} // namespace detail

/// Immutable weights and plans, shared by any number of contexts and threads. Cheap to copy.
template <backend B>
class network {
  public:
    /// @param net      an architecture: from read_spec, or a model of the registry
    /// @param weights  every parameter exactly once: from read_weights, load_weights, make_weights, synthetic_weights
    /// @throws spec_error, binding_error, weights_error, unsupported_error
    network(const spec::network& net, const tensor_store& weights, B device = B(), const limits& caps = {})
        : state_(std::make_shared<detail::network_state<B>>(net, weights, std::move(device), caps)) {}

    const spec::network& spec() const noexcept { return state_->spec(); }
    const B& device() const noexcept { return state_->device(); }

    /// Scores of a batch: N C H W in, N x classes out, before softmax. Any batch, any legal size. Keeps a few contexts
    /// for the next call of the same shape; hold one of your own to allocate nothing. Any number of threads may call.
    tensor<float> operator()(const tensor_view<const float>& images) const {
        context<B> c = idle_->take(*this, shape_of(images, taps::none));
        tensor<float> scores = c.run(images.elements());
        idle_->give(std::move(c));
        return scores;
    }

    /// The last output of every stage, as a detector wants them: N C H W each, in order of depth, with the layer's
    /// position in the spec's JSON list.
    std::vector<std::pair<std::int64_t, tensor<float>>> features(const tensor_view<const float>& images) const {
        context<B> c = idle_->take(*this, shape_of(images, taps::stages));
        static_cast<void>(c.run(images.elements()));
        std::vector<std::pair<std::int64_t, tensor<float>>> maps;
        for (const feature_map& f : c.features()) maps.emplace_back(f.layer, copy_of(f.values));
        idle_->give(std::move(c));
        return maps;
    }

    /// The last output of every stride, from fine to coarse, as a detector's neck takes them: see pyramid_levels. The
    /// tail is not computed. To allocate nothing, and to copy nothing, hold a context with taps::pyramid.
    std::vector<pyramid_map> pyramid(const tensor_view<const float>& images) const {
        context<B> c = idle_->take(*this, shape_of(images, taps::pyramid));
        c.run(images.elements(), {});
        std::vector<pyramid_map> maps;
        for (const feature_map& f : c.features()) maps.push_back({f.layer, f.stride, copy_of(f.values)});
        idle_->give(std::move(c));
        return maps;
    }

  private:
    friend class context<B>;

    static tensor<float> copy_of(const tensor_view<const float>& values) {
        return {values.shape(), {values.elements().begin(), values.elements().end()}};
    }

    static context_options shape_of(const tensor_view<const float>& images, taps kept) {
        const shape& s = images.shape();
        if (s.size() != 4) throw argument_error("input: expected shape [N, C, H, W], found " + to_string(s));
        return {s[0], {s[2], s[3]}, kept, nullptr};
    }

    std::shared_ptr<detail::network_state<B>> state_;
    std::shared_ptr<detail::idle_contexts<B>> idle_ = std::make_shared<detail::idle_contexts<B>>();
};

/// A context's memory that lies on a device, with a stream.
template <class M>
concept device_memory = requires(M& m, slot s, const float* in, float* out, std::int64_t count) {
    m.copy_in(s, in, count);
    m.copy_out(s, out, count);
    { m.address(s) } -> std::same_as<float*>;
    { m.stream() } -> std::same_as<CUstream_st*>;
    m.synchronize();
};

/// A network at one shape with the memory to run it. Running allocates nothing. For one thread at a time; make one for
/// each thread. Outlives its network if need be.
template <backend B>
class context {
  public:
    /// @throws spec_error if the size is too small for the network; unsupported_error, argument_error
    explicit context(const network<B>& net, const context_options& options = {})
        : state_(net.state_), plan_(state_->plan(options)), stream_(options.stream),
          memory_(state_->device().make_memory(plan_->map(), stream_)) {
        const typename B::running_scope scope(memory_);
        memory_.prepare([this] { emit([](std::size_t) {}); });
    }

    /// Whether this is the context that options with an explicit size ask for.
    bool fits(const context_options& o) const noexcept {
        return o.batch == batch() && o.size == graph().input.size && o.taps == plan_->kept() && o.stream == stream_;
    }

    std::int64_t batch() const noexcept { return plan_->batch(); }
    const graph::network& graph() const noexcept { return plan_->graph(); }
    const std::vector<layer_step>& steps() const noexcept { return plan_->steps(); }
    /// Bytes of activations and workspace this context holds.
    std::size_t arena_bytes() const noexcept { return plan_->map().bytes; }

    shape input_shape() const {
        const graph::features& f = graph().input;
        return {batch(), f.channels, f.size.height, f.size.width};
    }
    /// N x classes; N x 0 of a context with taps::pyramid, which computes no scores.
    shape output_shape() const { return {batch(), classes()}; }

    /// @param images  N C H W, normalised; only read
    /// @param scores  output_shape(), before softmax
    /// @throws argument_error if either has the wrong number of elements
    void run(std::span<const float> images, std::span<float> scores) {
        check(images, scores);
        const typename B::running_scope scope(memory_);
        memory_.put(plan_->input(), images);
        memory_.replay([this] { emit([](std::size_t) {}); });
        get_scores(scores);
    }
    tensor<float> run(std::span<const float> images) {
        tensor<float> scores(output_shape());
        run(images, scores.elements());
        return scores;
    }

    /// The same; times[i] gets the milliseconds that block i of graph().blocks took, 0 where it is not computed.
    void profile(std::span<const float> images, std::span<float> scores, std::span<double> times) {
        check(images, scores);
        const std::size_t blocks = graph().blocks.size();
        if (times.size() != blocks)
            throw argument_error("times: expected one for each of " + std::to_string(blocks) + " blocks, found " +
                                 std::to_string(times.size()));
        const typename B::running_scope scope(memory_);
        if (!watch_) watch_.emplace(memory_, blocks + 1);
        memory_.put(plan_->input(), images);
        watch_->replay([this] {
            watch_->mark(0);
            emit([this](std::size_t i) { watch_->mark(i + 1); });
        });
        get_scores(scores);
        for (std::size_t i = 0; i < blocks; ++i) times[i] = i < plan_->depth() ? watch_->milliseconds(i) : 0;
    }

    /// Starts a run on the context's stream and returns: for devices with a memory of their own. Both pointers may be
    /// to the device's memory or the host's, and must stay valid until the stream has done the work; for ordinary
    /// memory of the host, which is not page-locked, CUDA may wait. Runs of one context follow each other.
    /// @param images  input_shape(); null: they are in device_input() already
    /// @param scores  output_shape(); null: they are read from device_scores(), or there are none
    void enqueue(const float* images, float* scores) requires device_memory<typename B::memory> {
        const typename B::running_scope scope(memory_);
        if (images) memory_.copy_in(plan_->input(), images, element_count(input_shape()));
        memory_.replay([this] { emit([](std::size_t) {}); });
        const auto place = plan_->scores();
        if (scores && place) memory_.copy_out(*place, scores, element_count(output_shape()));
    }
    /// The context's own input and scores on its device, float32, and its stream. No scores, null: see output_shape().
    float* device_input() noexcept requires device_memory<typename B::memory> {
        return memory_.address(plan_->input());
    }
    const float* device_scores() noexcept requires device_memory<typename B::memory> {
        const auto place = plan_->scores();
        return place ? memory_.address(*place) : nullptr;
    }
    CUstream_st* stream() const noexcept requires device_memory<typename B::memory> { return memory_.stream(); }
    /// Waits until everything enqueued is done. @throws cuda_error
    void synchronize() requires device_memory<typename B::memory> {
        const typename B::running_scope scope(memory_);
        memory_.synchronize();
    }

    /// What was kept of the last run: see context_options::taps.
    std::vector<feature_map> features() {
        const typename B::running_scope scope(memory_);
        std::vector<feature_map> maps;
        for_each_kept([&](const graph::block& b, std::int64_t stride, shape s, slot place) {
            const auto count = static_cast<std::size_t>(element_count(s));
            maps.push_back(
                {b.layer, b.stage, b.kind, stride, {std::move(s), std::span(memory_.view(place, count), count)}});
        });
        return maps;
    }
    /// The same where they lie on the device, always in the same places: each run on stream() overwrites them.
    std::vector<device_feature_map> device_features() requires device_memory<typename B::memory> {
        std::vector<device_feature_map> maps;
        for_each_kept([&](const graph::block& b, std::int64_t stride, shape s, slot place) {
            maps.push_back({b.layer, stride, std::move(s), memory_.address(place)});
        });
        return maps;
    }

  private:
    /// Calls visit(block, stride, shape, slot) for every layer whose output is kept; the stride of a tail is 0.
    template <class Visit>
    void for_each_kept(Visit&& visit) const {
        const std::vector<std::int64_t> strides = graph::strides(graph());
        for (std::size_t i = 0; i < graph().blocks.size(); ++i) {
            const graph::block& b = graph().blocks[i];
            const auto place = plan_->output(i);
            const bool last = i + 1 == graph().blocks.size();
            if (!place || (last && plan_->kept() != taps::layers)) continue; // the scores end no stage
            visit(b, last ? 0 : strides[i],
                  last ? output_shape() : shape{batch(), b.output.channels, b.output.size.height, b.output.size.width},
                  *place);
        }
    }
    std::int64_t classes() const noexcept { return plan_->kept() == taps::pyramid ? 0 : graph().classes; }
    /// Waits for the run, and copies its scores if there are any.
    void get_scores(std::span<float> scores) {
        if (const auto place = plan_->scores()) return memory_.get(*place, scores);
        if constexpr (device_memory<typename B::memory>) memory_.synchronize();
    }
    template <class After>
    void emit(After&& after) {
        plan_->run(memory_, after);
    }

    void check(std::span<const float> images, std::span<float> scores) const {
        const graph::features& f = graph().input;
        check("images", images.size(), f.channels * f.size.height * f.size.width, &context::input_shape);
        check("scores", scores.size(), classes(), &context::output_shape);
    }
    /// Makes the shape, which allocates, only to report it.
    void check(const char* what, std::size_t found, std::int64_t each, shape (context::*expected)() const) const {
        if (std::cmp_not_equal(found, batch() * each))
            throw argument_error(std::string(what) + ": expected " + std::to_string(batch() * each) + " numbers " +
                                 to_string((this->*expected)()) + ", found " + std::to_string(found));
    }

    std::shared_ptr<detail::network_state<B>> state_;
    std::shared_ptr<const execution_plan<B>> plan_;
    CUstream_st* stream_;
    typename B::memory memory_;
    std::optional<typename B::stopwatch> watch_;
};

} // namespace gpunet

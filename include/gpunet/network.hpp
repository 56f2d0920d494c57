// A network with its weights on a backend, and the contexts that run it.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/execution_plan.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/limits.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/tensor.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace gpunet {

/// The output of one layer after a run. Valid until its context runs again or is destroyed.
struct feature_map {
    std::int64_t layer = 0; // position in the spec's JSON list, from 1
    std::optional<std::int64_t> stage;
    std::string kind;                // "layer_type"
    tensor_view<const float> values; // N C H W; a tail's are N x classes
};

/// The shape of a context and what it keeps.
struct context_options {
    std::int64_t batch = 1;
    extent2 size{}; // of the input; the spec's native size where zero
    gpunet::taps taps = taps::none;
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
          constants_(fold(lower(spec_, spec_.data.resolution, caps), weights)) {}

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
        for (const feature_map& f : c.features())
            maps.emplace_back(
                f.layer, tensor<float>(f.values.shape(), {f.values.elements().begin(), f.values.elements().end()}));
        idle_->give(std::move(c));
        return maps;
    }

  private:
    friend class context<B>;

    static context_options shape_of(const tensor_view<const float>& images, taps kept) {
        const shape& s = images.shape();
        if (s.size() != 4) throw argument_error("input: expected shape [N, C, H, W], found " + to_string(s));
        return {s[0], {s[2], s[3]}, kept};
    }

    std::shared_ptr<detail::network_state<B>> state_;
    std::shared_ptr<detail::idle_contexts<B>> idle_ = std::make_shared<detail::idle_contexts<B>>();
};

/// A network at one shape with the memory to run it. Running allocates nothing. For one thread at a time; make one for
/// each thread. Outlives its network if need be.
template <backend B>
class context {
  public:
    /// @throws spec_error if the size is too small for the network; unsupported_error, argument_error
    explicit context(const network<B>& net, const context_options& options = {})
        : state_(net.state_), plan_(state_->plan(options)), memory_(state_->device().make_memory(plan_->map())) {}

    /// Whether this is the context that options with an explicit size ask for.
    bool fits(const context_options& o) const noexcept {
        return o.batch == batch() && o.size == graph().input.size && o.taps == plan_->kept();
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
    shape output_shape() const { return {batch(), graph().classes}; }

    /// @param images  N C H W, normalised; only read
    /// @param scores  N x classes, before softmax
    /// @throws argument_error if either has the wrong number of elements
    void run(std::span<const float> images, std::span<float> scores) {
        run(images, scores, [](std::size_t) {});
    }
    tensor<float> run(std::span<const float> images) {
        tensor<float> scores(output_shape());
        run(images, scores.elements());
        return scores;
    }

    /// The same, calling after(i) when block i of graph().blocks is done: for profiles.
    template <class After>
    void run(std::span<const float> images, std::span<float> scores, After&& after) {
        const graph::features& f = graph().input;
        check("images", images.size(), f.channels * f.size.height * f.size.width, &context::input_shape);
        check("scores", scores.size(), graph().classes, &context::output_shape);
        const typename B::running_scope scope(memory_);
        memory_.bind(plan_->input(), images.data());
        plan_->run(memory_, after);
        const float* result = memory_.data(*plan_->output(graph().blocks.size() - 1));
        std::copy_n(result, scores.size(), scores.begin());
    }

    /// What was kept of the last run: see context_options::taps.
    std::vector<feature_map> features() const {
        std::vector<feature_map> maps;
        for (std::size_t i = 0; i < graph().blocks.size(); ++i) {
            const graph::block& b = graph().blocks[i];
            const auto place = plan_->output(i);
            const bool last = i + 1 == graph().blocks.size();
            if (!place || (last && plan_->kept() != taps::layers)) continue; // the scores end no stage
            shape s =
                last ? output_shape() : shape{batch(), b.output.channels, b.output.size.height, b.output.size.width};
            const auto count = static_cast<std::size_t>(element_count(s));
            maps.push_back({b.layer, b.stage, b.kind, {std::move(s), std::span(memory_.data(*place), count)}});
        }
        return maps;
    }

  private:
    /// Makes the shape, which allocates, only to report it.
    void check(const char* what, std::size_t found, std::int64_t each, shape (context::*expected)() const) const {
        if (std::cmp_not_equal(found, batch() * each))
            throw argument_error(std::string(what) + ": expected " + std::to_string(batch() * each) + " numbers " +
                                 to_string((this->*expected)()) + ", found " + std::to_string(found));
    }

    std::shared_ptr<detail::network_state<B>> state_;
    std::shared_ptr<const execution_plan<B>> plan_;
    typename B::memory memory_;
};

} // namespace gpunet

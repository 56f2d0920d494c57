// A graph compiled for one backend, one batch size: the layer primitives in order and the memory they need.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/graph/pyramid.hpp>
#include <gpunet/layers/conv_bn_act.hpp>
#include <gpunet/layers/fused_inverted_residual.hpp>
#include <gpunet/layers/inverted_residual.hpp>
#include <gpunet/layers/planner.hpp>
#include <gpunet/layers/stem.hpp>
#include <gpunet/layers/tail.hpp>
#include <gpunet/limits.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace gpunet {

/// Which layers' outputs a context keeps for its caller: none; the last of every stage; all; the last of every stride,
/// and nothing behind the last of them is computed: no scores.
enum class taps : std::uint8_t { none, stages, layers, pyramid };

/// Whether block i is the last of its stage. The tail belongs to none.
inline bool ends_stage(const graph::network& net, std::size_t i) noexcept {
    if (i + 1 >= net.blocks.size()) return false;
    return i + 2 == net.blocks.size() || net.blocks[i].stage != net.blocks[i + 1].stage;
}

/// A step and the layer it belongs to.
struct layer_step {
    std::int64_t layer = 0; // position in the spec's JSON list, from 1
    step_info info;
};

/// Everything a context needs but memory.
template <backend B>
class execution_plan {
  public:
    using layer = std::variant<stem<B>, conv_bn_act<B>, inverted_residual<B>, fused_inverted_residual<B>, tail<B>>;

    /// Plans everything; touches the device only to prepare weights.
    /// @throws unsupported_error if the backend cannot do an operation or more memory is needed than `caps` allows
    execution_plan(const B& device, graph::network net, std::int64_t batch, taps kept, const constants& weights,
                   typename B::packed& packed, const limits& caps)
        : graph_(std::move(net)), batch_(batch), kept_(kept) {
        check_size(caps);
        typename B::planning_scope scope(device);
        planner<B> plan(device, batch, weights, packed);
        value<typename B::layout> now = plan.external(graph_.input);
        input_ = now.place;
        std::vector<std::size_t> ends; // of each block, in steps
        const std::vector<bool> kept_blocks = blocks_to_keep();
        for (std::size_t i = 0; i < kept_blocks.size(); ++i) {
            const graph::block& b = graph_.blocks[i];
            entry e{make_layer(plan, b, now), std::nullopt};
            now = std::visit([](const auto& l) { return l.output(); }, e.body);
            if (kept_blocks[i]) e.tap = plan.place_edge(b.output, now);
            layers_.push_back(std::move(e));
            ends.push_back(plan.size());
        }
        map_ = plan.finish();
        if (std::cmp_greater(map_.bytes, caps.max_activation_bytes))
            throw unsupported_error(too_large(std::to_string(map_.bytes), caps));
        std::size_t block = 0;
        for (step_info& info : plan.steps()) {
            while (steps_.size() == ends[block]) ++block;
            steps_.push_back({graph_.blocks[block].layer, std::move(info)});
        }
    }

    const graph::network& graph() const noexcept { return graph_; }
    std::int64_t batch() const noexcept { return batch_; }
    taps kept() const noexcept { return kept_; }
    const memory_map<typename B::layout>& map() const noexcept { return map_; }
    /// How many blocks are computed: all, or with taps::pyramid those up to the last level.
    std::size_t depth() const noexcept { return layers_.size(); }
    /// What runs, in order, with the backend's names of the kernels.
    const std::vector<layer_step>& steps() const noexcept { return steps_; }

    /// The slot to bind the input to: float32, N C H W.
    slot input() const noexcept { return input_; }
    /// The slot where block i's output lies after a run, if it is kept.
    std::optional<slot> output(std::size_t i) const {
        const bool is_kept = i < layers_.size() && layers_[i].tap;
        return is_kept ? std::optional(layers_[i].tap->output().place) : std::nullopt;
    }
    /// That of the scores, the last block's output; none with taps::pyramid.
    std::optional<slot> scores() const { return output(graph_.blocks.size() - 1); }

    /// Runs all layers that are computed; calls after(i) when block i is done.
    template <class After>
    void run(typename B::memory& memory, After&& after) const {
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            std::visit([&](const auto& l) { l.run(memory); }, layers_[i].body);
            if (layers_[i].tap) layers_[i].tap->run(memory);
            after(i);
        }
    }

  private:
    struct entry {
        layer body;
        std::optional<placed<B>> tap;
    };

    /// Of each block that is computed, whether its output is kept.
    std::vector<bool> blocks_to_keep() const {
        std::vector<bool> keep;
        if (kept_ == taps::pyramid) {
            for (const pyramid_level& level : pyramid_levels(graph_)) {
                keep.resize(level.block);
                keep.push_back(true);
            }
            return keep;
        }
        for (std::size_t i = 0; i < graph_.blocks.size(); ++i)
            keep.push_back(kept_ == taps::layers || (kept_ == taps::stages && ends_stage(graph_, i)));
        keep.back() = true;
        return keep;
    }

    static layer make_layer(planner<B>& plan, const graph::block& b, const value<typename B::layout>& input) {
        return std::visit(
            [&](const auto& body) -> layer {
                using kind = std::remove_cvref_t<decltype(body)>;
                if constexpr (std::is_same_v<kind, graph::stem>)
                    return stem<B>(plan, body, input);
                else if constexpr (std::is_same_v<kind, graph::conv>)
                    return conv_bn_act<B>(plan, body.convolution, input,
                                          body.residual ? std::optional(input) : std::nullopt);
                else if constexpr (std::is_same_v<kind, graph::inverted_residual>)
                    return inverted_residual<B>(plan, body, input);
                else if constexpr (std::is_same_v<kind, graph::fused_inverted_residual>)
                    return fused_inverted_residual<B>(plan, body, input);
                else
                    return tail<B>(plan, body, input);
            },
            b.body);
    }

    /// Before anything is planned: no single feature map may pass the limit.
    void check_size(const limits& caps) const {
        if (batch_ < 1) throw argument_error("batch: expected 1 or more, found " + std::to_string(batch_));
        const auto check = [&](const graph::features& f) {
            const std::int64_t bytes = f.channels * f.size.height * f.size.width * 4;
            if (batch_ > caps.max_activation_bytes / bytes)
                throw unsupported_error(too_large(std::to_string(batch_) + " * " + std::to_string(bytes), caps));
        };
        check(graph_.input);
        for (const graph::block& b : graph_.blocks)
            graph::for_each_operation(b, [&](const auto& op) {
                if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::convolution>) check(op.output);
            });
    }

    std::string too_large(const std::string& bytes, const limits& caps) const {
        return "batch " + std::to_string(batch_) + " of " + std::to_string(graph_.input.size.height) + " x " +
               std::to_string(graph_.input.size.width) + ": expected activations of at most " +
               std::to_string(caps.max_activation_bytes) + " bytes, needs " + bytes + " (limits::max_activation_bytes)";
    }

    graph::network graph_;
    std::int64_t batch_;
    taps kept_;
    std::vector<entry> layers_;
    std::vector<layer_step> steps_;
    memory_map<typename B::layout> map_;
    slot input_ = 0;
};

} // namespace gpunet

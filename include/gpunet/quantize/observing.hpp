// A backend that shows each feature map as soon as it is made, to be looked at or changed.
#pragma once

#include <gpunet/layers/backend.hpp>
#include <gpunet/quantize/round.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::quantize {

/// The output of a convolution or the product of a gate, in the backend's own layout, with the zeros that pad it.
struct feature_map {
    std::string_view name;      // see graph/values.hpp
    std::optional<float> scale; // of a quantized network
    std::span<float> values;
};

/// Called by the thread that runs the network, in the order in which feature maps are made.
using observer = std::function<void(const feature_map&)>;

/// A backend whose contexts lie in the host's memory, as float32.
template <class B>
concept host_backend = backend<B> && requires(const typename B::memory& m, slot s) {
    { m.data(s) } -> std::same_as<float*>;
};

/// A step, after which the observer looks at its output.
template <host_backend B>
class observed_step {
  public:
    struct place {
        std::string name;
        std::optional<float> scale;
        typename B::layout layout;
        std::shared_ptr<const observer> see;
    };

    observed_step(typename B::step inner, std::optional<place> output)
        : inner_(std::move(inner)), output_(std::move(output)) {}

    void run(typename B::memory& memory, const step_slots& slots) const {
        inner_.run(memory, slots);
        if (!output_) return;
        (*output_->see)(
            {output_->name, output_->scale, {memory.data(slots.output), output_->layout.bytes() / sizeof(float)}});
    }
    step_info info() const { return inner_.info(); }

  private:
    typename B::step inner_;
    std::optional<place> output_; // empty where it is no feature map
};

/// Runs everything on `B`.
template <host_backend B>
class observing {
  public:
    using layout = typename B::layout;
    using step = observed_step<B>;
    using packed = typename B::packed;
    using memory = typename B::memory;
    using stopwatch = typename B::stopwatch;
    using planned_step = planned<step, layout>;

    observing(B inner, observer see)
        : inner_(std::move(inner)), see_(std::make_shared<const observer>(std::move(see))) {}

    struct planning_scope : B::planning_scope {
        explicit planning_scope(const observing& o) : B::planning_scope(o.inner_) {}
    };
    struct running_scope : B::running_scope {
        explicit running_scope(const memory& m) : B::running_scope(m) {}
    };

    std::string name() const { return inner_.name(); }
    layout edge_layout(std::int64_t batch, const graph::features& f) const { return inner_.edge_layout(batch, f); }
    memory make_memory(const memory_map<layout>& map, CUstream_st* stream = nullptr) const {
        return inner_.make_memory(map, stream);
    }

    planned_step plan(std::int64_t n, const graph::convolution& c, const folded& weights, packed& cache,
                      const std::vector<layout>& operands) const {
        return shown(inner_.plan(n, c, weights, cache, operands), c.weights, weights.output_scale);
    }
    planned_step plan(std::int64_t n, const graph::dense& d, const folded& weights, packed& cache,
                      const std::vector<layout>& operands) const {
        return hidden(inner_.plan(n, d, weights, cache, operands));
    }
    planned_step plan(std::int64_t n, const global_mean& m, const std::vector<layout>& operands) const {
        return hidden(inner_.plan(n, m, operands));
    }
    planned_step plan(std::int64_t n, const channel_gate& g, const std::vector<layout>& operands) const {
        return shown(inner_.plan(n, g, operands), g.name, g.output_scale);
    }
    planned_step plan(std::int64_t n, const conversion<layout>& c, const std::vector<layout>& operands) const {
        return hidden(inner_.plan(n, c, operands));
    }

  private:
    using inner_step = planned<typename B::step, layout>;

    static planned_step with(inner_step p, std::optional<typename step::place> place) {
        return {step(std::move(p.step), std::move(place)), std::move(p.operands), std::move(p.output),
                std::move(p.workspace), p.in_place};
    }
    static planned_step hidden(inner_step p) { return with(std::move(p), std::nullopt); }
    planned_step shown(inner_step p, const std::string& name, std::optional<float> scale) const {
        typename step::place place{name, scale, p.output, see_};
        return with(std::move(p), std::move(place));
    }

    B inner_;
    std::shared_ptr<const observer> see_;
};

/// The definition of what a quantized network computes: sums, activations and matrix products in float32, and each
/// feature map rounded to its scale. A network of float32 weights it runs as `B` does.
/// @param see  shown each feature map after that
template <host_backend B>
observing<B> simulated(B inner, observer see = {}) {
    return {std::move(inner), [see = std::move(see)](const feature_map& f) {
                if (f.scale) round_to(*f.scale, f.values);
                if (see) see(f);
            }};
}

} // namespace gpunet::quantize

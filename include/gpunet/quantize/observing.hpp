// A backend that shows each feature map as soon as it is made, to be looked at or changed.
#pragma once

#include <gpunet/layers/backend.hpp>
#include <gpunet/quantize/plain_copy.hpp>
#include <gpunet/shape.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
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
    gpunet::shape shape;                       // N C H W
    std::function<std::vector<float>()> plain; // a copy in that order
};

/// Called by the thread that runs the network, in the order in which feature maps are made.
using observer = std::function<void(const feature_map&)>;

/// A step, after which the observer looks at its output.
template <host_backend B>
class observed_step {
  public:
    struct place {
        std::string name;
        std::optional<float> scale;
        typename B::layout layout;
        std::shared_ptr<const plain_copy<B>> copy;
        std::shared_ptr<const observer> see;
    };

    observed_step(typename B::step inner, std::optional<place> output)
        : inner_(std::move(inner)), output_(std::move(output)) {}

    void run(typename B::memory& memory, const step_slots& slots) const {
        inner_.run(memory, slots);
        if (!output_) return;
        const std::span values(memory.data(slots.output), output_->layout.bytes() / sizeof(float));
        (*output_->see)(
            {output_->name, output_->scale, values, output_->copy->shape(), [&] { return (*output_->copy)(values); }});
    }
    step_info info() const { return inner_.info(); }

  private:
    typename B::step inner_;
    std::optional<place> output_; // empty where it is no feature map
};

/// Runs everything on `B` in float32: of a quantized network `B` is given the real numbers and no scales.
template <host_backend B>
class observing {
  public:
    using layout = typename B::layout;
    using step = observed_step<B>;
    struct packed {
        typename B::packed inner;
        std::map<std::string, folded> real; // of quantized operations
    };
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
        return shown(n, c.output, inner_.plan(n, c, real(c.weights, weights, cache), cache.inner, operands), c.weights,
                     weights.output_scale);
    }
    planned_step plan(std::int64_t n, const graph::dense& d, const folded& weights, packed& cache,
                      const std::vector<layout>& operands) const {
        return hidden(inner_.plan(n, d, real(d.weights, weights, cache), cache.inner, operands));
    }
    planned_step plan(std::int64_t n, const global_mean& m, const std::vector<layout>& operands) const {
        return hidden(inner_.plan(n, m, operands));
    }
    planned_step plan(std::int64_t n, const channel_gate& g, const std::vector<layout>& operands) const {
        return shown(n, g.input, inner_.plan(n, channel_gate{g.input, g.name}, operands), g.name, g.output_scale);
    }
    planned_step plan(std::int64_t n, const conversion<layout>& c, const std::vector<layout>& operands) const {
        return hidden(inner_.plan(n, c, operands));
    }

  private:
    /// What stays where it is as long as the cache does, for backends refer to it.
    static const folded& real(const std::string& name, const folded& f, packed& cache) {
        if (!f.int8 && !f.output_scale) return f;
        const auto [at, fresh] = cache.real.try_emplace(name);
        if (fresh) at->second = {f.weights, f.bias};
        return at->second;
    }

    using inner_step = planned<typename B::step, layout>;

    static planned_step with(inner_step p, std::optional<typename step::place> place) {
        return {step(std::move(p.step), std::move(place)), std::move(p.operands), std::move(p.output),
                std::move(p.workspace), p.in_place};
    }
    static planned_step hidden(inner_step p) { return with(std::move(p), std::nullopt); }
    planned_step shown(std::int64_t n, const graph::features& f, inner_step p, const std::string& name,
                       std::optional<float> scale) const {
        typename step::place place{name, scale, p.output, std::make_shared<const plain_copy<B>>(inner_, n, f, p.output),
                                   see_};
        return with(std::move(p), std::move(place));
    }

    B inner_;
    std::shared_ptr<const observer> see_;
};

} // namespace gpunet::quantize

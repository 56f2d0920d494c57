// A backend that shows each feature map as soon as it is made, to be looked at or changed.
#pragma once

#include <gpunet/layers/backend.hpp>
#include <gpunet/quantize/round.hpp>
#include <gpunet/shape.hpp>

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
    gpunet::shape shape;                       // N C H W
    std::function<std::vector<float>()> plain; // a copy in that order
};

/// Called by the thread that runs the network, in the order in which feature maps are made.
using observer = std::function<void(const feature_map&)>;

/// A backend whose contexts lie in the host's memory, as float32.
template <class B>
concept host_backend = backend<B> && requires(const typename B::memory& m, slot s) {
    { m.data(s) } -> std::same_as<float*>;
};

/// Copies values of a backend's layout into N C H W.
template <host_backend B>
class plain_copy {
  public:
    /// Plans: within a planning scope.
    plain_copy(const B& device, std::int64_t batch, const graph::features& f, const typename B::layout& from)
        : device_(device), from_(from), shape_{batch, f.channels, f.size.height, f.size.width},
          conversion_(device.plan(batch, conversion<typename B::layout>{device.edge_layout(batch, f)}, {from})) {}

    const gpunet::shape& shape() const noexcept { return shape_; }

    /// Allocates the memory that it needs at each call, so that any number of threads may.
    std::vector<float> operator()(std::span<float> values) const {
        constexpr std::size_t unit = B::memory::alignment;
        const std::size_t bytes = (conversion_.output.bytes() + unit - 1) / unit * unit;
        memory_map<typename B::layout> map{{from_, conversion_.output}, {std::nullopt, 0}, bytes};
        step_slots slots{{0}, 1, std::nullopt};
        if (conversion_.workspace) {
            map.layouts.push_back(*conversion_.workspace);
            map.offsets.push_back(bytes);
            map.bytes += conversion_.workspace->bytes();
            slots.workspace = 2;
        }
        auto memory = device_.make_memory(map, nullptr);
        memory.put(0, values);
        conversion_.step.run(memory, slots);
        std::vector<float> all(static_cast<std::size_t>(element_count(shape_)));
        memory.get(1, all);
        return all;
    }

  private:
    B device_;
    typename B::layout from_;
    gpunet::shape shape_;
    planned<typename B::step, typename B::layout> conversion_;
};

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
        return shown(n, c.output, inner_.plan(n, c, weights, cache, operands), c.weights, weights.output_scale);
    }
    planned_step plan(std::int64_t n, const graph::dense& d, const folded& weights, packed& cache,
                      const std::vector<layout>& operands) const {
        return hidden(inner_.plan(n, d, weights, cache, operands));
    }
    planned_step plan(std::int64_t n, const global_mean& m, const std::vector<layout>& operands) const {
        return hidden(inner_.plan(n, m, operands));
    }
    planned_step plan(std::int64_t n, const channel_gate& g, const std::vector<layout>& operands) const {
        return shown(n, g.input, inner_.plan(n, g, operands), g.name, g.output_scale);
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
    planned_step shown(std::int64_t n, const graph::features& f, inner_step p, const std::string& name,
                       std::optional<float> scale) const {
        typename step::place place{name, scale, p.output, std::make_shared<const plain_copy<B>>(inner_, n, f, p.output),
                                   see_};
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

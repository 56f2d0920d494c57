// Values of any backend in the host's memory as N C H W.
#pragma once

#include <gpunet/layers/backend.hpp>
#include <gpunet/shape.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gpunet::quantize {

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

} // namespace gpunet::quantize

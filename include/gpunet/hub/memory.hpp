// How much memory a network needs, computed without a device: the layer primitives planned for a backend that only
// counts. And amounts of memory as people write them.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/error.hpp>
#include <gpunet/execution_plan.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/layers/backend.hpp>
#include <gpunet/limits.hpp>
#include <gpunet/weights/fold.hpp>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunet {

/// "500MB", "0.5GiB", "1048576B": a positive number and its unit: B, kB, MB, GB, TB (powers of ten), KiB, MiB, GiB,
/// TiB.
/// @throws argument_error saying what was expected and found
inline std::int64_t parse_bytes(std::string_view text) {
    constexpr std::pair<std::string_view, double> units[] = {
        {"B", 1},     {"kB", 1e3},     {"KB", 1e3},        {"MB", 1e6},           {"GB", 1e9},
        {"TB", 1e12}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0}};
    double value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    double bytes = 0;
    for (const auto& [name, size] : units)
        if (unit == name && status == std::errc()) bytes = std::floor(value * size + 0.5);
    if (!(bytes >= 1.0 && bytes <= 1e15))
        throw argument_error("expected an amount of memory with its unit, as 500MB or 0.5GiB, found \"" +
                             std::string(text) + "\"");
    return static_cast<std::int64_t>(bytes);
}

/// How a device keeps values.
struct memory_model {
    std::int64_t element = 4;      // bytes of an activation and of a weight
    std::int64_t block = 16;       // feature maps' channels are padded to a multiple of it
    bool folded_weights = true;    // kept in float32 beside those in the device's format
    bool winograd = true;          // weights of convolutions that suit it are larger in the device's format
    bool residual_in_place = true; // a residual sum takes over the memory of what is added
    bool own_input = false;        // the pictures are copied to the device

    /// The CPU backend: float32, in blocks of a vector register. (The wider one of AVX-512 is assumed.)
    static constexpr memory_model cpu() noexcept { return {}; }
    /// The memory of a GPU at a precision: "fp32", "tf32", "fp16", "bf16". What the host keeps is not counted.
    static constexpr memory_model gpu(std::string_view precision) noexcept {
        return {precision == "fp16" || precision == "bf16" ? 2 : 4, 8, false, false, false, true};
    }
};

/// Of a network and one context that runs it. The workspaces that kernels ask for and the device's library itself (of
/// CUDA some hundred MB) are not counted: they are known on the device alone.
struct memory_needed {
    std::int64_t weights = 0;     // after batch norm is folded, with biases; all copies
    std::int64_t activations = 0; // the arena, and the input where the device has a memory of its own
    std::int64_t total() const noexcept { return weights + activations; }
};

namespace detail {

/// A backend that counts bytes. What it plans cannot run.
class counting_backend {
  public:
    struct layout {
        std::size_t size = 0;
        std::size_t bytes() const noexcept { return size; }
        friend bool operator==(const layout&, const layout&) = default;
    };
    struct packed {};
    struct memory {
        static constexpr std::size_t alignment = 64;
        template <class Emit>
        void prepare(Emit&&) const noexcept {}
        template <class Emit>
        void replay(Emit&&) const noexcept {}
        void put(slot, std::span<const float>) const noexcept {}
        void get(slot, std::span<float>) const noexcept {}
        const float* view(slot, std::size_t) const noexcept { return nullptr; }
    };
    struct stopwatch {
        stopwatch(const memory&, std::size_t) {}
        template <class Emit>
        void replay(Emit&&) const noexcept {}
        void mark(std::size_t) const noexcept {}
        double milliseconds(std::size_t) const noexcept { return 0; }
    };
    struct step {
        void run(memory&, const step_slots&) const noexcept {}
        step_info info() const { return {}; }
    };
    struct planning_scope {
        explicit planning_scope(const counting_backend&) {}
    };
    struct running_scope {
        explicit running_scope(const memory&) {}
    };
    using planned_step = planned<step, layout>;

    explicit counting_backend(const memory_model& m) : model_(m) {}

    std::string name() const { return "counting"; }
    layout edge_layout(std::int64_t batch, const graph::features& f) const {
        return {static_cast<std::size_t>(batch * f.channels * f.size.height * f.size.width * 4)};
    }
    memory make_memory(const memory_map<layout>&, CUstream_st*) const { return {}; }

    planned_step plan(std::int64_t n, const graph::convolution& c, const folded&, packed&,
                      const std::vector<layout>& operands) const {
        const bool shared = operands.size() > 1 && model_.residual_in_place && !c.adds_last;
        return {{}, operands, map(n, c.output), {}, shared ? std::optional<std::size_t>(1) : std::nullopt};
    }
    planned_step plan(std::int64_t n, const graph::dense& d, const folded&, packed&,
                      const std::vector<layout>& operands) const {
        return {{}, operands, map(n, {d.outputs, {1, 1}}), {}, {}};
    }
    planned_step plan(std::int64_t n, const global_mean& m, const std::vector<layout>& operands) const {
        return {{}, operands, map(n, {m.input.channels, {1, 1}}), {}, {}};
    }
    planned_step plan(std::int64_t, const channel_gate&, const std::vector<layout>& operands) const {
        return {{}, operands, operands[0], {}, 0};
    }
    planned_step plan(std::int64_t, const conversion<layout>& c, const std::vector<layout>& operands) const {
        return {{}, operands, c.to, {}, {}};
    }

  private:
    layout map(std::int64_t batch, const graph::features& f) const {
        const std::int64_t channels = (f.channels + model_.block - 1) / model_.block * model_.block;
        return {static_cast<std::size_t>(batch * channels * f.size.height * f.size.width * model_.element)};
    }

    memory_model model_;
};

static_assert(backend<counting_backend>);

} // namespace detail

/// @throws unsupported_error where no context of that batch could be made within the limits
inline memory_needed count_memory(const graph::network& net, std::int64_t batch, const memory_model& device,
                                  const limits& caps = {}) {
    constants names; // no values: nothing is computed
    std::int64_t folded = 0, packed_elements = 0;
    for (const graph::block& b : net.blocks)
        graph::for_each_operation(b, [&](const auto& op) {
            names[op.weights];
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(op)>, graph::convolution>) {
                const std::int64_t weights =
                    op.output.channels * (op.input.channels / op.groups) * op.kernel * op.kernel;
                folded += weights + op.output.channels;
                packed_elements += (device.winograd ? cpu::jit::packed_count(op) : weights) + op.output.channels;
            } else {
                folded += op.outputs * (op.inputs + (op.has_bias() ? 1 : 0));
                packed_elements += op.outputs * (op.inputs + (op.has_bias() ? 1 : 0));
            }
        });
    const detail::counting_backend counter(device);
    detail::counting_backend::packed packed;
    const execution_plan<detail::counting_backend> plan(counter, net, batch, taps::none, names, packed, caps);
    memory_needed need;
    need.weights = packed_elements * device.element + (device.folded_weights ? folded * 4 : 0);
    need.activations = static_cast<std::int64_t>(plan.map().bytes);
    if (device.own_input) need.activations += static_cast<std::int64_t>(counter.edge_layout(batch, net.input).bytes());
    return need;
}

} // namespace gpunet

// The backend that runs on a GPU: cuDNN's convolutions and kernels of our own, in float32, half or bfloat16.
#pragma once

#include <gpunet/cuda/kernels/convert.hpp>
#include <gpunet/cuda/kernels/dense.hpp>
#include <gpunet/cuda/kernels/depthwise.hpp>
#include <gpunet/cuda/kernels/mean.hpp>
#include <gpunet/cuda/kernels/pointwise.hpp>
#include <gpunet/cuda/kernels/stem.hpp>
#include <gpunet/cuda/kernels/sums.hpp>
#include <gpunet/cudnn/convolution_operation.hpp>
#include <gpunet/cudnn/device_weights.hpp>
#include <gpunet/cudnn/kernel_operation.hpp>
#include <gpunet/cudnn/layout.hpp>
#include <gpunet/cudnn/memory.hpp>
#include <gpunet/cudnn/session.hpp>
#include <gpunet/cudnn/step.hpp>
#include <gpunet/error.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/describe.hpp>
#include <gpunet/layers/backend.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

/// A convolution whose activation is left to the reader of its output.
struct deferred {
    graph::convolution convolution;
};

/// A depthwise convolution that also sums its outputs over the pixels.
struct depthwise_with_sums {
    graph::convolution convolution;
};

/// Squeeze-excite's second product and the scaling of the map by its outcome, in place. Operands: the map, the squeezed
/// vector.
struct excite_and_gate {
    graph::dense excite;
    graph::features input;
};

/// What feature maps and weights are kept in.
template <class T>
concept element_type = std::same_as<T, float> || std::same_as<T, half> || std::same_as<T, bfloat16>;

/// A cheap value; copies share the GPU's session.
template <element_type T>
class backend {
  public:
    using layout = cudnn::layout;
    using step = cudnn::step;
    using packed = device_weights;
    using memory = cudnn::memory;
    using stopwatch = cudnn::stopwatch;
    using planned_step = planned<step, layout>;

    static constexpr cuda::element type = cuda::element_of<T>;

    /// @throws unsupported_error where there is no GPU, no cuDNN, no NVRTC; argument_error, cuda_error, cudnn_error
    explicit backend(const options& o = {}) : session_(std::make_shared<session>(checked(o))) {}

    /// Plans for a GPU that need not be here: "sm_90", "H100". Nothing can run.
    static backend offline(std::string_view gpu, const options& o = {}) {
        return backend(std::make_shared<session>(gpu, checked(o)));
    }

    /// "cuDNN 9.19.0"
    std::string name() const { return "cuDNN " + version_text(session_->target().library()->version()); }
    /// "fp16"; "tf32" for float32 on tensor cores.
    std::string precision() const { return session_->options().tf32 ? "tf32" : std::string(cuda::name_of(type)); }
    cudnn::session& device() const noexcept { return *session_; }

    struct planning_scope {
        explicit planning_scope(const backend& b) {
            if (b.session_->present()) scope_.emplace(b.session_->device());
        }
        std::optional<cuda::device_scope> scope_;
    };
    struct running_scope : cuda::device_scope {
        explicit running_scope(const memory& m) : cuda::device_scope(m.device().device()) {}
    };

    layout edge_layout(std::int64_t batch, const graph::features& f) const {
        layout l;
        l.batch = batch;
        l.what = f;
        return l;
    }
    memory make_memory(const memory_map<layout>& map, cudaStream_t stream = nullptr) const {
        const cuda::device_scope scope(session_->device());
        return {session_, map, stream};
    }

    planned_step plan(std::int64_t n, const graph::convolution& c, const folded& weights, device_weights& cache,
                      const std::vector<layout>& operands) const {
        const bool residual = operands.size() > 1;
        if (!residual && operands[0].kind == layout::form::edge && c.input.channels <= 4 && c.groups == 1 &&
            c.kernel <= 7)
            return plan_stem(n, c, weights, cache, operands[0]);
        if (!residual && c.depthwise() && c.kernel <= 7)
            return plan_depthwise(n, c, weights, cache, operands[0], false);
        return plan_dense_convolution(n, c, c.act, weights, cache, operands);
    }

    planned_step plan(std::int64_t n, const deferred& d, const gpunet::constants& weights, device_weights& cache,
                      const std::vector<layout>& operands) const {
        const folded& w = weights.at(d.convolution.weights);
        return plan_dense_convolution(n, d.convolution, activation::identity, w, cache, operands);
    }

    planned_step plan(std::int64_t n, const depthwise_with_sums& d, const gpunet::constants& weights,
                      device_weights& cache, const std::vector<layout>& operands) const {
        const folded& w = weights.at(d.convolution.weights);
        return plan_depthwise(n, d.convolution, w, cache, operands[0], true);
    }

    planned_step plan(std::int64_t n, const graph::dense& d, const folded& weights, device_weights& cache,
                      const std::vector<layout>& operands) const {
        const layout& in = operands[0];
        const bool sums = in.rows > 0;
        cuda::kernels::dense k;
        k.type = type;
        k.n = n;
        k.inputs = d.inputs;
        k.outputs = d.outputs;
        k.rows = in.rows;
        k.pixels = in.pixels();
        k.act = d.act;
        k.multiprocessors = multiprocessors();
        const auto w = packed_weights(cache, d.weights + " dense", k, weights);
        const auto b = d.has_bias() ? vector(cache, d.weights, d.outputs, weights) : pending_weights();
        const std::size_t offset = sums ? in.sums_offset() : 0;
        const auto read = static_cast<std::size_t>(n * d.inputs * 4 * std::max<std::int64_t>(1, in.rows));
        planned_step result = launch(k, text(d), count(d, n) + read, n * d.inputs * d.outputs, {w, b},
                                     [p = cuda::kernels::parameters(k), offset, w, b](memory& m, const step_slots& s) {
                                         auto run = p;
                                         run.weights = address<std::byte>(w);
                                         run.bias = b.valid() ? address<float>(b) : nullptr;
                                         run.input = reinterpret_cast<const float*>(m.at(s.operands[0]) + offset);
                                         run.output = m.address(s.output);
                                         return run;
                                     });
        result.operands = {sums ? in : edge_layout(n, {d.inputs, {1, 1}})};
        result.output = edge_layout(n, {d.outputs, {1, 1}});
        return result;
    }

    /// The sums alone: what reads them divides.
    planned_step plan(std::int64_t n, const global_mean& g, const std::vector<layout>& operands) const {
        const layout in = readable(operands[0], n, g.input, true);
        cuda::kernels::sums k;
        k.type = type;
        k.n = n;
        set(k, g.input);
        k.input_act = in.pending;
        k.multiprocessors = multiprocessors();
        planned_step result = launch(k, "mean of " + text(g.input), map(n, g.input).bytes(), 0, {},
                                     [p = cuda::kernels::parameters(k)](memory& m, const step_slots& s) {
                                         auto run = p;
                                         run.input = m.at(s.operands[0]);
                                         run.output = m.address(s.output);
                                         return run;
                                     });
        result.operands = {in};
        result.output = edge_layout(n, g.input);
        result.output.kind = layout::form::sums;
        result.output.rows = cuda::kernels::sum_rows(k);
        return result;
    }

    planned_step plan(std::int64_t n, const channel_gate& g, const std::vector<layout>& operands) const {
        const layout in = readable(operands[0], n, g.input, true);
        cuda::kernels::pointwise k = pointwise(n, g.input, in.pending);
        k.gate = cuda::kernels::gate_source::given;
        planned_step result = launch(k, "gate on " + text(g.input), 2 * map(n, g.input).bytes(), 0, {},
                                     [p = cuda::kernels::parameters(k)](memory& m, const step_slots& s) {
                                         auto run = p;
                                         run.input = m.at(s.operands[0]);
                                         run.gate = m.address(s.operands[1]);
                                         run.output = m.at(s.output);
                                         return run;
                                     });
        result.operands = {in, edge_layout(n, {g.input.channels, {1, 1}})};
        result.output = map(n, g.input);
        result.in_place = 0;
        return result;
    }

    planned_step plan(std::int64_t n, const excite_and_gate& e, const gpunet::constants& weights, device_weights& cache,
                      const std::vector<layout>& operands) const {
        const folded& w = weights.at(e.excite.weights);
        const layout in = readable(operands[0], n, e.input, true);
        cuda::kernels::pointwise k = pointwise(n, e.input, in.pending);
        k.gate = cuda::kernels::gate_source::computed;
        k.squeezed = e.excite.inputs;
        k.gate_act = e.excite.act;
        const auto gate_weights = cache.get(*session_, e.excite.weights + " gate", [k, name = e.excite.weights, &w] {
            check_range(name, w.weights, type);
            return cuda::kernels::pack_gate_weights(k, w.weights);
        });
        const auto gate_bias = vector(cache, e.excite.weights, e.excite.outputs, w);
        planned_step result =
            launch(k, text(e.excite) + ", gate on " + text(e.input), count(e.excite, n) + 2 * map(n, e.input).bytes(),
                   n * e.excite.inputs * e.excite.outputs, {gate_weights, gate_bias},
                   [p = cuda::kernels::parameters(k), gate_weights, gate_bias](memory& m, const step_slots& s) {
                       auto run = p;
                       run.gate_weights = address<std::byte>(gate_weights);
                       run.gate_bias = address<float>(gate_bias);
                       run.input = m.at(s.operands[0]);
                       run.gate = m.address(s.operands[1]);
                       run.output = m.at(s.output);
                       return run;
                   });
        result.operands = {in, edge_layout(n, {e.excite.inputs, {1, 1}})};
        result.output = map(n, e.input);
        result.in_place = 0;
        return result;
    }

    planned_step plan(std::int64_t n, const conversion<layout>& c, const std::vector<layout>& operands) const {
        const layout& from = operands[0];
        planned_step result = convert(n, from, c.to);
        result.operands = operands;
        result.output = c.to;
        return result;
    }

  private:
    explicit backend(std::shared_ptr<session> s) : session_(std::move(s)) {}

    static const options& checked(const options& o) {
        if (o.tf32 && type != cuda::element::float32)
            throw argument_error("tf32: expected a backend of float, found one of " + std::string(cuda::name_of(type)));
        return o;
    }

    int multiprocessors() const noexcept { return session_->target().model().multiprocessors; }

    layout map(std::int64_t n, const graph::features& f) const {
        layout l = edge_layout(n, f);
        l.kind = layout::form::map;
        l.type = type;
        return l;
    }
    /// The operand as it is, where it is a map that can be read so; otherwise the map it must be converted to.
    layout readable(const layout& operand, std::int64_t n, const graph::features& f, bool pending) const {
        const bool good = operand.kind == layout::form::map && (pending || operand.pending == activation::identity);
        return good ? operand : map(n, f);
    }

    template <class Kernel>
    static void set(Kernel& k, const graph::features& f) {
        k.channels = f.channels;
        k.height = f.size.height;
        k.width = f.size.width;
    }
    template <class Kernel>
    static void set(Kernel& k, const graph::convolution& c) {
        set(k, c.input);
        k.output_height = c.output.size.height;
        k.output_width = c.output.size.width;
        k.kernel = c.kernel;
        k.stride = c.stride;
        k.top = c.padding.top;
        k.left = c.padding.left;
    }
    cuda::kernels::pointwise pointwise(std::int64_t n, const graph::features& f, activation act) const {
        cuda::kernels::pointwise k;
        k.type = type;
        k.n = n;
        set(k, f);
        k.act = act;
        k.multiprocessors = multiprocessors();
        return k;
    }

    pending_weights vector(device_weights& cache, const std::string& name, std::int64_t channels,
                           const folded& weights) const {
        return cache.get(*session_, name + " bias",
                         [channels, &weights] { return cuda::kernels::pack_bias(channels, weights.bias); });
    }
    template <class Kernel>
    pending_weights packed_weights(device_weights& cache, const std::string& name, const Kernel& k,
                                   const folded& weights) const {
        return cache.get(*session_, name, [name, k, &weights] {
            check_range(name, weights.weights,
                        std::same_as<Kernel, cuda::kernels::stem> ? cuda::element::float32 : type);
            return cuda::kernels::pack_weights(k, weights.weights);
        });
    }
    static std::size_t weights_of(const graph::convolution& c) {
        return static_cast<std::size_t>(c.output.channels * (c.input.channels / c.groups) * c.kernel * c.kernel);
    }

    /// Bytes of a product's weights and results.
    static std::size_t count(const graph::dense& d, std::int64_t n) {
        return static_cast<std::size_t>(d.inputs * d.outputs) * element_size(type) +
               static_cast<std::size_t>((n + 1) * d.outputs) * 4;
    }

    /// A step that launches a kernel; `fill` makes its parameters for a run.
    template <class Kernel, class Fill>
    planned_step launch(const Kernel& k, std::string what, std::size_t bytes, std::int64_t multiply_adds,
                        std::vector<pending_weights> weights, Fill fill) const {
        step_info info;
        info.operation = std::move(what);
        info.bytes = static_cast<std::int64_t>(bytes);
        info.multiply_adds = multiply_adds;
        return {step(make_kernel_operation(*session_, cuda::kernels::describe(k), std::move(info), std::move(weights),
                                           std::move(fill))),
                {},
                {},
                std::nullopt,
                std::nullopt};
    }

    planned_step plan_stem(std::int64_t n, const graph::convolution& c, const folded& weights, device_weights& cache,
                           const layout& input) const {
        cuda::kernels::stem k;
        k.type = type;
        k.n = n;
        set(k, c);
        k.output_channels = c.output.channels;
        k.act = c.act;
        k.multiprocessors = multiprocessors();
        const auto w = packed_weights(cache, c.weights + " stem", k, weights);
        const auto b = vector(cache, c.weights, c.output.channels, weights);
        planned_step result = launch(k, text(c), input.bytes() + weights_of(c) * 4 + map(n, c.output).bytes(),
                                     n * graph::count(c).multiply_adds, {w, b},
                                     [p = cuda::kernels::parameters(k), w, b](memory& m, const step_slots& s) {
                                         auto run = p;
                                         run.weights = address<float>(w);
                                         run.bias = address<float>(b);
                                         run.input = m.address(s.operands[0]);
                                         run.output = m.at(s.output);
                                         return run;
                                     });
        result.operands = {input};
        result.output = map(n, c.output);
        return result;
    }

    planned_step plan_depthwise(std::int64_t n, const graph::convolution& c, const folded& weights,
                                device_weights& cache, const layout& input, bool sums) const {
        const layout in = readable(input, n, c.input, true);
        cuda::kernels::depthwise k;
        k.type = type;
        k.n = n;
        set(k, c);
        k.input_act = in.pending;
        k.act = c.act;
        k.sums = sums;
        k.multiprocessors = multiprocessors();
        const auto w = packed_weights(cache, c.weights + " depthwise", k, weights);
        const auto b = vector(cache, c.weights, c.output.channels, weights);
        layout output = map(n, c.output);
        if (sums) output.rows = cuda::kernels::sum_rows(k);
        planned_step result = launch(
            k, text(c) + (sums ? ", sums" : ""),
            map(n, c.input).bytes() + weights_of(c) * element_size(type) + output.bytes(),
            n * graph::count(c).multiply_adds, {w, b},
            [p = cuda::kernels::parameters(k), w, b, offset = output.sums_offset()](memory& m, const step_slots& s) {
                auto run = p;
                run.weights = address<std::byte>(w);
                run.bias = address<float>(b);
                run.input = m.at(s.operands[0]);
                run.output = m.at(s.output);
                run.sums = reinterpret_cast<float*>(m.at(s.output) + offset);
                return run;
            });
        result.operands = {in};
        result.output = output;
        return result;
    }

    /// @param act  computed now; the rest of the convolution's activation is left to the reader
    planned_step plan_dense_convolution(std::int64_t n, graph::convolution c, activation act, const folded& weights,
                                        device_weights& cache, const std::vector<layout>& operands) const {
        const activation left = act == c.act ? activation::identity : c.act;
        c.act = act;
        const bool residual = operands.size() > 1;
        step_info info;
        info.operation = text(c) + (residual ? ", plus residual" : "");
        info.multiply_adds = n * graph::count(c).multiply_adds;
        info.bytes = static_cast<std::int64_t>(map(n, c.input).bytes() + weights_of(c) * element_size(type) +
                                               map(n, c.output).bytes() * (residual ? 2 : 1));
        auto op = std::make_shared<const convolution_operation>(*session_, type, n, c, weights, cache, residual,
                                                                std::move(info));
        layout workspace;
        workspace.kind = layout::form::bytes;
        workspace.size = std::make_shared<std::function<std::size_t()>>([op] { return op->workspace(); });
        layout output = map(n, c.output);
        output.pending = left;
        std::vector<layout> wanted = {readable(operands[0], n, c.input, false)};
        if (residual) wanted.push_back(readable(operands[1], n, c.output, false));
        return {step(op), std::move(wanted), output, workspace, std::nullopt};
    }

    planned_step convert(std::int64_t n, const layout& from, const layout& to) const {
        const graph::features& f = from.what;
        const std::size_t bytes = from.bytes() + to.bytes();
        if (from.kind == layout::form::map && to.kind == layout::form::map) {
            const cuda::kernels::pointwise k = pointwise(n, f, from.pending);
            return launch(k, "activation of " + text(f) + graph::act(from.pending), bytes, 0, {},
                          [p = cuda::kernels::parameters(k)](memory& m, const step_slots& s) {
                              auto run = p;
                              run.input = m.at(s.operands[0]);
                              run.output = m.at(s.output);
                              return run;
                          });
        }
        if (from.kind == layout::form::sums && to.kind == layout::form::edge) {
            cuda::kernels::mean k;
            k.n = n;
            k.channels = f.channels;
            k.rows = from.rows;
            k.pixels = from.pixels();
            return launch(k, "sums to means", bytes, 0, {},
                          [p = cuda::kernels::parameters(k)](memory& m, const step_slots& s) {
                              auto run = p;
                              run.input = m.address(s.operands[0]);
                              run.output = m.address(s.output);
                              return run;
                          });
        }
        if (from.kind == to.kind || from.pending != activation::identity)
            throw unsupported_error("conversion of " + text(f) + ": no kernel for it");
        cuda::kernels::convert k;
        k.type = type;
        k.n = n;
        set(k, f);
        k.to_map = to.kind == layout::form::map;
        return launch(k, std::string("conversion to ") + (k.to_map ? "channels last" : "N C H W"), bytes, 0, {},
                      [p = cuda::kernels::parameters(k)](memory& m, const step_slots& s) {
                          auto run = p;
                          run.input = m.at(s.operands[0]);
                          run.output = m.at(s.output);
                          return run;
                      });
    }

    std::shared_ptr<session> session_;
};

static_assert(gpunet::backend<backend<float>>);
static_assert(gpunet::backend<backend<half>>);
static_assert(gpunet::backend<backend<bfloat16>>);

} // namespace gpunet::cudnn

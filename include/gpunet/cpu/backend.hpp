// The backend that runs on the CPU, through oneDNN and kernels of our own, in float32 and, where a network is
// quantized, in int8.
#pragma once

#include <gpunet/cpu/byte_conversion.hpp>
#include <gpunet/cpu/jit.hpp>
#include <gpunet/cpu/layout.hpp>
#include <gpunet/cpu/memory.hpp>
#include <gpunet/cpu/operations.hpp>
#include <gpunet/cpu/packed.hpp>
#include <gpunet/cpu/step.hpp>
#include <gpunet/cpu/thread_team.hpp>
#include <gpunet/cpu/threads.hpp>
#include <gpunet/error.hpp>
#include <gpunet/graph/describe.hpp>
#include <gpunet/layers/backend.hpp>

#include <oneapi/dnnl/dnnl.hpp>

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gpunet::cpu {

/// How the CPU is used.
struct options {
    int threads = 0; // of one run; 0 means all cores
    cpu::format format = cpu::format::automatic;
};

/// A cheap value; copies share their threads.
class backend {
  public:
    using layout = cpu::layout;
    using step = cpu::step;
    using packed = cpu::packed;
    using memory = cpu::memory;
    using stopwatch = cpu::stopwatch;
    using planned_step = planned<step, layout>;

    explicit backend(const cpu::options& o = {})
        : engine_(dnnl::engine::kind::cpu, 0), threads_(o.threads > 0 ? o.threads : all_cores()), format_(o.format) {
        if (o.threads < 0) throw argument_error("threads: expected 0 or more, found " + std::to_string(o.threads));
        team_ = std::make_shared<const thread_team>(has_own() ? threads_ : 1);
    }

    /// "oneDNN 2.6.3"
    std::string name() const {
        const dnnl_version_t& v = *dnnl_version();
        return "oneDNN " + std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
    }
    int threads() const noexcept { return threads_; }
    /// Whether quantized networks run in int8 here; otherwise they do in float32.
    bool has_int8() const noexcept { return has_own() && jit::available_for_bytes(); }

    /// oneDNN divides the work of a primitive among threads when it plans it, and again when it runs it.
    struct planning_scope : thread_scope {
        explicit planning_scope(const backend& b) : thread_scope(b.openmp_, b.threads_) {}
    };
    struct running_scope : thread_scope {
        explicit running_scope(const memory& m) : thread_scope(m.runtime(), m.threads()) {}
    };

    layout edge_layout(std::int64_t batch, const graph::features& f) const {
        return layout(describe(dims(batch, f), dnnl::memory::format_tag::nchw));
    }
    memory make_memory(const memory_map<layout>& map, CUstream_st* = nullptr) const {
        return guarded("memory of a context", [&] { return memory(engine_, openmp_, threads_, team_, map); });
    }

    planned_step plan(std::int64_t batch, const graph::convolution& c, const folded& weights, packed& cache,
                      const std::vector<layout>& operands) const {
        const std::string what = text(c) + (operands.size() > 1 ? ", plus residual" : "");
        if (auto own = plan_own(what, batch, c, weights, cache, operands)) return std::move(*own);
        return guarded(what, [&] {
            auto residual = operands.size() > 1 ? std::optional(operands[1]) : std::nullopt;
            if (residual && residual->scale())
                residual = layout(describe(dims(batch, c.output), dnnl::memory::format_tag::nhwc));
            const auto pd = describe_convolution(engine_, batch, c, format_, residual);
            std::vector<int> arguments = {DNNL_ARG_SRC};
            if (residual) arguments.push_back(c.adds_last ? last_post_op(pd) : 0);
            auto result = make<dnnl::convolution_forward>(
                what, pd, std::move(arguments),
                {{DNNL_ARG_WEIGHTS,
                  cache.get(engine_, c.weights, weights.weights, plain_weights(c), pd.weights_desc())},
                 {DNNL_ARG_BIAS,
                  cache.get(engine_, c.weights + ".bias", weights.bias, pd.bias_desc(), pd.bias_desc())}});
            result.operands = {layout(pd.src_desc())};
            if (residual) {
                result.operands.push_back(*residual);
                if (!c.adds_last) result.in_place = 1;
            }
            return result;
        });
    }

    planned_step plan(std::int64_t batch, const graph::dense& d, const folded& weights, packed& cache,
                      const std::vector<layout>&) const {
        const std::string what = text(d);
        if (has_own())
            if (auto own = jit::make_operation(batch, d, weights, cache.own(), *team_))
                return own_step(what, std::move(own), {vector(batch, d.inputs)}, vector(batch, d.outputs));
        return guarded(what, [&] {
            using tag = dnnl::memory::format_tag;
            const auto pd = describe_dense(engine_, batch, d);
            std::vector<std::pair<int, dnnl::memory>> constants;
            const auto plain = describe({d.outputs, d.inputs}, tag::oi);
            constants.emplace_back(DNNL_ARG_WEIGHTS,
                                   cache.get(engine_, d.weights, weights.weights, plain, pd.weights_desc()));
            if (d.has_bias())
                constants.emplace_back(DNNL_ARG_BIAS, cache.get(engine_, d.weights + ".bias", weights.bias,
                                                                pd.bias_desc(), pd.bias_desc()));
            auto result = make<dnnl::inner_product_forward>(what, pd, {DNNL_ARG_SRC}, std::move(constants));
            result.operands = {plain_vector(batch, d.inputs)};
            result.output = plain_vector(batch, d.outputs);
            return result;
        });
    }

    planned_step plan(std::int64_t batch, const global_mean& m, const std::vector<layout>& operands) const {
        const std::string what = "mean of " + text(m.input);
        const layout means = vector(batch, m.input.channels);
        if (const auto scale = operands[0].scale())
            return own_step(what, jit::make_byte_mean(batch, m.input, *scale), operands, means);
        if (has_own() && operands[0] == blocks(batch, m.input))
            return own_step(what, jit::make_mean(batch, m.input), operands, means);
        return guarded(what, [&] {
            auto result =
                make<dnnl::pooling_forward>(what, describe_mean(engine_, batch, m.input, operands[0]), {DNNL_ARG_SRC});
            result.operands = operands;
            return result;
        });
    }

    planned_step plan(std::int64_t batch, const channel_gate& g, const std::vector<layout>& operands) const {
        const std::string what = "gate on " + text(g.input);
        if (const auto scale = operands[0].scale(); scale && g.output_scale) {
            auto result =
                own_step(what, jit::make_byte_gate(batch, g.input, *scale, *g.output_scale),
                         {operands[0], vector(batch, g.input.channels)}, bytes(batch, g.input, *g.output_scale));
            result.in_place = 0;
            return result;
        }
        if (has_own() && operands[0] == blocks(batch, g.input)) {
            auto result = own_step(what, jit::make_gate(batch, g.input), {operands[0], vector(batch, g.input.channels)},
                                   operands[0]);
            result.in_place = 0;
            return result;
        }
        return guarded(what, [&] {
            const auto pd = describe_gate(engine_, batch, g.input, operands[0]);
            auto result = make<dnnl::binary>(what, pd, {DNNL_ARG_SRC_0, DNNL_ARG_SRC_1});
            result.operands = {operands[0], layout(pd.src1_desc())};
            result.in_place = 0;
            return result;
        });
    }

    planned_step plan(std::int64_t, const conversion<layout>& c, const std::vector<layout>& operands) const {
        const std::string what = "conversion";
        if (const layout& from = operands[0]; from.scale() != c.to.scale()) {
            if (from.scale() && c.to.scale()) throw unsupported_error(what + " from one scale of bytes to another");
            const bool to_bytes = c.to.scale().has_value();
            const layout& floats = to_bytes ? from : c.to;
            const float scale = to_bytes ? *c.to.scale() : *from.scale();
            return own_step(what, std::make_shared<byte_conversion>(floats.descriptor(), scale, to_bytes), operands,
                            c.to);
        }
        if (const auto d = operands[0].descriptor().dims(); has_own() && d.size() == 4) {
            const graph::features f{d[1], {d[2], d[3]}};
            if (operands[0] == blocks(d[0], f) && c.to == edge_layout(d[0], f))
                return own_step(what, jit::make_plain(d[0], f), operands, c.to);
        }
        return guarded(what, [&] {
            const dnnl::reorder::primitive_desc pd(engine_, operands[0].descriptor(), engine_, c.to.descriptor(),
                                                   attributes());
            auto result = make<dnnl::reorder>(what, pd, {DNNL_ARG_SRC});
            result.operands = operands;
            return result;
        });
    }

  private:
    /// Whether kernels of our own are used.
    bool has_own() const noexcept { return format_ == format::automatic && jit::available(); }

    /// By a kernel of our own; nothing if there is none.
    std::optional<planned_step> plan_own(const std::string& what, std::int64_t batch, const graph::convolution& c,
                                         const folded& weights, packed& cache,
                                         const std::vector<layout>& operands) const {
        if (!has_own()) return std::nullopt;
        const bool residual = operands.size() > 1;
        layout input = jit::takes_plain_input(c) ? edge_layout(batch, c.input) : blocks(batch, c.input);
        layout output = blocks(batch, c.output);
        jit::number_format f;
        if (has_int8() && jit::has_byte_code(c, weights) && (!residual || operands[1].scale())) {
            f.output = jit::element::byte;
            f.output_scale = *weights.output_scale;
            output = bytes(batch, c.output, f.output_scale);
            if (residual) f.residual_scale = *operands[1].scale();
            if (weights.int8) {
                f.input = jit::element::byte;
                input = bytes(batch, c.input, weights.int8->input_scale);
            }
        }
        auto operation = jit::make_operation(batch, c, residual, weights, f, cache.own(), *team_);
        if (!operation) return std::nullopt;
        planned_step result = own_step(what, std::move(operation), {std::move(input)}, output);
        if (residual) {
            result.operands.push_back(operands[1].scale() && output.scale() ? operands[1] : output);
            // What is added last is the convolution's own input: in place it would have to be copied.
            if (!c.adds_last) result.in_place = 1;
        }
        return result;
    }

    planned_step own_step(const std::string& what, std::shared_ptr<const jit::operation> operation,
                          std::vector<layout> operands, layout output) const {
        const std::size_t workspace = operation->workspace();
        const step_info info{what, operation->name(), workspace};
        planned_step result{step(std::move(operation), info), std::move(operands), std::move(output), std::nullopt,
                            std::nullopt};
        if (workspace > 0) result.workspace = layout::of_bytes(static_cast<std::int64_t>(workspace));
        return result;
    }

    static layout bytes(std::int64_t batch, const graph::features& f, float scale) {
        return layout::of_bytes(jit::map_bytes(batch, f, jit::element::byte), scale);
    }

    static layout blocks(std::int64_t batch, const graph::features& f) {
        return layout(describe(dims(batch, f), dnnl::memory::format_tag::nChw16c));
    }

    /// The argument of the last operation after a primitive's own.
    template <class Descriptor>
    static int last_post_op(const Descriptor& pd) {
        return DNNL_ARG_ATTR_MULTIPLE_POST_OP(pd.get_primitive_attr().get_post_ops().len() - 1) | DNNL_ARG_SRC_1;
    }

    /// Vectors travel as N, C, 1, 1.
    layout vector(std::int64_t batch, std::int64_t channels) const {
        return has_own() ? blocks(batch, {channels, {1, 1}}) : plain_vector(batch, channels);
    }
    static layout plain_vector(std::int64_t batch, std::int64_t channels) {
        return layout(describe({batch, channels, 1, 1}, dnnl::memory::format_tag::nhwc));
    }

    template <class Primitive, class Descriptor>
    planned_step make(const std::string& what, const Descriptor& pd, std::vector<int> operands,
                      std::vector<std::pair<int, dnnl::memory>> constants = {}) const {
        const auto scratchpad = pd.scratchpad_desc();
        const std::size_t workspace = scratchpad.get_size();
        return {step(Primitive(pd), {what, pd.impl_info_str(), workspace}, std::move(operands), std::move(constants)),
                {},
                layout(pd.dst_desc()),
                workspace ? std::optional(layout(scratchpad)) : std::nullopt,
                std::nullopt};
    }

    /// What call() returns, oneDNN's errors as ours.
    template <class Call>
    std::invoke_result_t<Call&> guarded(const std::string& what, Call&& call) const {
        try {
            return call();
        } catch (const dnnl::error& e) {
            if (e.status == dnnl_out_of_memory) throw std::bad_alloc();
            throw unsupported_error(what + ": " + name() + " has no implementation (" + e.what() + ")");
        }
    }

    dnnl::engine engine_;
    openmp openmp_;
    int threads_;
    cpu::format format_;
    std::shared_ptr<const thread_team> team_;
};

static_assert(gpunet::backend<backend>);

} // namespace gpunet::cpu

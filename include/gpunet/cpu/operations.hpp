// The operations of the layer primitives as oneDNN primitive descriptors. Nothing here runs anything.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/cpu/layout.hpp>
#include <gpunet/graph/network.hpp>

#include <oneapi/dnnl/dnnl.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace gpunet::cpu {

/// Which memory format feature maps have: what suits each operation, kernels of our own included, or one for all and
/// oneDNN alone.
enum class format : std::uint8_t { automatic, channels_last, blocked };

inline dnnl::memory::format_tag tag_of(format f) noexcept {
    using tag = dnnl::memory::format_tag;
    if (f == format::automatic) return tag::any;
    if (f == format::channels_last) return tag::nhwc;
    // The block is a vector register of floats.
    return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core ? tag::nChw16c : tag::nChw8c;
}

inline void append(dnnl::post_ops& ops, activation a) {
    using algorithm = dnnl::algorithm;
    switch (a) {
    case activation::identity: return;
    case activation::relu: return ops.append_eltwise(1.0F, algorithm::eltwise_relu, 0.0F, 0.0F);
    case activation::relu6: return ops.append_eltwise(1.0F, algorithm::eltwise_clip, 0.0F, 6.0F);
    case activation::swish: return ops.append_eltwise(1.0F, algorithm::eltwise_swish, 1.0F, 0.0F);
    case activation::hard_swish: return ops.append_eltwise(1.0F, algorithm::eltwise_hardswish, 0.0F, 0.0F);
    case activation::sigmoid: return ops.append_eltwise(1.0F, algorithm::eltwise_logistic, 0.0F, 0.0F);
    case activation::hard_sigmoid:
        ops.append_eltwise(1.0F, algorithm::eltwise_linear, 1.0F / 6.0F, 0.5F);
        return ops.append_eltwise(1.0F, algorithm::eltwise_clip, 0.0F, 1.0F);
    case activation::gelu: return ops.append_eltwise(1.0F, algorithm::eltwise_gelu_erf, 0.0F, 0.0F);
    }
}

/// The caller gives the workspace; float32 means float32.
inline dnnl::primitive_attr attributes() {
    dnnl::primitive_attr a;
    a.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    a.set_fpmath_mode(dnnl::fpmath_mode::strict);
    return a;
}

inline dnnl::memory::desc plain_weights(const graph::convolution& c) {
    using tag = dnnl::memory::format_tag;
    const auto in = c.input.channels / c.groups, out = c.output.channels / c.groups;
    if (c.groups == 1) return describe({out, in, c.kernel, c.kernel}, tag::oihw);
    return describe({c.groups, out, in, c.kernel, c.kernel}, tag::goihw);
}

/// @param residual  the layout of a value to add: in place, or where c.adds_last an argument of the last post-op
inline dnnl::convolution_forward::primitive_desc describe_convolution(const dnnl::engine& engine, std::int64_t batch,
                                                                      const graph::convolution& c, format f,
                                                                      const std::optional<layout>& residual) {
    using tag = dnnl::memory::format_tag;
    const auto any = [](const dnnl::memory::desc& d) { return describe(d.dims(), tag::any); };
    // A stem's few channels fit no block: oneDNN chooses for it.
    const bool stem = c.input.channels < 8;
    // Whoever adds a residual last adds its own input; in one format for both, and not as a sum, which oneDNN's fast
    // convolutions have before the activation only.
    const bool adds_last = residual && c.adds_last;
    const auto input = adds_last ? residual->descriptor() : describe(dims(batch, c.input), stem ? tag::any : tag_of(f));
    const auto output = residual ? residual->descriptor() : describe(dims(batch, c.output), tag_of(f));
    const dnnl::convolution_forward::desc description(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, input, any(plain_weights(c)),
        describe({c.output.channels}, tag::x), output, {c.stride, c.stride}, {c.padding.top, c.padding.left},
        {c.padding.bottom, c.padding.right});
    dnnl::post_ops ops;
    if (residual && !adds_last) ops.append_sum(1.0F);
    append(ops, c.act);
    if (adds_last) ops.append_binary(dnnl::algorithm::binary_add, residual->descriptor());
    dnnl::primitive_attr a = attributes();
    a.set_post_ops(ops);
    return {description, a, engine};
}

inline dnnl::inner_product_forward::primitive_desc describe_dense(const dnnl::engine& engine, std::int64_t batch,
                                                                  const graph::dense& d) {
    using tag = dnnl::memory::format_tag;
    using product = dnnl::inner_product_forward;
    const auto input = describe({batch, d.inputs}, tag::nc), output = describe({batch, d.outputs}, tag::nc);
    const auto weights = describe({d.outputs, d.inputs}, tag::any);
    const auto inference = dnnl::prop_kind::forward_inference;
    const product::desc description =
        d.has_bias() ? product::desc(inference, input, weights, describe({d.outputs}, tag::x), output)
                     : product::desc(inference, input, weights, output);
    dnnl::post_ops ops;
    append(ops, d.act);
    dnnl::primitive_attr a = attributes();
    a.set_post_ops(ops);
    return {description, a, engine};
}

inline dnnl::pooling_forward::primitive_desc describe_mean(const dnnl::engine& engine, std::int64_t batch,
                                                           const graph::features& f, const layout& input) {
    const auto& d = input.descriptor();
    return {{dnnl::prop_kind::forward_inference,
             dnnl::algorithm::pooling_avg_exclude_padding,
             d,
             vector_like(batch, f.channels, d),
             {1, 1},
             {f.size.height, f.size.width},
             {0, 0},
             {0, 0}},
            attributes(),
            engine};
}

inline dnnl::binary::primitive_desc describe_gate(const dnnl::engine& engine, std::int64_t batch,
                                                  const graph::features& f, const layout& input) {
    const auto& d = input.descriptor();
    return {{dnnl::algorithm::binary_mul, d, vector_like(batch, f.channels, d), d}, attributes(), engine};
}

} // namespace gpunet::cpu

// Runs a graph on memory. Every value is float32 between operations, rounded to its tensor's type after each; products
// are accumulated in float32.
#pragma once

#include "graph.hpp"
#include "product.hpp"

#include <gpunet/float16.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace gpunet_fake::cudnn {

/// A tensor's numbers without gaps, its dimensions in the order `order`: channels last.
struct value {
    dimensions dims; // in that order
    std::vector<float> numbers;
};

inline std::vector<std::size_t> order(std::size_t rank) {
    if (rank == 4) return {0, 2, 3, 1};
    std::vector<std::size_t> natural(rank);
    for (std::size_t i = 0; i < rank; ++i) natural[i] = i;
    return natural;
}

inline dimensions ordered(const dimensions& d) {
    dimensions result;
    for (const std::size_t i : order(d.size())) result.push_back(d[i]);
    return result;
}

/// Calls f(offset in the tensor's memory, offset in the value, length, stride) for each run along the last dimension.
template <class F>
void for_each_run(const tensor& t, F&& f) {
    const dimensions dims = ordered(t.dims), strides = ordered(t.strides);
    const std::size_t last = dims.size() - 1;
    dimensions at(dims.size(), 0);
    for (std::int64_t done = 0, all = count(dims); done < all; done += dims[last]) {
        std::int64_t offset = 0;
        for (std::size_t i = 0; i < last; ++i) offset += at[i] * strides[i];
        f(offset, done, dims[last], strides[last]);
        for (std::size_t i = last; i-- > 0;) {
            if (++at[i] < dims[i]) break;
            at[i] = 0;
        }
    }
}

template <class F>
void with_type(cudnnDataType_t type, F&& f) {
    if (type == CUDNN_DATA_FLOAT) f(float());
    if (type == CUDNN_DATA_HALF) f(gpunet::half());
    if (type == CUDNN_DATA_BFLOAT16) f(gpunet::bfloat16());
}

inline value load(const tensor& t, const void* memory) {
    value v{ordered(t.dims), std::vector<float>(static_cast<std::size_t>(count(t.dims)))};
    with_type(t.type, [&]<class T>(T) {
        const auto* const from = static_cast<const T*>(memory);
        for_each_run(t, [&](std::int64_t offset, std::int64_t at, std::int64_t length, std::int64_t stride) {
            for (std::int64_t i = 0; i < length; ++i)
                v.numbers[static_cast<std::size_t>(at + i)] = static_cast<float>(from[offset + i * stride]);
        });
    });
    return v;
}

inline void store(const tensor& t, const value& v, void* memory) {
    with_type(t.type, [&]<class T>(T) {
        auto* const to = static_cast<T*>(memory);
        for_each_run(t, [&](std::int64_t offset, std::int64_t at, std::int64_t length, std::int64_t stride) {
            for (std::int64_t i = 0; i < length; ++i)
                to[offset + i * stride] = static_cast<T>(v.numbers[static_cast<std::size_t>(at + i)]);
        });
    });
}

inline void round_to(cudnnDataType_t type, value& v) {
    with_type(type, [&]<class T>(T) {
        if constexpr (!std::is_same_v<T, float>)
            for (float& x : v.numbers) x = static_cast<float>(static_cast<T>(x));
    });
}

/// What tensor cores make of float32: 10 bits of fraction, to nearest.
inline void round_to_tf32(value& v) {
    for (float& x : v.numbers)
        if (std::isfinite(x)) x = std::bit_cast<float>((std::bit_cast<std::uint32_t>(x) + 0x1000U) & 0xFFFFE000U);
}

inline float apply(const pointwise& p, float x) {
    const auto as_float = [](double v) { return static_cast<float>(v); };
    switch (p.mode) {
    case CUDNN_POINTWISE_IDENTITY: return x;
    case CUDNN_POINTWISE_RELU_FWD: {
        const float lower = as_float(p.lower),
                    upper = as_float(std::min<double>(p.upper, std::numeric_limits<float>::max()));
        if (std::isnan(x)) return x;
        return x < lower ? lower + as_float(p.slope) * (x - lower) : std::min(x, upper);
    }
    case CUDNN_POINTWISE_TANH_FWD: return std::tanh(x);
    case CUDNN_POINTWISE_SIGMOID_FWD: return 1.0F / (1.0F + std::exp(-x));
    case CUDNN_POINTWISE_ELU_FWD: return x > 0 ? x : as_float(p.elu_alpha) * std::expm1(x);
    case CUDNN_POINTWISE_GELU_FWD: return 0.5F * x * (1.0F + std::erf(x * 0.70710678F));
    case CUDNN_POINTWISE_GELU_APPROX_TANH_FWD:
        return 0.5F * x * (1.0F + std::tanh(0.79788456F * (x + 0.044715F * x * x * x)));
    case CUDNN_POINTWISE_SOFTPLUS_FWD:
        return as_float(std::log1p(std::exp(p.softplus_beta * static_cast<double>(x))) / p.softplus_beta);
    case CUDNN_POINTWISE_SWISH_FWD: return x / (1.0F + std::exp(-as_float(p.swish_beta) * x));
    case CUDNN_POINTWISE_ABS: return std::fabs(x);
    case CUDNN_POINTWISE_CEIL: return std::ceil(x);
    case CUDNN_POINTWISE_COS: return std::cos(x);
    case CUDNN_POINTWISE_EXP: return std::exp(x);
    case CUDNN_POINTWISE_FLOOR: return std::floor(x);
    case CUDNN_POINTWISE_LOG: return std::log(x);
    case CUDNN_POINTWISE_NEG: return -x;
    case CUDNN_POINTWISE_RSQRT: return 1.0F / std::sqrt(x);
    case CUDNN_POINTWISE_SIN: return std::sin(x);
    case CUDNN_POINTWISE_SQRT: return std::sqrt(x);
    case CUDNN_POINTWISE_TAN: return std::tan(x);
    case CUDNN_POINTWISE_ERF: return std::erf(x);
    case CUDNN_POINTWISE_RECIPROCAL: return 1.0F / x;
    default: throw std::runtime_error("pointwise mode " + std::to_string(p.mode));
    }
}

/// result[i] = f(x[i], b[i]), both repeated where their extent is 1.
template <class F>
void zip(const dimensions& dims, const value& x, const value& b, value& result, F f) {
    const std::size_t last = dims.size() - 1;
    const auto strides = [&](const value& v) {
        dimensions s(dims.size(), 0);
        std::int64_t step = 1;
        for (std::size_t i = dims.size(); i-- > 0;) {
            s[i] = v.dims[i] == 1 ? 0 : step;
            step *= v.dims[i];
        }
        return s;
    };
    const dimensions xs = strides(x), bs = strides(b);
    dimensions at(dims.size(), 0);
    for (std::int64_t done = 0, all = count(dims); done < all; done += dims[last]) {
        std::int64_t xo = 0, bo = 0;
        for (std::size_t i = 0; i < last; ++i) xo += at[i] * xs[i], bo += at[i] * bs[i];
        const float *px = x.numbers.data() + xo, *pb = b.numbers.data() + bo;
        float* to = result.numbers.data() + done;
        for (std::int64_t i = 0; i < dims[last]; ++i) to[i] = f(px[i * xs[last]], pb[i * bs[last]]);
        for (std::size_t i = last; i-- > 0;) {
            if (++at[i] < dims[i]) break;
            at[i] = 0;
        }
    }
}

inline value empty_like(const tensor& t) {
    return {ordered(t.dims), std::vector<float>(static_cast<std::size_t>(count(t.dims)))};
}

inline value run_pointwise(const operation& o, const tensor& y, const value& x, const value* b) {
    value r = empty_like(y);
    const dimensions dims = r.dims;
    const auto a1 = static_cast<float>(o.alpha), a2 = static_cast<float>(o.beta);
    if (!b) {
        zip(dims, x, x, r, [&](float v, float) { return apply(o.point, a1 * v); });
        return r;
    }
    const auto both = [&](auto f) { zip(dims, x, *b, r, [&](float v, float w) { return f(a1 * v, a2 * w); }); };
    switch (o.point.mode) {
    case CUDNN_POINTWISE_ADD: both([](float v, float w) { return v + w; }); break;
    case CUDNN_POINTWISE_MUL: both([](float v, float w) { return v * w; }); break;
    case CUDNN_POINTWISE_SUB: both([](float v, float w) { return v - w; }); break;
    case CUDNN_POINTWISE_DIV: both([](float v, float w) { return v / w; }); break;
    case CUDNN_POINTWISE_MIN: both([](float v, float w) { return std::min(v, w); }); break;
    case CUDNN_POINTWISE_MAX: both([](float v, float w) { return std::max(v, w); }); break;
    case CUDNN_POINTWISE_POW: both([](float v, float w) { return std::pow(v, w); }); break;
    case CUDNN_POINTWISE_MOD: both([](float v, float w) { return std::fmod(v, w); }); break;
    case CUDNN_POINTWISE_ADD_SQUARE: both([](float v, float w) { return v + w * w; }); break;
    default: throw std::runtime_error("pointwise mode " + std::to_string(o.point.mode));
    }
    return r;
}

inline value run_reduction(const operation& o, const tensor& y, const value& x) {
    const bool maximum = o.reduce == CUDNN_REDUCE_TENSOR_MAX, minimum = o.reduce == CUDNN_REDUCE_TENSOR_MIN;
    value r = empty_like(y);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    std::fill(r.numbers.begin(), r.numbers.end(), maximum ? -infinity : minimum ? infinity : 0.0F);
    dimensions at(x.dims.size(), 0);
    for (const float v : x.numbers) {
        std::int64_t to = 0;
        for (std::size_t i = 0; i < at.size(); ++i) to = to * r.dims[i] + (r.dims[i] == 1 ? 0 : at[i]);
        float& sum = r.numbers[static_cast<std::size_t>(to)];
        sum = maximum ? std::max(sum, v) : minimum ? std::min(sum, v) : sum + v;
        for (std::size_t i = at.size(); i-- > 0;) {
            if (++at[i] < x.dims[i]) break;
            at[i] = 0;
        }
    }
    return r;
}

inline value run_resample(const operation& o, const tensor& y, const value& x) {
    value r = empty_like(y);
    const window& p = o.pool;
    const std::int64_t h = x.dims[1], w = x.dims[2], c = x.dims[3];
    const bool maximum = p.mode == CUDNN_RESAMPLE_MAXPOOL;
    std::size_t to = 0;
    for (std::int64_t n = 0; n < r.dims[0]; ++n)
        for (std::int64_t oh = 0; oh < r.dims[1]; ++oh)
            for (std::int64_t ow = 0; ow < r.dims[2]; ++ow)
                for (std::int64_t k = 0; k < c; ++k) {
                    float sum = maximum ? -std::numeric_limits<float>::infinity() : 0.0F;
                    std::int64_t inside = 0;
                    for (std::int64_t i = 0; i < p.extent[0]; ++i)
                        for (std::int64_t j = 0; j < p.extent[1]; ++j) {
                            const std::int64_t ih = oh * p.strides[0] - p.before[0] + i,
                                               iw = ow * p.strides[1] - p.before[1] + j;
                            if (ih < 0 || ih >= h || iw < 0 || iw >= w) continue;
                            const float v = x.numbers[static_cast<std::size_t>(((n * h + ih) * w + iw) * c + k)];
                            sum = maximum ? std::max(sum, v) : sum + v;
                            ++inside;
                        }
                    const std::int64_t of = p.mode == CUDNN_RESAMPLE_AVGPOOL_EXCLUDE_PADDING
                                                ? std::max<std::int64_t>(inside, 1)
                                                : p.extent[0] * p.extent[1];
                    r.numbers[to++] = maximum ? sum : sum / static_cast<float>(of);
                }
    return r;
}

/// @param bound  memory of each tensor that is not virtual; of those by value, the value
/// @param tf32   round float32 factors of products as tensor cores do
inline void run(const graph& g, const std::map<std::int64_t, void*>& bound, bool tf32) {
    std::map<std::int64_t, value> values;
    const auto get = [&](std::int64_t uid) -> const value& {
        const auto found = values.find(uid);
        return found != values.end() ? found->second
                                     : values.emplace(uid, load(g.at(uid), bound.at(uid))).first->second;
    };
    const auto factor = [&](std::int64_t uid) {
        value v = get(uid);
        if (tf32 && g.at(uid).type == CUDNN_DATA_FLOAT) round_to_tf32(v);
        return v;
    };
    std::vector<std::int64_t> results;
    for (const operation& o : g.operations) {
        const tensor& y = g.at(o.y);
        value r;
        switch (o.what) {
        case kind::convolution: {
            const value x = factor(o.x), w = factor(*o.b);
            r = empty_like(y);
            const dimensions &xd = x.dims, &wd = w.dims, &yd = r.dims;
            convolve({xd[0], xd[1], xd[2], xd[3], yd[3], yd[1], yd[2], wd[1], wd[2], o.conv.strides[0],
                      o.conv.strides[1], o.conv.dilations[0], o.conv.dilations[1], o.conv.before[0], o.conv.before[1],
                      xd[3] / wd[3], o.conv.flipped},
                     x.numbers.data(), w.numbers.data(), r.numbers.data());
            break;
        }
        case kind::matmul: {
            const value a = factor(o.x), b = factor(*o.b);
            r = empty_like(y);
            const std::int64_t m = r.dims[1], n = r.dims[2], k = a.dims[2];
            for (std::int64_t i = 0; i < r.dims[0]; ++i)
                multiply_add(m, n, k, a.numbers.data() + (a.dims[0] == 1 ? 0 : i * m * k), k,
                             b.numbers.data() + (b.dims[0] == 1 ? 0 : i * k * n), n, r.numbers.data() + i * m * n, n);
            break;
        }
        case kind::pointwise: r = run_pointwise(o, y, get(o.x), o.b ? &get(*o.b) : nullptr); break;
        case kind::reduction: r = run_reduction(o, y, get(o.x)); break;
        case kind::resample: r = run_resample(o, y, get(o.x)); break;
        }
        round_to(y.type, r);
        values[o.y] = std::move(r);
        if (!y.is_virtual) results.push_back(o.y);
    }
    for (const std::int64_t uid : results) store(g.at(uid), values.at(uid), bound.at(uid));
}

} // namespace gpunet_fake::cudnn

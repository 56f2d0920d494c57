// A graph in words, and which engines take it.
#pragma once

#include "graph.hpp"

#include <algorithm>
#include <array>

namespace gpunet_fake::cudnn {

inline std::string joined(const dimensions& d, char between = 'x') {
    std::string text;
    for (const std::int64_t e : d) text += (text.empty() ? "" : std::string(1, between)) + std::to_string(e);
    return text;
}

inline std::string name_of(cudnnPointwiseMode_t mode) {
    switch (mode) {
    case CUDNN_POINTWISE_ADD: return "add";
    case CUDNN_POINTWISE_MUL: return "mul";
    case CUDNN_POINTWISE_RELU_FWD: return "relu";
    case CUDNN_POINTWISE_SWISH_FWD: return "swish";
    case CUDNN_POINTWISE_SIGMOID_FWD: return "sigmoid";
    case CUDNN_POINTWISE_GELU_FWD: return "gelu";
    case CUDNN_POINTWISE_TANH_FWD: return "tanh";
    case CUDNN_POINTWISE_IDENTITY: return "identity";
    case CUDNN_POINTWISE_MIN: return "min";
    case CUDNN_POINTWISE_MAX: return "max";
    default: return "pointwise" + std::to_string(mode);
    }
}

/// What a pointwise operation does, by the shape of its second operand.
inline std::string role_of(const graph& g, const operation& o) {
    if (!o.b) return o.point.mode == CUDNN_POINTWISE_RELU_FWD && o.point.upper < 1e30 ? "clip" : name_of(o.point.mode);
    const tensor &b = g.at(*o.b), &y = g.at(o.y);
    if (b.by_value || (count(b.dims) == 1 && count(y.dims) > 1)) return name_of(o.point.mode) + "-scalar";
    if (b.is_virtual) return name_of(o.point.mode);
    const bool repeated = b.dims != y.dims;
    if (o.point.mode == CUDNN_POINTWISE_ADD) {
        if (repeated) return "bias";
        // Of one pixel of one picture, bias and residual look alike: the residual is the one before another sum.
        const std::size_t channel = y.dims.size() == 3 ? 2 : 1;
        if (count(b.dims) != b.dims[channel]) return "residual";
        const bool another = std::any_of(g.operations.begin(), g.operations.end(), [&](const operation& other) {
            return other.what == kind::pointwise && other.point.mode == CUDNN_POINTWISE_ADD && other.x == o.y &&
                   other.b && !g.at(*other.b).by_value;
        });
        return another ? "residual" : "bias";
    }
    return o.point.mode == CUDNN_POINTWISE_MUL && repeated ? "gate" : name_of(o.point.mode);
}

inline std::string describe(const graph& g) {
    std::string text, rest;
    for (const operation& o : g.operations) {
        const tensor &x = g.at(o.x), &y = g.at(o.y);
        switch (o.what) {
        case kind::convolution: {
            const tensor& w = g.at(*o.b);
            text += "conv " + std::string(name_of(w.type)) + " n=" + std::to_string(x.dims[0]) +
                    " x=" + joined(x.dims) + " w=" + joined(w.dims) + " stride=" + joined(o.conv.strides) +
                    " padding=" + std::to_string(o.conv.before[0]) + "," + std::to_string(o.conv.after[0]) + "," +
                    std::to_string(o.conv.before[1]) + "," + std::to_string(o.conv.after[1]) +
                    " groups=" + std::to_string(x.dims[1] / w.dims[1]);
            break;
        }
        case kind::matmul:
            text += "matmul " + std::string(name_of(g.at(*o.b).type)) + " n=" + std::to_string(y.dims[0]) +
                    " x=" + joined(x.dims) + " w=" + joined(g.at(*o.b).dims);
            break;
        case kind::reduction: rest += " reduce"; break;
        case kind::resample: rest += " pool"; break;
        case kind::pointwise: rest += " " + role_of(g, o); break;
        }
    }
    if (text.empty()) text = std::string("pointwise ") + name_of(g.at(g.operations.front().y).type);
    return text + rest;
}

struct engine {
    std::int64_t index = 0;
    std::vector<cudnnBackendNumericalNote_t> numerical;
    std::vector<cudnnBackendBehaviorNote_t> behaviour;

    bool runtime_compiled() const {
        return std::find(behaviour.begin(), behaviour.end(), CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) !=
               behaviour.end();
    }
    bool tensor_cores() const {
        return std::find(numerical.begin(), numerical.end(), CUDNN_NUMERICAL_NOTE_TENSOR_CORE) != numerical.end();
    }
};

/// 1: precompiled. 2: compiled at run time. 3: the same without tensor cores. 4: precompiled without tensor cores.
inline engine engine_of(std::int64_t index) {
    const std::vector<cudnnBackendNumericalNote_t> fast = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, exact = {};
    const std::vector<cudnnBackendBehaviorNote_t> compiled = {CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION,
                                                              CUDNN_BEHAVIOR_NOTE_SUPPORTS_CUDA_GRAPH_NATIVE_API},
                                                  ready = {};
    switch (index) {
    case 1: return {1, fast, ready};
    case 2: return {2, fast, compiled};
    case 3: return {3, exact, compiled};
    case 4: return {4, exact, ready};
    default: throw refusal(CUDNN_STATUS_NOT_SUPPORTED, "engine " + std::to_string(index));
    }
}

/// Whether a precompiled engine takes it: one product, then at most residual, bias, relu, in this order.
inline bool is_precompiled(const graph& g) {
    std::size_t stage = 0;
    for (const operation& o : g.operations) {
        const std::string role = o.what == kind::pointwise     ? role_of(g, o)
                                 : o.what == kind::convolution ? "product"
                                                               : "other";
        constexpr std::array<const char*, 4> order = {"product", "residual", "bias", "relu"};
        while (stage < order.size() && role != order[stage]) ++stage;
        if (stage == order.size()) return role == "identity" && &o == &g.operations.back();
        ++stage;
    }
    return true;
}

/// The engines of a heuristics mode, best first; as cuDNN 9.19 was seen to offer them.
inline std::vector<engine> engines(const graph& g, cudnnBackendHeurMode_t mode) {
    int products = 0;
    for (const operation& o : g.operations) {
        const tensor& y = g.at(o.y);
        if (o.what == kind::convolution || o.what == kind::matmul) ++products;
        if (o.what == kind::reduction && (o.reduce != CUDNN_REDUCE_TENSOR_ADD || g.at(o.x).dims[0] != 1)) return {};
        if (o.what == kind::pointwise && y.dims.size() == 4 && y.dims[0] > 1 && role_of(g, o) == "gate" &&
            g.operations.size() == 1)
            return {};
        if (o.what == kind::convolution) {
            const bool depthwise = g.at(*o.b).dims[1] == 1 && g.at(o.x).dims[1] > 1;
            if (depthwise && g.at(*o.b).type == CUDNN_DATA_BFLOAT16 && !is_precompiled(g)) return {};
        }
    }
    if (products > 1) return {};
    const bool precompiled = is_precompiled(g);
    bool single = false;
    for (const auto& [uid, t] : g.tensors)
        single = single || (!t.is_virtual && !t.by_value && t.type == CUDNN_DATA_FLOAT && uid == g.operations.back().y);
    if (mode == CUDNN_HEUR_MODE_FALLBACK) return {engine_of(3)};
    std::vector<engine> all;
    if (precompiled) all.push_back(engine_of(1));
    all.push_back(engine_of(2));
    if (precompiled && single) all.push_back(engine_of(4));
    return all;
}

/// Bytes an engine wants beside the tensors. Never round numbers.
inline std::int64_t workspace_of(const graph& g, const engine& e) {
    std::int64_t filters = 0, pixels = 1;
    for (const operation& o : g.operations)
        if (o.what == kind::convolution) {
            filters = g.at(*o.b).dims[0];
            pixels = g.at(*o.b).dims[2] * g.at(*o.b).dims[3];
        }
    if (!e.runtime_compiled()) return pixels > 1 ? 4096 + 20 * filters : 0;
    return e.index == 2 ? 16 + 4 * filters : 0;
}

/// Why the plan of a listed engine does not finalise all the same; empty where it does.
inline std::string plan_problem(const graph& g) {
    for (const operation& o : g.operations)
        if (o.what == kind::convolution && g.at(o.x).is_virtual && g.at(o.x).dims[0] > 1)
            return "a convolution of a computed input, of more than one picture";
    return "";
}

} // namespace gpunet_fake::cudnn

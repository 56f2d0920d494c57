// A graph of operations as the fake cuDNN understands it.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace gpunet_fake::cudnn {

/// A call that must fail.
struct refusal : std::runtime_error {
    cudnnStatus_t status;
    refusal(cudnnStatus_t s, const std::string& why) : std::runtime_error(why), status(s) {}
};

inline void need(bool holds, cudnnStatus_t status, const std::string& why) {
    if (!holds) throw refusal(status, why);
}

using dimensions = std::vector<std::int64_t>;

inline std::int64_t count(const dimensions& d) {
    std::int64_t n = 1;
    for (const std::int64_t e : d) n *= e;
    return n;
}

struct tensor {
    std::int64_t uid = 0;
    cudnnDataType_t type = CUDNN_DATA_FLOAT;
    dimensions dims, strides;
    std::int64_t alignment = 16;
    bool is_virtual = false, by_value = false;

    friend bool operator==(const tensor&, const tensor&) = default;
};

inline std::size_t size_of(cudnnDataType_t type) {
    switch (type) {
    case CUDNN_DATA_FLOAT: return 4;
    case CUDNN_DATA_HALF:
    case CUDNN_DATA_BFLOAT16: return 2;
    default: throw refusal(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "data type " + std::to_string(type));
    }
}

/// From its first to its last element.
inline std::size_t extent(const tensor& t) {
    std::int64_t last = 0;
    for (std::size_t i = 0; i < t.dims.size(); ++i) last += (t.dims[i] - 1) * t.strides[i];
    return static_cast<std::size_t>(last + 1) * size_of(t.type);
}

inline const char* name_of(cudnnDataType_t type) {
    return type == CUDNN_DATA_FLOAT ? "float" : type == CUDNN_DATA_HALF ? "half" : "bfloat16";
}

struct convolution {
    dimensions strides, dilations, before, after; // of the spatial dimensions
    bool flipped = false;
};

struct pointwise {
    cudnnPointwiseMode_t mode = CUDNN_POINTWISE_IDENTITY;
    double lower = 0, upper = 3.4028234663852886e38, slope = 0, elu_alpha = 1, softplus_beta = 1, swish_beta = 1;
};

struct window {
    cudnnResampleMode_t mode = CUDNN_RESAMPLE_AVGPOOL;
    dimensions extent, strides, before, after;
};

enum class kind { convolution, pointwise, matmul, reduction, resample };

struct operation {
    kind what = kind::pointwise;
    std::int64_t x = 0, y = 0;
    std::optional<std::int64_t> b, t; // second operand (or filter), third
    double alpha = 1, beta = 0;       // of x and b in a pointwise operation
    convolution conv;
    pointwise point;
    cudnnReduceTensorOp_t reduce = CUDNN_REDUCE_TENSOR_ADD;
    window pool;
};

struct graph {
    std::map<std::int64_t, tensor> tensors;
    std::vector<operation> operations; // each after those whose results it takes

    const tensor& at(std::int64_t uid) const { return tensors.at(uid); }
};

inline bool is_unary(cudnnPointwiseMode_t m) {
    return (m >= CUDNN_POINTWISE_ABS && m <= CUDNN_POINTWISE_RECIPROCAL) || m == CUDNN_POINTWISE_SQRT ||
           (m >= CUDNN_POINTWISE_RELU_FWD && m <= CUDNN_POINTWISE_GELU_APPROX_TANH_FWD);
}

/// Puts the operations in order. @throws refusal where a virtual tensor has no source, or two
inline void sort(graph& g) {
    std::map<std::int64_t, int> made;
    for (const operation& o : g.operations)
        need(++made[o.y] == 1, CUDNN_STATUS_BAD_PARAM, "tensor " + std::to_string(o.y) + " is written twice");
    std::vector<operation> left = std::move(g.operations);
    g.operations.clear();
    std::map<std::int64_t, bool> ready;
    const auto is_ready = [&](std::int64_t uid) { return !made.contains(uid) || ready[uid]; };
    while (!left.empty()) {
        bool moved = false;
        for (auto o = left.begin(); o != left.end();) {
            if (!is_ready(o->x) || (o->b && !is_ready(*o->b)) || (o->t && !is_ready(*o->t))) {
                ++o;
                continue;
            }
            ready[o->y] = moved = true;
            g.operations.push_back(*o);
            o = left.erase(o);
        }
        need(moved, CUDNN_STATUS_BAD_PARAM, "the operations form a circle");
    }
    for (const auto& [uid, t] : g.tensors)
        need(!t.is_virtual || made.contains(uid), CUDNN_STATUS_BAD_PARAM,
             "virtual tensor " + std::to_string(uid) + " comes from nowhere");
}

} // namespace gpunet_fake::cudnn

// The shapes an operation demands.
#pragma once

#include "graph.hpp"

namespace gpunet_fake::cudnn {

inline void validate_convolution(const graph& g, const operation& o) {
    const tensor &x = g.at(o.x), &w = g.at(*o.b), &y = g.at(o.y);
    const auto shape = [](bool holds, const char* why) { need(holds, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, why); };
    shape(x.dims.size() == 4 && w.dims.size() == 4 && y.dims.size() == 4, "a convolution of other than 4 dimensions");
    shape(y.dims[0] == x.dims[0], "batch of x and y");
    shape(y.dims[1] == w.dims[0], "channels of y and filters of w");
    shape(w.dims[1] > 0 && x.dims[1] % w.dims[1] == 0 && w.dims[0] % (x.dims[1] / w.dims[1]) == 0,
          "channels of x and w");
    need(o.conv.strides.size() == 2 && o.conv.dilations.size() == 2 && o.conv.before.size() == 2 &&
             o.conv.after.size() == 2,
         CUDNN_STATUS_BAD_PARAM, "a convolution of other than 2 spatial dimensions");
    for (std::size_t i = 0; i < 2; ++i) {
        const std::int64_t reach = (w.dims[i + 2] - 1) * o.conv.dilations[i] + 1;
        const std::int64_t padded = x.dims[i + 2] + o.conv.before[i] + o.conv.after[i];
        shape(padded >= reach && y.dims[i + 2] == (padded - reach) / o.conv.strides[i] + 1, "extent of y");
    }
    need(o.alpha == 1 && o.beta == 0, CUDNN_STATUS_NOT_SUPPORTED, "alpha other than 1 or beta other than 0");
}

/// Whether `b` can be repeated to the shape `y`.
inline bool repeats_to(const dimensions& b, const dimensions& y) {
    if (b.size() != y.size()) return false;
    for (std::size_t i = 0; i < y.size(); ++i)
        if (b[i] != y[i] && b[i] != 1) return false;
    return true;
}

inline void validate(const graph& g, const operation& o) {
    const tensor &x = g.at(o.x), &y = g.at(o.y);
    const auto shape = [](bool holds, const char* why) { need(holds, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, why); };
    switch (o.what) {
    case kind::convolution: return validate_convolution(g, o);
    case kind::pointwise:
        need(is_unary(o.point.mode) == !o.b.has_value(), CUDNN_STATUS_BAD_PARAM, "operands of a pointwise operation");
        shape(repeats_to(x.dims, y.dims) && (!o.b || repeats_to(g.at(*o.b).dims, y.dims)),
              "operands of a pointwise operation");
        return;
    case kind::matmul: {
        const tensor& b = g.at(*o.b);
        shape(x.dims.size() == 3 && b.dims.size() == 3 && y.dims.size() == 3,
              "a matrix product of other than 3 dimensions");
        shape(x.dims[2] == b.dims[1] && y.dims[1] == x.dims[1] && y.dims[2] == b.dims[2], "matrices of a product");
        shape((x.dims[0] == y.dims[0] || x.dims[0] == 1) && (b.dims[0] == y.dims[0] || b.dims[0] == 1),
              "batches of a matrix product");
        return;
    }
    case kind::reduction: shape(repeats_to(y.dims, x.dims), "result of a reduction"); return;
    case kind::resample:
        shape(x.dims.size() == 4 && y.dims.size() == 4 && x.dims[0] == y.dims[0] && x.dims[1] == y.dims[1],
              "resampling");
        for (std::size_t i = 0; i < 2; ++i)
            shape((x.dims[i + 2] + o.pool.before[i] + o.pool.after[i] - o.pool.extent[i]) / o.pool.strides[i] + 1 ==
                      y.dims[i + 2],
                  "extent of a resampling's result");
        return;
    }
}

} // namespace gpunet_fake::cudnn

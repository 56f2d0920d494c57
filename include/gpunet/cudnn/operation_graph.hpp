// A graph of cuDNN operations on tensors: what an engine runs as one kernel, or a few.
#pragma once

#include <gpunet/cuda/element.hpp>
#include <gpunet/cudnn/descriptor.hpp>
#include <gpunet/graph/network.hpp>

#include <cudnn.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cudnn {

using dimensions = std::vector<std::int64_t>;

/// Bytes every tensor and workspace handed to cuDNN is aligned to, at least.
inline constexpr std::int64_t alignment = 16;

constexpr cudnnDataType_t data_type(cuda::element e) noexcept {
    return e == cuda::element::float32   ? CUDNN_DATA_FLOAT
           : e == cuda::element::float16 ? CUDNN_DATA_HALF
                                         : CUDNN_DATA_BFLOAT16;
}

/// Strides of N, C, H, W whose channels lie together.
inline dimensions channels_last(const dimensions& d) { return {d[1] * d[2] * d[3], 1, d[1] * d[3], d[1]}; }

/// Strides of a tensor whose last dimension lies together.
inline dimensions packed(const dimensions& d) {
    dimensions strides(d.size(), 1);
    for (std::size_t i = d.size(); i-- > 1;) strides[i - 1] = strides[i] * d[i];
    return strides;
}

/// A pointwise function with its numbers. Computed in float32.
struct pointwise {
    cudnnPointwiseMode_t mode;
    std::optional<double> upper_clip; // of relu
};

/// Collects operations in the order they run, then makes the graph's descriptor. Every call throws cudnn_error.
class operation_graph {
  public:
    /// A tensor of this graph, by its place in it.
    struct tensor {
        std::size_t place;
    };

    explicit operation_graph(std::shared_ptr<const library> l) : library_(std::move(l)) {}

    /// A tensor the caller binds memory to by `uid` > 0.
    tensor input(std::int64_t uid, cudnnDataType_t type, dimensions d, dimensions strides) {
        return add(uid, type, std::move(d), std::move(strides), false, false);
    }
    tensor output(std::int64_t uid, cudnnDataType_t type, dimensions d, dimensions strides) {
        return add(uid, type, std::move(d), std::move(strides), false, false);
    }
    /// One float32, given from host memory at each run.
    tensor scalar(std::int64_t uid, std::size_t rank) {
        return add(uid, CUDNN_DATA_FLOAT, dimensions(rank, 1), dimensions(rank, 1), false, true);
    }
    /// A tensor between two operations, never in memory; shaped like `like`.
    tensor between(cudnnDataType_t type, tensor like) {
        const auto [d, strides] = shapes_[like.place];
        return add(next_virtual_++, type, d, strides, true, false);
    }

    /// y = x * w, cross-correlation, accumulated in float32.
    void convolution(tensor x, tensor w, tensor y, std::int64_t stride, const graph::padding& p) {
        descriptor& c = keep(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "cuDNN convolution");
        c.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
            .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
            .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
            .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dimensions{1, 1})
            .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, dimensions{stride, stride})
            .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, dimensions{p.top, p.left})
            .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, dimensions{p.bottom, p.right})
            .finalize();
        operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, "cuDNN convolution operation")
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, c)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, at(x))
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, at(w))
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, at(y))
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0F)
            .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0F)
            .finalize();
    }

    /// y = a b, batched over the first dimension, accumulated in float32.
    void matmul(tensor a, tensor b, tensor y) {
        descriptor& m = keep(CUDNN_BACKEND_MATMUL_DESCRIPTOR, "cuDNN matrix product");
        m.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_DATA_FLOAT).finalize();
        operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, "cuDNN matrix product operation")
            .set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, at(a))
            .set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, at(b))
            .set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, at(y))
            .set(CUDNN_ATTR_OPERATION_MATMUL_DESC, m)
            .finalize();
    }

    /// y = f(x), or f(x, b) with b repeated where it has extent 1.
    void apply(const pointwise& f, tensor x, std::optional<tensor> b, tensor y) {
        descriptor& p = keep(CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "cuDNN pointwise function");
        p.set(CUDNN_ATTR_POINTWISE_MODE, f.mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
        if (f.mode == CUDNN_POINTWISE_SWISH_FWD) p.set(CUDNN_ATTR_POINTWISE_SWISH_BETA, 1.0);
        if (f.upper_clip)
            p.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, 0.0).set(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, *f.upper_clip);
        p.finalize();
        descriptor& o = operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "cuDNN pointwise operation");
        o.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, p).set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, at(x));
        if (b) o.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, at(*b));
        o.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, at(y)).finalize();
    }

    /// The graph. @param device  the handle it is planned for, or none
    descriptor finish(cudnnHandle_t device = nullptr) const {
        std::vector<cudnnBackendDescriptor_t> raw;
        for (const descriptor* o : operations_) raw.push_back(o->get());
        descriptor graph(library_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "cuDNN operation graph");
        if (device) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, device);
        graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, raw).finalize();
        return graph;
    }

  private:
    tensor add(std::int64_t uid, cudnnDataType_t type, dimensions d, dimensions strides, bool between, bool by_value) {
        descriptor t(library_, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "cuDNN tensor " + std::to_string(uid));
        t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, uid)
            .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
            .set(CUDNN_ATTR_TENSOR_DIMENSIONS, d)
            .set(CUDNN_ATTR_TENSOR_STRIDES, strides)
            .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment)
            .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, between);
        if (by_value) t.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, true);
        t.finalize();
        tensors_.push_back(std::move(t));
        shapes_.emplace_back(std::move(d), std::move(strides));
        return {tensors_.size() - 1};
    }

    const descriptor& at(tensor t) const { return tensors_[t.place]; }

    descriptor& keep(cudnnBackendDescriptorType_t type, const char* what) {
        return kept_.emplace_back(library_, type, what);
    }
    descriptor& operation(cudnnBackendDescriptorType_t type, const char* what) {
        operations_.push_back(&keep(type, what));
        return kept_.back();
    }

    std::shared_ptr<const library> library_;
    std::vector<descriptor> tensors_;
    std::vector<std::pair<dimensions, dimensions>> shapes_; // dimensions and strides of each tensor
    std::deque<descriptor> kept_;                           // addresses stay
    std::vector<const descriptor*> operations_;
    std::int64_t next_virtual_ = 1000;
};

} // namespace gpunet::cudnn

// Our convolution on tensor cores as another way to solve what cuDNN is asked for.
#pragma once

#include <gpunet/cuda/kernels/implicit_gemm.hpp>
#include <gpunet/cudnn/convolution.hpp>
#include <gpunet/cudnn/device_properties.hpp>
#include <gpunet/graph/network.hpp>

#include <optional>

namespace gpunet::cudnn {

/// The problem as the kernel solves it, with the likeliest tile; nothing where it cannot: strict float32, groups,
/// gates, large filters, GPUs before sm_80. Weights and bias lie as they do for cuDNN.
inline std::optional<cuda::kernels::implicit_gemm> gemm_of(const convolution_problem& p, const gpu_model& gpu) {
    if (gpu.major < 8 || p.groups > 1 || p.gate || !p.bias) return std::nullopt;
    if (p.type == cuda::element::float32 && !p.tf32) return std::nullopt;
    cuda::kernels::implicit_gemm g;
    g.type = p.type;
    g.n = p.n;
    g.channels = p.c;
    g.height = p.h;
    g.width = p.w;
    g.output_channels = p.k;
    g.output_height = p.oh;
    g.output_width = p.ow;
    g.kernel = p.kernel;
    g.stride = p.stride;
    g.top = p.padding.top;
    g.left = p.padding.left;
    g.act = p.act;
    g.residual = p.residual;
    g.multiprocessors = gpu.multiprocessors;
    if (!possible(g)) return std::nullopt;
    g.tile = tiles(g).front();
    return g;
}

} // namespace gpunet::cudnn

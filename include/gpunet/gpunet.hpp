// The core: specs, graphs, weights, layer primitives, networks. Needs neither CUDA nor oneDNN; add <gpunet/cpu.hpp> or
// <gpunet/cudnn.hpp> for a backend.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/any_network.hpp>
#include <gpunet/error.hpp>
#include <gpunet/execution_plan.hpp>
#include <gpunet/float16.hpp>
#include <gpunet/graph/count.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/graph/pyramid.hpp>
#include <gpunet/limits.hpp>
#include <gpunet/network.hpp>
#include <gpunet/npy.hpp>
#include <gpunet/shape.hpp>
#include <gpunet/spec/read.hpp>
#include <gpunet/spec/write.hpp>
#include <gpunet/tensor.hpp>
#include <gpunet/version.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/make.hpp>
#include <gpunet/weights/parameters.hpp>
#include <gpunet/weights/read.hpp>
#include <gpunet/weights/safetensors.hpp>
#include <gpunet/weights/synthetic.hpp>
#include <gpunet/weights/tensor_store.hpp>

// Everything of the library's export to ONNX, and the core with it.
#pragma once

#include <gpunet/gpunet.hpp>
#include <gpunet/onnx/model.hpp>
#include <gpunet/onnx/options.hpp>
#include <gpunet/onnx/write.hpp>

// The core and the GPU backend: needs cuDNN's and CUDA's headers to build, their libraries only to run.
#pragma once

#include <gpunet/cudnn/availability.hpp>
#include <gpunet/cudnn/backend.hpp>
#include <gpunet/cudnn/blocks.hpp>
#include <gpunet/cudnn/device_clock.hpp>
#include <gpunet/cudnn/preprocessor.hpp>
#include <gpunet/gpunet.hpp>

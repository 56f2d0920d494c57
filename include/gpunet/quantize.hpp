// Everything of post-training quantization to int8, and the core with it. Runs on any backend in the host's memory.
#pragma once

#include <gpunet/gpunet.hpp>
#include <gpunet/quantize/calibrate.hpp>
#include <gpunet/quantize/compare.hpp>
#include <gpunet/quantize/histogram.hpp>
#include <gpunet/quantize/observing.hpp>
#include <gpunet/quantize/plain_copy.hpp>
#include <gpunet/quantize/post_training.hpp>
#include <gpunet/quantize/quantize_convolution.hpp>
#include <gpunet/quantize/quantized_store.hpp>
#include <gpunet/quantize/round.hpp>
#include <gpunet/quantize/simulated.hpp>

// The hub: models by name or latency budget, pretrained weights, measured latencies. Link gpunet::hub.
#pragma once

#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/classify.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/measure.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/records_file.hpp>
#include <gpunet/hub/registry.hpp>
#include <gpunet/hub/select.hpp>
#include <gpunet/hub/weights.hpp>

// The processor as latency records describe it.
#pragma once

#include <gpunet/cpu/backend.hpp>
#include <gpunet/hub/device.hpp>

#include <optional>

namespace gpunet::cpu {

/// What a backend computes on.
inline device device_of(const backend& b) { return {cpu_name(), "fp32", b.name(), b.threads()}; }

/// The processor with so many threads; 0 means all cores.
inline device this_device(int threads = 0) { return device_of(backend({.threads = threads})); }

} // namespace gpunet::cpu

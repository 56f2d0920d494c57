// What the tests of the hub share: the published figures, an environment of their own, models made to order.
#pragma once

#include "core_support.hpp"
#include "environment_variable.hpp"
#include "weights_support.hpp"

#include <gpunet/hub.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace hub_test {

/// The table of the reference, as gpunet-facts.md restates it: milliseconds, fp16, batch 1.
struct published {
    const char* name;
    const char* file; // NVIDIA's spec
    std::int64_t side;
    double top1;
    double crop;
    double v100_tensorrt, v100_pytorch, a100_tensorrt, a100_pytorch;
};

inline constexpr std::array<published, 7> published_models = {{
    {"GPUNet-P0", "0.5ms-D.json", 224, 80.3, 0.875, 0.63, 2.11, 0.45, 1.31},
    {"GPUNet-0", "0.65ms.json", 320, 78.9, 1.0, 0.63, 1.82, 0.46, 1.46},
    {"GPUNet-P1", "0.8ms-D.json", 224, 81.1, 0.875, 0.96, 2.47, 0.61, 1.64},
    {"GPUNet-1", "0.85ms.json", 288, 80.5, 1.0, 0.82, 2.75, 0.59, 1.81},
    {"GPUNet-D1", "1.25ms-D.json", 456, 82.5, 1.0, 1.24, 2.88, 0.94, 2.44},
    {"GPUNet-2", "1.75ms.json", 384, 82.2, 1.0, 1.68, 5.50, 1.25, 4.03},
    {"GPUNet-D2", "2.25ms-D.json", 528, 83.6, 1.0, 2.17, 4.22, 1.40, 3.06},
}};

/// The built-in models, read once.
inline const gpunet::registry& hub() {
    static const gpunet::registry r = gpunet::registry::builtin();
    return r;
}

using variable = gpunet_test::environment_variable;

inline gpunet::latency_record record(const char* device, const char* engine, const char* precision, std::int64_t batch,
                                     double ms) {
    gpunet::latency_record r;
    r.device = device;
    r.engine = engine;
    r.precision = precision;
    r.batch = batch;
    r.latency = gpunet::milliseconds(ms);
    r.source = "a test";
    r.date = "2026";
    return r;
}

/// As if measured on this machine.
inline gpunet::latency_record measured(gpunet::latency_record r, std::optional<int> threads = std::nullopt) {
    r.kind = gpunet::latency_record::origin::measured;
    r.threads = threads;
    return r;
}

inline gpunet::model model(const char* name, double top1, std::initializer_list<gpunet::latency_record> latency) {
    gpunet::model m;
    m.name = name;
    m.top1 = top1;
    m.latency = latency;
    return m;
}

} // namespace hub_test

// Registries that the report's tests make pages of.
#pragma once

#include "hub_support.hpp"

#include <gpunet/hub/report.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace report_test {

inline const char* const processor = "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz";

/// As a measurement on a processor; other numbers of threads are other series.
inline gpunet::latency_record measured_record(double ms, std::int64_t batch = 1, int threads = 2) {
    gpunet::latency_record r =
        hub_test::measured(hub_test::record(processor, "oneDNN 2.6.3", "fp32", batch, ms), threads);
    r.source = "gpunet 0.1.0";
    r.date = "2026-03-01T10:00:00Z";
    r.runs = 100;
    r.p95 = gpunet::milliseconds(1.1 * ms);
    r.p99 = gpunet::milliseconds(1.2 * ms);
    r.spread = gpunet::milliseconds(0.04 * ms);
    return r;
}

inline gpunet::report_data data() {
    gpunet::report_data d;
    d.here = {processor, "fp32", "oneDNN 2.6.3", 2, {}, {}};
    d.date = "2026-03-01";
    d.environment = {{"Processor", std::string(processor) + ", 2 of 2 threads"}, {"oneDNN", "2.6.3"}};
    return d;
}

/// The built-in models as if measured here, at batch 1 and 8; GPUNet-2 was noisy.
inline std::vector<gpunet::model> measured_models() {
    const gpunet::registry r = gpunet::registry::builtin();
    std::vector<gpunet::model> models(r.begin(), r.end());
    for (gpunet::model& m : models) {
        const double ms = 4.0 + 7e-9 * static_cast<double>(m.multiply_adds);
        m.latency.push_back(measured_record(ms));
        m.latency.back().noisy = m.name == "GPUNet-2";
        m.latency.push_back(measured_record(7 * ms, 8));
    }
    return models;
}

/// Forty models of six families whose points crowd along a front, measured here and published for two devices.
inline std::vector<gpunet::model> many_models() {
    const std::vector<std::pair<const char*, int>> families = {{"GPUNet", 8},       {"EfficientNet-Lite", 5},
                                                               {"EfficientNet", 8}, {"RegNetY", 8},
                                                               {"MobileNetV3", 5},  {"ResNet-RS", 6}};
    std::vector<gpunet::model> models;
    double shift = 0;
    for (const auto& [family, count] : families) {
        for (int i = 0; i < count; ++i) {
            const double size = 0.35 * i + 0.11 * shift;
            gpunet::model m = hub_test::model((std::string(family) + "-" + std::to_string(i)).c_str(),
                                              74.0 + 9.5 * (1 - std::exp(-0.9 * size)) - 0.25 * shift, {});
            m.family = family;
            m.parameters = static_cast<std::int64_t>(4e6 * std::exp(size));
            m.multiply_adds = static_cast<std::int64_t>(4e8 * std::exp(1.5 * size));
            m.input.size = {224 + 32 * i, 224 + 32 * i};
            m.licence = "Apache-2.0";
            m.latency.push_back(measured_record(9.0 * std::exp(1.3 * size)));
            m.latency.push_back(hub_test::record("NVIDIA A100", "TensorRT 8", "fp16", 1, 0.4 * std::exp(0.8 * size)));
            m.latency.push_back(hub_test::record("NVIDIA V100", "TensorRT 8", "fp16", 1, 0.6 * std::exp(0.9 * size)));
            models.push_back(std::move(m));
        }
        shift += 1;
    }
    return models;
}

inline const char* const graphics = "NVIDIA H100 PCIe";

inline gpunet::latency_record gpu_record(double ms, std::int64_t batch = 1) {
    gpunet::latency_record r = hub_test::measured(hub_test::record(graphics, "cuDNN 9.19.0", "fp16", batch, ms));
    r.source = "gpunet 0.1.0";
    r.date = "2026-03-01T10:00:00Z";
    r.spread = gpunet::milliseconds(0.02 * ms);
    return r;
}

inline gpunet::report_data gpu_data() {
    gpunet::report_data d = data();
    d.here = {graphics, "fp16", "cuDNN 9.19.0", {}, {}, {}};
    return d;
}

/// The built-in models as if measured on a GPU, where time goes by depth more than by work: all but the two of the
/// names.
inline std::vector<gpunet::model> gpu_models() {
    const gpunet::registry r = gpunet::registry::builtin();
    std::vector<gpunet::model> models(r.begin(), r.end());
    for (gpunet::model& m : models) {
        const auto depth = static_cast<double>(gpunet::lower(m.network).blocks.size());
        const double ms =
            0.06 + (m.family == "GPUNet" ? 0.016 : 0.027) * depth + 4e-11 * static_cast<double>(m.multiply_adds);
        if (m.name != "EfficientNet-X-B7" && m.name != "MobileNetV4-Conv-L") m.latency.push_back(gpu_record(ms));
        m.latency.push_back(gpu_record(5 * ms, 8));
    }
    return models;
}

/// As a registry and a machine of someone who means harm would be.
inline std::vector<gpunet::model> hostile_models() {
    const std::string evil = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&amp;\x01\xff\u202e";
    std::vector<gpunet::model> models;
    for (int i = 0; i < 3; ++i) {
        gpunet::model m = hub_test::model((evil + std::to_string(i)).c_str(), 70.0 + i, {});
        m.family = evil + (i == 0 ? "a" : "b");
        m.licence = m.top1_source = evil;
        m.paper = i == 0 ? "arXiv:javascript:alert(3)" : "arXiv:1234.5\"><b>";
        m.latency.push_back(measured_record(1.0 + i));
        gpunet::latency_record r = hub_test::record(evil.c_str(), evil.c_str(), "fp16", 1 + i, 2.0 + i);
        r.source = r.date = evil;
        m.latency.push_back(r);
        r = measured_record(3.0 + i, 4);
        r.uuid = r.driver = r.engine = evil;
        m.latency.push_back(r);
        models.push_back(std::move(m));
    }
    return models;
}

inline gpunet::report_data hostile_data() {
    const std::string evil = hostile_models().front().name;
    gpunet::report_data d = data();
    d.title = d.date = evil;
    d.environment.emplace_back(evil, evil);
    d.layers = gpunet::layer_report{evil, evil, {{1, evil, {3, {8, 8}}, 1000, gpunet::milliseconds(1)}}};
    return d;
}

inline gpunet::layer_report some_layers() {
    gpunet::layer_report l{"GPUNet-0", std::string(processor) + ", oneDNN 2.6.3, fp32, batch 1, 2 threads", {}};
    for (int i = 2; i < 16; ++i)
        l.layers.push_back({i,
                            i == 2    ? "head"
                            : i == 15 ? "tail"
                            : i % 3   ? "fused_irb"
                                      : "irb",
                            {8 * i, {320 / i, 320 / i}},
                            100000000 * i,
                            gpunet::milliseconds(0.3 * (i * 7 % 11) + 0.1)});
    return l;
}

} // namespace report_test

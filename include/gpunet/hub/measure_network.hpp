// Measuring networks on a backend: the records that selections use.
#pragma once

#include <gpunet/detail/utc_time.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/measure.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/registry.hpp>
#include <gpunet/network.hpp>
#include <gpunet/version.hpp>
#include <gpunet/weights/synthetic.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// What was measured on a device, as a record of it.
inline latency_record make_record(const device& where, std::int64_t batch, const measurement& m) {
    latency_record r;
    r.device = where.name;
    r.engine = where.engine.value_or("");
    r.precision = where.precision;
    r.batch = batch;
    r.latency = m.median;
    r.kind = latency_record::origin::measured;
    r.source = std::string("gpunet ") + version;
    r.date = detail::utc_now();
    r.uuid = where.uuid;
    r.driver = where.driver;
    r.threads = where.threads;
    r.runs = m.runs;
    r.p95 = m.p95;
    r.p99 = m.p99;
    r.spread = m.spread;
    r.noisy = m.noisy;
    return r;
}

/// Measures a network at one shape, on synthetic pictures. Where the backend has a clock of its device's (a function
/// device_clock(network, context) that gives a callable for one timed run), the latency is the device's, from input to
/// scores in its memory, and `host` is that from host memory to host memory; otherwise the latency is the host's.
template <backend B>
latency_record measure_network(const network<B>& net, const context_options& asked, const measure_options& o = {}) {
    context<B> c(net, asked);
    std::vector<float> input(static_cast<std::size_t>(element_count(c.input_shape())));
    std::vector<float> scores(static_cast<std::size_t>(element_count(c.output_shape())));
    synthetic_input(input);
    const device on = device_of(net.device());
    const measurement host = measure([&] { c.run(input, scores); }, o);
    if constexpr (requires { device_clock(net, c); }) {
        latency_record r = make_record(on, asked.batch, measure_by(device_clock(net, c), o));
        r.host = host.median;
        return r;
    } else {
        return make_record(on, asked.batch, host);
    }
}

/// For registry::measure_missing: measures models on a backend at their native size, with synthetic weights, which take
/// as long as any. The backend must be of the question's device and precision.
template <backend B>
measurer measure_on(B device, const measure_options& o = {}) {
    return [device = std::move(device), o](const model& m, const selection_query& q) {
        const network<B> net(m.network, synthetic_weights(lower(m.network)), device);
        return measure_network(net, {.batch = q.batch, .size = m.input.size}, o);
    };
}

} // namespace gpunet

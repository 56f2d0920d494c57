// What is known of a model's speed: who measured it, when, on what, with what.
#pragma once

#include <gpunet/detail/object_reader.hpp>
#include <gpunet/error.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet {

using milliseconds = std::chrono::duration<double, std::milli>;

/// One latency, never without its device, engine, precision and batch.
struct latency_record {
    enum class origin : std::uint8_t { published, measured };

    std::string device;    // "NVIDIA A100"
    std::string engine;    // "TensorRT 8", "oneDNN 2.6.3"
    std::string precision; // "fp32", "tf32", "fp16", "bf16"
    std::int64_t batch = 1;
    milliseconds latency{}; // of the whole batch; the median where it was measured here; on a GPU, the GPU's time
    origin kind = origin::published;
    std::string source; // the publication, or this library with its version: "gpunet 0.1.0"
    std::string date;   // ISO 8601, as exact as it is known
    // Where it was measured here:
    std::optional<std::string> uuid;   // of the GPU, as nvidia-smi prints it: "GPU-1a2b3c4d-..."
    std::optional<std::string> driver; // of the GPU: "580.65.06"; "CUDA 13.0" where only what it supports is known
    std::optional<int> threads;        // on a CPU
    std::optional<std::int64_t> runs;
    std::optional<milliseconds> p95, p99;
    std::optional<milliseconds> spread; // the interquartile range
    bool noisy = false;                 // the runs differed so much that the latency is not to be relied on
    std::optional<milliseconds> host;   // on a GPU: the median from host memory to host memory
};

/// A measurement and the name of the model it is of.
using model_record = std::pair<std::string, latency_record>;

/// Whether two records say how fast the same thing is, so that the newer one replaces the older. Measurements with
/// another driver, engine or version of this library are other things.
inline bool same_subject(const latency_record& a, const latency_record& b) {
    const bool measured = a.kind == latency_record::origin::measured;
    return a.kind == b.kind && a.device == b.device && a.engine == b.engine && a.precision == b.precision &&
           a.batch == b.batch && a.threads == b.threads && a.uuid == b.uuid && a.driver == b.driver &&
           (!measured || a.source == b.source);
}

namespace detail {

inline constexpr std::array<std::string_view, 2> origin_names = {"published", "measured"};
inline constexpr std::array<std::string_view, 4> precision_names = {"fp32", "tf32", "fp16", "bf16"};

template <class Error>
latency_record read_latency(object_reader<Error>& in) {
    constexpr double most = 1e9;
    latency_record r;
    r.device = in.string("device");
    r.engine = in.string("engine");
    static_cast<void>(in.required("precision", "fp32, tf32, fp16 or bf16"));
    r.precision = precision_names[*in.template optional_name<std::size_t>("precision", precision_names)];
    r.batch = in.integer("batch", 1, 1 << 20);
    r.latency = milliseconds(in.number("latency_ms", 0.0, most));
    r.kind = in.template optional_name<latency_record::origin>("kind", origin_names).value_or(r.kind);
    r.source = in.string("source");
    r.date = in.string("date");
    r.uuid = in.optional_string("uuid");
    r.driver = in.optional_string("driver");
    if (const auto n = in.optional_integer("threads", 1, 1 << 20)) r.threads = static_cast<int>(*n);
    r.runs = in.optional_integer("runs", 1, std::int64_t{1} << 40);
    if (const auto ms = in.optional_number("p95_ms", 0.0, most)) r.p95 = milliseconds(*ms);
    if (const auto ms = in.optional_number("p99_ms", 0.0, most)) r.p99 = milliseconds(*ms);
    if (const auto ms = in.optional_number("spread_ms", -1.0, most)) {
        if (*ms < 0.0) in.fail("spread_ms", "a number from 0", *ms);
        r.spread = milliseconds(*ms);
    }
    r.noisy = in.optional_boolean("noisy").value_or(false);
    if (const auto ms = in.optional_number("host_ms", 0.0, most)) r.host = milliseconds(*ms);
    return r;
}

inline ordered_json to_json(const latency_record& r) {
    ordered_json out = {{"device", r.device},
                        {"engine", r.engine},
                        {"precision", r.precision},
                        {"batch", r.batch},
                        {"latency_ms", r.latency.count()},
                        {"kind", origin_names[static_cast<std::size_t>(r.kind)]},
                        {"source", r.source},
                        {"date", r.date}};
    if (r.uuid) out["uuid"] = *r.uuid;
    if (r.driver) out["driver"] = *r.driver;
    if (r.threads) out["threads"] = *r.threads;
    if (r.runs) out["runs"] = *r.runs;
    if (r.p95) out["p95_ms"] = r.p95->count();
    if (r.p99) out["p99_ms"] = r.p99->count();
    if (r.spread) out["spread_ms"] = r.spread->count();
    if (r.noisy) out["noisy"] = true;
    if (r.host) out["host_ms"] = r.host->count();
    return out;
}

} // namespace detail

/// "0.65ms", "800us", "1s": a positive number and its unit.
/// @throws argument_error saying what was expected and found
inline milliseconds parse_duration(std::string_view text) {
    double value = 0;
    const auto parse = [&](std::string_view number) {
        return std::from_chars(number.data(), number.data() + number.size(), value);
    };
    const auto [end, status] = parse(text);
    const std::string_view number = text.substr(0, static_cast<std::size_t>(end - text.data()));
    const std::string_view unit = text.substr(number.size());
    const bool micro = unit == "us" || unit == "\u00b5s", whole = unit == "s";
    // The decimal point moves in the text, so that 820us is the double nearest to 0.82 and not its neighbour.
    if (number.find_first_of("eE") != std::string_view::npos)
        value *= micro ? 1e-3 : whole ? 1e3 : 1.0;
    else if (status == std::errc() && (micro || whole))
        parse(std::string(number) + (micro ? "e-3" : "e3"));
    if (status != std::errc() || !(micro || whole || unit == "ms") || !(value > 0.0 && value <= 1e9))
        throw argument_error("expected a positive time with its unit, as 0.65ms, 800us or 1s, found \"" +
                             std::string(text) + "\"");
    return milliseconds(value);
}

} // namespace gpunet

// The records of all models in order: series, each measured in one way.
#pragma once

#include <gpunet/hub/device.hpp>
#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/pareto.hpp>
#include <gpunet/hub/record_choice.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace gpunet::detail::report {

struct point {
    const gpunet::model* model = nullptr;
    const latency_record* record = nullptr;
    std::string changes; // since it was measured: see changes_since
};

/// Comparable latencies: of one device, engine, precision and batch. What was measured here with several versions of an
/// engine is one series, as it is for a selection.
struct series {
    latency_record::origin kind = latency_record::origin::published;
    std::string device, engine, precision;
    std::int64_t batch = 1;
    std::optional<int> threads;
    std::optional<std::string> uuid;
    std::string name;               // of the device, as the page shows it
    std::vector<point> points;      // one a model
    std::vector<std::size_t> front; // of points, by latency
    std::size_t style = 0;          // the same for one device and engine at every precision and batch

    bool measured() const noexcept { return kind == latency_record::origin::measured; }
    milliseconds fastest() const {
        milliseconds least = points.front().record->latency;
        for (const point& p : points) least = std::min(least, p.record->latency);
        return least;
    }
    bool on_front(std::size_t i) const { return std::find(front.begin(), front.end(), i) != front.end(); }
    const point* of(const gpunet::model& m) const {
        for (const point& p : points)
            if (p.model == &m) return &p;
        return nullptr;
    }
};

/// Whether engines are of one series: in any version where it was measured here.
inline bool same_engine(latency_record::origin kind, const std::string& a, const std::string& b) {
    return kind == latency_record::origin::measured ? without_version(a) == without_version(b) : a == b;
}

inline bool same_line(const series& a, const series& b) {
    return a.kind == b.kind && a.device == b.device && same_engine(a.kind, a.engine, b.engine) &&
           a.threads == b.threads && a.uuid == b.uuid;
}

inline bool belongs(const latency_record& r, const series& s) {
    return r.kind == s.kind && same_engine(s.kind, r.engine, s.engine) && r.device == s.device &&
           r.precision == s.precision && r.batch == s.batch && r.threads == s.threads && r.uuid == s.uuid;
}

inline std::size_t rank_of(std::string_view precision) {
    const auto found = std::find(precision_names.begin(), precision_names.end(), precision);
    return static_cast<std::size_t>(found - precision_names.begin());
}

/// A device's name without what says nothing: "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz" is "Intel Xeon Platinum
/// 8259CL".
inline std::string short_name(std::string device) {
    for (const std::string_view noise : {"(R)", "(TM)", "(r)", "(tm)"})
        for (auto at = device.find(noise); at != std::string::npos; at = device.find(noise))
            device.erase(at, noise.size());
    if (const auto clock = device.find(" @ "); clock != std::string::npos) device.resize(clock);
    if (device.ends_with(" CPU")) device.resize(device.size() - 4);
    return device;
}

/// "Intel Xeon Platinum 8259CL, oneDNN 2.6.3, fp32, 2 threads"
inline std::string conditions(const series& s, bool with_batch) {
    std::string out = s.name + ", " + s.engine + ", " + s.precision;
    if (with_batch) out += ", batch " + std::to_string(s.batch);
    if (s.threads) out += ", " + std::to_string(*s.threads) + (*s.threads == 1 ? " thread" : " threads");
    return out;
}

inline std::string origin_text(const series& s) { return s.measured() ? "measured here" : "published"; }

/// The series of all records: first what was measured, of that first what this machine's device is now, then by device,
/// engine, batch and precision. Where a model was measured several times, the measurement counts that a selection would
/// take: one since which nothing has changed, of those the newest.
inline std::vector<series> series_of(std::span<const gpunet::model> models, const gpunet::device& here) {
    std::vector<series> all;
    const auto before = [](const point& a, const point& b) {
        return a.changes.empty() != b.changes.empty() ? a.changes.empty() : a.record->date > b.record->date;
    };
    for (const gpunet::model& m : models)
        for (const latency_record& r : m.latency) {
            auto s = std::find_if(all.begin(), all.end(), [&](const series& x) { return belongs(r, x); });
            if (s == all.end())
                s = all.insert(s, {r.kind, r.device, r.engine, r.precision, r.batch, r.threads, r.uuid, {}, {}, {}, 0});
            const auto p =
                std::find_if(s->points.begin(), s->points.end(), [&](const point& x) { return x.model == &m; });
            point now{&m, &r, s->measured() ? changes_since(r, here) : ""};
            if (p == s->points.end())
                s->points.push_back(std::move(now));
            else if (before(now, *p))
                *p = std::move(now);
        }
    const auto order = [&](const series& s) {
        const bool current = s.measured() && s.device == here.name && (!here.uuid || s.uuid == here.uuid);
        return std::tuple(!s.measured(), !current, s.device,
                          here.engine && !same_engine(s.kind, s.engine, *here.engine),
                          here.threads && s.threads != here.threads);
    };
    std::stable_sort(all.begin(), all.end(), [&](const series& a, const series& b) {
        const auto x = order(a), y = order(b);
        if (x != y) return x < y;
        const auto rest = [](const series& s) {
            return std::tuple(s.batch, rank_of(s.precision), s.fastest(), s.engine, s.threads, s.uuid);
        };
        return rest(a) < rest(b);
    });
    for (series& s : all) {
        s.name = short_name(s.device);
        const bool twins = std::any_of(all.begin(), all.end(), [&](const series& other) {
            return other.measured() && other.device == s.device && other.uuid != s.uuid;
        });
        if (twins && s.uuid) s.name += " (" + s.uuid->substr(0, 12) + ")";
    }
    std::vector<const series*> lines;
    for (series& s : all) {
        const auto other = std::find_if(s.points.begin(), s.points.end(), [&](const point& p) {
            return p.record->engine != s.points.front().record->engine;
        });
        s.engine = s.points.front().record->engine;
        if (other != s.points.end()) s.engine = without_version(s.engine);
        std::vector<trade_off> offers;
        for (const point& p : s.points) offers.push_back({p.record->latency.count(), p.model->top1});
        s.front = pareto_front(offers);
        const auto line = std::find_if(lines.begin(), lines.end(), [&](const series* x) { return same_line(*x, s); });
        s.style = static_cast<std::size_t>(line - lines.begin());
        if (line == lines.end()) lines.push_back(&s);
    }
    return all;
}

} // namespace gpunet::detail::report

// Choosing a model by latency: which records count, which models fit, which is best.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/model.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace gpunet {

/// What is asked of a selection.
struct selection_query {
    milliseconds budget{}; // for the whole batch; inclusive
    std::string device;    // in any common spelling
    std::string precision = "fp16";
    std::int64_t batch = 1;
    std::optional<double> min_top1;             // per cent
    std::optional<std::string> engine;          // the beginning of its name, in any case; otherwise the fastest counts
    std::optional<int> threads;                 // of records measured on a CPU
    std::function<bool(const model&)> eligible; // if set, other models are passed over
};

/// A model that was looked at.
struct candidate {
    const gpunet::model* model = nullptr;
    const latency_record* record = nullptr; // the one that counts; nullptr where there is none
    bool fits = false;
    std::string reason; // "0.63 ms (TensorRT 8, published)", "no record", ...
};

struct selection {
    const gpunet::model* model = nullptr;
    const latency_record* record = nullptr;
    std::vector<candidate> considered; // all models, in the registry's order
};

namespace detail {

inline std::string shown(milliseconds t) {
    std::ostringstream out;
    out.precision(4);
    out << t.count() << " ms";
    return out.str();
}

inline bool matches(const latency_record& r, const selection_query& q) {
    if (!same_device(r.device, q.device) || r.precision != q.precision || r.batch != q.batch) return false;
    if (r.threads && q.threads && *r.threads != *q.threads) return false;
    return !q.engine || lower_case(r.engine).starts_with(lower_case(*q.engine));
}

/// Records measured here come first, then published ones; of each, the fastest. (Of two measurements of the same
/// thing the registry keeps the newer.)
inline const latency_record* record_that_counts(const model& m, const selection_query& q) {
    const latency_record* best = nullptr;
    for (const latency_record& r : m.latency) {
        if (!matches(r, q)) continue;
        if (!best || r.kind > best->kind || (r.kind == best->kind && r.latency < best->latency)) best = &r;
    }
    return best;
}

inline candidate consider(const model& m, const selection_query& q) {
    candidate c{&m, record_that_counts(m, q), false, {}};
    if (!c.record) {
        c.reason = "no record";
        return c;
    }
    c.reason = shown(c.record->latency) + " (" + c.record->engine +
               (c.record->kind == latency_record::origin::measured ? ", measured here)" : ", published)");
    if (c.record->latency > q.budget)
        c.reason += ", over the budget";
    else if (q.min_top1 && m.top1 < *q.min_top1)
        c.reason += ", less accurate than asked";
    else if (q.eligible && !q.eligible(m))
        c.reason += ", no weights at hand";
    else
        c.fits = true;
    return c;
}

inline std::string conditions(const selection_query& q) {
    return q.device + ", " + q.precision + ", batch " + std::to_string(q.batch) +
           (q.engine ? ", engine " + *q.engine : "") +
           (q.threads ? ", " + std::to_string(*q.threads) + (*q.threads == 1 ? " thread" : " threads") : "");
}

} // namespace detail

/// The most accurate model within the budget; of equally accurate ones the faster.
/// @throws unsupported_error saying what came nearest if none fits, or that there are no records
inline selection select(std::span<const model> models, const selection_query& q) {
    selection s;
    std::optional<candidate> nearest;
    const auto distance = [&](const candidate& c) { // what is missing of the accuracy, then the time
        return std::tuple(q.min_top1 ? std::max(0.0, *q.min_top1 - c.model->top1) : 0.0, c.record->latency,
                          -c.model->top1);
    };
    for (const model& m : models) {
        s.considered.push_back(detail::consider(m, q));
        const candidate& c = s.considered.back();
        if (c.record && (!q.eligible || q.eligible(m)) && (!nearest || distance(c) < distance(*nearest))) nearest = c;
        if (!c.fits) continue;
        if (!s.model || m.top1 > s.model->top1 || (m.top1 == s.model->top1 && c.record->latency < s.record->latency)) {
            s.model = &m;
            s.record = c.record;
        }
    }
    if (s.model) return s;
    if (!nearest)
        throw unsupported_error("no latency is known for " + detail::conditions(q) +
                                ": measure it with `gpunet bench --save`, or name a device that has records");
    throw unsupported_error("no model within " + detail::shown(q.budget) +
                            (q.min_top1 ? " and of top-1 " + detail::json(*q.min_top1).dump() + " %" : "") + " on " +
                            detail::conditions(q) + ": the nearest is " + nearest->model->name + " at " +
                            detail::shown(nearest->record->latency) + " (" + nearest->record->engine + "), top-1 " +
                            detail::json(nearest->model->top1).dump() + " %");
}

} // namespace gpunet

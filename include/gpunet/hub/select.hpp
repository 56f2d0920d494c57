// Choosing a model by latency: which models meet the conditions, and which of them is best.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/memory.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/record_choice.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace gpunet {

/// A model that was looked at.
struct candidate {
    const gpunet::model* model = nullptr;
    const latency_record* record = nullptr;    // the one that counts; nullptr where there is none
    const latency_record* published = nullptr; // the fastest published one of the same conditions, if there is any
    std::optional<std::int64_t> memory;        // bytes, where the question was for memory; see count_memory
    bool eligible = true;
    bool fits = false;
    std::string reason; // "0.63 ms (TensorRT 8, published)", "no record", ...
};

/// A choice, and why. Its pointers are into what was chosen from.
struct selection {
    const gpunet::model* model = nullptr;
    const latency_record* record = nullptr;
    const gpunet::model* published_choice = nullptr; // what the published figures alone would choose, if anything
    std::string explanation;                         // why that is another model, where it is
    std::vector<candidate> considered;               // all models, in the registry's order
};

/// Bytes that a model at its native size needs where a record was made, at the record's batch.
inline std::int64_t memory_for(const model& m, const latency_record& r) {
    const bool cpu = r.threads || detail::without_version(r.engine) == "oneDNN";
    limits any;
    any.max_activation_bytes = std::numeric_limits<std::int64_t>::max();
    return count_memory(lower(m.network), r.batch, cpu ? memory_model::cpu() : memory_model::gpu(r.precision), any)
        .total();
}

namespace detail {

inline std::string shown(milliseconds t) {
    std::ostringstream out;
    out.precision(4);
    out << t.count() << " ms";
    return out.str();
}

inline std::string shown_bytes(std::int64_t bytes) {
    std::ostringstream out;
    out.precision(4);
    out << static_cast<double>(bytes) / 1e6 << " MB";
    return out.str();
}

/// "1.9 ms (cuDNN 9.19.0, measured here; published for this device: 0.63 ms, TensorRT 8)"
inline std::string told(const candidate& c, const selection_query& q) {
    const latency_record& r = *c.record;
    if (r.kind == latency_record::origin::published) return shown(r.latency) + " (" + r.engine + ", published)";
    std::string text = shown(r.latency) + " (" + r.engine + ", measured here" + (r.noisy ? ", noisy" : "");
    if (const std::string changes = changes_since(r, q.now); !changes.empty()) text += "; " + changes;
    if (c.published) text += "; published for this device: " + shown(c.published->latency) + ", " + c.published->engine;
    return text + ")";
}

inline candidate consider(const model& m, const selection_query& q) {
    candidate c;
    c.model = &m;
    c.record = record_that_counts(m, q);
    if (!c.record) {
        c.reason = "no record";
        return c;
    }
    c.published = published_record(m, q);
    c.eligible = !q.eligible || q.eligible(m);
    if (q.max_memory) c.memory = memory_for(m, *c.record);
    c.reason = told(c, q);
    if (q.budget && c.record->latency > *q.budget)
        c.reason += ", over the budget";
    else if (q.min_top1 && m.top1 < *q.min_top1)
        c.reason += ", less accurate than asked";
    else if (c.memory && *c.memory > *q.max_memory)
        c.reason += ", needs " + shown_bytes(*c.memory) + ", more than asked";
    else if (!c.eligible)
        c.reason += m.weights.empty() ? ", no weights at hand, and no source of any" : ", no weights at hand";
    else
        c.fits = true;
    return c;
}

/// Whether a model of some accuracy and latency serves the objective better than another.
inline bool better(objective wanted, const model& m, milliseconds t, const model& than, milliseconds than_t) {
    if (wanted == objective::latency) return std::tuple(t, -m.top1) < std::tuple(than_t, -than.top1);
    return std::tuple(-m.top1, t) < std::tuple(-than.top1, than_t);
}

/// What the published figures alone would choose.
inline const candidate* published_choice(const selection& s, const selection_query& q) {
    const candidate* best = nullptr;
    for (const candidate& c : s.considered) {
        if (!c.published || !c.eligible || (q.budget && c.published->latency > *q.budget) ||
            (q.min_top1 && c.model->top1 < *q.min_top1) || (q.max_memory && *c.memory > *q.max_memory))
            continue;
        if (!best || better(q.objective, *c.model, c.published->latency, *best->model, best->published->latency))
            best = &c;
    }
    return best;
}

/// "by the published figures it would be GPUNet-1, 0.82 ms (TensorRT 8); measured here it takes 1.9 ms"
inline std::string explain_difference(const candidate& by_publications) {
    const latency_record &published = *by_publications.published, &here = *by_publications.record;
    std::string text = "by the published figures it would be " + by_publications.model->name + ", " +
                       shown(published.latency) + " (" + published.engine + ")";
    if (here.kind == latency_record::origin::measured) text += "; measured here it takes " + shown(here.latency);
    return text;
}

inline std::string conditions(const selection_query& q) {
    return q.device + ", " + q.precision + ", batch " + std::to_string(q.batch) +
           (q.engine ? ", engine " + *q.engine : "") +
           (q.threads ? ", " + std::to_string(*q.threads) + (*q.threads == 1 ? " thread" : " threads") : "");
}

/// "within 1 ms and of top-1 82 % and in 500 MB"
inline std::string limits_of(const selection_query& q) {
    std::string text;
    const auto add = [&](const std::string& what) { text += (text.empty() ? "" : " and ") + what; };
    if (q.budget) add("within " + shown(*q.budget));
    if (q.min_top1) add("of top-1 " + json(*q.min_top1).dump() + " %");
    if (q.max_memory) add("in " + shown_bytes(*q.max_memory));
    return text;
}

[[noreturn]] inline void fail_selection(const selection& s, const selection_query& q) {
    const auto distance = [&](const candidate& c) { // what is missing of the accuracy, of the memory, then the time
        return std::tuple(q.min_top1 ? std::max(0.0, *q.min_top1 - c.model->top1) : 0.0,
                          q.max_memory ? std::max<std::int64_t>(0, *c.memory - *q.max_memory) : 0, c.record->latency,
                          -c.model->top1);
    };
    const candidate* nearest = nullptr;
    bool known = false;
    for (const candidate& c : s.considered) {
        known = known || c.record;
        if (c.record && c.eligible && (!nearest || distance(c) < distance(*nearest))) nearest = &c;
    }
    if (!nearest && known)
        throw unsupported_error("no model with weights at hand has a known latency for " + conditions(q) +
                                ": measure it with `gpunet bench --save`, or fetch others with `gpunet pull`");
    if (!nearest)
        throw unsupported_error("no latency is known for " + conditions(q) +
                                ": measure it with `gpunet bench --save`, or name a device that has records");
    throw unsupported_error("no model " + limits_of(q) + " on " + conditions(q) + ": the nearest is " +
                            nearest->model->name + " at " + shown(nearest->record->latency) + " (" +
                            nearest->record->engine + "), top-1 " + json(nearest->model->top1).dump() + " %" +
                            (nearest->memory ? ", " + shown_bytes(*nearest->memory) : ""));
}

} // namespace detail

/// The most accurate model that meets the conditions, of equally accurate ones the faster; or, where the objective is
/// latency, the fastest, of equally fast ones the more accurate.
/// @throws unsupported_error saying what came nearest if none does, or that there are no records
inline selection select(std::span<const model> models, const selection_query& q) {
    selection s;
    for (const model& m : models) {
        s.considered.push_back(detail::consider(m, q));
        const candidate& c = s.considered.back();
        if (!c.fits) continue;
        if (!s.model || detail::better(q.objective, m, c.record->latency, *s.model, s.record->latency)) {
            s.model = &m;
            s.record = c.record;
        }
    }
    if (!s.model) detail::fail_selection(s, q);
    if (const candidate* c = detail::published_choice(s, q)) {
        s.published_choice = c->model;
        if (c->model != s.model) s.explanation = detail::explain_difference(*c);
    }
    return s;
}

} // namespace gpunet

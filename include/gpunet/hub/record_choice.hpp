// Which of a model's latency records counts for a question, and what has changed since it was measured.
#pragma once

#include <gpunet/hub/device.hpp>
#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/version.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpunet {

/// What a selection tries to get the most of among the models that meet all conditions.
enum class objective : std::uint8_t { accuracy, latency };

/// What is asked of a selection.
struct selection_query {
    std::optional<milliseconds> budget; // for the whole batch; inclusive; any time will do where there is none
    std::string device;                 // in any common spelling
    std::string precision = "fp16";
    std::int64_t batch = 1;
    gpunet::objective objective = objective::accuracy;
    std::optional<double> min_top1;             // per cent
    std::optional<std::int64_t> max_memory;     // bytes; inclusive; see count_memory
    std::optional<std::string> engine;          // the beginning of its name, in any case; otherwise the fastest counts
    std::optional<int> threads;                 // of records measured on a CPU
    std::function<bool(const model&)> eligible; // if set, other models are passed over
    gpunet::device now; // if it is a device of this machine: what it is now, so that older measurements show as such
};

/// The question about a device of this machine at its default precision: see this_device.
inline selection_query query_for(const device& where, std::optional<milliseconds> budget = std::nullopt) {
    selection_query q;
    q.budget = budget;
    q.device = where.name;
    q.precision = where.precision;
    q.threads = where.threads;
    q.now = where;
    return q;
}

namespace detail {

/// "oneDNN" of "oneDNN 2.6.3".
inline std::string_view without_version(std::string_view name) {
    const auto space = name.rfind(' ');
    const bool version =
        space != std::string_view::npos && space + 1 < name.size() && name[space + 1] >= '0' && name[space + 1] <= '9';
    return version ? name.substr(0, space) : name;
}

/// What is not as it was when a record was measured: "now oneDNN 2.7, driver 580.65"; empty if nothing that is known.
inline std::string changes_since(const latency_record& r, const device& now) {
    std::string changes;
    const auto add = [&](const std::string& what) { changes += (changes.empty() ? "now " : ", ") + what; };
    if (now.engine && r.engine != *now.engine && without_version(r.engine) == without_version(*now.engine))
        add(*now.engine);
    if (now.driver && r.driver && *r.driver != *now.driver) add("driver " + *now.driver);
    const std::string library = std::string("gpunet ") + version;
    if (!now.name.empty() && r.source != library && without_version(r.source) == "gpunet") add(library);
    if (now.uuid && r.uuid && *r.uuid != *now.uuid) add("another GPU of that name");
    return changes;
}

inline bool matches(const latency_record& r, const selection_query& q) {
    if (!same_device(r.device, q.device) || r.precision != q.precision || r.batch != q.batch) return false;
    if (r.threads && q.threads && *r.threads != *q.threads) return false;
    return !q.engine || lower_case(r.engine).starts_with(lower_case(*q.engine));
}

/// The fastest one published, or nullptr.
inline const latency_record* published_record(const model& m, const selection_query& q) {
    const latency_record* best = nullptr;
    for (const latency_record& r : m.latency)
        if (r.kind == latency_record::origin::published && matches(r, q) && (!best || r.latency < best->latency))
            best = &r;
    return best;
}

/// The one measured here that counts, or nullptr. Of those of one engine, GPU and number of threads the newest does, if
/// possible one since which nothing has changed; then the fastest of them, if possible likewise.
inline const latency_record* measured_record(const model& m, const selection_query& q) {
    struct entry {
        const latency_record* record;
        bool current;
    };
    std::vector<entry> all;
    for (const latency_record& r : m.latency)
        if (r.kind == latency_record::origin::measured && matches(r, q))
            all.push_back({&r, changes_since(r, q.now).empty()});
    const auto same = [](const latency_record& a, const latency_record& b) {
        return without_version(a.engine) == without_version(b.engine) && a.uuid == b.uuid && a.threads == b.threads;
    };
    const auto superseded = [&](const entry& e) {
        return std::any_of(all.begin(), all.end(), [&](const entry& other) {
            return same(*other.record, *e.record) &&
                   (other.current != e.current ? other.current : other.record->date > e.record->date);
        });
    };
    const entry* best = nullptr;
    for (const entry& e : all) {
        if (superseded(e)) continue;
        if (!best || (e.current != best->current ? e.current : e.record->latency < best->record->latency)) best = &e;
    }
    return best ? best->record : nullptr;
}

/// Measurements made here come first, then publications.
inline const latency_record* record_that_counts(const model& m, const selection_query& q) {
    const latency_record* here = measured_record(m, q);
    return here ? here : published_record(m, q);
}

} // namespace detail

} // namespace gpunet

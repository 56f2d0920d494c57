// The models the library knows, by name.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/hub/builtin_models.hpp>
#include <gpunet/hub/device.hpp>
#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/name_distance.hpp>
#include <gpunet/hub/select.hpp>
#include <gpunet/hub/weights.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet {

/// Measures a model here under the conditions of a question.
using measurer = std::function<latency_record(const model&, const selection_query&)>;
/// Called before a model is measured: `done` of `count` are.
using measure_progress = std::function<void(const model&, std::size_t done, std::size_t count)>;

namespace detail {

/// Whether a selection could choose the model if it were known here to be fast enough.
inline bool lacks_measurement(const model& m, const selection_query& q) {
    if (measured_record(m, q) || (q.min_top1 && m.top1 < *q.min_top1)) return false;
    if (q.eligible && !q.eligible(m)) return false;
    if (!q.max_memory) return true;
    latency_record r;
    r.precision = q.precision;
    r.batch = q.batch;
    r.engine = q.threads || same_device(cpu_name(), q.device) ? "oneDNN" : "";
    return memory_for(m, r) <= *q.max_memory;
}

} // namespace detail

/// Models with their records. Names and aliases are unique, in any case.
class registry {
  public:
    registry() = default;

    /// The models compiled into the library.
    static registry builtin() {
        registry r;
        for (const detail::builtin_model& m : detail::builtin_models) {
            model parsed = parse_model(m.text, std::string(m.file));
            parsed.goldens = golden_list([&m] { return detail::parse_goldens(m.goldens, std::string(m.file)); });
            r.add(std::move(parsed));
        }
        return r;
    }

    /// @throws spec_error if one of its names is taken
    void add(model m) {
        for (const std::string& name : names(m))
            if (lookup(name)) throw spec_error(m.name + ": the name " + name + " is taken by " + lookup(name)->name);
        models_.push_back(std::move(m));
    }

    std::span<const model> models() const noexcept { return models_; }
    auto begin() const noexcept { return models_.begin(); }
    auto end() const noexcept { return models_.end(); }

    /// The model of that name or alias, in any case, or nullptr.
    const model* lookup(std::string_view name) const {
        const std::string wanted = detail::lower_case(name);
        for (const model& m : models_)
            for (const std::string& known : names(m))
                if (detail::lower_case(known) == wanted) return &m;
        return nullptr;
    }

    /// @throws argument_error with the names that are most like it
    const model& find(std::string_view name) const {
        if (const model* m = lookup(name)) return *m;
        std::string near;
        for (const std::string& known : like(name)) near += (near.empty() ? "the nearest: " : ", ") + known;
        throw argument_error("no model is called \"" + std::string(name) + "\"; of the " +
                             std::to_string(models_.size()) + " known " +
                             (near.empty() ? "none has a name like it" : near));
    }

    /// Adds a measurement of a model; it takes the place of an older one of the same thing. Unknown models are ignored.
    void add_record(std::string_view name, const latency_record& r) {
        const auto m = std::find_if(models_.begin(), models_.end(), [&](const model& x) { return x.name == name; });
        if (m == models_.end()) return;
        std::erase_if(m->latency, [&](const latency_record& old) { return same_subject(old, r); });
        m->latency.push_back(r);
    }

    /// See gpunet::select. What it returns points into this registry: valid until that is added to or destroyed.
    selection select(const selection_query& q) const& { return gpunet::select(models_, q); }
    selection select(const selection_query& q) const&& = delete;

    /// Measures what a selection needs and lacks: every eligible model, accurate and small enough, that has no
    /// measurement which counts for the question. Publications are no substitute: they are of other machines.
    /// @param measure   gives the record of a model under the question's conditions: see measure_on
    /// @param progress  called before each model, with how many are done and how many there are to do
    /// @return what was measured, in order; it is in this registry already, as is what was measured before `measure`
    ///         throws
    /// @throws what `measure` throws; argument_error if it gives a record of something else
    std::vector<model_record> measure_missing(const selection_query& q, const measurer& measure,
                                              const measure_progress& progress = {}) {
        std::vector<std::size_t> missing;
        for (std::size_t i = 0; i < models_.size(); ++i)
            if (detail::lacks_measurement(models_[i], q)) missing.push_back(i);
        std::vector<model_record> measured;
        for (const std::size_t i : missing) {
            const model& m = models_[i];
            if (progress) progress(m, measured.size(), missing.size());
            const latency_record r = measure(m, q);
            if (r.kind != latency_record::origin::measured || !detail::matches(r, q))
                throw argument_error(m.name + ": expected a measurement for " + detail::conditions(q) +
                                     ", found one for " + r.device + ", " + r.precision + ", batch " +
                                     std::to_string(r.batch) + ", " + r.engine);
            add_record(m.name, r);
            measured.emplace_back(m.name, r);
        }
        return measured;
    }

    /// The most accurate model that takes at most `budget` for one picture on a device.
    /// @param eligible  other models are passed over: by default those of which no weights can be had; where it is
    ///                  empty, none
    /// @throws unsupported_error saying what came nearest
    const model& most_accurate_within(milliseconds budget, const device& where,
                                      std::function<bool(const model&)> eligible = can_load) const& {
        selection_query q = query_for(where, budget);
        q.eligible = std::move(eligible);
        return *select(q).model;
    }
    const model& most_accurate_within(milliseconds, const device&,
                                      std::function<bool(const model&)> eligible = can_load) const&& = delete;

  private:
    /// The names of a few models whose name or alias is most like this one, the most alike first. One that goes on
    /// where this one ends counts as one letter away.
    std::vector<std::string> like(std::string_view name) const {
        constexpr std::size_t most = 8;
        const std::string wanted = detail::name_letters(name);
        std::vector<std::pair<std::size_t, const model*>> near;
        for (const model& m : models_) {
            std::size_t least = wanted.size();
            for (const std::string& known : names(m)) {
                least = std::min(least, detail::name_distance(name, known));
                if (wanted.size() > 2 && least > 1 && detail::name_letters(known).starts_with(wanted)) least = 1;
            }
            if (!wanted.empty() && 3 * least <= wanted.size()) near.emplace_back(least, &m);
        }
        std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        std::vector<std::string> found;
        for (const auto& [distance, m] : near) {
            const std::size_t best = near.front().first;
            if (found.size() < most && distance <= (best == 0 ? 0 : best + 1)) found.push_back(m->name);
        }
        return found;
    }

    static std::vector<std::string> names(const model& m) {
        std::vector<std::string> all = m.aliases;
        all.insert(all.begin(), m.name);
        return all;
    }

    std::vector<model> models_;
};

} // namespace gpunet

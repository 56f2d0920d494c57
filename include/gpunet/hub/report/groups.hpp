// Which series a plot shows together, and which of them the page speaks of.
#pragma once

#include <gpunet/hub/device.hpp>
#include <gpunet/hub/report/series.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace gpunet::detail::report {

/// Series of one batch that one plot shows together.
struct group {
    std::string name;
    std::int64_t batch = 1;
    std::vector<const series*> members;
};

/// What a device is compared at: this machine's own default, fp16 elsewhere where there is such a record.
inline std::string usual_precision(std::span<const series> all, const std::string& device, std::int64_t batch,
                                   const gpunet::device& here) {
    std::string found;
    std::string wanted = device == here.name ? here.precision : "fp16";
    for (const series& s : all) {
        if (s.device != device || s.batch != batch) continue;
        if (s.precision == wanted) return wanted;
        if (found.empty() || rank_of(s.precision) < rank_of(found)) found = s.precision;
    }
    return found;
}

/// The series that the page speaks of: one measured on this machine's device if there is one, at its default precision
/// and the smallest batch; otherwise the fastest published, batch 1 first. Null where there is no record at all.
inline const series* main_series(std::span<const series> all, const gpunet::device& here) {
    const series* best = nullptr;
    const auto rank = [&](const series& s) {
        return std::tuple(!s.measured(), s.measured() && s.device != here.name, s.batch,
                          s.measured() && s.precision != here.precision,
                          s.measured() && here.threads && s.threads != here.threads,
                          s.measured() && here.engine && !same_engine(s.kind, s.engine, *here.engine),
                          s.measured() && here.uuid && s.uuid != here.uuid);
    };
    for (const series& s : all) {
        if (s.front.empty()) continue;
        if (!best || std::tuple(rank(s), s.fastest()) < std::tuple(rank(*best), best->fastest())) best = &s;
    }
    return best;
}

/// What the page offers as plots: first the main series' batch with every device at its usual precision, then every
/// batch and precision there is, by batch; at most `most`.
inline std::vector<group> groups_of(std::span<const series> all, const series& chief, const gpunet::device& here,
                                    std::size_t most) {
    std::vector<group> groups(1);
    groups[0].batch = chief.batch;
    bool mixed = false;
    for (const series& s : all) {
        if (s.batch != chief.batch) continue;
        if (s.precision != usual_precision(all, s.device, s.batch, here) && !same_line(s, chief)) continue;
        if (same_line(s, chief) && &s != &chief) continue;
        groups[0].members.push_back(&s);
        mixed = mixed || s.precision != chief.precision;
    }
    groups[0].name = "batch " + std::to_string(chief.batch) + (mixed ? ", usual precision" : ", " + chief.precision);
    std::vector<std::pair<std::int64_t, std::size_t>> keys;
    for (const series& s : all) keys.emplace_back(s.batch, rank_of(s.precision));
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    for (const auto& [batch, rank] : keys) {
        group g{"batch " + std::to_string(batch) + ", ", batch, {}};
        for (const series& s : all)
            if (s.batch == batch && rank_of(s.precision) == rank) g.members.push_back(&s);
        g.name += g.members.front()->precision;
        if (groups.size() < most && g.members != groups[0].members) groups.push_back(std::move(g));
    }
    return groups;
}

/// How many points of a series are too many to name them all in full.
inline constexpr std::size_t many_points = 16;

/// One plot: a series by itself, its families told apart, or several series, told apart themselves.
struct view {
    std::string name;
    group shown;
    bool by_family = true;
};

/// The group's series that the page speaks of: the main one's at other precisions and batches, or the first.
inline const series& chief_of(const group& g, const series& chief) {
    for (const series* s : g.members)
        if (same_line(*s, chief)) return *s;
    return *g.members.front();
}

/// The plots of groups: for each the page's own series by families, then all of its series where there are more; at
/// most `most`.
inline std::vector<view> views_of(const std::vector<group>& groups, const series& chief, std::size_t most) {
    std::vector<view> views;
    std::vector<const series*> alone;
    for (const group& g : groups) {
        const series& own = chief_of(g, chief);
        if ((g.members.size() == 1 || same_line(own, chief)) &&
            std::find(alone.begin(), alone.end(), &own) == alone.end()) {
            alone.push_back(&own);
            views.push_back({"batch " + std::to_string(own.batch) + ", " + own.precision, {g.name, g.batch, {&own}}});
        }
        if (g.members.size() < 2) continue;
        const bool devices =
            std::any_of(g.members.begin(), g.members.end(), [&](const series* s) { return s->device != own.device; });
        views.push_back({g.name + (devices ? ", all devices" : ", all settings"), g, false});
    }
    if (views.size() > most) views.resize(most);
    return views;
}

} // namespace gpunet::detail::report

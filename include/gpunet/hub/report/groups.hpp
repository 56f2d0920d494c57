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
    const std::string wanted = device == here.name ? here.precision : "fp16";
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

} // namespace gpunet::detail::report

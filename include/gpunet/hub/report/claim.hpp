// What a paper claims of its models against others, and what the latencies of one series say of it.
#pragma once

#include <gpunet/hub/latency.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/report/series.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace gpunet::detail::report {

/// That the models of one family are so many times as fast as those of others, and no less accurate.
struct claim {
    std::string_view champion;              // a family
    std::array<std::string_view, 2> rivals; // families
    double times = 1;                       // the rival's latency over the champion's, at least
    milliseconds within{};                  // how far the claim reaches
    std::string_view words, paper, conditions;
};

inline constexpr claim gpunet_claim = {
    "GPUNet",
    {"EfficientNet-X", "FBNetV3"},
    2.0,
    milliseconds(1.0),
    "Within 1ms, GPUNet is 2x faster than EfficientNet-X and FBNetV3 with even better accuracy",
    "arXiv:2205.00841",
    "TensorRT, fp16, batch 1, on a GV100"};

/// What a claim comes to for one rival.
enum class outcome : std::uint8_t {
    holds,    // a champion is no less accurate and so many times as fast
    faster,   // one is no less accurate and faster, but not so many times
    slower,   // none that is no less accurate is faster
    unmatched // none is so accurate
};

/// A rival, and the fastest champion that is at least as accurate.
struct duel {
    const point* rival = nullptr;
    const point* champion = nullptr; // null where there is none
    double times = 0;                // the rival's latency over the champion's
    outcome result = outcome::unmatched;
    bool named = false;  // the claim names the rival's family
    bool within = false; // the claim reaches so far: the faster of the two takes no longer
};

struct judgement {
    std::vector<duel> duels;                        // the named families first, as the claim names them
    std::vector<const gpunet::model*> unknown;      // of the named families, without a record in the series
    std::size_t champions = 0, champions_known = 0; // models of the champion's family, those with a record
    std::size_t rivals = 0;                         // models of the named families

    std::size_t count(outcome result, bool within_only) const {
        return static_cast<std::size_t>(std::count_if(duels.begin(), duels.end(), [&](const duel& d) {
            return d.named && d.result == result && (d.within || !within_only);
        }));
    }
    std::size_t known(bool within_only) const {
        return static_cast<std::size_t>(std::count_if(
            duels.begin(), duels.end(), [&](const duel& d) { return d.named && (d.within || !within_only); }));
    }
};

inline bool comparable(const point& p) {
    return std::isfinite(p.model->top1) && std::isfinite(p.record->latency.count()) && p.record->latency.count() > 0;
}

/// The fastest point of a family that is at least so accurate, of equally fast ones the more accurate; null if none is.
inline const point* fastest_of(const series& s, std::string_view family, double top1) {
    const point* best = nullptr;
    for (const point& p : s.points) {
        if (p.model->family != family || !comparable(p) || p.model->top1 < top1) continue;
        const bool tie = best && p.record->latency == best->record->latency;
        if (!best || p.record->latency < best->record->latency || (tie && p.model->top1 > best->model->top1)) best = &p;
    }
    return best;
}

inline duel duel_of(const claim& c, const series& s, const point& rival) {
    duel d;
    d.rival = &rival;
    d.champion = fastest_of(s, c.champion, rival.model->top1);
    d.within = rival.record->latency <= c.within;
    if (!d.champion) return d;
    d.within = d.within || d.champion->record->latency <= c.within;
    d.times = rival.record->latency / d.champion->record->latency;
    d.result = d.times >= c.times ? outcome::holds : d.times > 1 ? outcome::faster : outcome::slower;
    return d;
}

/// What the records of a series say of a claim.
inline judgement judge(const claim& c, std::span<const gpunet::model> models, const series& s) {
    judgement j;
    std::vector<duel> others;
    std::array<std::vector<duel>, 2> named; // by the claim's families
    for (const gpunet::model& m : models) {
        const point* p = s.of(m);
        const bool known = p && comparable(*p);
        if (m.family == c.champion) {
            ++j.champions;
            j.champions_known += known ? 1 : 0;
            continue;
        }
        const auto place =
            static_cast<std::size_t>(std::find(c.rivals.begin(), c.rivals.end(), m.family) - c.rivals.begin());
        const bool is_named = place < c.rivals.size();
        j.rivals += is_named ? 1 : 0;
        if (!known) {
            if (is_named) j.unknown.push_back(&m);
            continue;
        }
        duel d = duel_of(c, s, *p);
        d.named = is_named;
        (is_named ? named[place] : others).push_back(d);
    }
    for (const std::vector<duel>& family : named) j.duels.insert(j.duels.end(), family.begin(), family.end());
    j.duels.insert(j.duels.end(), others.begin(), others.end());
    return j;
}

} // namespace gpunet::detail::report

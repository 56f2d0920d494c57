// What the page says in words: which model to take, and why.
#pragma once

#include <gpunet/hub/report/axis.hpp>
#include <gpunet/hub/report/groups.hpp>
#include <gpunet/hub/report/marker.hpp>
#include <gpunet/hub/report/series.hpp>
#include <gpunet/hub/report/text.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gpunet::detail::report {

/// A round budget and the best model within it.
struct rung {
    milliseconds budget{};
    const point* best = nullptr;
};

/// The most accurate model within a budget, of equally accurate ones the faster; null where none fits.
inline const point* best_within(const series& s, milliseconds budget) {
    const point* best = nullptr;
    for (const std::size_t i : s.front)
        if (s.points[i].record->latency <= budget && (!best || s.points[i].model->top1 > best->model->top1))
            best = &s.points[i];
    return best;
}

/// Budgets of 1, 2, 5, 10, ... milliseconds, each with another best model.
inline std::vector<rung> ladder(const series& s) {
    std::vector<rung> rungs;
    if (s.front.empty()) return rungs;
    const double last = s.points[s.front.back()].record->latency.count();
    for (double b = round_above(s.points[s.front.front()].record->latency.count());; b = round_above(1.01 * b)) {
        const point* best = best_within(s, milliseconds(b));
        if (best && (rungs.empty() || rungs.back().best != best)) rungs.push_back({milliseconds(b), best});
        if (b >= last) return rungs;
    }
}

inline std::string budget_text(milliseconds t) { return rounded(t.count(), 4) + " ms"; }

inline std::string strong(const std::string& text) { return "<strong>" + escaped(text) + "</strong>"; }

/// The page's first sentence.
inline std::string headline(const series& s, std::optional<milliseconds> asked) {
    const std::vector<rung> rungs = ladder(s);
    const milliseconds budget = asked ? *asked : rungs[(rungs.size() - 1) / 2].budget;
    const std::string where = s.measured() ? "on this machine" : "on " + s.device + ", by published figures,";
    if (const point* p = best_within(s, budget))
        return "Within " + budget_text(budget) + " the most accurate model " + escaped(where) + " is " +
               strong(p->model->name) + ": " + percent(p->model->top1) + " top-1 in " + ms_text(p->record->latency) +
               ".";
    const point& fastest = s.points[s.front.front()];
    return "No model " + escaped(where) + " takes at most " + budget_text(budget) + ": the fastest is " +
           strong(fastest.model->name) + " at " + ms_text(fastest.record->latency) + ".";
}

/// What the headline rests on.
inline std::string basis(std::span<const gpunet::model> models, const series& s) {
    std::size_t noisy = 0, old = 0;
    for (const point& p : s.points) {
        noisy += p.record->noisy ? 1 : 0;
        old += p.changes.empty() ? 0 : 1;
    }
    std::string out = escaped(conditions(s, true)) + ". " + std::to_string(s.points.size()) + " of " +
                      counted(models.size(), "model") +
                      (s.measured() ? " measured here" : " have published latencies") + ", " +
                      std::to_string(s.front.size()) + " of them on the Pareto front.";
    if (noisy) out += " " + counted(noisy, "measurement") + (noisy == 1 ? " is" : " are") + " noisy: measure again.";
    if (old)
        out += " Since " + counted(old, "measurement") + " the driver, an engine or gpunet has changed: measure again.";
    return out;
}

inline std::string ladder_html(const series& s) {
    std::string out = "<ol class=\"ladder\">\n";
    for (const rung& r : ladder(s))
        out += "<li><span>within " + budget_text(r.budget) + "</span> " + strong(r.best->model->name) + " <span>" +
               percent(r.best->model->top1) + "</span></li>\n";
    return out + "</ol>\n";
}

/// The models of the front in order, each with what it gives more than the one before, and why the others are not on
/// it.
inline std::string front_html(const series& s) {
    std::string out = "<ol class=\"front-list\">\n";
    const point* before = nullptr;
    for (const std::size_t i : s.front) {
        const point& p = s.points[i];
        out += "<li>" + strong(p.model->name) + ": " + percent(p.model->top1) + " in " + ms_text(p.record->latency);
        if (!before)
            out += "; the fastest";
        else if (p.model->top1 == before->model->top1 && p.record->latency == before->record->latency)
            out += "; the same as " + escaped(before->model->name);
        else
            out += "; " + fixed(p.model->top1 - before->model->top1, 1) + " points more than " +
                   escaped(before->model->name) + " for " + ms_text(p.record->latency - before->record->latency) +
                   " more";
        out += i == s.front.back() && before ? "; the most accurate</li>\n" : "</li>\n";
        before = &p;
    }
    out += "</ol>\n";
    std::string beaten;
    for (std::size_t i = 0; i < s.points.size(); ++i) {
        if (s.on_front(i)) continue;
        const point& p = s.points[i];
        const point* by = best_within(s, p.record->latency);
        if (!by) continue;
        beaten += "<li>" + strong(p.model->name) + " (" + percent(p.model->top1) + ", " + ms_text(p.record->latency) +
                  "): " + escaped(by->model->name) + " has " + percent(by->model->top1) + " in " +
                  ms_text(by->record->latency) + "</li>\n";
    }
    if (!beaten.empty()) out += "<p>Not on the front, and what beats each:</p>\n<ul>\n" + beaten + "</ul>\n";
    return out;
}

/// The fronts of a group: the main series' in full, the others' to unfold.
inline std::string fronts(const group& g, const series& chief) {
    std::string out =
        "<h3>" + escaped(conditions(chief, false)) + ", " + origin_text(chief) + "</h3>\n" + front_html(chief);
    for (const series* s : g.members)
        if (s != &chief && !s->front.empty())
            out += "<details><summary>" + swatch(s->style, s->measured()) + escaped(conditions(*s, false)) + ", " +
                   origin_text(*s) + "</summary>\n" + front_html(*s) + "</details>\n";
    return out;
}

} // namespace gpunet::detail::report

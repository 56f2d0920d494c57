// The names of models in a plot.
#pragma once

#include <gpunet/hub/report/families.hpp>
#include <gpunet/hub/report/groups.hpp>
#include <gpunet/hub/report/labels.hpp>
#include <gpunet/hub/report/marker.hpp>
#include <gpunet/hub/report/plot.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::detail::report {

/// A name and its classes.
struct named_point {
    label_request label;
    std::string kind;
};

/// Boxes along the staircase of a series, for names to keep off. @param open  goes on to the right
inline void avoid_front(const series& s, const plot_frame& f, bool open, std::vector<box>& avoided) {
    double x = f.area.right; // from the slowest backwards
    for (auto i = s.front.rbegin(); i != s.front.rend(); ++i) {
        const point& p = s.points[*i];
        const double left = f.x(p.record->latency.count()), y = f.y(p.model->top1);
        const auto below = std::next(i);
        const double bottom = below == s.front.rend() ? f.area.bottom : f.y(s.points[*below].model->top1);
        if (i != s.front.rbegin() || open) avoided.push_back({left, y - 1, x, y + 1});
        avoided.push_back({left - 1, y, left + 1, bottom});
        x = left;
    }
}

/// Boxes along the lines of the families.
inline void avoid_curves(const series& s, const plot_frame& f, const family_index& families,
                         std::vector<box>& avoided) {
    constexpr double step = 5;
    for (const auto& [place, curve] : curves_of(s, families))
        for (std::size_t i = 1; i < curve.size(); ++i) {
            const point &from = s.points[curve[i - 1]], &to = s.points[curve[i]];
            const double x = f.x(from.record->latency.count()), y = f.y(from.model->top1);
            const double dx = f.x(to.record->latency.count()) - x, dy = f.y(to.model->top1) - y;
            const double pieces = std::max(1.0, std::ceil(std::hypot(dx, dy) / step));
            for (double n = 0; n <= pieces; ++n) {
                const double px = x + dx * n / pieces, py = y + dy * n / pieces;
                avoided.push_back({px - 1, py - 1, px + 1, py + 1});
            }
        }
}

inline named_point name_of(const point& p, std::string text, const plot_frame& f, const family_index& families,
                           bool insistent, const std::string& kind) {
    return {{std::move(text), f.x(p.record->latency.count()), f.y(p.model->top1), insistent},
            kind + " f " + family_class(place_of(families, *p.model)) + ' '};
}

/// The names of a plot by families, in their colours: in full on the front and at the slow end of each family's line,
/// of the others, where there are many, only what tells them from their family.
inline std::vector<named_point> names_by_family(std::span<const gpunet::model> models, const series& s,
                                                const plot_frame& f, const family_index& families) {
    std::vector<named_point> front, ends, others;
    for (const auto& [place, curve] : curves_of(s, families))
        for (const std::size_t i : curve) {
            const point& p = s.points[i];
            const std::string kind = "name own " + colour_class(place), brief = name_in_family(models, *p.model);
            const bool in_full = i == curve.back() || s.points.size() <= many_points;
            if (s.on_front(i)) {
                front.push_back(name_of(p, p.model->name, f, families, true, kind + " first"));
                front.back().label.gap = 3; // for the ring
                front.back().label.shorter = brief;
            } else if (in_full) {
                ends.push_back(name_of(p, p.model->name, f, families, true, kind));
                ends.back().label.shorter = brief;
            } else {
                others.push_back(name_of(p, brief, f, families, f.size.kind == "wide", kind));
            }
        }
    front.insert(front.end(), ends.begin(), ends.end());
    front.insert(front.end(), others.begin(), others.end());
    return front;
}

/// The names of a plot by series: all points of the main one, those off its front only where they find room at once if
/// there are many; of the others those of a front that find room at once.
inline std::vector<named_point> names_by_series(const group& g, const series& chief, const plot_frame& f,
                                                const family_index& families) {
    std::vector<named_point> all;
    const auto want = [&](const series& s, bool front, bool insistent, const char* kind) {
        for (std::size_t i = 0; i < s.points.size(); ++i)
            if (s.on_front(i) == front)
                all.push_back(name_of(s.points[i], s.points[i].model->name, f, families, insistent, kind));
    };
    want(chief, true, true, "name first");
    want(chief, false, f.size.kind == "wide" && chief.points.size() <= many_points, "name");
    for (const series* s : g.members)
        if (s != &chief) want(*s, true, false, "name");
    return all;
}

inline std::string names_svg(std::span<const gpunet::model> models, const view& v, const series& chief,
                             const plot_frame& f, const family_index& families) {
    std::vector<box> taken, avoided;
    for (const series* s : v.shown.members) {
        for (std::size_t i = 0; i < s->points.size(); ++i) {
            const double x = f.x(s->points[i].record->latency.count()), y = f.y(s->points[i].model->top1);
            const double half = v.by_family && s->on_front(i) ? 8 : 6;
            taken.push_back({x - half, y - half, x + half, y + half});
            if (const auto ends = whisker(s->points[i], f))
                avoided.push_back({ends->first, y - 1, ends->second, y + 1});
        }
        avoid_front(*s, f, s == &chief, avoided);
    }
    if (v.by_family) avoid_curves(chief, f, families, avoided);
    const std::vector<named_point> wanted =
        v.by_family ? names_by_family(models, chief, f, families) : names_by_series(v.shown, chief, f, families);
    std::vector<label_request> labels;
    labels.reserve(wanted.size());
    for (const named_point& n : wanted) labels.push_back(n.label);
    const auto places = place_labels(labels, taken, avoided, f.area, f.size.font);
    std::string out = "<g class=\"names\" aria-hidden=\"true\">";
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (!places[i]) continue;
        const placed_label& l = *places[i];
        if (l.leader) out += svg_line("leader", l.from_x, l.from_y, l.to_x, l.to_y);
        out += svg_text(wanted[i].kind + l.anchor, l.x, l.baseline, l.text);
    }
    return out + "</g>";
}

} // namespace gpunet::detail::report

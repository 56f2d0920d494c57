// The plot of accuracy over latency, as an SVG that stands in an HTML page.
#pragma once

#include <gpunet/hub/report/axis.hpp>
#include <gpunet/hub/report/groups.hpp>
#include <gpunet/hub/report/labels.hpp>
#include <gpunet/hub/report/marker.hpp>
#include <gpunet/hub/report/series.hpp>
#include <gpunet/hub/report/text.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace gpunet::detail::report {

/// Places of families in the order of the registry, for the classes f0, f1, ...
using family_index = std::map<std::string, std::size_t>;

inline std::string family_class(const family_index& families, const gpunet::model& m) {
    const auto found = families.find(m.family);
    return "f" + std::to_string(found == families.end() ? 0 : found->second);
}

struct plot_size {
    std::string kind; // "wide" or "narrow", for large screens and small ones
    double width, height, font;
};

struct plot_frame {
    plot_size size;
    box area; // within the axes
    scale x, y;
};

inline plot_frame frame_of(const group& g, const plot_size& size) {
    double fast = 1e300, slow = 0, worst = 100, best = 0;
    for (const series* s : g.members)
        for (const point& p : s->points) {
            fast = std::min(fast, p.record->latency.count());
            slow = std::max(slow, p.record->latency.count());
            worst = std::min(worst, p.model->top1);
            best = std::max(best, p.model->top1);
        }
    const double margin = std::max(0.08 * (best - worst), 0.25);
    plot_frame f{
        size, {3.6 * size.font, 0.8 * size.font, size.width - 0.9 * size.font, size.height - 3.7 * size.font}, {}, {}};
    const double room = std::max(1.12, std::pow(slow / fast, 0.06));
    f.x = {fast / room, slow * room, f.area.left, f.area.right, true};
    f.y = {std::max(0.0, worst - margin), std::min(100.0, best + margin), f.area.bottom, f.area.top, false};
    return f;
}

inline std::string svg_line(const char* kind, double x1, double y1, double x2, double y2) {
    return std::string("<path class=\"") + kind + "\" d=\"M" + at(x1) + ' ' + at(y1) + 'L' + at(x2) + ' ' + at(y2) +
           "\"/>";
}

inline std::string svg_text(const std::string& kind, double x, double y, const std::string& text) {
    return "<text class=\"" + kind + "\" x=\"" + at(x) + "\" y=\"" + at(y) + "\">" + escaped(text) + "</text>";
}

inline std::string axes(const plot_frame& f) {
    const double font = f.size.font;
    std::string out = "<g aria-hidden=\"true\">";
    for (const double v : linear_ticks(f.y.low, f.y.high, 8)) {
        out += svg_line("grid", f.area.left, f.y(v), f.area.right, f.y(v));
        out += svg_text("tick end", f.area.left - 0.5 * font, f.y(v) + 0.35 * font, rounded(v, 4));
    }
    const auto room = static_cast<std::size_t>((f.area.right - f.area.left) / (3.2 * font));
    for (const double v : log_ticks(f.x.low, f.x.high, room)) {
        out += svg_line("grid", f.x(v), f.area.top, f.x(v), f.area.bottom);
        out += svg_text("tick middle", f.x(v), f.area.bottom + 1.4 * font, rounded(v, 4));
    }
    out += svg_line("axis", f.area.left, f.area.bottom, f.area.right, f.area.bottom);
    out += svg_text("title middle", (f.area.left + f.area.right) / 2, f.size.height - 0.7 * font,
                    "latency in milliseconds (logarithmic)");
    const std::string middle = at((f.area.top + f.area.bottom) / 2), left = at(1.1 * font);
    out += "<text class=\"title middle\" transform=\"translate(" + left + ' ' + middle +
           ") rotate(-90)\">ImageNet top-1 in per cent</text>";
    return out + "</g>";
}

/// The best accuracy within each latency: rises at every model of the front. @param open  goes on to the right
inline std::string staircase(const series& s, const plot_frame& f, bool open) {
    std::string path;
    double y = f.area.bottom;
    for (const std::size_t i : s.front) {
        const double x = f.x(s.points[i].record->latency.count());
        path += (path.empty() ? "M" + at(x) + ' ' + at(y) : "H" + at(x));
        y = f.y(s.points[i].model->top1);
        path += "V" + at(y);
    }
    if (open) path += "H" + at(f.area.right);
    return "<path class=\"front\" d=\"" + path + "\"/>";
}

/// What a point says when it is pointed at, in lines.
inline std::string tooltip(const series& s, const point& p, bool front) {
    const latency_record& r = *p.record;
    std::string out = p.model->name + "\n" + percent(p.model->top1) + " top-1, " + ms_text(r.latency);
    if (r.spread) out += " (spread " + ms_text(*r.spread) + ")";
    out += "\n" + conditions(s, true);
    out += s.measured() ? "\nmeasured here, " + r.engine + ", " + r.date : "\npublished: " + r.source + ", " + r.date;
    if (r.noisy) out += "\nnoisy: the runs differed too much to rely on";
    if (!p.changes.empty()) out += "\nmeasured before a change: " + p.changes;
    return out + (front ? "\non the Pareto front" : "");
}

inline std::string plot_point(const series& s, std::size_t i, const plot_frame& f, const family_index& families) {
    const point& p = s.points[i];
    const double x = f.x(p.record->latency.count()), y = f.y(p.model->top1);
    const bool front = s.on_front(i);
    std::string out = "<g class=\"pt f " + family_class(families, *p.model) + (p.record->noisy ? " noisy" : "") +
                      "\" tabindex=\"0\" role=\"img\" data-model=\"" + escaped(p.model->name) + "\"><title>" +
                      escaped(tooltip(s, p, front)) + "</title>";
    if (p.record->spread && p.record->spread->count() > 0) {
        const double half = p.record->spread->count() / 2, ms = p.record->latency.count();
        out += svg_line("whisker", std::max(f.area.left, f.x(std::max(ms - half, f.x.low))), y,
                        std::min(f.area.right, f.x(ms + half)), y);
    }
    out += "<circle class=\"ring\" cx=\"" + at(x) + "\" cy=\"" + at(y) + "\" r=\"10\"/>";
    return out + marker(s.style, x, y, front ? 5.5 : 4.5) + "</g>";
}

/// Names, the main series' first: all of its points, and of the others those of a front that find room at once.
inline std::string names(const group& g, const series& chief, const plot_frame& f, const family_index& families) {
    std::vector<box> taken;
    for (const series* s : g.members)
        for (const point& p : s->points) {
            const double x = f.x(p.record->latency.count()), y = f.y(p.model->top1);
            taken.push_back({x - 6, y - 6, x + 6, y + 6});
        }
    std::vector<box> avoided;
    for (const series* s : g.members) {
        double x = f.area.right; // from the slowest backwards
        for (auto i = s->front.rbegin(); i != s->front.rend(); ++i) {
            const point& p = s->points[*i];
            const double left = f.x(p.record->latency.count()), y = f.y(p.model->top1);
            const auto below = std::next(i);
            const double bottom = below == s->front.rend() ? f.area.bottom : f.y(s->points[*below].model->top1);
            if (i != s->front.rbegin() || s == &chief) avoided.push_back({left, y - 1, x, y + 1});
            avoided.push_back({left - 1, y, left + 1, bottom});
            x = left;
        }
    }
    std::vector<label_request> wanted;
    std::vector<std::string> kinds;
    const auto want = [&](const series& s, bool front, bool insistent) {
        for (std::size_t i = 0; i < s.points.size(); ++i) {
            if (s.on_front(i) != front) continue;
            const point& p = s.points[i];
            wanted.push_back({p.model->name, f.x(p.record->latency.count()), f.y(p.model->top1), insistent});
            kinds.push_back((front && insistent ? "name first f " : "name f ") + family_class(families, *p.model) +
                            ' ');
        }
    };
    want(chief, true, true);
    want(chief, false, f.size.kind == "wide");
    for (const series* s : g.members)
        if (s != &chief) want(*s, true, false);
    std::string out = "<g class=\"names\" aria-hidden=\"true\">";
    const auto places = place_labels(wanted, taken, avoided, f.area, f.size.font);
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (!places[i]) continue;
        const placed_label& l = *places[i];
        if (l.leader) out += svg_line("leader", l.from_x, l.from_y, l.to_x, l.to_y);
        out += svg_text(kinds[i] + l.anchor, l.x, l.baseline, wanted[i].text);
    }
    return out + "</g>";
}

} // namespace gpunet::detail::report

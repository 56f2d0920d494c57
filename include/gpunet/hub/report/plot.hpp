// The plot of accuracy over latency, as an SVG that stands in an HTML page.
#pragma once

#include <gpunet/hub/report/axis.hpp>
#include <gpunet/hub/report/families.hpp>
#include <gpunet/hub/report/groups.hpp>
#include <gpunet/hub/report/labels.hpp>
#include <gpunet/hub/report/marker.hpp>
#include <gpunet/hub/report/series.hpp>
#include <gpunet/hub/report/text.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace gpunet::detail::report {

struct plot_size {
    std::string kind; // "wide" or "narrow", for large screens and small ones
    double width, height, font;
};

struct plot_frame {
    plot_size size;
    box area; // within the axes
    scale x, y;
};

/// At most about so many numbers along the upright axis.
inline constexpr std::size_t most_heights = 8;

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
    plot_frame f{size, {}, {}, {}};
    f.y = {std::max(0.0, worst - margin), std::min(100.0, best + margin), 0, 0, false};
    double widest = 0;
    for (const double v : linear_ticks(f.y.low, f.y.high, most_heights))
        widest = std::max(widest, text_width(rounded(v, 4), size.font));
    f.area = {widest + 2.1 * size.font, 0.8 * size.font, size.width - 1.6 * size.font, size.height - 3.7 * size.font};
    f.y.start = f.area.bottom;
    f.y.end = f.area.top;
    const double room = std::max(1.12, std::pow(slow / fast, 0.06));
    f.x = {fast / room, slow * room, f.area.left, f.area.right, true};
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
    for (const double v : linear_ticks(f.y.low, f.y.high, most_heights)) {
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

/// How a point looks: by its family where that is what a plot tells apart, otherwise by its series.
inline std::size_t look_of(const series& s, const point& p, const family_index& families, bool by_family) {
    return by_family ? place_of(families, *p.model) : s.style;
}

/// The models of each family of a series by latency, of equal ones by accuracy: places in its points.
inline std::map<std::size_t, std::vector<std::size_t>> curves_of(const series& s, const family_index& families) {
    std::map<std::size_t, std::vector<std::size_t>> curves;
    for (std::size_t i = 0; i < s.points.size(); ++i) curves[place_of(families, *s.points[i].model)].push_back(i);
    for (auto& [place, curve] : curves)
        std::stable_sort(curve.begin(), curve.end(), [&](std::size_t a, std::size_t b) {
            const point &x = s.points[a], &y = s.points[b];
            return std::tuple(x.record->latency, x.model->top1) < std::tuple(y.record->latency, y.model->top1);
        });
    return curves;
}

/// A line through the models of each family.
inline std::string curves_svg(const series& s, const plot_frame& f, const family_index& families) {
    std::string out;
    for (const auto& [place, curve] : curves_of(s, families)) {
        if (curve.size() < 2) continue;
        std::string path;
        for (const std::size_t i : curve)
            path += (path.empty() ? "M" : "L") + at(f.x(s.points[i].record->latency.count())) + ' ' +
                    at(f.y(s.points[i].model->top1));
        out += "<g class=\"f " + family_class(place) + ' ' + colour_class(place) +
               "\" aria-hidden=\"true\"><path class=\"curve\" d=\"" + path + "\"/></g>\n";
    }
    return out;
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

/// Where the line of a point's spread begins and ends; nothing where it has none.
inline std::optional<std::pair<double, double>> whisker(const point& p, const plot_frame& f) {
    if (!p.record->spread || !(p.record->spread->count() > 0)) return std::nullopt;
    const double half = p.record->spread->count() / 2, ms = p.record->latency.count();
    return std::pair(std::max(f.area.left, f.x(std::max(ms - half, f.x.low))), std::min(f.area.right, f.x(ms + half)));
}

/// The spreads of a series, for names to stand on.
inline std::string whiskers_svg(const series& s, const plot_frame& f, const family_index& families, bool by_family) {
    std::string out;
    for (const point& p : s.points)
        if (const auto ends = whisker(p, f)) {
            const double y = f.y(p.model->top1);
            out += "<g class=\"f " + family_class(place_of(families, *p.model)) + ' ' +
                   colour_class(look_of(s, p, families, by_family)) + "\" aria-hidden=\"true\">" +
                   svg_line("whisker", ends->first, y, ends->second, y) + "</g>\n";
        }
    return out;
}

inline std::string plot_point(const series& s, std::size_t i, const plot_frame& f, const family_index& families,
                              bool by_family) {
    const point& p = s.points[i];
    const double x = f.x(p.record->latency.count()), y = f.y(p.model->top1);
    const bool front = s.on_front(i);
    const std::size_t look = look_of(s, p, families, by_family);
    std::string out = "<g class=\"pt f " + family_class(place_of(families, *p.model)) + ' ' + colour_class(look) +
                      (p.record->noisy ? " noisy" : "") + "\" tabindex=\"0\" role=\"img\" data-model=\"" +
                      escaped(p.model->name) + "\"><title>" + escaped(tooltip(s, p, front)) + "</title>";
    const std::string centre = "cx=\"" + at(x) + "\" cy=\"" + at(y) + "\" r=\"";
    out += "<circle class=\"ring\" " + centre + "10\"/>";
    if (front && by_family) out += "<circle class=\"best\" " + centre + "8.5\"/>";
    return out + marker(look, x, y, front ? 5.5 : 4.5) + "</g>";
}

} // namespace gpunet::detail::report

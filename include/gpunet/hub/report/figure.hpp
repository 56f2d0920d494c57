// The part of the page that shows the plot: which series, which family, what the marks mean.
#pragma once

#include <gpunet/hub/report/families.hpp>
#include <gpunet/hub/report/names.hpp>
#include <gpunet/hub/report/plot.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gpunet::detail::report {

/// As many plots as the style sheet can choose from (classes view-0, view-1, ...).
inline constexpr std::size_t most_views = 12;

inline std::string front_text(const series& s) {
    std::string out;
    for (const std::size_t i : s.front) {
        const point& p = s.points[i];
        out += (out.empty() ? "" : ", ") + p.model->name + " (" + ms_text(p.record->latency) + ", " +
               percent(p.model->top1) + ")";
    }
    return out;
}

/// A drawing's size, higher where there are many points.
inline plot_size size_of(const view& v, bool wide) {
    const bool high = v.by_family && v.shown.members.front()->points.size() > many_points;
    return wide ? plot_size{"wide", 900, high ? 640.0 : 520.0, 13} : plot_size{"narrow", 360, high ? 520.0 : 400.0, 12};
}

inline std::string plot_svg(std::span<const gpunet::model> models, const view& v, const series& chief,
                            const family_index& families, const plot_size& size, std::size_t number) {
    const group& g = v.shown;
    const plot_frame f = frame_of(g, size);
    const std::string id = size.kind + '-' + std::to_string(number);
    std::size_t count = 0;
    for (const series* s : g.members) count += s->points.size();
    const std::string what = v.by_family ? conditions(chief, true) : v.name;
    std::string out = "<svg class=\"plot " + size.kind + "\" viewBox=\"0 0 " + at(size.width) + ' ' + at(size.height) +
                      "\" role=\"group\" aria-labelledby=\"" + id + "-title " + id + "-desc\">\n";
    out += "<title id=\"" + id + "-title\">Top-1 accuracy over latency, " + escaped(what) + "</title>\n<desc id=\"" +
           id + "-desc\">" + counted(count, "point") + " in " +
           (v.by_family ? counted(curves_of(chief, families).size(), "line") + ", one a family"
                        : std::to_string(g.members.size()) + " series") +
           ", latency on a logarithmic axis to the right, accuracy upwards. Pareto front of " +
           escaped(conditions(chief, false)) + ": " + escaped(front_text(chief)) + ".</desc>\n";
    out += axes(f) + '\n';
    std::vector<const series*> order(g.members.rbegin(), g.members.rend()); // the main ones last, on top
    for (const series* s : order)
        out += "<g class=\"line " + (v.by_family ? std::string("total") : colour_class(s->style)) +
               (s == &chief ? " chief" : "") + "\" aria-hidden=\"true\">" + staircase(*s, f, s == &chief) + "</g>\n";
    if (v.by_family) out += curves_svg(chief, f, families);
    for (const series* s : order) out += whiskers_svg(*s, f, families, v.by_family);
    out += names_svg(models, v, chief, f, families) + '\n';
    for (const series* s : order) {
        out += "<g class=\"series" + std::string(s->measured() ? " here" : "") + "\" role=\"group\" aria-label=\"" +
               escaped(conditions(*s, false)) + ", " + origin_text(*s) + "\">\n";
        for (const bool front : {false, true}) // what is on the front last, on top
            for (std::size_t i = 0; i < s->points.size(); ++i)
                if (s->on_front(i) == front) out += plot_point(*s, i, f, families, v.by_family) + '\n';
        out += "</g>\n";
    }
    return out + "</svg>\n";
}

/// A choice among a few: works without a script, by the style sheet.
inline std::string choices(const std::string& name, const std::string& legend, const std::vector<std::string>& texts) {
    if (texts.size() < 2) return {};
    std::string out = "<fieldset class=\"choices\"><legend>" + legend + "</legend>\n";
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::string id = name + '-' + std::to_string(i);
        out += "<input type=\"radio\" name=\"" + name + "\" id=\"" + id + "\"" +
               (i == 0 ? " checked=\"checked\"" : "") + "/><label for=\"" + id + "\">" + escaped(texts[i]) +
               "</label>\n";
    }
    return out + "</fieldset>\n";
}

inline std::string family_choices(std::span<const gpunet::model> models, const family_index& families) {
    std::vector<std::string> names(1, "all");
    std::vector<std::size_t> counts(1, models.size());
    for (const gpunet::model& m : models) {
        const std::size_t i = std::min(families.at(m.family), most_families - 1) + 1;
        if (i >= names.size()) {
            names.resize(i + 1);
            counts.resize(i + 1);
        }
        if (counts[i]++ == 0)
            names[i] = family_name(m.family);
        else if (i == most_families && names[i] != family_name(m.family))
            names[i] = "others";
    }
    if (families.size() < 2) return {};
    for (std::size_t i = 0; i < names.size(); ++i) names[i] += " (" + std::to_string(counts[i]) + ")";
    return choices("family", "Family", names);
}

inline std::string legend_item(const std::string& key, const std::string& html) {
    return "<li>" + key + "<span>" + html + "</span></li>\n";
}

inline std::string front_key() {
    return "<svg class=\"key\" aria-hidden=\"true\" width=\"16\" height=\"16\" viewBox=\"0 0 16 16\"><path "
           "class=\"front\" d=\"M1 14V10H8V4H15\"/></svg>";
}

inline std::string legend_of_series(const group& g) {
    std::string out = "<ul class=\"legend\">\n";
    for (const series* s : g.members)
        out += legend_item(swatch(s->style, s->measured()),
                           escaped(conditions(*s, false)) +
                               (s->measured() ? ", <strong>measured here</strong>" : ", published"));
    return out + legend_item(front_key(), "Pareto front: the best top-1 within a latency") + "</ul>\n";
}

/// The families that a series has points of, in order.
inline std::string legend_of_families(const series& s, const family_index& families) {
    std::string out = "<ul class=\"legend families\">\n";
    for (const auto& [place, curve] : curves_of(s, families))
        out += "<li class=\"f " + family_class(place) + "\">" + line_swatch(place, s.measured(), curve.size() > 1) +
               "<span>" + escaped(family_name(s.points[curve.front()].model->family)) + "</span></li>\n";
    return out + legend_item(front_key(), "Pareto front") + "</ul>\n";
}

inline bool noisy(const group& g) {
    return std::any_of(g.members.begin(), g.members.end(), [](const series* s) {
        return std::any_of(s->points.begin(), s->points.end(), [](const point& p) { return p.record->noisy; });
    });
}

/// The models that a plot lacks for want of a record, in a line or to unfold.
inline std::string undrawn(std::span<const gpunet::model> models, const group& g) {
    constexpr std::size_t few = 5;
    std::string names;
    std::size_t count = 0;
    for (const gpunet::model& m : models) {
        if (std::any_of(g.members.begin(), g.members.end(), [&](const series* s) { return s->of(m); })) continue;
        names += (count++ == 0 ? "" : ", ") + escaped(m.name);
    }
    if (count == 0) return {};
    const std::string what = counted(count, "model") + " without such a record, not drawn";
    if (count <= few) return "<p>" + what + ": " + names + ".</p>\n";
    return "<details><summary>" + what + "</summary><p>" + names + "</p></details>\n";
}

inline std::string caption(const view& v, const series& chief) {
    std::string out = "<p>Top-1 accuracy over latency, ";
    if (v.by_family)
        out +=
            escaped(conditions(chief, true)) + ", " +
            (chief.measured() ? "<strong>measured here</strong>" : "published") +
            ". Each line joins the models of a family; the ringed marks with bold names are the Pareto front: nothing "
            "is as fast and more accurate.";
    else
        out += escaped(v.name) + ". Filled marks are measured on this machine, hollow ones are published.";
    return out + (noisy(v.shown) ? " Dashed marks were noisy." : "") + "</p>\n";
}

inline std::string figures(std::span<const gpunet::model> models, const std::vector<view>& views, const series& chief) {
    const family_index families = families_of(models);
    std::vector<std::string> texts;
    texts.reserve(views.size());
    for (const view& v : views) texts.push_back(v.name);
    std::string out =
        "<div class=\"plots\">\n" + choices("view", "Latencies at", texts) + family_choices(models, families);
    for (std::size_t i = 0; i < views.size(); ++i) {
        const view& v = views[i];
        const series& first = chief_of(v.shown, chief);
        out += "<figure class=\"view view-" + std::to_string(i) + "\">\n";
        if (v.by_family) out += legend_of_families(first, families);
        for (const bool wide : {true, false}) out += plot_svg(models, v, first, families, size_of(v, wide), i);
        out += "<figcaption>\n" + caption(v, first) + (v.by_family ? "" : legend_of_series(v.shown)) +
               undrawn(models, v.shown) + "</figcaption>\n</figure>\n";
    }
    return out + "</div>\n";
}

} // namespace gpunet::detail::report

// The part of the page that shows the plot: which group of series, which family, what the marks mean.
#pragma once

#include <gpunet/hub/report/plot.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gpunet::detail::report {

/// As many groups and families as the style sheet can choose from (classes view-0, view-1, ... and f0, f1, ...).
inline constexpr std::size_t most_views = 12, most_families = 12;

/// The families of the models, in order; those beyond the last class share it.
inline family_index families_of(std::span<const gpunet::model> models) {
    family_index all;
    for (const gpunet::model& m : models) all.try_emplace(m.family, std::min(all.size(), most_families - 1));
    return all;
}

inline std::string front_text(const series& s) {
    std::string out;
    for (const std::size_t i : s.front) {
        const point& p = s.points[i];
        out += (out.empty() ? "" : ", ") + p.model->name + " (" + ms_text(p.record->latency) + ", " +
               percent(p.model->top1) + ")";
    }
    return out;
}

inline std::string plot_svg(const group& g, const series& chief, const family_index& families, const plot_size& size,
                            std::size_t number) {
    const plot_frame f = frame_of(g, size);
    const std::string id = size.kind + '-' + std::to_string(number);
    std::size_t count = 0;
    for (const series* s : g.members) count += s->points.size();
    std::string out = "<svg class=\"plot " + size.kind + "\" viewBox=\"0 0 " + at(size.width) + ' ' + at(size.height) +
                      "\" role=\"group\" aria-labelledby=\"" + id + "-title " + id + "-desc\">\n";
    out += "<title id=\"" + id + "-title\">Top-1 accuracy over latency, " + escaped(g.name) + "</title>\n<desc id=\"" +
           id + "-desc\">" + counted(count, "point") + " in " + std::to_string(g.members.size()) +
           " series, latency on a logarithmic axis to the right, accuracy upwards. Pareto front of " +
           escaped(conditions(chief, false)) + ": " + escaped(front_text(chief)) + ".</desc>\n";
    out += axes(f) + '\n';
    std::vector<const series*> order(g.members.rbegin(), g.members.rend()); // the main ones last, on top
    for (const series* s : order)
        out += "<g class=\"line " + colour_class(s->style) + (s == &chief ? " chief" : "") +
               "\" aria-hidden=\"true\">" + staircase(*s, f, s == &chief) + "</g>\n";
    out += names(g, chief, f, families) + '\n';
    for (const series* s : order) {
        out += "<g class=\"" + colour_class(s->style) + (s->measured() ? " here" : "") +
               "\" role=\"group\" aria-label=\"" + escaped(conditions(*s, false)) + ", " + origin_text(*s) + "\">\n";
        for (std::size_t i = 0; i < s->points.size(); ++i) out += plot_point(*s, i, f, families) + '\n';
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
        const std::size_t i = families.at(m.family) + 1;
        if (i >= names.size()) {
            names.resize(i + 1);
            counts.resize(i + 1);
        }
        if (counts[i]++ == 0)
            names[i] = m.family.empty() ? "no family" : m.family;
        else if (i == most_families && names[i] != m.family)
            names[i] = "others";
    }
    if (families.size() < 2) return {};
    for (std::size_t i = 0; i < names.size(); ++i) names[i] += " (" + std::to_string(counts[i]) + ")";
    return choices("family", "Family", names);
}

inline std::string legend(const group& g) {
    std::string out = "<ul class=\"legend\">\n";
    for (const series* s : g.members)
        out += "<li>" + swatch(s->style, s->measured()) + "<span>" + escaped(conditions(*s, false)) +
               (s->measured() ? ", <strong>measured here</strong>" : ", published") + "</span></li>\n";
    return out + "<li><svg class=\"key\" aria-hidden=\"true\" width=\"16\" height=\"16\" viewBox=\"0 0 16 16\"><path "
                 "class=\"front\" d=\"M1 14V10H8V4H15\"/></svg><span>Pareto front: the best top-1 within a latency"
                 "</span></li>\n</ul>\n";
}

/// The series of a group that the names and the list belong to: the main one's, or the first.
inline const series& chief_of(const group& g, const series& chief) {
    for (const series* s : g.members)
        if (same_line(*s, chief)) return *s;
    return *g.members.front();
}

inline bool noisy(const group& g) {
    return std::any_of(g.members.begin(), g.members.end(), [](const series* s) {
        return std::any_of(s->points.begin(), s->points.end(), [](const point& p) { return p.record->noisy; });
    });
}

inline std::string figures(std::span<const gpunet::model> models, const std::vector<group>& groups,
                           const series& chief) {
    const family_index families = families_of(models);
    std::vector<std::string> texts;
    for (const group& g : groups) texts.push_back(g.name);
    std::string out =
        "<div class=\"plots\">\n" + choices("view", "Latencies at", texts) + family_choices(models, families);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const series& first = chief_of(groups[i], chief);
        const std::string n = std::to_string(i);
        out += "<figure class=\"view view-" + n + "\">\n";
        out += plot_svg(groups[i], first, families, {"wide", 900, 520, 13}, i);
        out += plot_svg(groups[i], first, families, {"narrow", 360, 400, 12}, i);
        out += "<figcaption>\n<p>Top-1 accuracy over latency, " + escaped(groups[i].name) +
               ". Filled marks are measured on this machine, hollow ones are published" +
               (noisy(groups[i]) ? ", dashed ones were noisy" : "") + ".</p>\n" + legend(groups[i]) +
               "</figcaption>\n</figure>\n";
    }
    return out + "</div>\n";
}

} // namespace gpunet::detail::report

// One self-contained HTML page about the models on a machine: which to take, latency against accuracy, all figures.
#pragma once

#include <gpunet/hub/layer_times.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/report/claim.hpp>
#include <gpunet/hub/report/figure.hpp>
#include <gpunet/hub/report/layers.hpp>
#include <gpunet/hub/report/policy.hpp>
#include <gpunet/hub/report/script.hpp>
#include <gpunet/hub/report/sources.hpp>
#include <gpunet/hub/report/style.hpp>
#include <gpunet/hub/report/summary.hpp>
#include <gpunet/hub/report/tables.hpp>
#include <gpunet/hub/report/verdict.hpp>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet {

/// The time of each layer of one model, and what it was measured with.
struct layer_report {
    std::string model;
    std::string conditions; // "NVIDIA A100, cuDNN 9.19, fp16, batch 1"
    std::vector<layer_time> layers;
};

/// What a report says beside the models and their records.
struct report_data {
    gpunet::device here;                // what was measured on it is "measured here", and comes first
    std::string title;                  // by default it names the device
    std::string date;                   // of the report
    std::optional<milliseconds> budget; // of the first sentence; a round one where there is none
    std::optional<layer_report> layers;
    std::vector<std::pair<std::string, std::string>> environment; // a name and what is said of it
};

namespace detail::report {

struct section {
    std::string id, link, heading, html;
};

inline std::string environment_html(const report_data& d) {
    std::string out = "<dl>\n";
    for (const auto& [name, value] : d.environment)
        out += "<dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd>\n";
    if (!d.date.empty()) out += "<dt>Date of this page</dt><dd>" + escaped(d.date) + "</dd>\n";
    return out + "</dl>\n";
}

inline std::string layers_html(const layer_report& l) {
    return "<p class=\"soft\">" + escaped(l.conditions) +
           ". Each layer's median; the layers are timed one by one.</p>\n" +
           layers_svg(l.model, l.layers, "wide", 900) + layers_svg(l.model, l.layers, "narrow", 360) +
           layers_table(l.model, l.layers);
}

/// The page in order. `chief` is null where there is no record at all.
inline std::vector<section> sections(std::span<const model> models, const std::vector<series>& all, const series* chief,
                                     const report_data& d) {
    std::vector<section> out;
    std::vector<group> groups;
    if (chief) {
        groups = groups_of(all, *chief, d.here, most_views);
        const judgement j = judge(gpunet_claim, models, *chief);
        out.push_back(
            {"plot", "Plot", "Latency against accuracy",
             verdict_html(gpunet_claim, j, *chief) + figures(models, views_of(groups, *chief, most_views), *chief)});
        if (std::string html = duels_html(gpunet_claim, j, *chief); !html.empty())
            out.push_back({"claim", "Claim", "The paper\u2019s claim, model by model", std::move(html)});
        out.push_back(
            {"front", "Pareto front", "Pareto front",
             "<p class=\"soft\">The models that no other beats: whatever is more accurate takes longer.</p>\n" +
                 fronts(groups[0], *chief)});
    }
    out.push_back({"models", "Models", "Models", models_table(models, groups.empty() ? group() : groups[0])});
    if (std::string html = sweeps(models, all); !html.empty())
        out.push_back({"batches", "Batches", "Batches", std::move(html)});
    if (d.layers)
        out.push_back({"layers", "Layers", "Time of each layer of " + d.layers->model, layers_html(*d.layers)});
    out.push_back({"environment", "Environment", "Environment", environment_html(d)});
    out.push_back({"sources", "Sources", "How this was measured, and sources", sources_html(models, all)});
    return out;
}

inline std::string header_html(std::span<const model> models, const series* chief, const report_data& d) {
    std::string out;
    if (!chief || !chief->measured())
        out += "<p class=\"headline\">Nothing is measured on this machine yet.</p>\n<p>Measure with <code>gpunet bench "
               "--save</code>, then make this page again" +
               std::string(chief ? "; until then it shows published figures." : ".") + "</p>\n";
    if (chief) {
        const std::string kind = chief->measured() ? " class=\"headline\"" : "";
        out += "<p" + kind + ">" + headline(*chief, d.budget) + "</p>\n<p class=\"soft\">" + basis(models, *chief) +
               "</p>\n" + ladder_html(*chief);
    }
    return out;
}

} // namespace detail::report

/// The page: HTML that is also well-formed XML, with its style sheet and script inline, that asks for nothing else. Any
/// text of the models, records and data may stand in it; it is escaped. The same for the same arguments.
inline std::string report_html(std::span<const model> models, const report_data& d) {
    namespace r = detail::report;
    const std::vector<r::series> all = r::series_of(models, d.here);
    const r::series* chief = r::main_series(all, d.here);
    const std::string title =
        r::escaped(!d.title.empty() ? d.title : "GPUNet: latency and accuracy on " + r::short_name(d.here.name));
    const std::vector<r::section> sections = r::sections(models, all, chief, d);
    std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>" + title +
                      "</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"" +
                      r::content_policy(r::style, r::script) +
                      "\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n"
                      "<meta name=\"referrer\" content=\"no-referrer\"/>\n<style>";
    out += r::style;
    out += "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n"
           "<div class=\"top\"><h1>" +
           title + "</h1><button id=\"theme\" type=\"button\">Light or dark</button></div>\n" +
           r::header_html(models, chief, d) + "<nav aria-label=\"Sections\"><ul>\n";
    for (const r::section& s : sections) out += "<li><a href=\"#" + s.id + "\">" + s.link + "</a></li>\n";
    out += "</ul></nav>\n</header>\n<main id=\"main\">\n";
    for (const r::section& s : sections)
        out += "<section aria-labelledby=\"" + s.id + "\">\n<h2 id=\"" + s.id + "\">" + r::escaped(s.heading) +
               "</h2>\n" + s.html + "</section>\n";
    out += "</main>\n<footer>\n<p>" + r::licences(models) +
           "</p>\n</footer>\n<div id=\"tip\" role=\"tooltip\" hidden=\"hidden\"></div>\n<script>";
    out += r::script;
    return out + "</script>\n</body>\n</html>\n";
}

} // namespace gpunet

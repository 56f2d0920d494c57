// Where the figures of the page come from, and the licences.
#pragma once

#include <gpunet/hub/report/series.hpp>
#include <gpunet/hub/report/text.hpp>
#include <gpunet/version.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::detail::report {

/// Texts in the order they first came, with how often each came.
class tally {
  public:
    void add(const std::string& text) {
        const auto found = std::find_if(all_.begin(), all_.end(), [&](const auto& x) { return x.first == text; });
        if (found == all_.end())
            all_.emplace_back(text, 1);
        else
            ++found->second;
    }
    const std::vector<std::pair<std::string, std::size_t>>& all() const noexcept { return all_; }

  private:
    std::vector<std::pair<std::string, std::size_t>> all_;
};

inline std::string items(const tally& t, std::string_view what) {
    std::string out;
    for (const auto& [text, count] : t.all()) out += "<li>" + escaped(text) + ": " + counted(count, what) + "</li>\n";
    return out.empty() ? "" : "<ul>\n" + out + "</ul>\n";
}

/// A paper as a link where it is one of arXiv's, whose numbers have a known form.
inline std::string paper_html(const std::string& paper) {
    constexpr std::string_view prefix = "arXiv:";
    const std::string number = paper.starts_with(prefix) ? paper.substr(prefix.size()) : "";
    const bool known =
        number.size() >= 9 && number.size() <= 10 && number[4] == '.' &&
        std::all_of(number.begin(), number.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
    return known ? "<a href=\"https://arxiv.org/abs/" + number + "\">" + escaped(paper) + "</a>" : escaped(paper);
}

inline std::string sources_html(std::span<const gpunet::model> models, const std::vector<series>& all) {
    tally measured, published, accuracy, papers;
    for (const series& s : all)
        for (const point& p : s.points)
            (s.measured() ? measured : published).add(p.record->source + ", " + p.record->date.substr(0, 10));
    for (const gpunet::model& m : models) {
        if (!m.top1_source.empty()) accuracy.add(m.top1_source);
        if (!m.paper.empty()) papers.add(m.paper);
    }
    std::string out;
    if (!measured.all().empty())
        out += "<h3>Measured here</h3>\n<p>Each latency is the median of many runs on this machine, after running "
               "until the "
               "times were steady; the spread is the distance between the quartiles, and \u00b1 half of it. What is "
               "marked "
               "noisy differed too much between the runs to be relied on. The weights are synthetic: the time does not "
               "depend on their values. On a GPU it is the GPU\u2019s time, with pictures and scores in its "
               "memory.</p>\n" +
               items(measured, "figure");
    if (!published.all().empty())
        out += "<h3>Published</h3>\n<p>Latencies that others published, on their machines:</p>\n" +
               items(published, "figure");
    if (!accuracy.all().empty())
        out +=
            "<h3>Accuracy</h3>\n<p>Top-1 is published too; it is not measured here:</p>\n" + items(accuracy, "model");
    if (!papers.all().empty()) {
        out += "<h3>Papers</h3>\n<ul>\n";
        for (const auto& [paper, count] : papers.all())
            out += "<li>" + paper_html(paper) + ": " + counted(count, "model") + "</li>\n";
        out += "</ul>\n";
    }
    return out;
}

inline std::string licences(std::span<const gpunet::model> models) {
    tally all;
    for (const gpunet::model& m : models)
        if (!m.licence.empty()) all.add(m.licence);
    std::string out = "Made by gpunet " + escaped(version) + " (Apache-2.0).";
    if (all.all().empty()) return out;
    out += " Licences of the models:";
    for (const auto& [licence, count] : all.all())
        out += (out.ends_with(':') ? " " : ", ") + escaped(licence) + " (" + counted(count, "model") + ")";
    return out + ".";
}

} // namespace gpunet::detail::report

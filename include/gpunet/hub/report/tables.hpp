// The tables of the page.
#pragma once

#include <gpunet/hub/report/groups.hpp>
#include <gpunet/hub/report/series.hpp>
#include <gpunet/hub/report/text.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gpunet::detail::report {

/// A table that scrolls by itself where it is wider than the page. @param what  of what, beyond the caption
inline std::string table(const std::string& caption, const std::string& head, const std::string& body,
                         const std::string& what = "") {
    return "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" + caption + what +
           "\">\n<table>\n<caption><span>" + caption + "</span></caption>\n<thead><tr>" + head +
           "</tr></thead>\n<tbody>\n" + body + "</tbody>\n</table>\n</div>\n";
}

inline std::string head(const std::string& html) { return "<th scope=\"col\">" + html + "</th>"; }
inline std::string row_head(const std::string& text) { return "<th scope=\"row\">" + escaped(text) + "</th>"; }
inline std::string cell(const std::string& html) { return "<td>" + html + "</td>"; }
inline std::string unit(const std::string& text) { return " <small>" + text + "</small>"; }

inline std::string noisy_flag(const latency_record& r) { return r.noisy ? "<em class=\"flag\">noisy</em> " : ""; }

inline std::string latency_cell(const point* p) {
    if (!p) return cell("<span class=\"none\">\u2013</span>");
    const latency_record& r = *p->record;
    std::string out = noisy_flag(r) + three_digits(r.latency.count());
    if (r.spread) out += "<small class=\"beside\">\u00b1" + rounded(r.spread->count() / 2, 2) + "</small>";
    return cell(out);
}

inline std::string heading_of(const series& s) {
    std::string out = escaped(s.name) + unit(escaped(s.engine)) + unit(escaped(s.precision));
    if (s.threads) out += unit(counted(static_cast<std::size_t>(*s.threads), "thread"));
    return out + unit(origin_text(s));
}

/// What was measured, and of each other device the fastest engine; at most `most`.
inline std::vector<const series*> columns_of(const group& g, std::size_t most) {
    std::vector<const series*> columns;
    for (const series* s : g.members) {
        const bool known = std::any_of(columns.begin(), columns.end(), [&](const series* c) {
            return !s->measured() && !c->measured() && c->device == s->device;
        });
        if (!known && columns.size() < most) columns.push_back(s);
    }
    return columns;
}

/// All models with their latencies in the series of a group.
inline std::string models_table(std::span<const gpunet::model> models, const group& g) {
    std::string columns = head("Model") + head("Input" + unit("pixels")) + head("Top-1" + unit("%")) +
                          head("Parameters" + unit("millions")) + head("Multiply-adds" + unit("billions"));
    const std::vector<const series*> shown = columns_of(g, 6);
    for (const series* s : shown) columns += head(heading_of(*s));
    std::string body;
    for (const gpunet::model& m : models) {
        body += "<tr>" + row_head(m.name) +
                cell(std::to_string(m.input.size.height) + " \u00d7 " + std::to_string(m.input.size.width)) +
                cell(fixed(m.top1, 1)) + cell(fixed(static_cast<double>(m.parameters) / 1e6, 2)) +
                cell(fixed(static_cast<double>(m.multiply_adds) / 1e9, 2));
        for (const series* s : shown) body += latency_cell(s->of(m));
        body += "</tr>\n";
    }
    return table("All models; latencies in milliseconds, batch " + std::to_string(g.batch), columns, body);
}

/// One line of devices and engines at its batches: milliseconds a batch and pictures a second.
inline std::string sweep_table(std::span<const gpunet::model> models, const std::vector<const series*>& batches) {
    const series& first = *batches.front();
    std::string columns = head("Model"), body;
    for (const series* s : batches) columns += head("batch " + std::to_string(s->batch));
    for (const gpunet::model& m : models) {
        std::string row;
        bool any = false;
        for (const series* s : batches) {
            const point* p = s->of(m);
            any = any || p;
            if (!p) {
                row += latency_cell(p);
                continue;
            }
            const double ms = p->record->latency.count();
            row += cell(noisy_flag(*p->record) + three_digits(ms) + "<small class=\"beside\">" +
                        three_digits(1e3 * static_cast<double>(s->batch) / ms) + "/s</small>");
        }
        if (any) body += "<tr>" + row_head(m.name) + row + "</tr>\n";
    }
    const std::string what = escaped(conditions(first, false) + ", " + origin_text(first));
    return "<h3>" + what + "</h3>\n" + table("Milliseconds a batch, pictures a second", columns, body, ": " + what);
}

/// A table for each device, engine and precision with more than one batch.
inline std::string sweeps(std::span<const gpunet::model> models, std::span<const series> all) {
    std::string out;
    std::vector<const series*> done;
    for (const series& s : all) {
        if (std::find(done.begin(), done.end(), &s) != done.end()) continue;
        std::vector<const series*> batches;
        for (const series& other : all)
            if (same_line(s, other) && s.precision == other.precision) batches.push_back(&other);
        done.insert(done.end(), batches.begin(), batches.end());
        std::sort(batches.begin(), batches.end(), [](const auto* a, const auto* b) { return a->batch < b->batch; });
        if (batches.size() > 1) out += sweep_table(models, batches);
    }
    return out;
}

} // namespace gpunet::detail::report

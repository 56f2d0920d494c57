// The time of each layer of a model: bars, and a table with the same figures.
#pragma once

#include <gpunet/hub/layer_times.hpp>
#include <gpunet/hub/report/tables.hpp>
#include <gpunet/hub/report/text.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace gpunet::detail::report {

inline std::string layer_name(const layer_time& l) { return std::to_string(l.layer) + ' ' + l.kind; }

inline std::string output_text(const layer_time& l) {
    return std::to_string(l.output.channels) + " \u00d7 " + std::to_string(l.output.size.height) + " \u00d7 " +
           std::to_string(l.output.size.width);
}

inline double longest_of(const std::vector<layer_time>& layers) {
    double longest = 0;
    for (const layer_time& l : layers) longest = std::max(longest, l.median.count());
    return longest;
}

/// Digits behind the point for all of them: three of the longest count, and of a GPU's microseconds tenths.
inline int places_of(const std::vector<layer_time>& layers) {
    const double longest = longest_of(layers);
    return longest < 0.1 ? 4 : places(longest);
}

inline double total_of(const std::vector<layer_time>& layers) {
    double total = 0;
    for (const layer_time& l : layers) total += l.median.count();
    return total;
}

/// Bars of the layers' times, in order. @param kind  "wide" or "narrow"
inline std::string layers_svg(const std::string& model, const std::vector<layer_time>& layers, const std::string& kind,
                              double width) {
    constexpr double step = 22, font = 12, left = 104;
    const double longest = longest_of(layers);
    const int digits = places_of(layers);
    const double room = width - left - 116, total = total_of(layers);
    const std::string id = kind + "-layers";
    std::string out = "<svg class=\"plot layers " + kind + "\" viewBox=\"0 0 " + at(width) + ' ' +
                      at(step * static_cast<double>(layers.size()) + 4) + "\" role=\"img\" aria-labelledby=\"" + id +
                      "-title " + id + "-desc\">\n<title id=\"" + id + "-title\">Time of each layer of " +
                      escaped(model) + "</title>\n<desc id=\"" + id +
                      "-desc\">One bar a layer, in the order of the network; the table below has the figures.</desc>\n";
    double y = 2;
    for (const layer_time& l : layers) {
        const double share = total > 0 ? l.median.count() / total : 0;
        const double bar = longest > 0 ? room * l.median.count() / longest : 0;
        out += "<g class=\"bar\"><title>" +
               escaped(layer_name(l) + ", output " + output_text(l) + "\n" + ms_text(l.median)) +
               "</title><text class=\"tick end\" x=\"" + at(left - 8) + "\" y=\"" + at(y + 0.5 * step + 0.35 * font) +
               "\">" + escaped(layer_name(l)) + "</text><rect x=\"" + at(left) + "\" y=\"" + at(y + 3) + "\" width=\"" +
               at(bar) + "\" height=\"" + at(step - 6) + "\"/><text class=\"tick\" x=\"" + at(left + bar + 6) +
               "\" y=\"" + at(y + 0.5 * step + 0.35 * font) + "\">" + fixed(l.median.count(), digits) + " ms \u00b7 " +
               fixed(100 * share, 0) + " %</text></g>\n";
        y += step;
    }
    return out + "</svg>\n";
}

inline std::string layers_table(const std::string& model, const std::vector<layer_time>& layers) {
    const std::string columns = head("Layer") + head("Output" + unit("channels \u00d7 height \u00d7 width")) +
                                head("Time" + unit("ms")) + head("Share" + unit("%")) +
                                head("Multiply-adds" + unit("millions")) + head("Speed" + unit("GFLOP/s"));
    const double total = total_of(layers);
    const int digits = places_of(layers);
    std::string body;
    for (const layer_time& l : layers) {
        const double ms = l.median.count();
        body += "<tr>" + row_head(layer_name(l)) + cell(output_text(l)) + cell(fixed(ms, digits)) +
                cell(fixed(total > 0 ? 100 * ms / total : 0, 1)) +
                cell(fixed(static_cast<double>(l.multiply_adds) / 1e6, 1)) +
                cell(ms > 0 ? fixed(2e-6 * static_cast<double>(l.multiply_adds) / ms, 1) : "\u2013") + "</tr>\n";
    }
    return table("Time of each layer of " + escaped(model), columns, body);
}

} // namespace gpunet::detail::report

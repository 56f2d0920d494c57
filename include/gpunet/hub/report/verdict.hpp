// What the page says of the paper's claim: one sentence, and the pairs of models that it rests on.
#pragma once

#include <gpunet/hub/report/claim.hpp>
#include <gpunet/hub/report/series.hpp>
#include <gpunet/hub/report/sources.hpp>
#include <gpunet/hub/report/tables.hpp>
#include <gpunet/hub/report/text.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace gpunet::detail::report {

/// How many times as fast, rounded down, so that 1.999 is not shown as the 2 that it falls short of.
inline std::string times_text(double times) {
    const int digits = times < 10 ? 2 : times < 100 ? 1 : 0;
    const double unit = std::pow(10.0, digits);
    return fixed(std::floor(times * unit * (1 + 1e-12)) / unit, digits);
}

/// "a", "a and b", "a, b and c"
inline std::string listed(const std::vector<std::string>& texts) {
    std::string out;
    for (std::size_t i = 0; i < texts.size(); ++i)
        out += (i == 0 ? "" : i + 1 == texts.size() ? " and " : ", ") + texts[i];
    return out;
}

inline std::string quoted(const claim& c) {
    return "The paper\u2019s claim, \u201c" + escaped(c.words) + "\u201d (" + paper_html(std::string(c.paper)) + "),";
}

inline std::string place_text(const series& s) {
    return s.measured() ? "on this machine" : "by published figures on " + escaped(s.name);
}
inline std::string known_text(const series& s) { return s.measured() ? "measured" : "on record"; }

/// "GPUNet-1 is 2.31 times as fast as EfficientNet-X-B2 and 0.5 points more accurate"
inline std::string duel_text(const duel& d) {
    const double more = d.champion->model->top1 - d.rival->model->top1;
    return escaped(d.champion->model->name) + " is " + times_text(d.times) + " times as fast as " +
           escaped(d.rival->model->name) +
           (more > 0 ? " and " + (more < 0.095 ? rounded(more, 1) : fixed(more, 1)) + " points more accurate"
                     : " and equally accurate");
}

/// The pair that speaks most for the claim: one of which it is true, then one within its reach, then the one with the
/// greatest ratio; null if there is no pair.
inline const duel* strongest(const judgement& j) {
    const auto rank = [](const duel& d) { return std::tuple(d.result == outcome::holds, d.within, d.times); };
    const duel* best = nullptr;
    for (const duel& d : j.duels)
        if (d.named && d.champion && (!best || rank(d) > rank(*best))) best = &d;
    return best;
}

inline std::string named_with(const judgement& j, outcome result) {
    std::vector<std::string> names;
    for (const duel& d : j.duels)
        if (d.named && d.result == result) names.push_back(escaped(d.rival->model->name));
    return listed(names);
}

/// Why nothing can be said, or an empty text.
inline std::string unsaid(const claim& c, const judgement& j, const series& s) {
    if (j.champions_known > 0 && j.known(false) > 0) return {};
    std::vector<std::string> missing;
    if (j.champions_known == 0) missing.push_back(escaped(c.champion));
    if (j.known(false) == 0)
        for (const std::string_view family : c.rivals) missing.push_back(escaped(family));
    return "<p class=\"claim\">" + quoted(c) + " can be neither confirmed nor denied " + place_text(s) +
           (s.measured() ? " yet" : "") + ", for no model of " + listed(missing) + " is " + known_text(s) +
           ". <code>gpunet bench --save</code> measures them here.</p>\n";
}

/// The misses, by kind, and what is not known.
inline std::string exceptions(const claim& c, const judgement& j, const series& s) {
    const std::string champion(escaped(c.champion)), factor = rounded(c.times, 3);
    std::string misses, out;
    const auto add = [&](outcome result, const std::string& why) {
        if (const std::string names = named_with(j, result); !names.empty())
            misses += (misses.empty() ? " Not true of " : "; of ") + names + " (" + why + ")";
    };
    add(outcome::faster, "a " + champion + " as accurate is faster, but less than " + factor + " times as fast");
    add(outcome::slower, "no " + champion + " as accurate is faster");
    add(outcome::unmatched, "more accurate than every " + champion + " " + known_text(s));
    if (!misses.empty()) out += misses + ".";
    if (!j.unknown.empty()) {
        std::vector<std::string> names;
        for (const gpunet::model* m : j.unknown) names.push_back(escaped(m->name));
        out += " Unknown of " + listed(names) + ", not " + known_text(s) + ".";
    }
    if (j.champions_known < j.champions)
        out += " Only " + std::to_string(j.champions_known) + " of " + counted(j.champions, "model") + " of " +
               champion + (j.champions_known == 1 ? " is " : " are ") + known_text(s) + ".";
    return out;
}

/// What is true of the claim; empty where the registry lacks one of its sides.
inline std::string verdict_html(const claim& c, const judgement& j, const series& s) {
    if (j.champions == 0 || j.rivals == 0) return {};
    if (std::string none = unsaid(c, j, s); !none.empty()) return none;
    const auto share = [&](bool within) {
        return "<strong>" + std::to_string(j.count(outcome::holds, within)) + " of " +
               counted(j.known(within), "rival") + "</strong>";
    };
    const std::string reach = rounded(c.within.count(), 4) + " ms";
    std::string out = "<p class=\"claim\">" + quoted(c) + " is ";
    if (j.known(true) == 0)
        out += "about latencies within " + reach + ", which no model compared reaches " + place_text(s) +
               "; at any latency it would be true of " + share(false);
    else if (j.known(true) == j.known(false))
        out += place_text(s) + " true of " + share(true);
    else
        out += place_text(s) + " true of " + share(true) + " within " + reach + "; at any latency it would be of " +
               share(false);
    out += ".</p>\n<p class=\"soft\">";
    if (const duel* d = strongest(j)) {
        const bool holds = d->result == outcome::holds;
        out += (holds ? "" : "The nearest to it: ") + duel_text(*d) + ".";
    }
    return out + exceptions(c, j, s) + " <a href=\"#claim\">All\u00a0pairs</a></p>\n";
}

inline std::string outcome_text(const claim& c, outcome result) {
    switch (result) {
    case outcome::holds: return "<strong>true</strong>";
    case outcome::faster: return "faster, but not " + rounded(c.times, 3) + " times";
    case outcome::slower: return "not faster";
    case outcome::unmatched: break;
    }
    return "no " + escaped(c.champion) + " so accurate";
}

inline std::string milliseconds_cell(const point& p) {
    return cell(noisy_flag(*p.record) + three_digits(p.record->latency.count()));
}

inline std::string duel_table(const claim& c, const judgement& j, bool named) {
    const std::string champion(escaped(c.champion)), none = "<span class=\"none\">\u2013</span>";
    std::string body;
    for (const duel& d : j.duels) {
        if (d.named != named) continue;
        body += "<tr>" + row_head(d.rival->model->name) + cell(fixed(d.rival->model->top1, 1)) +
                milliseconds_cell(*d.rival);
        if (d.champion)
            body += cell(escaped(d.champion->model->name)) + cell(fixed(d.champion->model->top1, 1)) +
                    milliseconds_cell(*d.champion) + cell(times_text(d.times));
        else
            body += cell(none) + cell(none) + cell(none) + cell(none);
        body += cell(outcome_text(c, d.result)) + cell(d.within ? "yes" : none) + "</tr>\n";
    }
    if (body.empty()) return {};
    const std::string columns = head("Model") + head("Top-1" + unit("%")) + head("Latency" + unit("ms")) +
                                head("Fastest " + champion + unit("as accurate")) + head("Top-1" + unit("%")) +
                                head("Latency" + unit("ms")) + head("Times" + unit("as fast")) + head("The claim") +
                                head("Within" + unit(rounded(c.within.count(), 4) + " ms"));
    return table(named ? "The families that the claim names" : "Other families, by the same measure", columns, body);
}

/// The pairs behind the verdict; empty where there is none.
inline std::string duels_html(const claim& c, const judgement& j, const series& s) {
    if (j.champions_known == 0 || j.duels.empty()) return {};
    std::size_t noisy = 0, unchecked = 0;
    for (const duel& d : j.duels) {
        noisy += d.rival->record->noisy || (d.champion && d.champion->record->noisy) ? 1 : 0;
        unchecked += d.rival->model->weights.empty() ? 1 : 0;
    }
    const std::string champion(escaped(c.champion)), factor = rounded(c.times, 3);
    std::string out = "<p class=\"soft\">Each model is set against the fastest " + champion +
                      " that is at least as accurate. The claim counts as true of it where that one is at least " +
                      factor + " times as fast, and as within " + rounded(c.within.count(), 4) +
                      " ms where the faster of the two is. Latencies are of " + escaped(conditions(s, true)) + ", " +
                      origin_text(s) + "; the paper\u2019s are of " + escaped(c.conditions) + ".";
    if (unchecked)
        out += " Top-1 is as published; " + counted(unchecked, "model") + (unchecked == 1 ? " comes" : " come") +
               " without weights, so that theirs cannot be checked.";
    if (noisy) out += " " + counted(noisy, "pair") + (noisy == 1 ? " rests" : " rest") + " on a noisy measurement.";
    return out + "</p>\n" + duel_table(c, j, true) + duel_table(c, j, false);
}

} // namespace gpunet::detail::report

// Names beside the points of a plot, so that none covers another or a point.
#pragma once

#include <gpunet/hub/report/text.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::detail::report {

struct box {
    double left = 0, top = 0, right = 0, bottom = 0;
};

inline bool overlap(const box& a, const box& b) noexcept {
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
inline bool within(const box& inner, const box& outer) noexcept {
    return inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top &&
           inner.bottom <= outer.bottom;
}

/// An estimate of the width of bold text in a wide sans-serif typeface, as DejaVu Sans, in the unit of `size`.
inline double text_width(std::string_view text, double size) {
    double em = 0;
    while (!text.empty()) {
        const code_point c = first_code_point(text);
        const std::string_view narrow = "ijl.,:;|!'()[] -ftI", wide = "mwMW@%";
        const char first = text.front();
        if (c.length != 1)
            em += c.value >= 0x1100U ? 1.05 : 0.75;
        else if (narrow.find(first) != std::string_view::npos)
            em += 0.43;
        else if (wide.find(first) != std::string_view::npos)
            em += 1.04;
        else
            em += first >= 'A' && first <= 'Z' ? 0.79 : 0.69;
        text.remove_prefix(c.length ? c.length : 1);
    }
    return em * size;
}

struct label_request {
    std::string text;
    double x = 0, y = 0;   // of its point
    bool insistent = true; // may stand farther off, with a line to its point
    double gap = 0;        // so much more than usual between it and its point
    std::string shorter{}; // what else will do where there is no room for the text
};

struct placed_label {
    std::string text;
    box place;
    double x = 0, baseline = 0; // where the text is anchored
    const char* anchor = "";    // "end", "middle" or "start": the side that faces the point
    bool leader = false;
    double from_x = 0, from_y = 0, to_x = 0, to_y = 0; // of the line
};

/// A place for each label, in the order of the requests, or none where there is no room.
/// @param taken    boxes to keep clear of: the points
/// @param avoided  boxes to keep clear of where there is room to: lines
inline std::vector<std::optional<placed_label>> place_labels(std::span<const label_request> requests,
                                                             std::vector<box> taken, const std::vector<box>& avoided,
                                                             const box& frame, double size) {
    struct direction {
        double dx, dy;
    };
    // To the upper left and the lower right first: a front rises from left to right.
    constexpr std::array<direction, 8> around = {
        {{-1, 0}, {1, 0}, {-1, -1}, {1, 1}, {0, -1}, {0, 1}, {1, -1}, {-1, 1}}};
    constexpr std::array<double, 5> distances = {8, 20, 34, 50, 70};
    std::vector<box> lines; // pieces of leaders
    std::vector<std::optional<placed_label>> places;
    const auto free = [&](const box& b, const std::vector<box>& all) {
        return std::none_of(all.begin(), all.end(), [&](const box& t) { return overlap(b, t); });
    };
    const auto attempt = [&](const label_request& r, const std::string& text, double distance, const direction& d) {
        const double width = text_width(text, size), height = 1.15 * size;
        const double reach = (d.dx != 0 && d.dy != 0 ? 0.75 * distance : distance) + r.gap;
        const double x = r.x + d.dx * reach, y = r.y + d.dy * reach;
        placed_label l;
        l.text = text;
        l.place.left = d.dx < 0 ? x - width : d.dx > 0 ? x : x - width / 2;
        l.place.top = d.dy < 0 ? y - height : d.dy > 0 ? y : y - height / 2;
        l.place.right = l.place.left + width;
        l.place.bottom = l.place.top + height;
        l.anchor = d.dx < 0 ? "end" : d.dx > 0 ? "start" : "middle";
        l.x = x;
        l.baseline = l.place.top + 0.86 * size;
        l.leader = distance > 8;
        l.from_x = r.x + d.dx * 5;
        l.from_y = r.y + d.dy * 5;
        l.to_x = std::clamp(r.x, l.place.left, l.place.right);
        l.to_y = std::clamp(r.y, l.place.top, l.place.bottom);
        return l;
    };
    const auto pieces = [&](const placed_label& l) {
        std::vector<box> all;
        const double length = std::hypot(l.to_x - l.from_x, l.to_y - l.from_y);
        for (double t = 3; l.leader && t < length; t += 3) {
            const double x = l.from_x + (l.to_x - l.from_x) * t / length;
            const double y = l.from_y + (l.to_y - l.from_y) * t / length;
            all.push_back({x - 0.5, y - 0.5, x + 0.5, y + 0.5});
        }
        return all;
    };
    const auto place = [&](const label_request& r, const std::string& text) -> std::optional<placed_label> {
        for (std::size_t i = 0; i < (r.insistent ? 2 * distances.size() : 2); ++i)
            for (const direction& d : around) {
                placed_label l = attempt(r, text, distances[i / 2], d);
                if (!within(l.place, frame) || !free(l.place, taken) || !free(l.place, lines)) continue;
                if (i % 2 == 0 && !free(l.place, avoided)) continue;
                const std::vector<box> line = pieces(l);
                const bool clear = std::all_of(line.begin(), line.end(), [&](const box& b) { return free(b, taken); });
                if (!clear) continue;
                lines.insert(lines.end(), line.begin(), line.end());
                taken.push_back(l.place);
                return l;
            }
        return std::nullopt;
    };
    for (const label_request& r : requests) {
        std::optional<placed_label> found = place(r, r.text);
        if (!found && !r.shorter.empty()) found = place(r, r.shorter);
        places.push_back(std::move(found));
    }
    return places;
}

} // namespace gpunet::detail::report

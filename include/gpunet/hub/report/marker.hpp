// The marks of a plot's series, told apart by shape as well as by colour.
#pragma once

#include <gpunet/hub/report/text.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>

namespace gpunet::detail::report {

/// As many colours as the style sheet has (classes c0, c1, ...), and as many shapes; both repeat, but not together.
inline constexpr std::size_t styles = 8;

inline std::string colour_class(std::size_t style) { return "c" + std::to_string(style % styles); }

/// A mark of about the size of a circle of radius r.
inline std::string marker(std::size_t style, double x, double y, double r) {
    struct shape {
        int corners;  // 0: a circle
        double turn;  // of the first corner, in right angles from the right
        double size;  // so that all look equally large
        double waist; // of a star: the radius between its points
    };
    constexpr std::array<shape, styles> shapes = {{{0, 0, 1, 0},
                                                   {3, -1, 1.35, 0},
                                                   {4, 0.5, 1.28, 0},
                                                   {4, 0, 1.3, 0},
                                                   {3, 1, 1.35, 0},
                                                   {5, -1, 1.2, 0},
                                                   {6, 0, 1.15, 0},
                                                   {5, -1, 1.5, 0.5}}};
    const shape& s = shapes[(style + style / styles) % styles];
    if (s.corners == 0) return "<circle class=\"m\" cx=\"" + at(x) + "\" cy=\"" + at(y) + "\" r=\"" + at(r) + "\"/>";
    std::string out = "<path class=\"m\" d=\"";
    const int count = s.waist > 0 ? 2 * s.corners : s.corners;
    for (int i = 0; i < count; ++i) {
        const double angle = std::numbers::pi * (s.turn / 2 + 2.0 * i / count);
        const double radius = r * s.size * (s.waist > 0 && i % 2 == 1 ? s.waist : 1.0);
        out += (i == 0 ? 'M' : 'L') + at(x + radius * std::cos(angle)) + ' ' + at(y + radius * std::sin(angle));
    }
    return out + "Z\"/>";
}

/// The mark of a series in text.
inline std::string swatch(std::size_t style, bool filled) {
    return "<svg class=\"key " + colour_class(style) + (filled ? " here" : "") +
           "\" aria-hidden=\"true\" width=\"16\" height=\"16\" viewBox=\"0 0 16 16\">" + marker(style, 8, 8, 5) +
           "</svg>";
}

/// The mark of a family in text, on its line.
inline std::string line_swatch(std::size_t style, bool filled, bool line) {
    return "<svg class=\"key " + colour_class(style) + (filled ? " here" : "") +
           "\" aria-hidden=\"true\" width=\"28\" height=\"16\" viewBox=\"0 0 28 16\">" +
           (line ? "<path class=\"curve\" d=\"M1 8H27\"/>" : "") + marker(style, 14, 8, 5) + "</svg>";
}

} // namespace gpunet::detail::report

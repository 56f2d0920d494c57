#include "progress.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string_view>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace gpunet::tool {

namespace {

constexpr std::size_t bar_width = 24;

std::size_t terminal_columns() {
    winsize w{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

} // namespace

progress_line::progress_line(std::string label) : label_(std::move(label)), terminal_(::isatty(STDERR_FILENO) == 1) {}

progress_line::~progress_line() {
    if (drawn_) std::cerr << "\r\033[K" << std::flush;
}

void progress_line::label(std::string text) { label_ = std::move(text); }

void progress_line::show(double share, const std::string& note) {
    if (!terminal_) return;
    const auto now = std::chrono::steady_clock::now();
    if (drawn_ && now - last_ < std::chrono::milliseconds(100) && share < 1.0) return;
    last_ = now;
    drawn_ = true;
    std::string line = label_ + "  ";
    if (share >= 0.0) {
        const auto filled = static_cast<std::size_t>(std::min(share, 1.0) * static_cast<double>(bar_width));
        line += "[" + std::string(filled, '#') + std::string(bar_width - filled, '.') + "] " +
                std::to_string(static_cast<int>(std::min(share, 1.0) * 100.0)) + " %  ";
    }
    line += note;
    line.resize(std::min(line.size(), terminal_columns() - 1)); // a line that wraps could not be drawn over
    std::cerr << '\r' << line << "\033[K" << std::flush;
}

std::string bytes_text(double bytes) {
    constexpr std::array<std::string_view, 4> units = {"kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    double value = bytes / 1e3;
    for (; value >= 1000.0 && unit + 1 < units.size(); ++unit) value /= 1e3;
    std::ostringstream out;
    out << std::fixed << std::setprecision(1) << value << ' ' << units[unit];
    return out.str();
}

std::string seconds_text(double seconds) {
    const auto whole = static_cast<long long>(std::ceil(seconds));
    if (whole < 60) return std::to_string(whole) + " s";
    return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
}

} // namespace gpunet::tool

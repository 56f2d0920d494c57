// A line on a terminal that says how far something is. Where standard error is no terminal nothing is printed.
#pragma once

#include <chrono>
#include <string>

namespace gpunet::tool {

class progress_line {
  public:
    /// @param label  what is being done: "GPUNet-0"
    explicit progress_line(std::string label);
    progress_line(const progress_line&) = delete;
    progress_line& operator=(const progress_line&) = delete;
    /// Clears the line, so that what is printed next starts on an empty one.
    ~progress_line();

    void label(std::string);
    /// Redraws at most ten times a second.
    /// @param share  done, from 0 to 1; negative where the end is not known
    /// @param note   shown behind the bar: "12.3 of 48.1 MB, 5.2 MB/s, 7 s left"
    void show(double share, const std::string& note);

  private:
    std::string label_;
    bool terminal_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point last_{};
};

/// "12.3 MB"; powers of ten, as networks and disks are sold.
std::string bytes_text(double bytes);
/// "7 s", "3 min 20 s"
std::string seconds_text(double seconds);

} // namespace gpunet::tool

// Points in time as records write them.
#pragma once

#include <ctime>
#include <string>

namespace gpunet::detail {

/// As ISO 8601: "2026-11-22T10:30:00Z".
inline std::string utc_time(std::time_t t) {
    std::tm parts{};
    ::gmtime_r(&t, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}
inline std::string utc_now() { return utc_time(std::time(nullptr)); }

} // namespace gpunet::detail

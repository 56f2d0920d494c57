// What the system says of a process: its threads and its memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <malloc.h>
#include <sys/types.h>
#include <unistd.h>

namespace gpunet_test {

/// Whether this program is compiled with the thread sanitizer.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool thread_sanitized = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool thread_sanitized = true;
#else
inline constexpr bool thread_sanitized = false;
#endif
#else
inline constexpr bool thread_sanitized = false;
#endif

/// Threads of a process, "self" or its number; 0 where there is no such process.
inline std::ptrdiff_t threads_of(const std::string& process = "self") {
    std::error_code gone;
    std::ptrdiff_t count = 0;
    for (std::filesystem::directory_iterator i("/proc/" + process + "/task", gone), end; !gone && i != end;
         i.increment(gone))
        ++count;
    return count;
}

/// Whether this process has so many threads within a second: one that was joined may be listed a little longer.
inline bool comes_to_threads(std::ptrdiff_t count) {
    for (int i = 0; i < 1000 && threads_of() != count; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return threads_of() == count;
}

/// Bytes of this process's memory that lie in RAM.
inline std::ptrdiff_t resident_bytes() {
    std::ptrdiff_t total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * ::sysconf(_SC_PAGESIZE);
}

/// Bytes that were allocated and not freed, by anybody in this process. Sanitizers have allocators of their own: then
/// 0.
inline std::ptrdiff_t allocated_bytes() {
    const auto m = ::mallinfo2();
    return static_cast<std::ptrdiff_t>(m.uordblks + m.hblkhd);
}

} // namespace gpunet_test

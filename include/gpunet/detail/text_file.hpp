// Reading a whole small file, with a cap.
#pragma once

#include <gpunet/error.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace gpunet::detail {

/// @throws io_error naming the path if it cannot be read or is larger than `max_bytes`.
inline std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw io_error(path.string() + ": cannot open: " + std::strerror(errno ? errno : EIO));
    std::string text;
    char buffer[1 << 14];
    while (file.read(buffer, sizeof buffer) || file.gcount() > 0) {
        text.append(buffer, static_cast<std::size_t>(file.gcount()));
        if (text.size() > max_bytes)
            throw io_error(path.string() + ": expected at most " + std::to_string(max_bytes) + " bytes, found more");
    }
    if (file.bad() || std::filesystem::is_directory(path)) throw io_error(path.string() + ": cannot read");
    return text;
}

} // namespace gpunet::detail

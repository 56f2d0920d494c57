// Folders: made where they are missing, flushed so that a rename lasts.
#pragma once

#include <gpunet/error.hpp>

#include <filesystem>
#include <new>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace gpunet::detail {

/// @throws io_error naming the folder
inline void make_folder(const std::filesystem::path& folder) {
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) throw io_error(folder.string() + ": cannot create: " + failed.message());
}

/// Makes a file's name in its folder durable. The file has its name already, so that nothing is a reason to fail:
/// neither a file system that cannot, nor memory that runs out.
inline void sync_folder_of(const std::filesystem::path& file) noexcept {
    int descriptor = -1;
    try {
        const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
        descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } catch (const std::bad_alloc&) {
    }
    if (descriptor < 0) return;
    static_cast<void>(::fsync(descriptor));
    static_cast<void>(::close(descriptor));
}

} // namespace gpunet::detail

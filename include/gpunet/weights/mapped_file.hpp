// A file's bytes, mapped into memory for reading.
#pragma once

#include <gpunet/error.hpp>

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <span>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace gpunet {

/// Owns a private read-only map of a regular file. The file may be replaced or unlinked meanwhile; it must not be
/// truncated in place, for touching pages that are gone ends the process (SIGBUS).
class mapped_file {
  public:
    /// @throws io_error naming the path and the system's reason; anything but a regular file is refused.
    explicit mapped_file(const std::filesystem::path& path) {
        // O_NONBLOCK: a named pipe must not make us wait for a writer.
        const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (descriptor < 0) fail(path, "opened", errno);
        const closer guard{descriptor};
        struct ::stat status {};
        if (::fstat(descriptor, &status) != 0) fail(path, "examined", errno);
        if (S_ISDIR(status.st_mode)) fail(path, "read", EISDIR);
        if (!S_ISREG(status.st_mode))
            throw io_error(path.string() + ": expected a regular file, found a device or pipe");
        size_ = static_cast<std::size_t>(status.st_size);
        if (size_ == 0) return; // mmap refuses a length of 0
        void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (address == MAP_FAILED) fail(path, "mapped", errno);
        address_ = address;
    }

    mapped_file(mapped_file&& other) noexcept
        : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    mapped_file& operator=(mapped_file&& other) noexcept {
        std::swap(address_, other.address_);
        std::swap(size_, other.size_);
        return *this;
    }

    ~mapped_file() {
        if (address_ != nullptr) static_cast<void>(::munmap(address_, size_));
    }

    /// Valid as long as this object; empty for an empty file.
    std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(address_), size_}; }

  private:
    struct closer {
        int descriptor;
        ~closer() { static_cast<void>(::close(descriptor)); }
    };

    [[noreturn]] static void fail(const std::filesystem::path& path, const char* what, int code) {
        throw io_error(path.string() + ": cannot be " + what + ": " + std::generic_category().message(code));
    }

    void* address_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace gpunet

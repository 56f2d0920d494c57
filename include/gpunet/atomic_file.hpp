// A file that appears under its name complete, or not at all.
#pragma once

#include <gpunet/detail/folder.hpp>
#include <gpunet/error.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace gpunet {

/// Writes to a temporary file in the target's folder; `commit` flushes it to the disk and renames it over the target in
/// one step. Without `commit` the target stays as it was and the temporary goes. It has no name until all of it is
/// written, where the file system can do that, so that a program killed meanwhile leaves nothing.
class atomic_file {
  public:
    /// Creates the temporary, with the permissions that the umask leaves.
    /// A symbolic link stays; the file it points to is replaced.
    /// @throws io_error naming the target, for one that is a directory, a device or the like, or whose folder cannot be
    ///         written.
    explicit atomic_file(std::filesystem::path target) : target_(std::move(target)) {
        std::error_code ignored;
        if (std::filesystem::is_symlink(target_, ignored))
            target_ = std::filesystem::weakly_canonical(target_, ignored);
        const auto status = std::filesystem::status(target_, ignored);
        if (target_.filename().empty() || std::filesystem::is_directory(status))
            throw io_error(target_.string() + ": cannot be written: it is a directory");
        if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
            throw io_error(target_.string() + ": cannot be written: it is not a regular file");
        if (!open_unnamed()) open_named();
        if (descriptor_ < 0) fail("create a temporary file beside it", errno);
    }

    atomic_file(const atomic_file&) = delete;
    atomic_file& operator=(const atomic_file&) = delete;

    ~atomic_file() { discard(); }

    const std::filesystem::path& target() const noexcept { return target_; }

    /// Appends. @throws io_error naming the target; argument_error after `commit`.
    void write(std::span<const std::byte> bytes) {
        if (descriptor_ < 0) throw argument_error(target_.string() + ": written to after commit");
        while (!bytes.empty()) {
            const ::ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) fail("write", written < 0 ? errno : ENOSPC);
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
    }

    void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

    /// Makes what was written the target's content, replacing a file of that name.
    /// @throws io_error naming the target, which is then unchanged; argument_error when called twice.
    void commit() {
        if (descriptor_ < 0) throw argument_error(target_.string() + ": committed twice");
        if (::fsync(descriptor_) != 0) fail("flush to the disk", errno);
        if (temporary_.empty()) give_name();
        const int closed = ::close(descriptor_);
        descriptor_ = -1;
        if (closed != 0) fail("close", errno);
        if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename the finished file", errno);
        temporary_.clear();
        detail::sync_folder_of(target_);
    }

  private:
    /// The path by which a file without a name can be had.
    std::array<char, 32> by_descriptor() const noexcept {
        std::array<char, 32> path{};
        static_cast<void>(std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", descriptor_));
        return path;
    }

    /// A temporary that nobody else sees. @returns false where there can be none
    bool open_unnamed() {
        const std::filesystem::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
        descriptor_ = ::open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
        if (descriptor_ >= 0 && ::access(by_descriptor().data(), F_OK) != 0) discard(); // it could get no name
        return descriptor_ >= 0;
    }

    void open_named() {
        try_names([&](const char* name) {
            descriptor_ = ::open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            return descriptor_ >= 0;
        });
    }

    void give_name() {
        const auto unnamed = by_descriptor();
        if (!try_names([&](const char* name) {
                return ::linkat(AT_FDCWD, unnamed.data(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
            }))
            fail("name the finished file", errno);
    }

    /// Calls make(name) with names beside the target until one is not taken. @returns whether it made one
    template <class Make>
    bool try_names(Make&& make) {
        // As text: filesystem::path::replace_filename of libstdc++ 12 corrupts the path where memory runs out.
        const std::string& target = target_.native();
        const std::string folder = target.substr(0, target.rfind('/') + 1);
        for (int attempt = 0; attempt < 16; ++attempt) {
            std::string name = folder + temporary_name();
            if (make(name.c_str())) {
                temporary_ = std::move(name);
                return true;
            }
            if (errno != EEXIST) return false;
        }
        return false;
    }

    static std::string temporary_name() {
        static constexpr char digits[] = "0123456789abcdef";
        std::uint64_t bits = 0;
        if (::getentropy(&bits, sizeof bits) != 0) bits = static_cast<std::uint64_t>(::getpid()); // a taken name fails
        std::string name = ".gpunet-";
        for (int shift = 60; shift >= 0; shift -= 4) name += digits[bits >> shift & 15U];
        return name + ".tmp";
    }

    [[noreturn]] void fail(const char* what, int code) {
        discard();
        throw io_error(target_.string() + ": cannot " + what + ": " + std::generic_category().message(code));
    }

    void discard() noexcept {
        if (descriptor_ >= 0) static_cast<void>(::close(descriptor_));
        descriptor_ = -1;
        if (!temporary_.empty()) static_cast<void>(::unlink(temporary_.c_str()));
        temporary_.clear();
    }

    std::filesystem::path target_;
    std::string temporary_; // empty as long as it has no name
    int descriptor_ = -1;
};

} // namespace gpunet

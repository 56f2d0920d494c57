// A file that appears under its name complete, or not at all.
#pragma once

#include <gpunet/detail/folder.hpp>
#include <gpunet/error.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace gpunet {

/// Writes to a temporary file beside the target; `commit` flushes it to the disk and renames it over the target in one
/// step. Without `commit` the destructor removes the temporary and the target stays as it was.
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
        std::random_device random;
        for (int attempt = 0; attempt < 16 && descriptor_ < 0; ++attempt) {
            temporary_ = target_;
            temporary_.replace_filename(temporary_name(random));
            descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (descriptor_ < 0 && errno != EEXIST) break;
        }
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
        const int closed = ::close(descriptor_);
        descriptor_ = -1;
        if (closed != 0) fail("close", errno);
        if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename the finished file", errno);
        temporary_.clear();
        detail::sync_folder_of(target_);
    }

  private:
    static std::string temporary_name(std::random_device& random) {
        static constexpr char digits[] = "0123456789abcdef";
        std::string name = ".gpunet-";
        for (int word = 0; word < 2; ++word) {
            const std::uint32_t bits = random();
            for (int shift = 28; shift >= 0; shift -= 4) name += digits[bits >> shift & 15U];
        }
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
    std::filesystem::path temporary_;
    int descriptor_ = -1;
};

} // namespace gpunet

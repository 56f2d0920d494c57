// One holder at a time, whether thread or process.
#pragma once

#include <gpunet/detail/folder.hpp>
#include <gpunet/error.hpp>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace gpunet::detail {

/// Holds the lock of a file while it lives. The kernel frees it when its holder dies; the file, which is empty, stays.
class file_lock {
  public:
    /// @throws io_error if there can be no such file
    explicit file_lock(const std::filesystem::path& file) : file_(file) {
        make_folder(file.parent_path());
        descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (descriptor_ < 0) fail("open", errno);
    }
    file_lock(const file_lock&) = delete;
    file_lock& operator=(const file_lock&) = delete;
    ~file_lock() { static_cast<void>(::close(descriptor_)); }

    /// Whether it is held now. @throws io_error
    bool try_lock() {
        while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) return false;
            if (errno != EINTR) fail("lock", errno);
        }
        return true;
    }

    /// Waits for it. @throws io_error
    void lock() {
        while (::flock(descriptor_, LOCK_EX) != 0)
            if (errno != EINTR) fail("lock", errno);
    }

    /// Waits for it; calls waiting() some times a second meanwhile, which may throw.
    template <class Waiting>
    void lock(Waiting&& waiting) {
        while (!try_lock()) {
            waiting();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }

  private:
    [[noreturn]] void fail(const char* what, int code) const {
        throw io_error(file_.string() + ": cannot " + what + ": " + std::generic_category().message(code));
    }

    std::filesystem::path file_;
    int descriptor_ = -1;
};

} // namespace gpunet::detail

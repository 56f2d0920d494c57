// The part of a download that has come, kept beside the file it will be.
#pragma once

#include <gpunet/detail/folder.hpp>
#include <gpunet/detail/json_file.hpp>
#include <gpunet/detail/object_reader.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/fetch/url.hpp>
#include <gpunet/hub/sha256.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gpunet::detail {

/// What the server said of the whole file.
struct file_version {
    std::string etag, last_modified; // empty where it said nothing
    std::optional<std::uint64_t> total;
};

/// `<file>.part`, and `<file>.part.json`, which says what it is a part of. Locked while it is open: one process writes.
class part_file {
  public:
    /// Opens what an earlier call left of the same URL; anything else there is begun again.
    /// @throws io_error naming the part, where it cannot be written or another writes it
    part_file(std::filesystem::path file, const std::string& url)
        : file_(std::move(file)), part_(file_.string() + ".part"), note_(file_.string() + ".part.json"), url_(url) {
        try {
            open();
            if (const auto known = read_note(); known && size_on_disk() <= known->total.value_or(max_size)) {
                version_ = *known;
                hash_rest_of(descriptor_, hash_, part_);
                size_ = size_on_disk();
            } else {
                clear();
            }
        } catch (...) {
            close();
            throw;
        }
    }
    part_file(const part_file&) = delete;
    part_file& operator=(const part_file&) = delete;
    /// A part of no bytes is not worth keeping.
    ~part_file() {
        if (descriptor_ >= 0 && size_ == 0) {
            remove(note_);
            remove(part_);
        }
        close();
    }

    std::uint64_t size() const noexcept { return size_; }
    const file_version& version() const noexcept { return version_; }
    std::string sha256_hex() const { return hash_.hex(); }
    /// What an error adds; nothing, where there is nothing.
    std::string kept() const {
        return size_ > 0 ? "; " + std::to_string(size_) + " bytes are kept, to go on from" : "";
    }

    /// Begins again, with this version of the file.
    void restart(file_version v) {
        clear();
        const ordered_json note = {{"schema", 1},
                                   {"url", shown_url(url_)}, // the query may hold secrets
                                   {"url_sha256", hash_of(url_)},
                                   {"etag", v.etag},
                                   {"last_modified", v.last_modified},
                                   {"total", v.total ? ordered_json(*v.total) : ordered_json(nullptr)}};
        write_document(note_, note);
        version_ = std::move(v);
    }

    /// What a first answer did not say, and a later one of the same version does.
    void learn_total(std::uint64_t total) { version_.total = total; }

    /// Forgets what has come.
    void clear() {
        if (::ftruncate(descriptor_, 0) != 0 || ::lseek(descriptor_, 0, SEEK_SET) != 0) fail("truncate", errno);
        hash_.reset();
        size_ = 0;
        version_ = {};
    }

    /// Appends. What could be written before an error stays.
    void write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const ::ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) fail("write", written < 0 ? errno : ENOSPC);
            const auto count = static_cast<std::size_t>(written);
            hash_.update(bytes.first(count));
            size_ += count;
            bytes = bytes.subspan(count);
        }
    }

    /// Makes the part, complete as it is, the file.
    void finish() {
        if (::fsync(descriptor_) != 0) fail("flush to the disk", errno);
        if (::rename(part_.c_str(), file_.c_str()) != 0) fail("rename the finished file", errno);
        sync_folder_of(file_);
        remove(note_);
        close();
    }

  private:
    static constexpr std::uint64_t max_size = std::numeric_limits<std::int64_t>::max();

    static std::string hash_of(const std::string& text) {
        sha256 hash;
        hash.update(text);
        return hash.hex();
    }

    void open() {
        // Who held the lock may have renamed or removed the file meanwhile: then it is not this one any more.
        for (int attempt = 0; attempt < 16; ++attempt) {
            descriptor_ = ::open(part_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
            if (descriptor_ < 0) fail("open", errno);
            const int locked = ::flock(descriptor_, LOCK_EX | LOCK_NB);
            if (locked != 0 && errno == EWOULDBLOCK) break; // other errors: a file system without locks
            struct ::stat mine {
            }, named{};
            if (::fstat(descriptor_, &mine) != 0) fail("examine", errno);
            if (!S_ISREG(mine.st_mode))
                throw io_error(part_.string() + ": expected a regular file, found another kind");
            if (::stat(part_.c_str(), &named) == 0 && mine.st_ino == named.st_ino && mine.st_dev == named.st_dev)
                return;
            close();
        }
        throw io_error(part_.string() + ": being downloaded by another process; wait for it");
    }

    std::uint64_t size_on_disk() const {
        struct ::stat status {};
        if (::fstat(descriptor_, &status) != 0) fail("examine", errno);
        return static_cast<std::uint64_t>(status.st_size);
    }

    /// Nothing, where it is absent, damaged or of another URL.
    std::optional<file_version> read_note() const {
        try {
            const std::string name = note_.string();
            const json document = parse_json<io_error>(read_text_file(note_, 1 << 16), name);
            object_reader<io_error> in(document, name);
            static_cast<void>(in.integer("schema", 1, 1));
            if (in.string("url_sha256") != hash_of(url_)) return std::nullopt;
            file_version v{in.string("etag"), in.string("last_modified"), std::nullopt};
            if (const json* total = in.find("total"); total && !total->is_null())
                v.total =
                    static_cast<std::uint64_t>(in.as_integer("total", *total, 0, static_cast<std::int64_t>(max_size)));
            return v;
        } catch (const io_error&) {
            return std::nullopt;
        }
    }

    [[noreturn]] void fail(const char* what, int code) const {
        throw io_error(part_.string() + ": cannot " + what + ": " + std::generic_category().message(code) + kept());
    }

    static void remove(const std::filesystem::path& path) noexcept { static_cast<void>(::unlink(path.c_str())); }

    void close() noexcept {
        if (descriptor_ >= 0) static_cast<void>(::close(descriptor_));
        descriptor_ = -1;
    }

    std::filesystem::path file_, part_, note_;
    std::string url_;
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
    sha256 hash_;
    file_version version_;
};

} // namespace gpunet::detail

// A zip archive from strangers, opened with libzip: its members, bounded before anything is unpacked.
#pragma once

#include <gpunet/atomic_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/mapped_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <zip.h>

namespace gpunet {

/// What an archive may be.
struct archive_limits {
    std::uint64_t max_bytes = std::uint64_t{4} << 30; // unpacked, the archives within included
    std::uint64_t max_ratio = 200;                    // unpacked to packed, of members of more than a MiB
    std::uint64_t max_entries = 10000;                // of one archive
    std::size_t max_archives = 16;                    // unpacked to look into
    int max_nesting = 2;                              // archives within archives
};

namespace detail {

/// The most members that any end record in the file's last bytes speaks of: what libzip makes room for.
inline std::uint64_t claimed_entries(std::span<const std::byte> bytes) {
    std::uint64_t most = 0;
    const std::size_t tail = std::min<std::size_t>(bytes.size(), 0x10000 + 22 + 20);
    for (std::size_t at = bytes.size() - tail; at + 22 <= bytes.size(); ++at) {
        if (load_little<std::uint32_t>(bytes, at) != 0x06054B50) continue;
        most = std::max<std::uint64_t>(most, load_little<std::uint16_t>(bytes, at + 10));
        if (at < 20 || load_little<std::uint32_t>(bytes, at - 20) != 0x07064B50) continue;
        const auto record = load_little<std::uint64_t>(bytes, at - 12); // zip64
        if (record <= bytes.size() && bytes.size() - record >= 56)
            most = std::max(most, load_little<std::uint64_t>(bytes, static_cast<std::size_t>(record) + 32));
    }
    return most;
}

class zip_reader {
  public:
    struct entry {
        std::string name;
        std::uint64_t index = 0;
        std::uint64_t size = 0;   // as the directory says
        std::uint64_t packed = 0; // the same
    };

    /// Reads the directory. @param source  what errors call the archive
    /// @throws weights_error for one that is damaged, has too many members or two of the same name; io_error
    zip_reader(const std::filesystem::path& file, std::string source, const archive_limits& limits)
        : source_(std::move(source)), limits_(limits) {
        std::uint64_t claimed = 0;
        {
            const mapped_file map(file);
            file_bytes_ = map.bytes().size();
            claimed = claimed_entries(map.bytes());
        }
        if (claimed > limits_.max_entries)
            throw weights_error(source_ + ": expected an archive of at most " + std::to_string(limits_.max_entries) +
                                " members, found " + std::to_string(claimed));
        int code = 0;
        zip_.reset(::zip_open(file.c_str(), ZIP_RDONLY, &code));
        if (!zip_) {
            ::zip_error_t e;
            ::zip_error_init_with_code(&e, code);
            const std::string why = ::zip_error_strerror(&e);
            ::zip_error_fini(&e);
            throw weights_error(source_ + ": expected a zip archive, found none that can be read: " + why);
        }
        std::set<std::string> names;
        const ::zip_int64_t count = ::zip_get_num_entries(zip_.get(), 0);
        for (::zip_int64_t i = 0; i < count; ++i) {
            ::zip_stat_t s;
            const auto index = static_cast<std::uint64_t>(i);
            const char* name = ::zip_get_name(zip_.get(), index, ZIP_FL_ENC_RAW);
            constexpr ::zip_uint64_t wanted = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
            if (!name || ::zip_stat_index(zip_.get(), index, 0, &s) != 0 || (s.valid & wanted) != wanted)
                throw weights_error(source_ + ": member " + std::to_string(i + 1) + ": expected its name and size, " +
                                    "found " + ::zip_strerror(zip_.get()));
            if (!names.emplace(name).second)
                throw weights_error(source_ + ": expected one member " + in_quotes(name) + ", found two");
            if (!std::string_view(name).ends_with('/')) entries_.push_back({name, index, s.size, s.comp_size});
        }
    }

    /// All but the folders.
    const std::vector<entry>& entries() const noexcept { return entries_; }

    /// Unpacks a member, its CRC-32 checked, and takes its size off `budget`. `into` appears complete or not at all.
    /// @throws weights_error naming archive and member; io_error
    void extract(const entry& e, const std::filesystem::path& into, std::uint64_t& budget) const {
        check(e, budget);
        const std::unique_ptr<::zip_file_t, file_closer> in(::zip_fopen_index(zip_.get(), e.index, 0));
        if (!in) fail(e, "one that can be read", ::zip_strerror(zip_.get()));
        atomic_file out(into);
        std::vector<std::byte> buffer(std::size_t{1} << 18);
        std::uint64_t written = 0;
        for (;;) {
            const ::zip_int64_t got = ::zip_fread(in.get(), buffer.data(), buffer.size());
            if (got < 0) fail(e, "whole bytes that match its CRC-32", ::zip_file_strerror(in.get()));
            if (got == 0) break;
            written += static_cast<std::uint64_t>(got);
            if (written > e.size) fail(e, std::to_string(e.size) + " bytes, as the archive's directory says", "more");
            out.write(std::span(buffer).first(static_cast<std::size_t>(got)));
        }
        if (written != e.size)
            fail(e, std::to_string(e.size) + " bytes, as the archive's directory says", std::to_string(written));
        out.commit();
        budget -= written;
    }

  private:
    struct closer {
        void operator()(::zip_t* z) const noexcept { ::zip_discard(z); }
    };
    struct file_closer {
        void operator()(::zip_file_t* f) const noexcept { static_cast<void>(::zip_fclose(f)); }
    };

    [[noreturn]] void fail(const entry& e, const std::string& expected, const std::string& found) const {
        throw weights_error(source_ + ": member " + in_quotes(e.name) + ": expected " + expected + ", found " + found);
    }

    /// What can be known before unpacking.
    void check(const entry& e, std::uint64_t budget) const {
        ::zip_uint8_t system = 0;
        ::zip_uint32_t attributes = 0;
        if (::zip_file_get_external_attributes(zip_.get(), e.index, 0, &system, &attributes) == 0 &&
            system == ZIP_OPSYS_UNIX) {
            const auto kind = static_cast<::mode_t>(attributes >> 16U) & ::mode_t{S_IFMT};
            if (kind != 0 && kind != S_IFREG)
                fail(e, "a regular file", kind == S_IFLNK ? "a symbolic link" : "something else");
        }
        ::zip_stat_t s;
        if (::zip_stat_index(zip_.get(), e.index, 0, &s) != 0) fail(e, "its size", ::zip_strerror(zip_.get()));
        if ((s.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && s.encryption_method != ZIP_EM_NONE)
            fail(e, "plain bytes", "encrypted ones");
        if (e.packed > file_bytes_)
            fail(e, "at most the archive's " + std::to_string(file_bytes_) + " bytes", std::to_string(e.packed));
        if (e.size > budget)
            fail(e, "at most " + std::to_string(budget) + " bytes unpacked (archive_limits::max_bytes)",
                 std::to_string(e.size));
        if (e.size > (std::uint64_t{1} << 20) && e.size / limits_.max_ratio > e.packed)
            fail(e,
                 "at most " + std::to_string(limits_.max_ratio) + " times its packed size (archive_limits::max_ratio)",
                 std::to_string(e.size) + " bytes of " + std::to_string(e.packed));
    }

    std::string source_;
    archive_limits limits_;
    std::uint64_t file_bytes_ = 0;
    std::unique_ptr<::zip_t, closer> zip_;
    std::vector<entry> entries_;
};

} // namespace detail
} // namespace gpunet

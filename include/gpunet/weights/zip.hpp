// Reads stored (uncompressed) zip archives, zip64 included, as PyTorch writes them. Format: PKWARE APPNOTE 6.3.9, 4.3.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/crc32.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet {

/// The members of a stored zip archive, as views of its bytes, which must outlive it.
class zip_archive {
  public:
    struct member {
        std::span<const std::byte> data;
        std::uint32_t crc = 0; ///< as the directory says; compared when the member is read
    };
    using container = std::map<std::string_view, member>;

    /// Reads the directory. Members are found by it alone, must not overlap, and are not looked into.
    /// @param source  what errors call the archive
    /// @throws weights_error for an archive that is malformed, encrypted, or has compressed or duplicate members.
    zip_archive(std::span<const std::byte> bytes, std::string source) : bytes_(bytes), source_(std::move(source)) {
        const directory where = find_directory();
        std::vector<extent> extents;
        std::uint64_t at = where.offset;
        for (std::uint64_t i = 0; i < where.entries; ++i) at += read_entry(at, where, extents);
        std::sort(extents.begin(), extents.end(), [](const extent& a, const extent& b) { return a.begin < b.begin; });
        for (std::size_t i = 1; i < extents.size(); ++i)
            if (extents[i].begin < extents[i - 1].end)
                fail(member_named(extents[i].name), "its own bytes",
                     "bytes that belong to " + detail::in_quotes(extents[i - 1].name));
    }

    const std::string& source() const noexcept { return source_; }
    container::const_iterator begin() const noexcept { return members_.begin(); }
    container::const_iterator end() const noexcept { return members_.end(); }

    /// The member's bytes, their CRC-32 verified.
    /// @throws weights_error if there is no such member, or its bytes are damaged.
    std::span<const std::byte> read(std::string_view name) const {
        const auto found = members_.find(name);
        if (found == members_.end()) fail("zip archive", "a member " + detail::in_quotes(name), "none of that name");
        if (detail::crc32(found->second.data) != found->second.crc)
            fail(member_named(name), "bytes that match its CRC-32", "others: the file is damaged");
        return found->second.data;
    }

    bool contains(std::string_view name) const { return members_.find(name) != members_.end(); }

  private:
    struct directory {
        std::uint64_t entries;
        std::uint64_t size;
        std::uint64_t offset;
    };
    struct extent {
        std::uint64_t begin;
        std::uint64_t end;
        std::string_view name;
    };

    static constexpr std::uint16_t saturated16 = 0xFFFF;
    static constexpr std::uint32_t saturated32 = 0xFFFFFFFF;

    static std::string member_named(std::string_view name) { return "zip member " + detail::in_quotes(name); }

    [[noreturn]] void fail(const std::string& where, const std::string& expected, const std::string& found) const {
        throw weights_error(source_ + ": " + where + ": expected " + expected + ", found " + found);
    }

    bool within(std::uint64_t at, std::uint64_t length, std::uint64_t end) const noexcept {
        return at <= end && length <= end - at;
    }
    template <class T>
    T load(std::uint64_t at) const noexcept {
        return detail::load_little<T>(bytes_, static_cast<std::size_t>(at));
    }
    std::string_view text(std::uint64_t at, std::size_t length) const noexcept {
        return detail::as_text(bytes_.subspan(static_cast<std::size_t>(at), length));
    }

    /// The end record is the last one whose comment reaches exactly to the end of the file.
    std::uint64_t find_end_record() const {
        constexpr std::uint64_t record = 22;
        const std::uint64_t size = bytes_.size();
        for (std::uint64_t comment = 0; comment <= 0xFFFF && within(0, record + comment, size); ++comment) {
            const std::uint64_t at = size - record - comment;
            if (load<std::uint32_t>(at) == 0x06054B50 && load<std::uint16_t>(at + 20) == comment) return at;
        }
        fail("zip archive", "an end-of-central-directory record in the last bytes", "none: the file is truncated");
    }

    directory find_directory() const {
        const std::uint64_t at = find_end_record();
        directory d{load<std::uint16_t>(at + 10), load<std::uint32_t>(at + 12), load<std::uint32_t>(at + 16)};
        bool one_disk = load<std::uint16_t>(at + 4) == load<std::uint16_t>(at + 6) &&
                        load<std::uint16_t>(at + 8) == load<std::uint16_t>(at + 10);
        std::uint64_t end = at;
        const bool large = d.entries == saturated16 || d.size == saturated32 || d.offset == saturated32;
        if (at >= 20 && load<std::uint32_t>(at - 20) == 0x07064B50) {
            const auto record = load<std::uint64_t>(at - 12);
            if (!within(record, 56, at - 20) || load<std::uint32_t>(record) != 0x06064B50)
                fail("zip archive", "a zip64 end record where its locator says", "none");
            if (large) {
                d = {load<std::uint64_t>(record + 32), load<std::uint64_t>(record + 40),
                     load<std::uint64_t>(record + 48)};
                one_disk = load<std::uint32_t>(record + 16) == load<std::uint32_t>(record + 20) &&
                           load<std::uint64_t>(record + 24) == d.entries;
            }
            end = record;
        } else if (d.size == saturated32 || d.offset == saturated32) {
            fail("zip archive", "a zip64 end record", "none");
        }
        if (!one_disk) fail("zip archive", "an archive in one piece", "a part of one that is split");
        if (!within(d.offset, d.size, end))
            fail("zip archive", "the central directory before byte " + std::to_string(end),
                 "one of " + std::to_string(d.size) + " bytes at byte " + std::to_string(d.offset));
        if (d.entries > d.size / 46)
            fail("zip archive", "at most " + std::to_string(d.size / 46) + " members in the directory",
                 "a count of " + std::to_string(d.entries));
        return d;
    }

    /// Replaces saturated 32-bit fields by those of the zip64 extra field, which holds just these, in this order.
    void read_zip64(std::uint64_t at, std::size_t length, std::string_view name,
                    std::initializer_list<std::uint64_t*> fields) const {
        if (std::none_of(fields.begin(), fields.end(), [](const auto* f) { return *f == saturated32; })) return;
        const std::uint64_t end = at + length;
        while (within(at, 4, end)) {
            const std::uint64_t next = at + 4 + load<std::uint16_t>(at + 2);
            if (next > end) break;
            if (load<std::uint16_t>(at) == 1) {
                std::uint64_t field_at = at + 4;
                for (auto* field : fields) {
                    if (*field != saturated32) continue;
                    if (!within(field_at, 8, next)) fail(member_named(name), "zip64 sizes", "too short a field");
                    *field = load<std::uint64_t>(field_at);
                    field_at += 8;
                }
                return;
            }
            at = next;
        }
        fail(member_named(name), "a zip64 extra field", "none");
    }

    /// @returns the entry's length in the directory
    std::uint64_t read_entry(std::uint64_t at, const directory& where, std::vector<extent>& extents) {
        const std::uint64_t end = where.offset + where.size;
        if (!within(at, 46, end) || load<std::uint32_t>(at) != 0x02014B50)
            fail("zip archive", "a directory entry at byte " + std::to_string(at), "something else");
        const std::size_t name_length = load<std::uint16_t>(at + 28);
        const std::size_t extra_length = load<std::uint16_t>(at + 30);
        const std::uint64_t length = 46 + name_length + extra_length + load<std::uint16_t>(at + 32);
        if (!within(at, length, end))
            fail("zip archive",
                 "a directory entry of " + std::to_string(length) + " bytes at byte " + std::to_string(at),
                 std::to_string(end - at) + " bytes");
        const std::string_view name = text(at + 46, name_length);
        if ((load<std::uint16_t>(at + 8) & 1U) != 0) fail(member_named(name), "plain bytes", "encrypted ones");
        if (const auto method = load<std::uint16_t>(at + 10); method != 0)
            fail(member_named(name), "a stored (uncompressed) member, as PyTorch writes it",
                 "compression method " + std::to_string(method) +
                     ": an archive around a checkpoint has to be unpacked");
        std::uint64_t packed = load<std::uint32_t>(at + 20);
        std::uint64_t size = load<std::uint32_t>(at + 24);
        std::uint64_t local = load<std::uint32_t>(at + 42);
        read_zip64(at + 46 + name_length, extra_length, name, {&size, &packed, &local});
        if (packed != size)
            fail(member_named(name), "the same size stored and unpacked",
                 std::to_string(packed) + " and " + std::to_string(size) + " bytes");
        const std::uint64_t data = find_data(local, name, where.offset);
        if (!within(data, size, where.offset))
            fail(member_named(name), std::to_string(size) + " bytes before the directory",
                 std::to_string(where.offset - data) + " bytes");
        const auto bytes = bytes_.subspan(static_cast<std::size_t>(data), static_cast<std::size_t>(size));
        if (!members_.emplace(name, member{bytes, load<std::uint32_t>(at + 16)}).second)
            fail(member_named(name), "one member of that name", "two");
        extents.push_back({local, data + size, name});
        return length;
    }

    /// Where the bytes begin that belong to the local header at `at`.
    std::uint64_t find_data(std::uint64_t at, std::string_view name, std::uint64_t end) const {
        if (!within(at, 30, end) || load<std::uint32_t>(at) != 0x04034B50)
            fail(member_named(name), "a local header at byte " + std::to_string(at), "none");
        const std::size_t name_length = load<std::uint16_t>(at + 26);
        const std::uint64_t length = 30 + name_length + load<std::uint16_t>(at + 28);
        if (!within(at, length, end) || text(at + 30, name_length) != name)
            fail(member_named(name), "a local header of the same name", "another");
        return at + length;
    }

    std::span<const std::byte> bytes_;
    std::string source_;
    container members_;
};

} // namespace gpunet

// Where the two formats of torch.save keep the pickle and the storages.
#pragma once

#include <gpunet/weights/pickle.hpp>
#include <gpunet/weights/pytorch_tensor.hpp>
#include <gpunet/weights/zip.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet::detail {

/// The zip format (PyTorch 1.6 and later): NAME/data.pkl, NAME/data/KEY, and NAME/byteorder in newer ones.
class zip_storages {
  public:
    zip_storages(std::span<const std::byte> bytes, const std::string& source, const pickle::limits& most)
        : archive_(bytes, source), root_(find_root()) {
        if (archive_.contains(root_ + "byteorder"))
            if (const auto order = as_text(archive_.read(root_ + "byteorder")); order != "little")
                refuse(source, "little-endian storages (byteorder 'little')", "byteorder " + in_quotes(order));
        document_ = pickle::parse(archive_.read(root_ + "data.pkl"), source + ": " + root_ + "data.pkl", most);
    }

    const pickle::document& document() const noexcept { return document_; }

    /// The storage's bytes, their checksum verified once.
    std::span<const std::byte> operator()(const storage_id& id) {
        const auto known = verified_.find(id.key);
        const auto bytes =
            known != verified_.end() ? known->second : archive_.read(root_ + "data/" + std::string(id.key));
        if (bytes.size() != id.bytes())
            refuse(archive_.source() + ": storage " + in_quotes(id.key),
                   std::to_string(id.elements) + " elements of " + to_string(id.type) + " in " +
                       std::to_string(id.bytes()) + " bytes",
                   std::to_string(bytes.size()));
        verified_.emplace(id.key, bytes);
        return bytes;
    }

  private:
    std::string find_root() const {
        static constexpr std::string_view pickle_name = "/data.pkl";
        std::string root;
        for (const auto& [name, member] : archive_)
            if (name.ends_with(pickle_name) && name.find('/') == name.size() - pickle_name.size()) {
                if (!root.empty()) refuse(archive_.source(), "one member NAME/data.pkl", "more than one");
                root = name.substr(0, name.size() - pickle_name.size() + 1);
            }
        if (root.empty())
            refuse(archive_.source(), "a PyTorch checkpoint, a zip archive with a member NAME/data.pkl",
                   archive_.begin() == archive_.end() ? "an archive without members"
                                                      : "one with " + in_quotes(archive_.begin()->first));
        return root;
    }

    zip_archive archive_;
    std::string root_;
    pickle::document document_;
    std::map<std::string_view, std::span<const std::byte>> verified_;
};

/// The format before PyTorch 1.6: pickles of a magic number, a protocol version, the system's properties, the object
/// and the storages' keys; then per key its number of elements (int64) and its bytes.
class legacy_storages {
  public:
    legacy_storages(std::span<const std::byte> bytes, const std::string& source, const pickle::limits& most)
        : rest_(bytes), source_(source), limits_(most) {
        check_preamble();
        document_ = next("object");
        const pickle::document keys = next("storage keys");
        std::map<std::string_view, storage_id> described;
        for (const auto& reference : document_.persistents) {
            const storage_id id = read_storage_id(reference, source + ": storage");
            if (const auto [known, added] = described.emplace(id.key, id); !added && known->second != id)
                refuse(source + ": storage " + in_quotes(id.key), "one type and size", "two different ones");
        }
        const auto* list = expect<pickle::list*>(keys.root, source + ": storage keys", "a list");
        for (const auto& key : list->items)
            read_storage(expect<std::string_view>(key, source + ": storage keys", "text"), described);
        if (!rest_.empty())
            refuse(source, "the end of the file after the last storage", std::to_string(rest_.size()) + " more bytes");
    }

    const pickle::document& document() const noexcept { return document_; }

    std::span<const std::byte> operator()(const storage_id& id) const {
        const auto found = storages_.find(id.key);
        if (found == storages_.end()) refuse(source_ + ": storage " + in_quotes(id.key), "its bytes", "none");
        return found->second;
    }

  private:
    pickle::document next(const char* what) {
        pickle::document d = pickle::parse(rest_, source_ + ": pickle of the " + what, limits_);
        rest_ = rest_.subspan(d.size);
        return d;
    }

    void check_preamble() {
        static constexpr std::array<std::uint8_t, 10> magic = {0x6C, 0xFC, 0x9C, 0x46, 0xF9,
                                                               0x20, 0x6A, 0xA8, 0x50, 0x19};
        const pickle::document number = next("magic number");
        const auto* digits = std::get_if<pickle::big_integer>(&number.root);
        if (digits == nullptr || !std::equal(digits->bytes.begin(), digits->bytes.end(), magic.begin(), magic.end(),
                                             [](std::byte a, std::uint8_t b) { return std::to_integer<int>(a) == b; }))
            refuse(source_, "PyTorch's magic number in the first pickle", pickle::describe(number.root));
        const pickle::document version = next("protocol version");
        if (const auto* v = std::get_if<std::int64_t>(&version.root); v == nullptr || *v != 1001)
            refuse(source_ + ": protocol version", "1001", pickle::describe(version.root));
        const pickle::document system = next("system's properties");
        const auto* little =
            expect<pickle::dict*>(system.root, source_ + ": system's properties", "a dict")->find("little_endian");
        if (const auto* yes = little == nullptr ? nullptr : std::get_if<bool>(little); yes == nullptr || !*yes)
            refuse(source_, "little-endian storages (little_endian True)",
                   little == nullptr ? "no such entry" : pickle::describe(*little));
    }

    void read_storage(std::string_view key, const std::map<std::string_view, storage_id>& described) {
        const std::string where = source_ + ": storage " + in_quotes(key);
        const auto id = described.find(key);
        if (id == described.end()) refuse(where, "a tensor that uses it", "none");
        if (rest_.size() < sizeof(std::uint64_t))
            refuse(where, "8 bytes for its number of elements", std::to_string(rest_.size()));
        if (const auto elements = load_little<std::uint64_t>(rest_, 0); elements != id->second.elements)
            refuse(where, std::to_string(id->second.elements) + " elements", std::to_string(elements));
        rest_ = rest_.subspan(sizeof(std::uint64_t));
        if (rest_.size() < id->second.bytes())
            refuse(where, std::to_string(id->second.bytes()) + " bytes",
                   std::to_string(rest_.size()) + ": the file is truncated");
        const auto length = static_cast<std::size_t>(id->second.bytes());
        if (!storages_.emplace(id->first, rest_.first(length)).second) refuse(where, "it once", "it twice");
        rest_ = rest_.subspan(length);
    }

    std::span<const std::byte> rest_;
    std::string source_;
    pickle::limits limits_;
    pickle::document document_;
    std::map<std::string_view, std::span<const std::byte>> storages_;
};

} // namespace gpunet::detail

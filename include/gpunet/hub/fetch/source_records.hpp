// What is known of the sources that weights were fetched from: the digests of the first use, for one.
#pragma once

#include <gpunet/detail/json_file.hpp>
#include <gpunet/detail/object_reader.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/detail/utc_time.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/fetch/blob_store.hpp>
#include <gpunet/hub/model.hpp>
#include <gpunet/hub/sha256.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

/// The digest of a file, and whether the publisher gave it or the first use set it.
struct noted_digest {
    std::string sha256;
    std::uint64_t size = 0; // bytes
    bool first_use = false;
    friend bool operator==(const noted_digest&, const noted_digest&) = default;
};

/// What was fetched from one address, package or path.
struct source_record {
    std::string source;                          // a URL, "name==version", or a path
    noted_digest archive;                        // what was fetched
    std::string when;                            // UTC, ISO 8601
    std::map<std::string, noted_digest> members; // what was taken out of it and proved good; "" is the file itself
    friend bool operator==(const source_record&, const source_record&) = default;
};

namespace detail {

/// A file name for any text.
inline std::string key_of(const std::string& text) {
    gpunet::sha256 hash;
    hash.update(text);
    return hash.hex().substr(0, 32);
}

/// What a source is known by: its URL, package or path.
inline std::string source_identity(const weights_source& w) {
    return w.url ? *w.url : w.package ? *w.package : w.path.value_or("");
}

inline noted_digest read_digest(object_reader<io_error>& in) {
    noted_digest d;
    d.sha256 = in.string("sha256");
    if (!is_sha256(d.sha256)) in.fail("sha256", "64 lower-case hexadecimal digits", json(d.sha256));
    d.size = static_cast<std::uint64_t>(in.integer("size", 0, INT64_MAX));
    d.first_use = in.optional_boolean("first_use").value_or(false);
    return d;
}

inline ordered_json to_json(const noted_digest& d) {
    return {{"sha256", d.sha256}, {"size", d.size}, {"first_use", d.first_use}};
}

inline source_record parse_source_record(const std::string& text, const std::string& file) {
    const json document = parse_json<io_error>(text, file);
    object_reader<io_error> in(document, file);
    static_cast<void>(in.integer("schema", 1, 1));
    source_record r;
    r.source = in.string("source");
    r.archive = read_digest(in);
    r.when = in.string("when");
    if (const json* members = in.find("members")) {
        if (!members->is_object()) in.fail("members", "an object", *members);
        for (const auto& item : members->items()) {
            object_reader<io_error> member(item.value(), file + ": members: " + shown_name(item.key()));
            r.members[item.key()] = read_digest(member);
        }
    }
    return r;
}

inline ordered_json to_json(const source_record& r) {
    ordered_json out = {{"schema", 1}, {"source", r.source}};
    out.update(to_json(r.archive));
    out["when"] = r.when;
    out["members"] = ordered_json::object();
    for (const auto& [name, digest] : r.members) out["members"][name] = to_json(digest);
    return out;
}

} // namespace detail

/// A folder of records, a small JSON file a source.
class source_records {
  public:
    explicit source_records(std::filesystem::path folder = cache_directory() / "sources")
        : folder_(std::move(folder)) {}

    const std::filesystem::path& folder() const noexcept { return folder_; }
    std::filesystem::path file_of(const std::string& source) const {
        return folder_ / (detail::key_of(source) + ".json");
    }

    /// @throws io_error naming the file if there is one that cannot be read: what it said of the first use may not be
    ///         passed over in silence
    std::optional<source_record> read(const std::string& source) const {
        const std::filesystem::path file = file_of(source);
        std::error_code ignored;
        if (!std::filesystem::exists(file, ignored)) return std::nullopt;
        source_record r = read_file(file);
        if (r.source != source)
            throw io_error(file.string() + ": source: expected \"" + source + "\", found \"" + r.source + "\"");
        return r;
    }

    static source_record read_file(const std::filesystem::path& file) {
        return detail::parse_source_record(detail::read_text_file(file, max_bytes), file.string());
    }

    /// @throws io_error
    void write(const source_record& r) const {
        detail::make_folder(folder_);
        detail::write_document(file_of(r.source), detail::to_json(r));
    }

    void forget(const std::string& source) const {
        std::error_code ignored;
        std::filesystem::remove(file_of(source), ignored);
    }

    /// The files there are.
    std::vector<std::filesystem::path> files() const {
        std::vector<std::filesystem::path> all;
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored))
            if (entry.path().extension() == ".json") all.push_back(entry.path());
        std::sort(all.begin(), all.end());
        return all;
    }

  private:
    static constexpr std::size_t max_bytes = std::size_t{1} << 20;

    std::filesystem::path folder_;
};

} // namespace gpunet

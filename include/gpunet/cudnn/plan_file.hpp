// Plans on disk: one file a plan.
#pragma once

#include <gpunet/detail/fnv1a.hpp>
#include <gpunet/detail/json_file.hpp>
#include <gpunet/detail/object_reader.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/weights/crc32.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace gpunet::cudnn {

/// What a file says of a plan.
struct plan_record {
    std::string json{};   // cuDNN's own text
    std::string engine{}; // the rest as in class plan
    std::int64_t engine_index = -1;
    std::string knobs{};
    bool runtime_compiled = false;
    bool tensor_core = false;
    double microseconds = 0; // measured; 0: not
    std::string rival{};     // that is faster than every plan; where there is one, the rest is empty
};

namespace detail {

inline constexpr std::int64_t plan_schema = 3;

inline std::int64_t plan_checksum(const std::string& text) {
    return gpunet::detail::crc32(std::as_bytes(std::span(text)));
}

/// The record in a file's text; nothing, where it is of another key or version, or damaged.
/// @throws io_error for a text that is no record
inline std::optional<plan_record> parse_plan_record(std::string_view text, const std::string& source,
                                                    const std::string& key) {
    const auto document = gpunet::detail::parse_json<io_error>(text, source);
    gpunet::detail::object_reader<io_error> reader(document, source);
    if (reader.integer("schema", 0, INT64_MAX) != plan_schema || reader.string("key") != key) return std::nullopt;
    plan_record r;
    r.json = reader.string("plan");
    if (reader.integer("crc32", 0, UINT32_MAX) != plan_checksum(r.json)) return std::nullopt;
    r.engine = reader.string("engine");
    r.engine_index = reader.integer("engine_index", INT64_MIN, INT64_MAX);
    r.knobs = reader.string("knobs");
    r.runtime_compiled = reader.optional_boolean("runtime_compiled").value_or(false);
    r.tensor_core = reader.optional_boolean("tensor_core").value_or(false);
    r.microseconds = reader.optional_number("microseconds", 0, 1e9).value_or(0);
    r.rival = reader.optional_string("rival").value_or("");
    return r;
}

} // namespace detail

/// A folder of plans. Reading and writing never fail: what cannot be read is as if it were not there.
class plan_files {
  public:
    /// @param directory  empty: nothing is read or written
    explicit plan_files(std::filesystem::path directory) : directory_(std::move(directory)) {}

    /// The record of that key, if there is a whole one.
    std::optional<plan_record> read(const std::string& key) const {
        if (directory_.empty()) return std::nullopt;
        try {
            const std::filesystem::path path = file_of(key);
            return detail::parse_plan_record(gpunet::detail::read_text_file(path, max_file_bytes), path.string(), key);
        } catch (const io_error&) {
            return std::nullopt;
        }
    }

    void write(const std::string& key, const plan_record& r) const {
        if (directory_.empty()) return;
        gpunet::detail::ordered_json document = {
            {"schema", detail::plan_schema},  {"key", key},       {"engine", r.engine},
            {"engine_index", r.engine_index}, {"knobs", r.knobs}, {"runtime_compiled", r.runtime_compiled},
            {"tensor_core", r.tensor_core}};
        if (r.microseconds > 0) document["microseconds"] = r.microseconds;
        if (!r.rival.empty()) document["rival"] = r.rival;
        document["crc32"] = detail::plan_checksum(r.json);
        document["plan"] = r.json;
        try {
            std::error_code ignored;
            std::filesystem::create_directories(directory_, ignored);
            gpunet::detail::write_document(file_of(key), document);
        } catch (const io_error&) { // it is made again next time
        }
    }

    /// The file a key's record lies in, whether or not it is there: 64 bits of FNV-1a over the key.
    std::filesystem::path file_of(std::string_view key) const {
        return directory_ / (gpunet::detail::hexadecimal(fnv1a(key)) + ".plan.json");
    }

  private:
    static constexpr std::size_t max_file_bytes = std::size_t{64} << 20;

    std::filesystem::path directory_;
};

} // namespace gpunet::cudnn

// The latencies measured on this machine, kept in the user's cache as readable JSON.
#pragma once

#include <gpunet/atomic_file.hpp>
#include <gpunet/detail/file_lock.hpp>
#include <gpunet/detail/json.hpp>
#include <gpunet/detail/json_file.hpp>
#include <gpunet/detail/text_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/hub/cache.hpp>
#include <gpunet/hub/registry.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace gpunet {

namespace detail {

/// What is written. Schema 1 knew no uuid, driver, spread_ms, noisy; it reads as a schema 2 without them.
inline constexpr std::int64_t records_schema = 2;

/// The file is a later version's.
struct newer_records : io_error {
    using io_error::io_error;
};

/// @throws newer_records; spec_error for any other text that is no file of records
inline std::vector<model_record> parse_records(const std::string& text, const std::string& source) {
    const json document = parse_json<spec_error>(text, source);
    record_reader in(document, source);
    if (const std::int64_t schema = in.integer("schema", 1, 1 << 20); schema > records_schema)
        throw newer_records(source + ": schema: expected an integer from 1 to " + std::to_string(records_schema) +
                            ", found " + std::to_string(schema) + ", of a newer gpunet");
    std::vector<model_record> records;
    for_each_object(in, "records", [&](record_reader& item) {
        std::string name = item.string("model");
        records.emplace_back(std::move(name), read_latency(item));
        if (records.back().second.kind != latency_record::origin::measured)
            throw spec_error(item.where() + ": kind: expected \"measured\", found \"published\"");
    });
    return records;
}

} // namespace detail

/// The file of measured latencies, by default the cache's. Processes may read it and add to it at the same time.
class records_file {
  public:
    explicit records_file(const std::filesystem::path& path = cache_directory() / "latency.json")
        : path_(std::filesystem::absolute(path)) {}

    const std::filesystem::path& path() const noexcept { return path_; }

    /// All records. A damaged file is set aside as "latency.json.damaged", and `warning` says so; one of a newer
    /// version of this library is left alone and not used, and `warning` says that.
    /// @throws io_error if there is a file that cannot be read
    std::vector<model_record> read(std::optional<std::string>& warning) const {
        warning.reset();
        std::error_code ignored;
        if (!std::filesystem::exists(path_, ignored)) return {};
        try {
            try {
                return parse();
            } catch (const detail::newer_records&) {
                throw;
            } catch (const io_error&) { // moved aside by another process just now, or never to be read
                if (!std::filesystem::exists(path_, ignored)) return {};
            } catch (const spec_error& e) {
                warning = std::string(e.what()) + "; it cannot be set aside";
            }
            detail::file_lock lock = write_lock();
            lock.lock(); // another process may have put a good file in its place by now
            warning.reset();
            return std::filesystem::exists(path_, ignored) ? read_or_set_aside(warning) : std::vector<model_record>();
        } catch (const detail::newer_records& e) {
            warning = std::string(e.what()) + "; left alone and not used";
        } catch (const io_error& e) {
            if (!warning) throw;
            *warning += std::string(": ") + e.what();
        }
        return {};
    }

    /// Adds records, each in the place of an older one of the same thing. Other processes may do the same.
    /// @throws io_error if the file cannot be written or is a newer version's, spec_error if a record is no measurement
    ///         or lacks something; the file is then as it was
    void add(const std::vector<model_record>& added, std::optional<std::string>& warning) const {
        warning.reset();
        detail::file_lock lock = write_lock();
        lock.lock();
        std::vector<model_record> all;
        std::error_code ignored;
        if (std::filesystem::exists(path_, ignored)) all = read_or_set_aside(warning);
        for (const model_record& record : added) {
            std::erase_if(all, [&](const model_record& old) {
                return old.first == record.first && same_subject(old.second, record.second);
            });
            all.push_back(record);
        }
        detail::ordered_json list = detail::ordered_json::array();
        for (const auto& [name, record] : all) {
            detail::ordered_json entry = {{"model", name}};
            entry.update(detail::to_json(record));
            list.push_back(std::move(entry));
        }
        const detail::ordered_json document = {{"schema", detail::records_schema}, {"records", std::move(list)}};
        const std::string text = detail::document_text(document);
        static_cast<void>(detail::parse_records(text, path_.string())); // never keep what would read as damaged
        atomic_file file(path_);
        file.write(text);
        file.commit();
    }

  private:
    static constexpr std::size_t max_bytes = std::size_t{1} << 24;

    /// Keeps other processes from writing while it is held.
    detail::file_lock write_lock() const { return detail::file_lock(path_.string() + ".lock"); }
    std::vector<model_record> parse() const {
        return detail::parse_records(detail::read_text_file(path_, max_bytes), path_.string());
    }
    /// Under the lock. @throws newer_records, io_error
    std::vector<model_record> read_or_set_aside(std::optional<std::string>& warning) const {
        try {
            return parse();
        } catch (const spec_error& e) {
            std::filesystem::path aside = path_;
            aside += ".damaged";
            std::error_code failed;
            std::filesystem::rename(path_, aside, failed);
            warning = std::string(e.what()) +
                      (failed ? "; it cannot be set aside: " + failed.message() : "; set aside as " + aside.string());
            return {};
        }
    }

    std::filesystem::path path_;
};

/// The built-in models with what was measured on this machine.
/// @param warning  if not null, gets what is wrong with the records, or nothing
inline registry local_registry(std::optional<std::string>* warning = nullptr) {
    std::optional<std::string> ignored;
    std::optional<std::string>& problem = warning ? *warning : ignored;
    registry r = registry::builtin();
    try {
        for (const auto& [name, record] : records_file().read(problem)) r.add_record(name, record);
    } catch (const io_error& e) {
        problem = e.what(); // the models are as good without the records
    }
    return r;
}

} // namespace gpunet

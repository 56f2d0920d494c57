// JSON from strangers as a tree: bounded depth, no key twice, one pass.
#pragma once

#include <gpunet/detail/json_events.hpp>
#include <gpunet/detail/printable.hpp>
#include <gpunet/error.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::detail {

/// JSON that was read; keys come in the order of their names.
using json = nlohmann::json;
/// JSON to write; keys come in the order they were put. The core has no use for it, and compiles faster without.
using ordered_json = nlohmann::ordered_json;

/// A value as an error shows it: one line of at most 60 bytes.
inline std::string shown(const json& value) {
    return shortened(printable(value.dump(-1, ' ', false, json::error_handler_t::replace)), 60);
}

/// The text as JSON writes it, in quotation marks; what is no UTF-8 is replaced.
inline std::string json_string(const std::string& text) {
    return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A name as an error shows it: as `shown`, without quotation marks.
inline std::string shown_name(const std::string& name) {
    const std::string quoted = json_string(name);
    return shortened(printable(quoted.substr(1, quoted.size() - 2)), 60);
}

/// The most keys an object may have.
inline constexpr std::size_t max_object_keys = 1000;

/// What is wrong with a JSON text, without its name.
struct json_fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Builds the tree of a JSON text. Throws json_fault.
class json_builder final : public json_events {
  public:
    explicit json_builder(int max_depth) : max_depth_(max_depth) {}

    json take() { return std::move(root_); }

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(std::int64_t value) override { return add(value); }
    bool number_unsigned(std::uint64_t value) override { return add(value); }
    bool number_float(double value, const std::string&) override { return add(value); }
    bool string(std::string& value) override { return add(std::move(value)); }

    bool start_object(std::size_t) override { return open(json::value_t::object); }
    bool start_array(std::size_t) override { return open(json::value_t::array); }
    bool end_array() override { return close(); }
    bool end_object() override { return close(); }
    bool key(std::string& name) override {
        auto& members = open_.back()->get_ref<json::object_t&>();
        if (members.size() == max_object_keys)
            throw json_fault("expected at most " + std::to_string(max_object_keys) + " keys in one object, found more");
        const auto [member, added] = members.emplace(std::move(name), nullptr);
        if (!added) throw json_fault("key \"" + shown_name(member->first) + "\" appears twice in one object");
        member_ = &member->second;
        return true;
    }
    [[noreturn]] void malformed(const std::string& what) override { throw json_fault("not valid JSON: " + what); }

  private:
    template <class T>
    bool add(T&& value) {
        place() = std::forward<T>(value);
        return true;
    }
    /// Where the next value goes.
    json& place() {
        if (open_.empty()) return root_;
        if (open_.back()->is_object()) return *member_;
        return open_.back()->get_ref<json::array_t&>().emplace_back();
    }
    bool open(json::value_t kind) {
        if (std::cmp_equal(open_.size(), max_depth_))
            throw json_fault("expected JSON nested at most " + std::to_string(max_depth_) + " deep, found more");
        json& value = place();
        value = json(kind);
        open_.push_back(&value);
        return true;
    }
    bool close() {
        open_.pop_back();
        return true;
    }

    int max_depth_;
    json root_;
    std::vector<json*> open_; // objects and lists not closed yet; each the last value of the one before
    json* member_ = nullptr;  // the value of the key read last
};

inline json build_json(std::string_view text, int max_depth) {
    json_builder builder(max_depth);
    parse_json_events(text, builder);
    return builder.take();
}

/// @throws Error naming `source` and, for a syntax error, line and column.
template <class Error>
json parse_json(std::string_view text, const std::string& source, int max_depth = 32) {
    try {
        return build_json(text, max_depth);
    } catch (const json_fault& fault) {
        throw Error(source + ": " + fault.what());
    }
}

} // namespace gpunet::detail

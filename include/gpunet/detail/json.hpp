// JSON from strangers: parsed with a depth limit and without duplicate keys, and read field by field with errors that
// name the place, what was expected and what was found.
#pragma once

#include <gpunet/error.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::detail {

using json = nlohmann::ordered_json;

/// At most 60 bytes, not cut within a character.
inline std::string shortened(std::string text) {
    if (text.size() <= 60) return text;
    std::size_t end = 57;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return text.substr(0, end) + "...";
}

/// A value as an error shows it: one line of at most 60 bytes.
inline std::string shown(const json& value) {
    return shortened(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

/// The same for a name, without quotation marks.
inline std::string shown_name(const std::string& name) {
    const std::string quoted = json(name).dump(-1, ' ', false, json::error_handler_t::replace);
    return shortened(quoted.substr(1, quoted.size() - 2));
}

/// The most keys an object may have; ordered_json looks for each among all others.
inline constexpr std::size_t max_object_keys = 1000;

/// @throws Error naming `source` and, for a syntax error, line and column.
template <class Error>
json parse_json(std::string_view text, const std::string& source, int max_depth = 32) {
    std::vector<std::set<std::string>> keys;
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
        if (depth > max_depth)
            throw Error(source + ": expected JSON nested at most " + std::to_string(max_depth) + " deep, found more");
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
            throw Error(source + ": key \"" + shown_name(parsed.get<std::string>()) + "\" appears twice in one object");
        if (event == json::parse_event_t::key && keys.back().size() > max_object_keys)
            throw Error(source + ": expected at most " + std::to_string(max_object_keys) +
                        " keys in one object, found more");
        return true;
    };
    try {
        return json::parse(text, check);
    } catch (const nlohmann::json::parse_error& e) {
        std::string what = e.what();
        const auto start = what.find("parse error at ");
        throw Error(source + ": not valid JSON: " + (start == std::string::npos ? what : what.substr(start + 12)));
    } catch (const nlohmann::json::out_of_range& e) { // a number beyond double
        const std::string what = e.what();
        const auto start = what.find("] ");
        throw Error(source + ": not valid JSON: " + (start == std::string::npos ? what : what.substr(start + 2)));
    }
}

/// Reads the fields of one JSON object and remembers which it has read. Throws Error, each message starting with
/// `where`.
template <class Error>
class object_reader {
  public:
    object_reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {
        if (!object_.is_object()) throw Error(where_ + ": expected an object, found " + shown(object_));
    }

    const std::string& where() const noexcept { return where_; }

    /// The value, or nullptr where the key is absent.
    const json* find(const std::string& key) {
        read_.insert(key);
        const auto found = object_.find(key);
        return found == object_.end() ? nullptr : &*found;
    }

    const json& required(const std::string& key, const std::string& expected) {
        const json* value = find(key);
        if (!value) throw Error(where_ + ": " + key + ": expected " + expected + ", found nothing");
        return *value;
    }

    [[noreturn]] void fail(const std::string& key, const std::string& expected, const json& found) const {
        throw Error(where_ + ": " + key + ": expected " + expected + ", found " + shown(found));
    }

    std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high) {
        return as_integer(key, required(key, between("an integer", low, high)), low, high);
    }
    std::optional<std::int64_t> optional_integer(const std::string& key, std::int64_t low, std::int64_t high) {
        const json* value = find(key);
        return value ? std::optional(as_integer(key, *value, low, high)) : std::nullopt;
    }

    /// A finite number in (above, high].
    double number(const std::string& key, double above, double high) {
        return as_number(key, required(key, number_range(above, high)), above, high);
    }
    std::optional<double> optional_number(const std::string& key, double above, double high) {
        const json* value = find(key);
        return value ? std::optional(as_number(key, *value, above, high)) : std::nullopt;
    }

    /// From 0 to 1.
    std::optional<double> optional_share(const std::string& key) {
        const json* value = find(key);
        if (!value) return std::nullopt;
        if (value->is_number() && value->template get<double>() == 0) return 0.0;
        if (!value->is_number() || !(value->template get<double>() > 0 && value->template get<double>() <= 1))
            fail(key, "a number from 0 to 1", *value);
        return value->template get<double>();
    }

    std::optional<bool> optional_boolean(const std::string& key) {
        const json* value = find(key);
        if (!value) return std::nullopt;
        if (!value->is_boolean()) fail(key, "true or false", *value);
        return value->template get<bool>();
    }

    std::string string(const std::string& key) {
        const json& value = required(key, "a string");
        if (!value.is_string()) fail(key, "a string", value);
        return value.template get<std::string>();
    }
    std::optional<std::string> optional_string(const std::string& key) {
        const json* value = find(key);
        if (!value || value->is_null()) return std::nullopt;
        return string(key);
    }

    /// One of an enumeration's names: `names[i]` is the value i.
    template <class Enum, class Names>
    std::optional<Enum> optional_name(const std::string& key, const Names& names) {
        const json* value = find(key);
        if (!value) return std::nullopt;
        std::string expected = "one of";
        std::size_t i = 0;
        for (const std::string_view name : names) {
            if (value->is_string() && value->template get_ref<const std::string&>() == name)
                return static_cast<Enum>(i);
            expected += (i++ ? ", " : " ") + std::string(name);
        }
        fail(key, expected, *value);
    }

    /// The keys nobody asked for.
    std::vector<std::string> unread() const {
        std::vector<std::string> keys;
        for (const auto& item : object_.items())
            if (!read_.contains(item.key())) keys.push_back(item.key());
        return keys;
    }

    std::int64_t as_integer(const std::string& key, const json& value, std::int64_t low, std::int64_t high) const {
        const bool fits = value.is_number_integer() &&
                          !(value.is_number_unsigned() && value.template get<std::uint64_t>() > INT64_MAX);
        if (!fits || value.template get<std::int64_t>() < low || value.template get<std::int64_t>() > high)
            fail(key, between("an integer", low, high), value);
        return value.template get<std::int64_t>();
    }

  private:
    double as_number(const std::string& key, const json& value, double above, double high) const {
        if (!value.is_number()) fail(key, number_range(above, high), value);
        const auto x = value.template get<double>();
        if (!(x > above && x <= high)) fail(key, number_range(above, high), value);
        return x;
    }

    static std::string between(const std::string& what, std::int64_t low, std::int64_t high) {
        return what + " from " + std::to_string(low) + " to " + std::to_string(high);
    }
    static std::string number_range(double above, double high) {
        return "a number above " + json(above).dump() + " and up to " + json(high).dump();
    }

    const json& object_;
    std::string where_;
    std::set<std::string> read_;
};

} // namespace gpunet::detail

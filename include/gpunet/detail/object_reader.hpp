// Reads a JSON object field by field, with errors that name the place, what was expected and what was found.
#pragma once

#include <gpunet/detail/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::detail {

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

// What a pickle describes, as plain data: nothing in it was or can be executed.
#pragma once

#include <gpunet/weights/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gpunet::pickle {

struct none {};

/// An integer that 64 bits cannot hold: two's complement, little-endian, as stored.
struct big_integer {
    std::span<const std::byte> bytes;
};

struct binary {
    std::span<const std::byte> bytes;
};

struct list;
struct tuple;
struct dict;
struct global;
struct object;
struct persistent;

/// Strings (UTF-8, unchecked) and bytes view the pickle; nodes belong to its `document`. Lists and dicts may contain
/// themselves, and nodes may be shared: walk with care, and never recursively.
using value = std::variant<none, bool, std::int64_t, big_integer, double, std::string_view, binary, list*, tuple*,
                           dict*, const global*, object*, persistent*>;

struct list { // sets too
    std::vector<value> items;
};

struct tuple {
    std::vector<value> items;
};

struct dict {                                   // OrderedDict and defaultdict too
    std::vector<std::pair<value, value>> items; ///< in the order written; later ones win
    value attributes;                           ///< state given by BUILD, such as `_metadata`

    /// The value of a text key, or nullptr.
    const value* find(std::string_view key) const noexcept {
        for (auto item = items.rbegin(); item != items.rend(); ++item)
            if (const auto* text = std::get_if<std::string_view>(&item->first); text != nullptr && *text == key)
                return &item->second;
        return nullptr;
    }
};

/// How a pickle may use a global.
enum class usage : std::uint8_t {
    constant, ///< as a value only, like torch.float32
    mapping,  ///< called or instantiated: becomes a `dict`
    function, ///< called
    instance, ///< called or instantiated, and given state
    storage   ///< as a storage's type
};

struct global {
    std::string_view name; ///< module.name
    usage use;
};

/// A global applied to arguments; the application itself never happens.
struct object {
    const global* type;
    tuple* arguments;
    value state; ///< given by BUILD
};

/// A reference to something outside the pickle.
struct persistent {
    value id;
};

/// A pickle's value and the nodes it consists of. Destruction does not recurse, however deep the value.
struct document {
    value root;
    std::size_t size = 0; ///< bytes of the pickle, its STOP included

    std::deque<list> lists;
    std::deque<tuple> tuples;
    std::deque<dict> dicts;
    std::deque<object> objects;
    std::deque<persistent> persistents;

    document() = default;
    document(document&&) = default;
    document& operator=(document&&) = default;
    document(const document&) = delete; // values point into it
    document& operator=(const document&) = delete;
    ~document() = default;
};

/// "the integer 5", for messages.
inline std::string describe(const value& v) {
    struct describer {
        std::string operator()(none) const { return "None"; }
        std::string operator()(bool b) const { return b ? "True" : "False"; }
        std::string operator()(std::int64_t i) const { return "the integer " + std::to_string(i); }
        std::string operator()(big_integer i) const {
            return "an integer of " + std::to_string(i.bytes.size()) + " bytes";
        }
        std::string operator()(double d) const { return "the number " + std::to_string(d); }
        std::string operator()(std::string_view s) const { return "the string " + gpunet::detail::in_quotes(s); }
        std::string operator()(binary) const { return "bytes"; }
        std::string operator()(const list*) const { return "a list"; }
        std::string operator()(const tuple* t) const { return "a tuple of " + std::to_string(t->items.size()); }
        std::string operator()(const dict*) const { return "a dict"; }
        std::string operator()(const global* g) const { return std::string(g->name); }
        std::string operator()(const object* o) const { return "an object of " + std::string(o->type->name); }
        std::string operator()(const persistent*) const { return "a persistent reference"; }
    };
    return std::visit(describer{}, v);
}

} // namespace gpunet::pickle

// Reads pickles (protocols 2 to 5, the opcodes of CPython's and PyTorch's picklers) as data. Executes nothing.
// Opcodes: CPython, Lib/pickletools.py.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/weights/pickle_cursor.hpp>
#include <gpunet/weights/pickle_globals.hpp>
#include <gpunet/weights/pickle_value.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet::pickle {

/// What a pickle may cost. A value takes at most a few hundred bytes.
struct limits {
    std::size_t values = std::size_t{1} << 20; ///< pushed and memoised, all together
    std::size_t stack = std::size_t{1} << 16;
    std::size_t marks = std::size_t{1} << 10; ///< open lists, dicts and tuples
};

namespace detail {

class machine : private cursor {
  public:
    machine(std::span<const std::byte> bytes, std::string_view where, const limits& most)
        : cursor(bytes, where), limits_(most) {}

    document run() && {
        if (take<std::uint8_t>() != 0x80) fail("a pickle of protocol 2 to 5", "another first byte");
        if (const auto protocol = take<std::uint8_t>(); protocol < 2 || protocol > 5)
            fail("a pickle of protocol 2 to 5", "protocol " + std::to_string(protocol));
        for (;;) {
            const std::uint8_t opcode = take_opcode();
            if (opcode == '.') break; // STOP
            step(opcode);
        }
        document_.root = pop();
        if (!stack_.empty()) fail("an empty stack at the end", std::to_string(stack_.size()) + " values");
        document_.size = position();
        return std::move(document_);
    }

  private:
    // Stack

    void count_value() {
        if (++values_ > limits_.values)
            fail("at most " + std::to_string(limits_.values) + " values", "more: the pickle is too large");
    }
    /// One list may fill many dicts; a pair that is written takes 4 bytes at least, and fills one.
    void count_pair() {
        count_value();
        if (++pairs_ > position() / 4)
            fail("at most a pair for 4 bytes of the pickle", "more: one list fills many dicts");
    }
    void push(value v) {
        count_value();
        if (stack_.size() >= limits_.stack)
            fail("a stack of at most " + std::to_string(limits_.stack) + " values", "a deeper one");
        stack_.push_back(v);
    }
    value& top() {
        if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("a value on the stack", "none");
        return stack_.back();
    }
    value pop() {
        const value v = top();
        stack_.pop_back();
        return v;
    }
    template <class T>
    T pop_as(const char* expected) {
        const value v = pop();
        if (const T* typed = std::get_if<T>(&v)) return *typed;
        fail(expected, describe(v));
    }
    template <class T>
    T top_as(const char* expected) {
        const value& v = top();
        if (const T* typed = std::get_if<T>(&v)) return *typed;
        fail(expected, describe(v));
    }
    void mark() {
        if (marks_.size() >= limits_.marks)
            fail("at most " + std::to_string(limits_.marks) + " open marks", "deeper nesting");
        marks_.push_back(stack_.size());
    }
    std::vector<value> pop_to_mark() {
        if (marks_.empty()) fail("a mark on the stack", "none");
        const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
        std::vector<value> items(begin, stack_.end());
        stack_.erase(begin, stack_.end());
        marks_.pop_back();
        return items;
    }
    std::vector<value> pop_some(std::size_t count) {
        std::vector<value> items(count);
        for (std::size_t i = count; i-- > 0;) items[i] = pop();
        return items;
    }

    // Memo

    void memoise(std::uint32_t index) {
        count_value();
        memo_[index] = top();
    }
    void recall(std::uint32_t index) {
        const auto found = memo_.find(index);
        if (found == memo_.end()) fail("a memo entry " + std::to_string(index), "none");
        push(found->second);
    }

    // Nodes

    list* new_list(std::vector<value> items) { return &document_.lists.emplace_back(list{std::move(items)}); }
    tuple* new_tuple(std::vector<value> items) { return &document_.tuples.emplace_back(tuple{std::move(items)}); }
    dict* new_dict() { return &document_.dicts.emplace_back(); }

    void append(list& to, const std::vector<value>& items) {
        to.items.insert(to.items.end(), items.begin(), items.end());
    }
    void insert(dict& to, const std::vector<value>& items) {
        if (items.size() % 2 != 0) fail("keys and values in pairs", std::to_string(items.size()) + " items");
        for (std::size_t i = 0; i < items.size(); i += 2) to.items.emplace_back(items[i], items[i + 1]);
    }

    void push_global(std::string_view module, std::string_view name) {
        const std::string full = std::string(module) + '.' + std::string(name);
        const global* known = find_global(full);
        if (known == nullptr)
            fail("a global that checkpoints of weights use (nothing else is looked up, nothing is executed)",
                 gpunet::detail::in_quotes(full));
        push(known);
    }
    /// What calling or instantiating `type` would make, as data.
    void construct(const global* type, tuple* arguments) {
        if (type->use == usage::mapping) {
            dict* made = new_dict();
            fill(*made, *type, arguments->items);
            push(made);
        } else if (type->use == usage::function || type->use == usage::instance) {
            push(&document_.objects.emplace_back(object{type, arguments, none{}}));
        } else {
            fail("a function or class to call", std::string(type->name));
        }
    }
    /// OrderedDict(): empty, or (Python 2) a list of pairs; defaultdict(factory).
    void fill(dict& made, const global& type, const std::vector<value>& arguments) {
        if (arguments.empty()) return;
        if (arguments.size() == 1 && std::holds_alternative<const global*>(arguments[0])) return;
        const auto* pairs = arguments.size() == 1 ? std::get_if<list*>(&arguments[0]) : nullptr;
        if (pairs == nullptr) fail("no arguments, or a list of pairs, for " + std::string(type.name), "others");
        for (const value& pair : (*pairs)->items) {
            const std::vector<value>* items = nullptr;
            if (const auto* as_list = std::get_if<list*>(&pair)) items = &(*as_list)->items;
            if (const auto* as_tuple = std::get_if<tuple*>(&pair)) items = &(*as_tuple)->items;
            if (items == nullptr || items->size() != 2) fail("a pair for " + std::string(type.name), describe(pair));
            count_pair();
            made.items.emplace_back((*items)[0], (*items)[1]);
        }
    }
    void build(const value& state) {
        const value& target = top();
        if (const auto* d = std::get_if<dict*>(&target)) {
            (*d)->attributes = state;
        } else if (const auto* o = std::get_if<object*>(&target); o != nullptr && (*o)->type->use == usage::instance) {
            (*o)->state = state;
        } else {
            fail("an instance to give state to", describe(target));
        }
    }

    void step(std::uint8_t opcode) {
        switch (opcode) {
        case 0x95: return check_frame(take<std::uint64_t>());                // FRAME
        case 'N': return push(none{});                                       // NONE
        case 0x88: return push(true);                                        // NEWTRUE
        case 0x89: return push(false);                                       // NEWFALSE
        case 'J': return push(std::int64_t{take<std::int32_t>()});           // BININT
        case 'K': return push(std::int64_t{take<std::uint8_t>()});           // BININT1
        case 'M': return push(std::int64_t{take<std::uint16_t>()});          // BININT2
        case 0x8A: return push(take_integer(take<std::uint8_t>()));          // LONG1
        case 0x8B: return push(take_integer(take<std::uint32_t>()));         // LONG4
        case 'G': return push(take_big_endian_double());                     // BINFLOAT
        case 'X': return push(take_text<std::uint32_t>());                   // BINUNICODE
        case 0x8C: return push(take_text<std::uint8_t>());                   // SHORT_BINUNICODE
        case 0x8D: return push(take_text<std::uint64_t>());                  // BINUNICODE8
        case 'T': return push(take_text<std::uint32_t>());                   // BINSTRING (Python 2)
        case 'U': return push(take_text<std::uint8_t>());                    // SHORT_BINSTRING
        case 'B': return push(take_binary<std::uint32_t>());                 // BINBYTES
        case 'C': return push(take_binary<std::uint8_t>());                  // SHORT_BINBYTES
        case 0x8E: return push(take_binary<std::uint64_t>());                // BINBYTES8
        case 0x96: return push(take_binary<std::uint64_t>());                // BYTEARRAY8
        case ')': return push(new_tuple({}));                                // EMPTY_TUPLE
        case 0x85: return push(new_tuple(pop_some(1)));                      // TUPLE1
        case 0x86: return push(new_tuple(pop_some(2)));                      // TUPLE2
        case 0x87: return push(new_tuple(pop_some(3)));                      // TUPLE3
        case 't': return push(new_tuple(pop_to_mark()));                     // TUPLE
        case ']':                                                            // EMPTY_LIST
        case 0x8F: return push(new_list({}));                                // EMPTY_SET
        case 'l':                                                            // LIST
        case 0x91: return push(new_list(pop_to_mark()));                     // FROZENSET
        case 'a': return append_some(pop_some(1));                           // APPEND
        case 'e':                                                            // APPENDS
        case 0x90: return append_some(pop_to_mark());                        // ADDITEMS
        case '}': return push(new_dict());                                   // EMPTY_DICT
        case 's': return insert_some(pop_some(2));                           // SETITEM
        case 'u': return insert_some(pop_to_mark());                         // SETITEMS
        case '(': return mark();                                             // MARK
        case '0': return static_cast<void>(pop());                           // POP
        case '1': return static_cast<void>(pop_to_mark());                   // POP_MARK
        case '2': return push(top());                                        // DUP
        case 'q': return memoise(take<std::uint8_t>());                      // BINPUT
        case 'r': return memoise(take<std::uint32_t>());                     // LONG_BINPUT
        case 0x94: return memoise(static_cast<std::uint32_t>(memo_.size())); // MEMOIZE
        case 'h': return recall(take<std::uint8_t>());                       // BINGET
        case 'j': return recall(take<std::uint32_t>());                      // LONG_BINGET
        case 'c': {                                                          // GLOBAL
            const std::string_view module = take_line();
            return push_global(module, take_line());
        }
        case 0x93: { // STACK_GLOBAL
            const auto name = pop_as<std::string_view>("a global's name");
            return push_global(pop_as<std::string_view>("a global's module"), name);
        }
        case 'R':    // REDUCE
        case 0x81: { // NEWOBJ
            tuple* arguments = pop_as<tuple*>("a tuple of arguments");
            return construct(pop_as<const global*>("a global to call"), arguments);
        }
        case 'b': return build(pop());                                                 // BUILD
        case 'Q': return push(&document_.persistents.emplace_back(persistent{pop()})); // BINPERSID
        default: fail("an opcode that checkpoints use", "0x" + gpunet::detail::hexadecimal(opcode));
        }
    }

    void append_some(const std::vector<value>& items) { append(*top_as<list*>("a list to append to"), items); }
    void insert_some(const std::vector<value>& items) { insert(*top_as<dict*>("a dict to insert into"), items); }

    limits limits_;
    document document_;
    std::vector<value> stack_;
    std::vector<std::size_t> marks_;
    std::map<std::uint32_t, value> memo_; // ordered: no hash for a hostile file to collide
    std::size_t values_ = 0;
    std::size_t pairs_ = 0; // that lists have put into dicts
};

} // namespace detail

/// Reads one pickle from the start of `bytes`, which must outlive the document; bytes after its STOP are left alone.
/// @param where  what errors call it
/// @throws weights_error for a malformed pickle, a global that is not in `allowed_globals`, or one beyond `most`.
inline document parse(std::span<const std::byte> bytes, std::string_view where, const limits& most = {}) {
    return detail::machine(bytes, where, most).run();
}

} // namespace gpunet::pickle

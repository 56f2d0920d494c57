// Turns what a pickle says about a tensor into a checked view of its storage.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/pickle_value.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gpunet::detail {

[[noreturn]] inline void refuse(std::string_view where, const std::string& expected, const std::string& found) {
    throw weights_error(std::string(where) + ": expected " + expected + ", found " + found);
}

template <class T>
const T& expect(const pickle::value& v, std::string_view where, const char* expected) {
    if (const T* typed = std::get_if<T>(&v)) return *typed;
    refuse(where, expected, pickle::describe(v));
}

/// What a persistent id says of a storage: ('storage', type, key, location, elements[, view]).
struct storage_id {
    dtype type;
    std::string_view key;
    std::uint64_t elements;

    std::uint64_t bytes() const noexcept { return elements * size_of(type); }
    friend bool operator==(const storage_id&, const storage_id&) = default;
};

inline dtype storage_dtype(const pickle::value& v, std::string_view where) {
    static constexpr std::pair<std::string_view, dtype> types[] = {
        {"torch.DoubleStorage", dtype::float64}, {"torch.FloatStorage", dtype::float32},
        {"torch.HalfStorage", dtype::float16},   {"torch.BFloat16Storage", dtype::bfloat16},
        {"torch.LongStorage", dtype::int64},     {"torch.IntStorage", dtype::int32},
        {"torch.ShortStorage", dtype::int16},    {"torch.CharStorage", dtype::int8},
        {"torch.ByteStorage", dtype::uint8},     {"torch.BoolStorage", dtype::boolean},
    };
    const auto* named = expect<const pickle::global*>(v, where, "a storage's type");
    for (const auto& [name, type] : types)
        if (name == named->name) return type;
    refuse(where, "a storage's type", std::string(named->name));
}

/// @throws weights_error for anything else than a storage that `max_elements` admits.
inline storage_id read_storage_id(const pickle::persistent& reference, std::string_view where) {
    const auto& id = expect<pickle::tuple*>(reference.id, where, "a storage's description")->items;
    const bool view = id.size() == 6 && !std::holds_alternative<pickle::none>(id[5]);
    if (id.size() < 5 || id.size() > 6 || view)
        refuse(where, "a storage described by 5 values",
               view ? "a view of one, as before PyTorch 0.4" : pickle::describe(reference.id));
    if (const auto kind = expect<std::string_view>(id[0], where, "the word 'storage'"); kind != "storage")
        refuse(where, "the word 'storage'", in_quotes(kind));
    const auto elements = expect<std::int64_t>(id[4], where, "a storage's number of elements");
    if (elements < 0 || elements > max_elements)
        refuse(where, "a storage of 0 to 2^48 elements", std::to_string(elements));
    static_cast<void>(expect<std::string_view>(id[3], where, "a storage's location"));
    return {storage_dtype(id[1], where), expect<std::string_view>(id[2], where, "a storage's key"),
            static_cast<std::uint64_t>(elements)};
}

/// Sizes or strides: a tuple, or torch.Size of one, of integers that are not negative.
inline std::vector<std::int64_t> read_extents(const pickle::value& v, std::string_view where, const std::string& what) {
    const pickle::value* source = &v;
    if (const auto* o = std::get_if<pickle::object*>(source);
        o != nullptr && (*o)->type->name == "torch.Size" && (*o)->arguments->items.size() == 1)
        source = &(*o)->arguments->items[0];
    const auto& items = expect<pickle::tuple*>(*source, where, "a tuple of sizes or strides")->items;
    if (items.size() > max_rank)
        refuse(where, "at most " + std::to_string(max_rank) + " dimensions", std::to_string(items.size()));
    std::vector<std::int64_t> extents;
    for (const auto& item : items) {
        extents.push_back(expect<std::int64_t>(item, where, "an integer for a size or stride"));
        if (extents.back() < 0) refuse(where, what + " of 0 or more", std::to_string(extents.back()));
    }
    return extents;
}

/// The object that _rebuild_tensor(_v2) was to make, Parameters unwrapped; nullptr for any other value.
inline const pickle::object* tensor_object(const pickle::value& v) noexcept {
    const auto* found = std::get_if<pickle::object*>(&v);
    if (found == nullptr) return nullptr;
    const pickle::object* o = *found;
    if (o->type->name.starts_with("torch._utils._rebuild_parameter")) {
        const auto& arguments = o->arguments->items;
        const auto* inner = arguments.empty() ? nullptr : std::get_if<pickle::object*>(&arguments[0]);
        if (inner == nullptr) return nullptr;
        o = *inner;
    }
    return o->type->name.starts_with("torch._utils._rebuild_tensor") ? o : nullptr;
}

/// Arguments of _rebuild_tensor_v2: (storage, offset, sizes, strides, requires_grad, hooks[, metadata]).
/// @param load  gives the bytes of a storage_id, exactly as many as it says
/// @throws weights_error for negative sizes, strides or offsets, and for elements outside the storage.
template <class Load>
stored_tensor read_tensor(const pickle::object& o, std::string_view where, std::uint64_t max_bytes, Load&& load) {
    const auto& arguments = o.arguments->items;
    if (arguments.size() < 4) refuse(where, "4 or more arguments to rebuild it", std::to_string(arguments.size()));
    const storage_id id =
        read_storage_id(*expect<pickle::persistent*>(arguments[0], where, "a reference to a storage"), where);
    const auto offset = expect<std::int64_t>(arguments[1], where, "an integer for the storage offset");

    stored_tensor tensor;
    tensor.type = id.type;
    tensor.dimensions = read_extents(arguments[2], where, "a size");
    tensor.strides = read_extents(arguments[3], where, "a stride");
    if (tensor.strides.size() != tensor.dimensions.size())
        refuse(where, std::to_string(tensor.dimensions.size()) + " strides", std::to_string(tensor.strides.size()));
    if (offset < 0 || std::cmp_greater(offset, id.elements))
        refuse(where, "an offset within its storage of " + std::to_string(id.elements) + " elements",
               std::to_string(offset));
    const auto bytes = dense_bytes(tensor.dimensions, size_of(id.type), max_bytes);
    if (!bytes)
        refuse(where, "at most " + std::to_string(max_bytes) + " bytes", "shape " + to_string(tensor.dimensions));
    if (*bytes != 0) {
        // Elements left after the one reached so far; the division keeps each product within it.
        auto left = static_cast<std::int64_t>(id.elements) - 1 - offset;
        for (std::size_t d = 0; d < tensor.dimensions.size() && left >= 0; ++d) {
            const std::int64_t steps = tensor.dimensions[d] - 1;
            const std::int64_t stride = tensor.strides[d];
            if (steps == 0 || stride == 0) continue;
            left = steps > left / stride ? -1 : left - steps * stride;
        }
        if (left < 0)
            refuse(where, "every element within its storage of " + std::to_string(id.elements) + " elements",
                   "shape " + to_string(tensor.dimensions) + " with strides " + to_string(tensor.strides) +
                       " at offset " + std::to_string(offset));
    }
    const std::span<const std::byte> storage = load(id);
    tensor.data = storage.data() + static_cast<std::size_t>(offset) * size_of(id.type);
    return tensor;
}

} // namespace gpunet::detail

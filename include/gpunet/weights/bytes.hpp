// What the readers of weights files share: little-endian loads, checked sizes, names in_quotes for messages.
#pragma once

#include <gpunet/detail/printable.hpp>
#include <gpunet/shape.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gpunet {

/// Tensors of more bytes than this, all of a file together, are refused unless the caller raises the limit: 4 GiB.
inline constexpr std::uint64_t default_max_tensor_bytes = std::uint64_t{1} << 32;

namespace detail {

static_assert(std::endian::native == std::endian::little, "weights files are little-endian, and so must be the host");

/// The caller has checked that `at + sizeof(T)` is within `bytes`.
template <class T>
T load_little(std::span<const std::byte> bytes, std::size_t at) noexcept {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// 'text' for a message of one line: control characters and bytes that are no UTF-8 escaped, long text cut.
inline std::string in_quotes(std::string_view text) {
    // Long enough that the cut of the escaped text is made at 160 bytes.
    return "'" + shortened(printable(text.substr(0, 164)), 160) + "'";
}

/// The most dimensions a tensor in a file may have.
inline constexpr std::size_t max_rank = 32;

/// Bytes of a dense tensor; nothing if a size is negative, or the sizes (those that are not 0) make more than `limit`
/// bytes or `max_elements` elements.
inline std::optional<std::uint64_t> dense_bytes(const shape& dimensions, std::size_t element, std::uint64_t limit) {
    auto room = std::min(limit / element, static_cast<std::uint64_t>(max_elements));
    std::uint64_t count = 1;
    bool empty = false;
    for (const std::int64_t size : dimensions) {
        if (size < 0) return std::nullopt;
        if (size == 0)
            empty = true;
        else if (static_cast<std::uint64_t>(size) > room)
            return std::nullopt;
        else {
            count *= static_cast<std::uint64_t>(size);
            room /= static_cast<std::uint64_t>(size);
        }
    }
    if (!empty && count > limit / element) return std::nullopt; // a limit below one element
    return empty ? 0 : count * element;
}

} // namespace detail
} // namespace gpunet

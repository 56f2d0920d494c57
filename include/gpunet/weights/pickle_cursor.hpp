// Takes a pickle's opcodes and their arguments off its bytes, never beyond their end.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/pickle_value.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace gpunet::pickle::detail {

/// Every method throws weights_error, naming the place, where the bytes end too early.
class cursor {
  public:
    cursor(std::span<const std::byte> bytes, std::string_view where) : bytes_(bytes), where_(where) {}

    std::size_t position() const noexcept { return at_; }

    /// Names the byte of the opcode taken last.
    [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
        throw weights_error(std::string(where_) + " at byte " + std::to_string(opcode_at_) + ": expected " + expected +
                            ", found " + found);
    }

    std::span<const std::byte> take_bytes(std::uint64_t length) {
        const std::size_t left = bytes_.size() - at_;
        if (length > left) fail(std::to_string(length) + " more bytes", std::to_string(left));
        const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(length));
        at_ += taken.size();
        return taken;
    }
    template <class T>
    T take() {
        return gpunet::detail::load_little<T>(take_bytes(sizeof(T)), 0);
    }
    template <class Length>
    std::string_view take_text() {
        return gpunet::detail::as_text(take_bytes(take<Length>()));
    }
    template <class Length>
    binary take_binary() {
        return {take_bytes(take<Length>())};
    }
    /// Up to the end of the line, as GLOBAL's module and name are written.
    std::string_view take_line() {
        constexpr std::size_t longest = 256;
        const auto ahead = gpunet::detail::as_text(bytes_.subspan(at_, std::min(bytes_.size() - at_, longest)));
        const auto end = ahead.find('\n');
        if (end == std::string_view::npos) fail("a line of at most 256 characters", gpunet::detail::in_quotes(ahead));
        at_ += end + 1;
        return ahead.substr(0, end);
    }
    /// Two's complement of any length; as int64 where it fits.
    value take_integer(std::uint64_t length) {
        const auto digits = take_bytes(length);
        if (digits.size() > sizeof(std::int64_t)) return big_integer{digits};
        const bool negative = !digits.empty() && std::to_integer<unsigned>(digits.back()) >= 0x80U;
        std::int64_t number = negative ? -1 : 0;
        if (!digits.empty()) std::memcpy(&number, digits.data(), digits.size());
        return number;
    }

    std::uint8_t take_opcode() {
        opcode_at_ = at_;
        return take<std::uint8_t>();
    }

    void check_frame(std::uint64_t length) const {
        if (length > bytes_.size() - at_)
            fail("a frame of " + std::to_string(length) + " bytes", std::to_string(bytes_.size() - at_) + " bytes");
    }
    double take_big_endian_double() {
        const auto bytes = take_bytes(8);
        std::uint64_t bits = 0;
        for (const std::byte b : bytes) bits = bits << 8 | std::to_integer<std::uint64_t>(b);
        return std::bit_cast<double>(bits);
    }

  private:
    std::span<const std::byte> bytes_;
    std::string_view where_;
    std::size_t at_ = 0;
    std::size_t opcode_at_ = 0;
};

} // namespace gpunet::pickle::detail

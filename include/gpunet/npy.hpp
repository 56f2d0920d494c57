// Reads and writes NumPy's .npy files of float32. Format: numpy.lib.format, versions 1.0, 2.0 and 3.0.
#pragma once

#include <gpunet/atomic_file.hpp>
#include <gpunet/error.hpp>
#include <gpunet/tensor.hpp>
#include <gpunet/weights/bytes.hpp>
#include <gpunet/weights/mapped_file.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gpunet {

namespace detail {

inline constexpr std::size_t max_npy_rank = 8;

/// Parses the header's dictionary, in the form NumPy writes it: keys in any order, each exactly once.
class npy_header {
  public:
    npy_header(std::string_view text, const std::string& source) : text_(text), source_(source) {
        take('{');
        while (!accept('}')) {
            read_entry();
            if (!accept(',')) {
                take('}');
                break;
            }
        }
        if (text_.find_first_not_of(' ', at_) != text_.size() - 1 || text_.back() != '\n')
            fail("spaces and a newline after the dictionary", in_quotes(text_.substr(at_)));
        for (const auto& [present, key] :
             {std::pair(type_.has_value(), "descr"), std::pair(fortran_order_.has_value(), "fortran_order"),
              std::pair(shape_.has_value(), "shape")})
            if (!present) fail(std::string("a key '") + key + "'", "none");
        if (*type_ != "<f4") fail("dtype '<f4' (little-endian float32)", in_quotes(*type_));
        if (*fortran_order_) fail("C order (fortran_order False)", "fortran_order True");
    }

    const shape& dimensions() const noexcept { return *shape_; }

  private:
    [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
        throw io_error(source_ + ": npy header: expected " + expected + ", found " + found);
    }

    char peek() {
        while (at_ < text_.size() && text_[at_] == ' ') ++at_;
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool accept(char c) {
        if (peek() != c || at_ == text_.size()) return false;
        ++at_;
        return true;
    }
    void take(char c) {
        if (!accept(c)) fail(in_quotes({&c, 1}), in_quotes(text_.substr(at_, 8)));
    }

    std::string_view read_string() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') fail("a string", in_quotes(text_.substr(at_, 16)));
        const std::size_t begin = at_ + 1;
        const std::size_t end = text_.find(quote, begin);
        if (end == std::string_view::npos) fail("the end of a string", in_quotes(text_.substr(at_)));
        at_ = end + 1;
        return text_.substr(begin, end - begin);
    }

    bool read_bool() {
        static_cast<void>(peek());
        for (const auto& [word, value] : {std::pair(std::string_view("True"), true), {"False", false}})
            if (text_.substr(at_).starts_with(word)) {
                at_ += word.size();
                return value;
            }
        fail("True or False", in_quotes(text_.substr(at_, 8)));
    }

    /// "()", "(3,)", "(2, 3)"
    shape read_shape() {
        shape dimensions;
        take('(');
        bool comma = true;
        while (!accept(')')) {
            if (!comma) fail("',' or ')' in the shape", in_quotes(text_.substr(at_, 8)));
            if (dimensions.size() == max_npy_rank) fail("at most 8 dimensions", "more");
            dimensions.push_back(read_size());
            comma = accept(',');
        }
        if (dimensions.size() == 1 && !comma) fail("a tuple for the shape", "a number in parentheses");
        return dimensions;
    }

    std::int64_t read_size() {
        std::int64_t size = 0;
        const char first = peek();
        if (first < '0' || first > '9') fail("a size of 0 or more", in_quotes(text_.substr(at_, 8)));
        for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
            if (size > max_elements) fail("sizes of at most 2^48", "a larger one");
            size = size * 10 + (text_[at_] - '0');
        }
        return size;
    }

    void read_entry() {
        const std::string_view key = read_string();
        const auto once = [&](bool seen) {
            if (seen) fail("each key once", in_quotes(key) + " twice");
        };
        take(':');
        if (key == "descr") {
            once(type_.has_value());
            if (peek() == '[') fail("dtype '<f4' (little-endian float32)", "a structured dtype");
            type_ = read_string();
        } else if (key == "fortran_order") {
            once(fortran_order_.has_value());
            fortran_order_ = read_bool();
        } else if (key == "shape") {
            once(shape_.has_value());
            shape_ = read_shape();
        } else {
            fail("the keys descr, fortran_order and shape", in_quotes(key));
        }
    }

    std::string_view text_;
    std::string source_;
    std::size_t at_ = 0;
    std::optional<std::string_view> type_;
    std::optional<bool> fortran_order_;
    std::optional<shape> shape_;
};

} // namespace detail

/// The array of a .npy file: float32, C order, up to 8 dimensions. Everything is checked before memory is allocated.
/// @param source  what errors call it
/// @throws io_error naming the file, what was expected and what was found.
inline tensor<float> parse_npy(std::span<const std::byte> bytes, const std::string& source) {
    const auto fail = [&](const std::string& expected, const std::string& found) {
        throw io_error(source + ": expected " + expected + ", found " + found);
    };
    const auto text = detail::as_text(bytes);
    if (!text.starts_with("\x93NUMPY"))
        fail("an npy file, which begins with '\\x93NUMPY'", detail::in_quotes(text.substr(0, 6)));
    if (bytes.size() < 12) fail("a header of 12 or more bytes", std::to_string(bytes.size()));
    const auto major = std::to_integer<int>(bytes[6]);
    const auto minor = std::to_integer<int>(bytes[7]);
    if (major < 1 || major > 3 || minor != 0)
        fail("npy version 1.0, 2.0 or 3.0", std::to_string(major) + "." + std::to_string(minor));
    const std::size_t begin = major == 1 ? 10 : 12;
    const std::size_t length =
        major == 1 ? detail::load_little<std::uint16_t>(bytes, 8) : detail::load_little<std::uint32_t>(bytes, 8);
    if (length == 0 || length > bytes.size() - begin)
        fail("a header of " + std::to_string(length) + " bytes", std::to_string(bytes.size() - begin));
    const detail::npy_header header(text.substr(begin, length), source);
    const auto data = bytes.subspan(begin + length);
    const auto size =
        detail::dense_bytes(header.dimensions(), sizeof(float), std::numeric_limits<std::uint64_t>::max());
    if (!size || *size != data.size())
        fail((size ? std::to_string(*size) : "more than 2^50") + " bytes of data for shape " +
                 to_string(header.dimensions()),
             std::to_string(data.size()));
    tensor<float> array(header.dimensions());
    if (!data.empty()) std::memcpy(array.data(), data.data(), data.size());
    return array;
}

/// @throws io_error as `parse_npy`, and if the file cannot be read.
inline tensor<float> read_npy(const std::filesystem::path& path) {
    const mapped_file file(path);
    return parse_npy(file.bytes(), path.string());
}

/// Writes format version 1.0, the data aligned to 64 bytes; an existing file is replaced in one step.
/// @throws io_error naming the file, which is then unchanged.
inline void write_npy(const std::filesystem::path& path, const tensor_view<const float>& array) {
    if (array.shape().size() > detail::max_npy_rank)
        throw io_error(path.string() + ": cannot be written: expected at most 8 dimensions, found shape " +
                       to_string(array.shape()));
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
    for (std::size_t i = 0; i < array.shape().size(); ++i)
        header += (i != 0 ? ", " : "") + std::to_string(array.shape()[i]);
    header += array.shape().size() == 1 ? ",), }" : "), }";
    const std::size_t unpadded = 10 + header.size() + 1;
    header.append((64 - unpadded % 64) % 64, ' ');
    header += '\n';
    std::string start = "\x93NUMPY";
    start += {'\x01', '\x00', static_cast<char>(header.size() & 0xFFU), static_cast<char>(header.size() >> 8)};

    atomic_file file(path);
    file.write(start);
    file.write(header);
    file.write(std::as_bytes(array.elements()));
    file.commit();
}

} // namespace gpunet

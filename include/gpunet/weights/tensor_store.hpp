// Named tensors as a weights file holds them: typed, possibly strided views over bytes the store keeps alive.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/float16.hpp>
#include <gpunet/shape.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunet {

/// Element types found in weights files.
enum class dtype : std::uint8_t { float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, boolean };

/// Bytes per element.
constexpr std::size_t size_of(dtype type) noexcept {
    switch (type) {
    case dtype::float64:
    case dtype::int64: return 8;
    case dtype::float32:
    case dtype::int32: return 4;
    case dtype::float16:
    case dtype::bfloat16:
    case dtype::int16: return 2;
    case dtype::int8:
    case dtype::uint8:
    case dtype::boolean: return 1;
    }
    return 0;
}

/// "float32", as PyTorch and NumPy name it.
constexpr const char* to_string(dtype type) noexcept {
    switch (type) {
    case dtype::float64: return "float64";
    case dtype::float32: return "float32";
    case dtype::float16: return "float16";
    case dtype::bfloat16: return "bfloat16";
    case dtype::int64: return "int64";
    case dtype::int32: return "int32";
    case dtype::int16: return "int16";
    case dtype::int8: return "int8";
    case dtype::uint8: return "uint8";
    case dtype::boolean: return "bool";
    }
    return "?";
}

/// A view of one tensor. `data` need not be aligned; `strides` count elements and are never negative. Whoever makes one
/// has checked that every element lies within the bytes of its file.
struct stored_tensor {
    dtype type = dtype::float32;
    shape dimensions;
    std::vector<std::int64_t> strides;
    const std::byte* data = nullptr;

    std::int64_t element_count() const { return gpunet::element_count(dimensions); }
};

/// Strides, in elements, of a dense row-major tensor.
inline std::vector<std::int64_t> dense_strides(const shape& dimensions) {
    std::vector<std::int64_t> strides(dimensions.size());
    std::int64_t stride = 1;
    for (std::size_t i = dimensions.size(); i-- > 0;) {
        strides[i] = stride;
        stride *= dimensions[i];
    }
    return strides;
}

/// Named tensors, ordered by name. Cheap to copy: copies share the bytes. Immutable once read.
class tensor_store {
  public:
    using container = std::map<std::string, stored_tensor, std::less<>>;

    tensor_store() = default;
    /// @param source  what errors call it, usually the file's path
    /// @param bytes   keeps alive whatever the tensors point into
    tensor_store(std::string source, container tensors, std::shared_ptr<const void> bytes)
        : source_(std::move(source)), tensors_(std::make_shared<const container>(std::move(tensors))),
          bytes_(std::move(bytes)) {}

    const std::string& source() const noexcept { return source_; }
    std::size_t size() const noexcept { return tensors_ ? tensors_->size() : 0; }
    auto begin() const noexcept { return items().begin(); }
    auto end() const noexcept { return items().end(); }

    /// The tensor of that name, or nullptr.
    const stored_tensor* find(std::string_view name) const {
        const auto found = items().find(name);
        return found == items().end() ? nullptr : &found->second;
    }

    /// A store of the same bytes with other names. @param source  what errors call it
    tensor_store renamed(std::string source, container tensors) const {
        return {std::move(source), std::move(tensors), bytes_};
    }

  private:
    const container& items() const noexcept {
        static const container none;
        return tensors_ ? *tensors_ : none;
    }

    std::string source_;
    std::shared_ptr<const container> tensors_;
    std::shared_ptr<const void> bytes_;
};

namespace detail {

template <class T>
float load_as_float(const std::byte* bytes) noexcept {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return static_cast<float>(value);
}

template <class T>
void copy_strided(const stored_tensor& t, std::span<float> out) {
    const std::size_t rank = t.dimensions.size();
    std::vector<std::int64_t> index(rank, 0);
    std::int64_t offset = 0;
    for (float& value : out) {
        value = load_as_float<T>(t.data + static_cast<std::size_t>(offset) * sizeof(T));
        for (std::size_t d = rank; d-- > 0;) {
            offset += t.strides[d];
            if (++index[d] < t.dimensions[d]) break;
            offset -= t.strides[d] * t.dimensions[d];
            index[d] = 0;
        }
    }
}

} // namespace detail

/// Converts a tensor to dense row-major float32.
/// @throws weights_error for an integer or boolean tensor, argument_error if `out` has another size.
inline void copy_as_float(const stored_tensor& t, std::span<float> out) {
    if (std::cmp_not_equal(t.element_count(), out.size()))
        throw argument_error("copy_as_float: expected room for " + std::to_string(t.element_count()) +
                             " elements, found " + std::to_string(out.size()));
    switch (t.type) {
    case dtype::float32:
        if (t.strides == dense_strides(t.dimensions)) {
            if (!out.empty()) std::memcpy(out.data(), t.data, out.size_bytes());
            return;
        }
        return detail::copy_strided<float>(t, out);
    case dtype::float64: return detail::copy_strided<double>(t, out);
    case dtype::float16: return detail::copy_strided<half>(t, out);
    case dtype::bfloat16: return detail::copy_strided<bfloat16>(t, out);
    default: throw weights_error(std::string("expected a floating-point tensor, found ") + to_string(t.type));
    }
}

} // namespace gpunet

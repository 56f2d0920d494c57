// The types a feature map may have on the GPU.
#pragma once

#include <gpunet/float16.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gpunet::cuda {

enum class element : std::uint8_t { float32, float16, bfloat16 };

constexpr std::size_t element_size(element e) noexcept { return e == element::float32 ? 4 : 2; }

constexpr std::string_view name_of(element e) noexcept {
    return e == element::float32 ? "fp32" : e == element::float16 ? "fp16" : "bf16";
}

template <class T>
inline constexpr element element_of = element::float32;
template <>
inline constexpr element element_of<half> = element::float16;
template <>
inline constexpr element element_of<bfloat16> = element::bfloat16;

} // namespace gpunet::cuda

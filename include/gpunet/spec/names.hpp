// The names of the spec's enumerations in JSON; entry i is the value i.
#pragma once

#include <array>
#include <string_view>

namespace gpunet::spec {

inline constexpr std::array<std::string_view, 3> padding_names = {"symmetric", "same", "valid"};
inline constexpr std::array<std::string_view, 2> rounding_names = {"multiple_of_8", "exact"};
inline constexpr std::array<std::string_view, 3> naming_names = {"gpunet", "efficientnet_pytorch", "timm"};
inline constexpr std::array<std::string_view, 3> tail_form_names = {"conv_pool_linear", "conv_pool_conv_linear",
                                                                    "pool_conv_linear"};
inline constexpr std::array<std::string_view, 2> squeeze_from_names = {"input", "expanded"};

} // namespace gpunet::spec

// The version of this library. Semantic versioning; CMake reads it from here.
#pragma once

#define GPUNET_VERSION_MAJOR 0
#define GPUNET_VERSION_MINOR 1
#define GPUNET_VERSION_PATCH 0

namespace gpunet {

inline constexpr const char* version = "0.1.0";

} // namespace gpunet

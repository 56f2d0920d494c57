// What the description of a hand-written kernel gives: all that is needed to compile and launch it. No CUDA header.
//
// Each kernel has a header of its own in this folder: a plain struct that says what to compute; describe(), which
// gives the kernel_launch; parameters(), which gives the kernel's one argument with all numbers filled in (the caller
// sets the pointers, which are device pointers of 16-byte alignment); and pack functions for weights.
//
// Layouts: a "map" is N H W C of the element type with channels padded to padded(c); the padding's values are finite
// and otherwise unspecified. A "vector" is float32 [n][c] without padding. "sums" are float32 [n][rows][padded(c)],
// partial sums over the pixels: the sum over all pixels is the rows' sum, in order.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/cuda/element.hpp>
#include <gpunet/error.hpp>
#include <gpunet/float16.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpunet::cuda::kernels {

/// Everything to compile and launch one kernel.
struct kernel_launch {
    std::string_view name;            // of the kernel in `source`
    std::string_view source;          // CUDA C++ without includes; static, null-terminated
    std::vector<std::string> defines; // "GPUNET_ELEMENT=1", ...: -D options less the "-D"
    std::array<unsigned, 3> grid{};
    std::array<unsigned, 3> block{};
    std::size_t shared_bytes = 0; // dynamic shared memory
};

/// Channels of a map in memory.
constexpr std::int64_t padded(std::int64_t channels) noexcept { return (channels + 7) / 8 * 8; }

/// How many multiprocessors a description assumes unless told.
inline constexpr int default_multiprocessors = 132;

} // namespace gpunet::cuda::kernels

namespace gpunet::cuda::kernels::detail {

// A parameter struct is written once, as a macro of its fields: the C++ struct and its source text are made from it.
#define GPUNET_KERNEL_STRINGISE(...) #__VA_ARGS__
#define GPUNET_KERNEL_TEXT(name, ...) "struct " name " {" GPUNET_KERNEL_STRINGISE(__VA_ARGS__) "};\n"

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) noexcept { return (a + b - 1) / b; }

inline std::string define(const char* name, std::int64_t value) {
    return std::string("GPUNET_") + name + '=' + std::to_string(value);
}

inline std::string define(element e) { return define("ELEMENT", static_cast<std::int64_t>(e)); }

inline std::string define(const char* name, activation a) { return define(name, static_cast<std::int64_t>(a)); }

/// A number that kernels keep in an int. @throws argument_error, unsupported_error
inline int number(std::string_view kernel, std::string_view what, std::int64_t value, std::int64_t least = 1,
                  std::int64_t most = std::numeric_limits<int>::max()) {
    if (value >= least && value <= most) return static_cast<int>(value);
    const std::string message = std::string(kernel) + " kernel: " + std::string(what) + ": expected " +
                                std::to_string(least) + " to " + std::to_string(most) + ", found " +
                                std::to_string(value);
    if (value < least) throw argument_error(message);
    throw unsupported_error(message);
}

/// A grid's extents: x to 2^31 - 1, y and z to 65535. @throws unsupported_error
inline std::array<unsigned, 3> grid(std::string_view kernel, std::int64_t x, std::int64_t y = 1, std::int64_t z = 1) {
    return {static_cast<unsigned>(number(kernel, "blocks in x", x)),
            static_cast<unsigned>(number(kernel, "blocks in y", y, 1, 65535)),
            static_cast<unsigned>(number(kernel, "blocks in z", z, 1, 65535))};
}

/// @throws argument_error unless there are as many numbers as expected
inline void check_length(std::string_view kernel, std::string_view what, std::size_t found, std::int64_t expected) {
    if (found != static_cast<std::size_t>(expected))
        throw argument_error(std::string(kernel) + " kernel: " + std::string(what) + ": expected " +
                             std::to_string(expected) + " numbers, found " + std::to_string(found));
}

/// The numbers rounded to the element type.
inline std::vector<std::byte> to_bytes(std::span<const float> values, element type) {
    std::vector<std::byte> bytes(values.size() * element_size(type));
    const auto fill = [&]<class T>(T) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            const T value(values[i]);
            std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
        }
    };
    switch (type) {
    case element::float32: fill(float()); break;
    case element::float16: fill(half()); break;
    case element::bfloat16: fill(bfloat16()); break;
    }
    return bytes;
}

/// Threads of a block side by side: as many as fit, each group of `vectors` vectors wasting the fewest.
/// @return vectors of a block, from `least` to `most` (or all of them where they are fewer)
constexpr int vectors_of_block(std::int64_t vectors, int least, int most) noexcept {
    if (vectors <= most) return static_cast<int>(vectors);
    int best = most;
    for (int v = most; v >= least; --v)
        if (divide_up(vectors, v) * v < divide_up(vectors, best) * best) best = v;
    return best;
}

} // namespace gpunet::cuda::kernels::detail

namespace gpunet::cuda::kernels {

/// A bias, or any vector over channels, as kernels read it: float32, zeros after the last channel up to padded(c).
/// @throws argument_error unless there are `channels` numbers, or none, which means zeros
inline std::vector<std::byte> pack_bias(std::int64_t channels, std::span<const float> bias) {
    if (!bias.empty()) detail::check_length("any", "bias", bias.size(), channels);
    std::vector<float> values(static_cast<std::size_t>(padded(channels)));
    std::copy(bias.begin(), bias.end(), values.begin());
    return detail::to_bytes(values, element::float32);
}

} // namespace gpunet::cuda::kernels

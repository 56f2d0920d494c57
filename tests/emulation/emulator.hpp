// Runs the hand-written kernels on the host: the same text, compiled by the host's compiler, each thread of a block a
// fiber. Barriers, shuffles and shared memory (which begins as NaN) work as on the device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

namespace gpunet::cuda::kernels {
struct kernel_launch;
}

namespace gpunet::emulation {

/// A kernel did what no kernel may: a barrier that not all threads reach, an instantiation nobody compiled.
class emulation_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// In which order the threads of a block, and the blocks, take their turns. Results must not depend on it.
enum class order : std::uint8_t { forward, backward };
void set_order(order) noexcept; // of this OS thread

/// Runs a kernel to its end. Any number of OS threads may do so.
/// @param defines  by name, "GPUNET_ELEMENT" to "1"
/// @param parameters  the kernel's one argument
/// @throws emulation_error
void launch(const std::string& name, const std::map<std::string, std::string>& defines, std::array<unsigned, 3> grid,
            std::array<unsigned, 3> block, std::size_t shared_bytes, const void* parameters);

/// The same from a description.
void launch(const cuda::kernels::kernel_launch& launch, const void* parameters);

/// Runs a host function, written with device.hpp, as a kernel.
void launch(const std::string& name, void (*function)(const void*), std::array<unsigned, 3> grid,
            std::array<unsigned, 3> block, std::size_t shared_bytes, const void* parameters);

} // namespace gpunet::emulation

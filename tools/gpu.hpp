// The program's way to the CUDA backend, which a build may lack.
#pragma once

#include "commands.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gpunet::tool::gpu {

/// Why no GPU can be used, in one line: not built in, no driver, no cuDNN. Empty where one can.
std::string why_not();
int count();
/// @throws argument_error, unsupported_error
std::string name(int ordinal);

any_network open(const spec::network&, const tensor_store&, int ordinal, const std::string& precision, const options&);

/// One batch size: by the device's events, input and scores on the device; and by the host's clock, from host memory to
/// host memory.
struct timing {
    std::string engine;
    measurement device, host;
};
std::vector<timing> bench(const spec::network&, const tensor_store&, int ordinal, const std::string& precision,
                          const std::vector<context_options>& shapes, const options&);

/// The lines of `gpunet doctor`.
void doctor();

} // namespace gpunet::tool::gpu

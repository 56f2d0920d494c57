// The program's way to the CUDA backend, which a build may lack.
#pragma once

#include "commands.hpp"

#include <string>
#include <vector>

namespace gpunet::tool::gpu {

/// Why no GPU can be used, in one line: not built in, no driver, no cuDNN. Empty where one can.
std::string why_not();
int count();
/// @throws argument_error, unsupported_error
std::string name(int ordinal);
/// What it computes in by itself: tf32 and bf16 came with compute capability 8.0. @throws what `name` does
std::vector<std::string> precisions(int ordinal);

any_network open(const spec::network&, const tensor_store&, int ordinal, const std::string& precision, const options&);

/// A GPU as latency records describe it. @throws what `name` does
device describe(int ordinal, const std::string& precision);
measurable open_measurable(const spec::network&, const tensor_store&, int ordinal, const std::string& precision,
                           const options&);

/// The lines of `gpunet doctor`.
void doctor();

} // namespace gpunet::tool::gpu

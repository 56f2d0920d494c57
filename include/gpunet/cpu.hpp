// The core and the CPU backend. Link gpunet::cpu.
#pragma once

#include <gpunet/cpu/backend.hpp>
#include <gpunet/gpunet.hpp>

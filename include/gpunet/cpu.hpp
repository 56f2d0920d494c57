// The core and the CPU backend. Link gpunet::cpu.
#pragma once

#include <gpunet/cpu/backend.hpp>
#include <gpunet/cpu/this_device.hpp>
#include <gpunet/gpunet.hpp>

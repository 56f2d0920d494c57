// The globals that a checkpoint's pickle may name. Every other one is refused.
#pragma once

#include <gpunet/weights/pickle_value.hpp>

#include <string_view>

namespace gpunet::pickle {

/// What PyTorch's state dicts need, and what timm's training checkpoints (`args`, `optimizer`, `amp_scaler`, `metric`)
/// carry beside them. All are inert: naming one here lets a pickle describe it, not run it.
inline constexpr global allowed_globals[] = {
    {"collections.OrderedDict", usage::mapping},
    {"collections.defaultdict", usage::mapping},
    {"__builtin__.dict", usage::constant},
    {"builtins.dict", usage::constant},
    {"argparse.Namespace", usage::instance},

    {"torch.DoubleStorage", usage::storage},
    {"torch.FloatStorage", usage::storage},
    {"torch.HalfStorage", usage::storage},
    {"torch.BFloat16Storage", usage::storage},
    {"torch.LongStorage", usage::storage},
    {"torch.IntStorage", usage::storage},
    {"torch.ShortStorage", usage::storage},
    {"torch.CharStorage", usage::storage},
    {"torch.ByteStorage", usage::storage},
    {"torch.BoolStorage", usage::storage},

    {"torch._utils._rebuild_tensor", usage::function},
    {"torch._utils._rebuild_tensor_v2", usage::function},
    {"torch._utils._rebuild_parameter", usage::function},
    {"torch._utils._rebuild_parameter_with_state", usage::function},
    {"torch.Size", usage::function},
    {"torch.device", usage::function},

    {"torch.float64", usage::constant},
    {"torch.float32", usage::constant},
    {"torch.float16", usage::constant},
    {"torch.bfloat16", usage::constant},
    {"torch.int64", usage::constant},
    {"torch.int32", usage::constant},
    {"torch.int16", usage::constant},
    {"torch.int8", usage::constant},
    {"torch.uint8", usage::constant},
    {"torch.bool", usage::constant},

    // NumPy scalars: metrics and learning rates computed with it.
    {"numpy.core.multiarray.scalar", usage::function},
    {"numpy._core.multiarray.scalar", usage::function},
    {"numpy.dtype", usage::instance},
    {"_codecs.encode", usage::function},
};

/// The global of that name (module.name), or nullptr.
constexpr const global* find_global(std::string_view name) noexcept {
    for (const global& g : allowed_globals)
        if (g.name == name) return &g;
    return nullptr;
}

} // namespace gpunet::pickle

// What an exported network takes and gives.
#pragma once

#include <gpunet/weights/tensor_store.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace gpunet {

/// What the exported network gives.
/// logits: "logits", N x classes. softmax: "probabilities", N x classes. features: every layer's output, "layer<N>",
/// N C H W, and "logits". stages: the last output of every stage, "layer<N>", and nothing after it. pyramid: the last
/// output of every stride, "layer<N>", and nothing after it: see pyramid_levels.
enum class onnx_outputs : std::uint8_t { logits, softmax, features, stages, pyramid };

/// How a network is exported.
struct onnx_options {
    std::string name = "gpunet";       // the graph's
    std::optional<std::int64_t> batch; // pictures at once; any number where empty
    bool fold = true;                  // batch norm into the convolutions; else it stays a node of its own
    onnx_outputs outputs = onnx_outputs::logits;
    dtype precision = dtype::float32;            // of weights and arithmetic: float32 or float16
    std::optional<dtype> io;                     // of input and outputs: float32 or float16; `precision` where empty
    std::map<std::string, std::string> metadata; // what the file says about the model
};

} // namespace gpunet

// Post-training quantization: from float32 weights and pictures to int8 weights and scales.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/lower.hpp>
#include <gpunet/quantize/calibrate.hpp>
#include <gpunet/quantize/histogram.hpp>
#include <gpunet/quantize/observing.hpp>
#include <gpunet/quantize/quantized_store.hpp>
#include <gpunet/spec/network.hpp>
#include <gpunet/version.hpp>
#include <gpunet/weights/fold.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace gpunet::quantize {

/// "mse", "max"
constexpr std::string_view to_string(method m) noexcept { return m == method::mse ? "mse" : "max"; }

/// How scales are chosen, and who is told how far it is.
struct options {
    quantize::method method = method::mse;
    quantize::progress progress;
};

/// Weights for fold(), and what their file says of itself: for write_safetensors.
struct result {
    tensor_store weights;
    std::map<std::string, std::string> metadata;
};

/// Chooses scales on the pictures and rounds the weights. The same arguments give the same bytes.
/// @param net      its native size is the pictures'
/// @param weights  of float32, from any source
/// @param device   runs the network of float32 weights
/// @throws weights_error if the weights are quantized already; as fold, network and calibrate do
template <host_backend B>
result post_training(const spec::network& net, const tensor_store& weights, const pictures& from, const B& device,
                     const options& o = {}) {
    const graph::network g = lower(net);
    if (is_quantized(g, weights))
        throw weights_error(weights.source() + ": expected float weights to quantize, found int8 weights");
    const calibration known = calibrate(net, weights, from, device, o.method, o.progress);
    result r;
    r.weights = quantized_store(g, fold(g, weights), known, weights.source() + " in int8");
    r.metadata = {{std::string(quantization_key), std::string(quantization_scheme)},
                  {"gpunet.calibration.method", std::string(to_string(o.method))},
                  {"gpunet.calibration.pictures", std::to_string(from.count)},
                  {"gpunet.version", version}};
    return r;
}

} // namespace gpunet::quantize

// A quantized network as it is defined, on a float32 backend.
#pragma once

#include <gpunet/quantize/observing.hpp>
#include <gpunet/quantize/round.hpp>

#include <utility>

namespace gpunet::quantize {

/// The definition of what a quantized network computes: sums, activations and matrix products in float32, and each
/// feature map rounded to its scale. A network of float32 weights it runs as `B` does.
/// @param see  shown each feature map after that
template <host_backend B>
observing<B> simulated(B inner, observer see = {}) {
    return {std::move(inner), [see = std::move(see)](const feature_map& f) {
                if (f.scale) round_to(*f.scale, f.values);
                if (see) see(f);
            }};
}

} // namespace gpunet::quantize

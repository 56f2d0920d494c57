// Which weights these are, whatever file they came from.
#pragma once

#include <gpunet/error.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/hub/sha256.hpp>
#include <gpunet/weights/binding.hpp>
#include <gpunet/weights/parameters.hpp>
#include <gpunet/weights/tensor_store.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpunet {

/// The SHA-256 of all parameters that inference reads, ordered by name: of each its name, a zero byte, and its elements
/// as little-endian float32 in row-major order. It does not change when a checkpoint is converted.
/// @throws weights_error naming a parameter that is missing; io_error as sha256 does
inline std::string parameters_sha256(const graph::network& net, const tensor_store& store) {
    static_assert(std::endian::native == std::endian::little);
    const tensor_store weights = detail::in_names_of(net, store);
    std::vector<std::string> names;
    for (const parameter& p : parameters(net))
        if (!p.optional()) names.push_back(p.name);
    std::sort(names.begin(), names.end());
    sha256 hash;
    std::vector<float> values;
    for (const std::string& name : names) {
        const stored_tensor* t = weights.find(name);
        if (!t) throw weights_error(weights.source() + ": " + name + ": expected this parameter, found nothing");
        values.resize(static_cast<std::size_t>(t->element_count()));
        copy_as_float(*t, values);
        hash.update(name);
        hash.update(std::string_view("\0", 1));
        hash.update(std::as_bytes(std::span(values)));
    }
    return hash.hex();
}

} // namespace gpunet

// How a value lies in the GPU's memory.
#pragma once

#include <gpunet/activation.hpp>
#include <gpunet/cuda/element.hpp>
#include <gpunet/cuda/kernels/launch.hpp>
#include <gpunet/graph/network.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace gpunet::cudnn {

/// Channels of a feature map are padded to a multiple of 8, 16 bytes of half precision: what tensor cores and vector
/// loads want. The padding holds finite numbers that no weight other than zero meets.
using cuda::kernels::padded;

struct layout {
    enum class form : std::uint8_t {
        edge,  // float32, N C H W, channels not padded; of vectors too, which have one pixel
        map,   // N H W C in the type of the backend, channels padded
        sums,  // float32, N x rows x padded channels: sums over pixels, to be added up
        bytes, // workspace
    };

    form kind = form::edge;
    cuda::element type = cuda::element::float32;
    std::int64_t batch = 0;
    graph::features what;
    std::int64_t rows = 0;                              // of sums: of the value, or of those that follow a map
    activation pending = activation::identity;          // of a map: what its reader must still apply
    std::shared_ptr<std::function<std::size_t()>> size; // of bytes, once it is known

    std::int64_t pixels() const noexcept { return what.size.height * what.size.width; }
    std::size_t map_bytes() const noexcept {
        return static_cast<std::size_t>(batch * pixels() * padded(what.channels)) * cuda::element_size(type);
    }
    /// Where the sums that follow a map begin.
    std::size_t sums_offset() const noexcept { return kind == form::map ? (map_bytes() + 255) / 256 * 256 : 0; }
    /// Small workspaces, in which engines keep descriptors of their tensors: they share no memory, so that what one run
    /// leaves there is what the next writes.
    bool lasting() const { return kind == form::bytes && bytes() <= 4096; }
    std::size_t bytes() const {
        const std::size_t sums = static_cast<std::size_t>(batch * rows * padded(what.channels)) * 4;
        switch (kind) {
        case form::edge: return static_cast<std::size_t>(batch * what.channels * pixels()) * 4;
        case form::map: return rows > 0 ? sums_offset() + sums : map_bytes();
        case form::sums: return sums;
        case form::bytes: break;
        }
        return (*size)();
    }
    friend bool operator==(const layout&, const layout&) = default;
};

} // namespace gpunet::cudnn

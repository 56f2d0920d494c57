// Weights in the order in which the code of rows reads them.
#pragma once

#include <gpunet/cpu/aligned_array.hpp>
#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/thread_team.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/fold_quantized.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

namespace gpunet::cpu::jit {

using packed_weights = aligned_array<std::byte>;

/// Zeros, 4 bytes each.
inline packed_weights make_zeros(std::int64_t count) {
    auto values = make_aligned<std::byte>(static_cast<std::size_t>(count) * 4);
    std::fill_n(values.get(), static_cast<std::size_t>(count) * 4, std::byte{});
    return values;
}

template <class T>
void put(packed_weights& to, std::int64_t i, T value) {
    std::memcpy(to.get() + static_cast<std::size_t>(i) * sizeof value, &value, sizeof value);
}

/// Of a convolution of one group, O, I, k, k: [group][block][kernel row][kernel column][step][16 outputs each of the
/// group's size][channel of the step].
template <class T>
packed_weights pack_dense(const graph::convolution& c, std::span<const T> from, const std::vector<int>& sizes,
                          element e, const thread_team& team) {
    const std::int64_t taps = c.kernel * c.kernel, inputs = c.input.channels, each = channels_of_step(e);
    const std::int64_t steps = steps_of(inputs, e), blocks = blocks_of(c.output.channels);
    auto packed = make_aligned<std::byte>(static_cast<std::size_t>(blocks * 16 * steps * taps * 4));
    std::vector<std::pair<std::int64_t, int>> group_of; // for each 16 outputs: its group's first 16, the group's size
    for (const int size : sizes)
        group_of.insert(group_of.end(), static_cast<std::size_t>(size), {std::ssize(group_of), size});
    team.for_each(blocks, [&](int, std::int64_t o16) {
        const auto [first, size] = group_of[static_cast<std::size_t>(o16)];
        const std::int64_t begin = o16 * 16, outputs = std::min<std::int64_t>(16, c.output.channels - begin);
        for (std::int64_t block = 0; block < steps; block += steps_of_block) {
            const std::int64_t some = std::min(steps_of_block, steps - block);
            std::int64_t to = ((first * steps + block * size) * taps + o16 - first) * 16 * each;
            for (std::int64_t tap = 0; tap < taps; ++tap)
                for (std::int64_t step = block; step < block + some; ++step, to += 16 * size * each) {
                    const std::int64_t channels = std::min(each, inputs - step * each);
                    std::array<T, static_cast<std::size_t>(block_bytes) / sizeof(T)> line{};
                    for (std::int64_t o = 0; o < outputs; ++o)
                        for (std::int64_t i = 0; i < channels; ++i)
                            line[static_cast<std::size_t>(o * each + i)] =
                                from[static_cast<std::size_t>(((begin + o) * inputs + step * each + i) * taps + tap)];
                    std::memcpy(packed.get() + to * static_cast<std::int64_t>(sizeof(T)), line.data(), sizeof line);
                }
        }
    });
    return packed;
}

inline packed_weights pack_bias(const graph::convolution& c, const folded& from) {
    packed_weights packed = make_zeros(blocks_of(c.output.channels) * 16);
    if (!from.bias.empty()) std::memcpy(packed.get(), from.bias.data(), from.bias.size() * sizeof(float));
    return packed;
}

/// What turns sums of products of bytes less 128 and int8 weights into units (see byte_scales), one an output channel.
inline packed_weights pack_factors(const graph::convolution& c, const folded& from) {
    const quantized_weights& w = *from.int8;
    const float unit = sums_in_units(c.act, c.adds_last) ? *from.output_scale : 1;
    packed_weights packed = make_zeros(blocks_of(c.output.channels) * 16);
    for (std::size_t o = 0; o < w.scales.size(); ++o)
        put(packed, static_cast<std::int64_t>(o),
            static_cast<float>(double{w.input_scale} * double{w.scales[o]} / double{unit}));
    return packed;
}

/// Which of the rows of pack_byte_bias a row of the output begins with that leaves out so many rows of the kernel.
inline std::int64_t bias_row(const graph::convolution& c, std::int64_t above, std::int64_t count) noexcept {
    return above * c.kernel + (c.kernel - above - count);
}

/// The bias in units of the sums, less what the bytes' 128 add to them: [rows left out above][below][output channel].
template <class Sum>
packed_weights pack_byte_bias(const graph::convolution& c, const folded& from) {
    const quantized_weights& w = *from.int8;
    const std::vector<std::int32_t> biases = integer_bias(from);
    const std::int64_t channels = blocks_of(c.output.channels) * 16, inputs = c.input.channels / c.groups;
    packed_weights packed = make_zeros(c.kernel * c.kernel * channels);
    for (std::int64_t o = 0; o < c.output.channels; ++o) {
        const std::int64_t bias = biases[static_cast<std::size_t>(o)];
        std::vector<std::int64_t> sums(static_cast<std::size_t>(c.kernel)); // of each kernel row
        for (std::int64_t i = 0; i < inputs * c.kernel * c.kernel; ++i)
            sums[static_cast<std::size_t>(i / c.kernel % c.kernel)] +=
                w.weights[static_cast<std::size_t>(o * inputs * c.kernel * c.kernel + i)];
        for (std::int64_t above = 0; above < c.kernel; ++above)
            for (std::int64_t below = 0; above + below < c.kernel; ++below) {
                std::int64_t sum = 0;
                for (std::int64_t y = above; y < c.kernel - below; ++y) sum += sums[static_cast<std::size_t>(y)];
                put(packed, (above * c.kernel + below) * channels + o, static_cast<Sum>(bias - zero_byte * sum));
            }
    }
    return packed;
}

} // namespace gpunet::cpu::jit

// Convolutions on maps in blocks of 16 channels (nChw16c), row by row.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/grouping.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/jit/row_code.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/fold.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cpu::jit {

/// A stretch of output pixels that one call computes: a row, or for 1x1 kernels any part of the map.
struct stretch {
    std::int64_t first = 0; // output pixel
    int width = 0;
};

class convolution_operation : public operation {
  public:
    convolution_operation(std::int64_t batch, const graph::convolution& c, bool residual, const folded& weights,
                          code_cache& cache, int threads)
        : batch_(batch), c_(c), stretches_(flat() ? parts(threads) : rows()) {
        const std::vector<int> sizes = group_sizes(blocks_of(c.output.channels), stretches_.front().width);
        std::string name = c.weights + " by";
        for (const int size : sizes) name += " " + std::to_string(size);
        weights_ = cache.weights(name, [&] { return pack(weights, sizes); });
        bias_ = cache.weights(c.weights + ".bias", [&] { return pack_bias(weights); });
        std::int64_t first = 0;
        for (const int size : sizes) {
            group g{first, size, {}};
            for (const stretch& s : stretches_) g.code.push_back(cache.code<row_code>(shape(s.width, size, residual)));
            groups_.push_back(std::move(g));
            first += size;
        }
    }

    void run(const openmp& runtime, int threads, const operands& o) const noexcept override {
        runtime.parallel(threads, [&](int number, int count) { run_part(number, count, o); });
    }

  private:
    /// Blocks of output channels computed together.
    struct group {
        std::int64_t first = 0;
        int size = 0;
        std::vector<std::shared_ptr<const row_code>> code; // for each stretch
    };

    bool flat() const noexcept { return c_.kernel == 1 && c_.stride == 1 && c_.padding == graph::padding{}; }
    bool plain() const noexcept { return takes_plain_input(c_); }

    std::vector<stretch> rows() const {
        std::vector<stretch> all;
        for (std::int64_t y = 0; y < c_.output.size.height; ++y)
            all.push_back({y * c_.output.size.width, static_cast<int>(c_.output.size.width)});
        return all;
    }

    /// Equal parts of the map, a few hundred pixels each, as many for each thread.
    std::vector<stretch> parts(int threads) const {
        const std::int64_t pixels = pixels_of(c_.output);
        std::int64_t count = std::max<std::int64_t>((pixels + 223) / 224, std::min<std::int64_t>(pixels / 28, threads));
        count = std::max<std::int64_t>(1, (count + threads - 1) / threads * threads);
        count = std::min(count, pixels);
        std::vector<stretch> all;
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t first = pixels * i / count;
            all.push_back({first, static_cast<int>(pixels * (i + 1) / count - first)});
        }
        return all;
    }

    row_shape shape(int width, int outputs, bool residual) const {
        row_shape s = shape_of(c_, residual);
        s.input_channels = static_cast<int>(c_.input.channels);
        if (flat()) s.input_width = width;
        s.width = width;
        const std::int64_t plane = pixels_of(c_.input);
        s.pixel = plain() ? 4 : 64;
        s.channel = plain() ? static_cast<std::int32_t>(4 * plane) : 4;
        s.row = static_cast<std::int32_t>(c_.input.size.width) * s.pixel;
        s.block = static_cast<std::int32_t>(64 * plane);
        s.outputs = outputs;
        s.output_block = static_cast<std::int32_t>(64 * pixels_of(c_.output));
        return s;
    }

    /// [group][block][kernel row][kernel column][channel][output]: the order in which the code reads them.
    packed_weights pack(const folded& from, const std::vector<int>& sizes) const {
        const std::int64_t taps = c_.kernel * c_.kernel;
        packed_weights packed = make_zeros(blocks_of(c_.output.channels) * 16 * c_.input.channels * taps);
        float* to = packed.get();
        std::int64_t first = 0;
        for (const int size : sizes) {
            for (std::int64_t block = 0; block < c_.input.channels; block += 16)
                for (std::int64_t tap = 0; tap < taps; ++tap)
                    for (std::int64_t i = block; i < std::min(block + 16, c_.input.channels); ++i, to += 16 * size)
                        for (std::int64_t o = 0; o < 16 * size && first + o < c_.output.channels; ++o)
                            to[o] = from.weights[static_cast<std::size_t>(((first + o) * c_.input.channels + i) * taps +
                                                                          tap)];
            first += 16 * size;
        }
        return packed;
    }

    packed_weights pack_bias(const folded& from) const {
        packed_weights packed = make_zeros(blocks_of(c_.output.channels) * 16);
        std::copy(from.bias.begin(), from.bias.end(), packed.get());
        return packed;
    }

    /// Stretches whose input fits half of the second cache are done for all groups before the next ones. Within them
    /// each thread takes its share of the blocks of weights.
    void run_part(int number, int count, const operands& o) const {
        const std::int64_t all = batch_ * static_cast<std::int64_t>(stretches_.size());
        const std::int64_t bytes = 4 * c_.input.channels * stretches_.front().width * c_.stride * c_.stride;
        const std::int64_t at_once = std::clamp<std::int64_t>(count * (std::int64_t{1} << 19) / bytes, 1, all);
        const std::int64_t blocks = blocks_of(c_.output.channels);
        for (std::int64_t begin = 0; begin < all; begin += at_once) {
            const std::int64_t some = std::min(at_once, all - begin);
            const std::int64_t from = blocks * some * number / count, to = blocks * some * (number + 1) / count;
            for (const group& g : groups_)
                for (std::int64_t i = 0; i < some; ++i) {
                    const std::int64_t place = g.first * some + i * g.size;
                    if (place >= from && place < to) run_stretch(g, begin + i, o);
                }
        }
    }

    void run_stretch(const group& g, std::int64_t number, const operands& o) const {
        const auto count = static_cast<std::int64_t>(stretches_.size());
        const std::int64_t picture = number / count, i = number % count;
        const stretch& s = stretches_[static_cast<std::size_t>(i)];
        row_arguments a;
        a.weights = weights_->get() + g.first * 16 * c_.input.channels * c_.kernel * c_.kernel;
        a.bias = bias_->get() + g.first * 16;
        const std::int64_t in_pixels = pixels_of(c_.input), out_pixels = pixels_of(c_.output);
        const float* in =
            o.input + picture * (plain() ? c_.input.channels : blocks_of(c_.input.channels) * 16) * in_pixels;
        if (flat()) {
            a.input = in + s.first * (plain() ? 1 : 16);
        } else {
            const kernel_rows rows = rows_on_input(c_, i);
            a.input = in + rows.first * c_.input.size.width * (plain() ? 1 : 16);
            a.rows = rows.count;
            a.skipped = rows.above * c_.kernel * 16 * g.size * 64;
            a.skipped_last = rows.above * c_.kernel * (c_.input.channels % 16) * g.size * 64;
        }
        const std::int64_t place = ((picture * blocks_of(c_.output.channels) + g.first) * out_pixels + s.first) * 16;
        a.output = o.output + place;
        a.residual = o.residual ? o.residual + place : nullptr;
        const row_code& code = *g.code[static_cast<std::size_t>(i)];
        // 16 blocks of a 1x1 kernel's weights stay in the first cache while all tiles of the stretch use them.
        const std::int64_t full = c_.input.channels / 16, at_once = flat() ? 16 : std::max<std::int64_t>(1, full);
        for (std::int64_t block = 0; block == 0 || block < full; block += at_once) {
            a.full_blocks = std::min(at_once, full - block);
            a.is_first = block == 0;
            a.is_last = block + at_once >= full;
            code(a);
            a.input += at_once * 16 * in_pixels;
            a.weights += at_once * 16 * c_.kernel * c_.kernel * g.size * 16;
        }
    }

    std::int64_t batch_;
    graph::convolution c_;
    std::vector<stretch> stretches_;
    std::vector<group> groups_;
    std::shared_ptr<const packed_weights> weights_, bias_;
};

} // namespace gpunet::cpu::jit

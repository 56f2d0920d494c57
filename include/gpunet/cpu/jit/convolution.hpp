// Convolutions on maps in blocks of channels, row by row.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/grouping.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/jit/row_code.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/constants.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
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
                          const number_format& f, code_cache& cache, const thread_team& team)
        : batch_(batch), c_(c), format_(f), stretches_(flat() ? parts(team.threads()) : rows()) {
        const std::vector<int> sizes = groups();
        std::string name = c.weights + (f.input == element::byte ? " int8 by" : " by");
        for (const int size : sizes) name += " " + std::to_string(size);
        if (f.input == element::byte) {
            const quantized_weights& w = *weights.int8;
            weights_ = cache.weights(
                name, [&] { return pack_dense(c, std::span<const std::int8_t>(w.weights), sizes, f.input, team); });
            bias_ = cache.weights(c.weights + ".bias int32", [&] { return pack_byte_bias<std::int32_t>(c, weights); });
            factors_ = cache.weights(c.weights + ".factors", [&] { return pack_factors(c, weights); });
        } else {
            weights_ = cache.weights(
                name, [&] { return pack_dense(c, std::span<const float>(weights.weights), sizes, f.input, team); });
            bias_ = cache.weights(c.weights + ".bias", [&] { return pack_bias(c, weights); });
        }
        std::int64_t first = 0;
        for (const int size : sizes) {
            group g{first, size, {}};
            for (const stretch& s : stretches_) g.code.push_back(cache.code<row_code>(shape(s.width, size, residual)));
            groups_.push_back(std::move(g));
            first += size;
        }
        at_once_ = at_once();
    }

    const char* name() const noexcept override {
        return format_.input == element::byte ? "gpunet:avx512:int8" : "gpunet:avx512";
    }

    void run(const thread_team& team, const operands& o) const noexcept override {
        const std::int64_t items = stretches() * static_cast<std::int64_t>(groups_.size());
        team.for_each(items, [&](int, std::int64_t i) { run_item(i, o); });
    }

  private:
    /// So many times 16 output channels computed together.
    struct group {
        std::int64_t first = 0;
        int size = 0;
        std::vector<std::shared_ptr<const row_code>> code; // for each stretch
    };

    bool flat() const noexcept { return c_.kernel == 1 && c_.stride == 1 && c_.padding == graph::padding{}; }
    bool plain() const noexcept { return format_.input == element::float32 && takes_plain_input(c_); }
    std::int64_t input_blocks() const noexcept { return blocks_of(c_.input.channels, format_.input); }
    std::int64_t output_blocks() const noexcept { return blocks_of(c_.output.channels, format_.output); }
    /// Of 4 bytes that a pixel's input channels take.
    std::int64_t steps() const noexcept { return steps_of(c_.input.channels, format_.input); }

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

    /// Of a map of bytes a group fills a block, the last one perhaps in part.
    std::vector<int> groups() const {
        const std::int64_t count = blocks_of(c_.output.channels);
        if (format_.output == element::float32) return group_sizes(count, stretches_.front().width);
        std::vector<int> sizes(static_cast<std::size_t>(count / 4), 4);
        if (count % 4 > 0) sizes.push_back(static_cast<int>(count % 4));
        return sizes;
    }

    row_shape shape(int width, int outputs, bool residual) const {
        row_shape s = shape_of(c_, residual);
        s.steps = static_cast<int>(steps());
        s.input = format_.input;
        s.output = format_.output;
        if (flat()) s.input_width = width;
        s.width = width;
        const std::int64_t plane = pixels_of(c_.input);
        s.pixel = plain() ? 4 : block_bytes;
        s.channel = plain() ? static_cast<std::int32_t>(4 * plane) : 4;
        s.row = static_cast<std::int32_t>(c_.input.size.width) * s.pixel;
        s.block = static_cast<std::int32_t>(block_bytes * plane);
        s.outputs = outputs;
        s.output_block =
            format_.output == element::byte ? 16 : static_cast<std::int32_t>(block_bytes * pixels_of(c_.output));
        return s;
    }

    /// Of all pictures.
    std::int64_t stretches() const noexcept { return batch_ * static_cast<std::int64_t>(stretches_.size()); }

    /// Stretches whose input fits half of the second cache are done for all groups before the next ones.
    std::int64_t at_once() const {
        const std::int64_t bytes = 4 * steps() * stretches_.front().width * c_.stride * c_.stride;
        return std::clamp<std::int64_t>((std::int64_t{1} << 20) / bytes, 1, stretches());
    }

    /// One stretch for one group: of those done at once, all for the first group, then for the next.
    void run_item(std::int64_t item, const operands& o) const {
        const auto groups = static_cast<std::int64_t>(groups_.size());
        const std::int64_t begin = item / (at_once_ * groups) * at_once_;
        const std::int64_t some = std::min(at_once_, stretches() - begin), rest = item - begin * groups;
        run_stretch(groups_[static_cast<std::size_t>(rest / some)], begin + rest % some, o);
    }

    void run_stretch(const group& g, std::int64_t number, const operands& o) const {
        const auto count = static_cast<std::int64_t>(stretches_.size());
        const std::int64_t picture = number / count, i = number % count;
        const stretch& s = stretches_[static_cast<std::size_t>(i)];
        row_arguments a;
        a.weights = weights_->get() + g.first * steps() * c_.kernel * c_.kernel * 64;
        a.bias = bias_->get() + g.first * 64;
        const std::int64_t in_pixels = pixels_of(c_.input), out_pixels = pixels_of(c_.output);
        const std::int64_t pixel = plain() ? 4 : block_bytes;
        a.input = o.input + picture * (plain() ? c_.input.channels : input_blocks()) * in_pixels * pixel;
        if (flat()) {
            a.input += s.first * pixel;
        } else {
            const kernel_rows rows = rows_on_input(c_, i);
            a.input += rows.first * c_.input.size.width * pixel;
            a.rows = rows.count;
            a.skipped = rows.above * c_.kernel * steps_of_block * g.size * 64;
            a.skipped_last = rows.above * c_.kernel * (steps() % steps_of_block) * g.size * 64;
            if (format_.input == element::byte)
                a.bias += bias_row(c_, rows.above, rows.count) * blocks_of(c_.output.channels) * 64;
        }
        const std::int64_t block = format_.output == element::byte ? g.first / 4 : g.first;
        const std::int64_t place = ((picture * output_blocks() + block) * out_pixels + s.first) * block_bytes;
        a.output = o.output + place;
        a.residual = o.second ? o.second + place : nullptr;
        if (format_.output == element::byte) {
            a.factors = factors_ ? factors_->get() + g.first * 64 : nullptr;
            a.scales = scales_of(format_, c_);
        }
        const row_code& code = *g.code[static_cast<std::size_t>(i)];
        // 16 blocks of a 1x1 kernel's weights stay in the first cache while all tiles of the stretch use them.
        const std::int64_t full = steps() / steps_of_block;
        const std::int64_t at_once =
            flat() && format_.output == element::float32 ? 16 : std::max<std::int64_t>(1, full);
        for (std::int64_t b = 0; b == 0 || b < full; b += at_once) {
            a.full_blocks = std::min(at_once, full - b);
            a.is_first = b == 0;
            a.is_last = b + at_once >= full;
            code(a);
            a.input += at_once * block_bytes * in_pixels;
            a.weights += at_once * steps_of_block * c_.kernel * c_.kernel * g.size * 64;
        }
    }

    std::int64_t batch_;
    graph::convolution c_;
    number_format format_;
    std::vector<stretch> stretches_;
    std::vector<group> groups_;
    std::int64_t at_once_ = 1;
    std::shared_ptr<const packed_weights> weights_, bias_, factors_;
};

} // namespace gpunet::cpu::jit

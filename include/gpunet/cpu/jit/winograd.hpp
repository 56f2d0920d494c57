// Convolutions by Winograd's F(4x4, 3x3): 3x3 of stride 1 with a quarter of the multiplications, and 5x5 of stride 2
// with 0.36 of them, as the sum of four convolutions of stride 1, each on every second row and column of the input.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/grouping.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/jit/row_code.hpp>
#include <gpunet/cpu/jit/winograd_code.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/constants.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gpunet::cpu::jit {

/// Input and output in blocks of 16 channels. A thread transforms some tiles of the input, multiplies each of their 36
/// positions by its matrix of weights as a 1x1 convolution over the tiles, and transforms back.
class winograd_operation : public operation {
  public:
    winograd_operation(std::int64_t batch, const graph::convolution& c, bool residual, const folded& weights,
                       code_cache& cache, const thread_team& team)
        : batch_(batch), c_(c), threads_(team.threads()), rows_(winograd_tiles(c.output.size.height)),
          columns_(winograd_tiles(c.output.size.width)), chunk_(tiles_of_chunk(threads_)),
          chunks_((rows_ * columns_ + chunk_ - 1) / chunk_),
          sizes_(group_sizes(blocks_of(c.output.channels), static_cast<int>(chunk_))),
          no_bias_(cache.weights("no bias", [] { return make_zeros(4 * 16); })) {
        std::string name = c.weights + " winograd by";
        for (const int size : sizes_) name += " " + std::to_string(size);
        weights_ = cache.weights(name, [&] { return pack(weights, team); });
        bias_ = cache.weights(c.weights + ".bias", [&] { return pack_bias(c, weights); });
        for (int size = 1; size <= sizes_.front(); ++size)
            products_.push_back(cache.code<row_code>(product_shape(size)));
        for (std::int64_t y = 0; y < rows_; ++y)
            for (std::int64_t x = 0; x < columns_; ++x) {
                for (std::int64_t phase = 0; phase < phases(); ++phase)
                    inputs_.push_back(cache.code<winograd::input_code>(input_shape(part_of(y, x, phase))));
                outputs_.push_back(cache.code<winograd::output_code>(output_shape(y, x, residual)));
            }
    }

    const char* name() const noexcept override { return "gpunet:avx512:winograd"; }
    std::size_t workspace() const noexcept override {
        return static_cast<std::size_t>(threads_ * (input_position() + output_position()) * winograd::positions);
    }

    void run(const thread_team& team, const operands& o) const noexcept override {
        team.for_each(batch_ * chunks_, [&](int number, std::int64_t i) {
            const std::size_t each = workspace() / static_cast<std::size_t>(threads_);
            run_chunk(i / chunks_, i % chunks_, o, o.workspace + static_cast<std::size_t>(number) * each);
        });
    }

  private:
    /// Each has the rows and columns of the input with the same remainder by the stride.
    std::int64_t phases() const noexcept { return c_.stride * c_.stride; }
    std::int64_t input_blocks() const noexcept { return blocks_of(c_.input.channels) * phases(); }
    std::int64_t inputs() const noexcept { return c_.input.channels * phases(); }

    /// As many chunks for each thread, small enough for the second cache, large enough to use weights often.
    std::int64_t tiles_of_chunk(int threads) const {
        const std::int64_t tiles = rows_ * columns_, bytes = winograd::positions * 64 * (input_blocks() + 4);
        const std::int64_t most = std::clamp<std::int64_t>((std::int64_t{5} << 18) / bytes, 12, 96);
        const std::int64_t count = ((tiles + most - 1) / most + threads - 1) / threads * threads;
        return (tiles + count - 1) / count;
    }

    /// Bytes from one position to the next; an odd number of lines of the cache, or they would fall together in it.
    static std::int64_t odd_lines(std::int64_t lines) noexcept { return 64 * (lines | 1); }
    std::int64_t input_position() const noexcept { return odd_lines(input_blocks() * chunk_); }
    std::int64_t output_position() const noexcept { return odd_lines(sizes_.front() * chunk_); }

    /// The 1x1 convolution that multiplies one position of all tiles of a chunk.
    row_shape product_shape(int outputs) const {
        row_shape s;
        s.steps = static_cast<int>(inputs());
        s.input_width = s.width = static_cast<int>(chunk_);
        s.pixel = 64;
        s.channel = 4;
        s.row = s.block = s.output_block = static_cast<std::int32_t>(64 * chunk_);
        s.outputs = outputs;
        return s;
    }

    /// The part of a tile that lies on the input.
    struct span {
        int first = 0, count = 0; // of the tile's rows or columns
        std::int64_t place = 0;   // of the first on the input
    };
    struct part {
        span rows, columns;
    };
    part part_of(std::int64_t y, std::int64_t x, std::int64_t phase) const {
        const auto cut = [this](std::int64_t tile, std::int64_t offset, std::int64_t extent) {
            const std::int64_t begin = tile * winograd::output_size * c_.stride + offset;
            const std::int64_t first = std::max<std::int64_t>(0, (c_.stride - 1 - begin) / c_.stride);
            const std::int64_t end =
                std::min<std::int64_t>(winograd::input_size, (extent - begin + c_.stride - 1) / c_.stride);
            if (end <= first) return span{};
            return span{static_cast<int>(first), static_cast<int>(end - first), begin + first * c_.stride};
        };
        return {cut(y, phase / c_.stride - c_.padding.top, c_.input.size.height),
                cut(x, phase % c_.stride - c_.padding.left, c_.input.size.width)};
    }

    winograd::tile_shape input_shape(const part& p) const {
        winograd::tile_shape s;
        s.first_row = p.rows.first;
        s.rows = p.rows.count;
        s.first_column = p.columns.first;
        s.columns = p.columns.count;
        s.column = static_cast<std::int32_t>(64 * c_.stride);
        s.row = static_cast<std::int32_t>(c_.input.size.width) * s.column;
        s.block = static_cast<std::int32_t>(64 * pixels_of(c_.input));
        s.position = static_cast<std::int32_t>(input_position());
        s.position_block = static_cast<std::int32_t>(64 * chunk_);
        return s;
    }

    winograd::tile_shape output_shape(std::int64_t y, std::int64_t x, bool residual) const {
        winograd::tile_shape s;
        const auto count = [](std::int64_t tile, std::int64_t extent) {
            return static_cast<int>(std::min<std::int64_t>(winograd::output_size, extent - tile * 4));
        };
        s.rows = count(y, c_.output.size.height);
        s.columns = count(x, c_.output.size.width);
        s.row = static_cast<std::int32_t>(64 * c_.output.size.width);
        s.block = static_cast<std::int32_t>(64 * pixels_of(c_.output));
        s.position = static_cast<std::int32_t>(output_position());
        s.position_block = static_cast<std::int32_t>(64 * chunk_);
        s.act = c_.act;
        s.residual = residual;
        s.adds_last = residual && c_.adds_last;
        return s;
    }

    /// [group][position][phase][channel][output]
    packed_weights pack(const folded& from, const thread_team& team) const {
        packed_weights packed = make_zeros(blocks_of(c_.output.channels) * 16 * inputs() * winograd::positions);
        const std::int64_t taps = c_.kernel * c_.kernel;
        std::int64_t first = 0;
        for (const int size : sizes_) {
            const std::int64_t outputs = std::min<std::int64_t>(16 * size, c_.output.channels - first);
            team.for_each(inputs(), [&](int, std::int64_t i) {
                const std::int64_t phase = i / c_.input.channels, channel = i % c_.input.channels;
                for (std::int64_t o = 0; o < outputs; ++o) {
                    const float* w = from.weights.data() + ((first + o) * c_.input.channels + channel) * taps;
                    const std::int64_t to = first * inputs() * winograd::positions + i * 16 * size + o;
                    pack(w, phase / c_.stride, phase % c_.stride, packed, to, inputs() * 16 * size);
                }
            });
            first += 16 * size;
        }
        return packed;
    }

    /// Every stride-th row and column of one kernel, from (y, x) on, as its 36 positions so many numbers apart.
    void pack(const float* kernel, std::int64_t y, std::int64_t x, packed_weights& packed, std::int64_t to,
              std::int64_t step) const {
        const auto weight = [&](std::int64_t row, std::int64_t column) {
            row = row * c_.stride + y;
            column = column * c_.stride + x;
            return row < c_.kernel && column < c_.kernel ? static_cast<double>(kernel[row * c_.kernel + column]) : 0.0;
        };
        std::array<std::array<double, winograd::input_size>, 3> columns;
        for (std::size_t i = 0; i < 3; ++i) {
            const auto column = static_cast<std::int64_t>(i);
            columns[i] = winograd::transform_weights(weight(0, column), weight(1, column), weight(2, column));
        }
        for (std::size_t i = 0; i < winograd::input_size; ++i)
            for (const double value : winograd::transform_weights(columns[0][i], columns[1][i], columns[2][i])) {
                put(packed, to, static_cast<float>(value));
                to += step;
            }
    }

    void run_chunk(std::int64_t picture, std::int64_t chunk, const operands& o, std::byte* workspace) const {
        std::byte* const input = workspace;
        std::byte* const product = workspace + input_position() * winograd::positions;
        const std::int64_t first = chunk * chunk_, count = std::min(chunk_, rows_ * columns_ - first);
        winograd::tile_arguments a;
        a.blocks = blocks_of(c_.input.channels);
        const std::byte* map = o.input + picture * a.blocks * pixels_of(c_.input) * 64;
        for (std::int64_t i = 0; i < count * phases(); ++i) {
            const std::int64_t tile = first + i / phases(), phase = i % phases();
            const part p = part_of(tile / columns_, tile % columns_, phase);
            a.from = map + (p.rows.place * c_.input.size.width + p.columns.place) * 64;
            a.to = input + (phase * a.blocks * chunk_ + i / phases()) * 64;
            (*inputs_[static_cast<std::size_t>(tile * phases() + phase)])(a);
        }
        std::int64_t block = 0;
        for (const int size : sizes_) {
            multiply(size, block, input, product);
            a.blocks = size;
            a.bias = bias_->get() + block * 64;
            for (std::int64_t i = 0; i < count; ++i) {
                const std::int64_t y = (first + i) / columns_ * winograd::output_size;
                const std::int64_t x = (first + i) % columns_ * winograd::output_size;
                const std::int64_t plane = picture * blocks_of(c_.output.channels) + block;
                const std::int64_t place = (plane * pixels_of(c_.output) + y * c_.output.size.width + x) * 64;
                a.from = product + i * 64;
                a.to = o.output + place;
                a.residual = o.second ? o.second + place : nullptr;
                (*outputs_[static_cast<std::size_t>(first + i)])(a);
            }
            block += size;
        }
    }

    void multiply(int size, std::int64_t block, const std::byte* input, std::byte* product) const {
        row_arguments a;
        a.input = input;
        a.weights = weights_->get() + block * 64 * inputs() * winograd::positions;
        a.bias = no_bias_->get();
        a.output = product;
        a.full_blocks = inputs() / 16;
        for (int position = 0; position < winograd::positions; ++position) {
            (*products_[static_cast<std::size_t>(size - 1)])(a);
            a.input += input_position();
            a.weights += inputs() * 64 * size;
            a.output += output_position();
        }
    }

    std::int64_t batch_;
    graph::convolution c_;
    int threads_;
    std::int64_t rows_, columns_; // of tiles
    std::int64_t chunk_, chunks_; // tiles of one, and how many a picture has
    std::vector<int> sizes_;
    std::shared_ptr<const packed_weights> no_bias_, weights_, bias_;
    std::vector<std::shared_ptr<const row_code>> products_;           // by the size of the group, from 1
    std::vector<std::shared_ptr<const winograd::input_code>> inputs_; // of each tile's phases
    std::vector<std::shared_ptr<const winograd::output_code>> outputs_;
};

} // namespace gpunet::cpu::jit

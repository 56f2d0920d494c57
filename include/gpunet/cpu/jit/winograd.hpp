// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): a quarter of the multiplications.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/grouping.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/jit/row_code.hpp>
#include <gpunet/cpu/jit/winograd_code.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/fold.hpp>

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
    /// Whether it is worth it: enough channels, and tiles that do not lie outside the map by much.
    static bool takes(const graph::convolution& c) noexcept {
        const std::int64_t tiles = tiles_along(c.output.size.height) * tiles_along(c.output.size.width);
        return c.kernel == 3 && c.stride == 1 && c.groups == 1 && c.input.channels >= 16 && c.output.channels >= 16 &&
               tiles >= 9 && tiles * 16 * 2 < pixels_of(c.output) * 3;
    }

    winograd_operation(std::int64_t batch, const graph::convolution& c, bool residual, const folded& weights,
                       code_cache& cache, int threads)
        : batch_(batch), c_(c), threads_(threads), rows_(tiles_along(c.output.size.height)),
          columns_(tiles_along(c.output.size.width)), chunk_(tiles_of_chunk(threads)),
          chunks_((rows_ * columns_ + chunk_ - 1) / chunk_),
          sizes_(group_sizes(blocks_of(c.output.channels), static_cast<int>(chunk_))),
          no_bias_(cache.weights("no bias", [] { return make_zeros(4 * 16); })) {
        std::string name = c.weights + " winograd by";
        for (const int size : sizes_) name += " " + std::to_string(size);
        weights_ = cache.weights(name, [&] { return pack(weights); });
        bias_ = cache.weights(c.weights + ".bias", [&] { return pack_bias(weights); });
        for (int size = 1; size <= sizes_.front(); ++size)
            products_.push_back(cache.code<row_code>(product_shape(size)));
        for (std::int64_t y = 0; y < rows_; ++y)
            for (std::int64_t x = 0; x < columns_; ++x) {
                inputs_.push_back(cache.code<winograd::input_code>(input_shape(y, x)));
                outputs_.push_back(cache.code<winograd::output_code>(output_shape(y, x, residual)));
            }
    }

    const char* name() const noexcept override { return "gpunet:avx512:winograd"; }
    std::size_t workspace() const noexcept override {
        return static_cast<std::size_t>(threads_ * (input_position() + output_position()) * winograd::positions);
    }

    void run(const openmp& runtime, int threads, const operands& o) const noexcept override {
        runtime.for_each(threads, batch_ * chunks_, [&](int number, std::int64_t i) {
            const std::size_t each = workspace() / static_cast<std::size_t>(threads_);
            run_chunk(i / chunks_, i % chunks_, o, o.workspace + static_cast<std::size_t>(number) * each);
        });
    }

  private:
    static std::int64_t tiles_along(std::int64_t extent) noexcept {
        return (extent + winograd::output_size - 1) / winograd::output_size;
    }
    std::int64_t input_blocks() const noexcept { return blocks_of(c_.input.channels); }

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
        s.input_channels = static_cast<int>(c_.input.channels);
        s.input_width = s.width = static_cast<int>(chunk_);
        s.pixel = 64;
        s.channel = 4;
        s.row = s.block = s.output_block = static_cast<std::int32_t>(64 * chunk_);
        s.outputs = outputs;
        return s;
    }

    winograd::tile_shape input_shape(std::int64_t y, std::int64_t x) const {
        winograd::tile_shape s;
        const auto cut = [](std::int64_t tile, std::int64_t padding, std::int64_t extent, int& first, int& count) {
            const std::int64_t begin = tile * winograd::output_size - padding;
            first = static_cast<int>(std::max<std::int64_t>(0, -begin));
            count = static_cast<int>(std::min<std::int64_t>(winograd::input_size, extent - begin)) - first;
        };
        cut(y, c_.padding.top, c_.input.size.height, s.first_row, s.rows);
        cut(x, c_.padding.left, c_.input.size.width, s.first_column, s.columns);
        s.row = static_cast<std::int32_t>(64 * c_.input.size.width);
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
        return s;
    }

    /// [group][position][channel][output]
    packed_weights pack(const folded& from) const {
        const std::int64_t inputs = c_.input.channels;
        packed_weights packed = make_zeros(blocks_of(c_.output.channels) * 16 * inputs * winograd::positions);
        std::int64_t first = 0;
        for (const int size : sizes_) {
            float* group = packed.get() + first * inputs * winograd::positions;
            for (std::int64_t o = 0; o < 16 * size && first + o < c_.output.channels; ++o)
                for (std::int64_t i = 0; i < inputs; ++i) {
                    const float* w = from.weights.data() + ((first + o) * inputs + i) * 9;
                    std::array<std::array<double, winograd::input_size>, 3> columns; // of the kernel
                    for (std::size_t x = 0; x < 3; ++x)
                        columns[x] = winograd::transform_weights(
                            static_cast<double>(w[x]), static_cast<double>(w[x + 3]), static_cast<double>(w[x + 6]));
                    float* to = group + i * 16 * size + o;
                    for (std::size_t y = 0; y < winograd::input_size; ++y)
                        for (const double value :
                             winograd::transform_weights(columns[0][y], columns[1][y], columns[2][y])) {
                            *to = static_cast<float>(value);
                            to += inputs * 16 * size;
                        }
                }
            first += 16 * size;
        }
        return packed;
    }

    packed_weights pack_bias(const folded& from) const {
        packed_weights packed = make_zeros(blocks_of(c_.output.channels) * 16);
        std::copy(from.bias.begin(), from.bias.end(), packed.get());
        return packed;
    }

    void run_chunk(std::int64_t picture, std::int64_t chunk, const operands& o, std::byte* workspace) const {
        auto* const input = reinterpret_cast<float*>(workspace);
        auto* const product = reinterpret_cast<float*>(workspace + input_position() * winograd::positions);
        const std::int64_t first = chunk * chunk_, count = std::min(chunk_, rows_ * columns_ - first);
        winograd::tile_arguments a;
        a.blocks = input_blocks();
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t y = (first + i) / columns_ * winograd::output_size - c_.padding.top;
            const std::int64_t x = (first + i) % columns_ * winograd::output_size - c_.padding.left;
            const std::int64_t place =
                std::max<std::int64_t>(0, y) * c_.input.size.width + std::max<std::int64_t>(0, x);
            a.from = o.input + (picture * input_blocks() * pixels_of(c_.input) + place) * 16;
            a.to = input + i * 16;
            (*inputs_[static_cast<std::size_t>(first + i)])(a);
        }
        std::int64_t block = 0;
        for (const int size : sizes_) {
            multiply(size, block, input, product);
            a.blocks = size;
            a.bias = bias_->get() + block * 16;
            for (std::int64_t i = 0; i < count; ++i) {
                const std::int64_t y = (first + i) / columns_ * winograd::output_size;
                const std::int64_t x = (first + i) % columns_ * winograd::output_size;
                const std::int64_t plane = picture * blocks_of(c_.output.channels) + block;
                const std::int64_t place = (plane * pixels_of(c_.output) + y * c_.output.size.width + x) * 16;
                a.from = product + i * 16;
                a.to = o.output + place;
                a.residual = o.residual ? o.residual + place : nullptr;
                (*outputs_[static_cast<std::size_t>(first + i)])(a);
            }
            block += size;
        }
    }

    void multiply(int size, std::int64_t block, const float* input, float* product) const {
        const std::int64_t inputs = c_.input.channels;
        row_arguments a;
        a.input = input;
        a.weights = weights_->get() + block * 16 * inputs * winograd::positions;
        a.bias = no_bias_->get();
        a.output = product;
        a.full_blocks = inputs / 16;
        for (int position = 0; position < winograd::positions; ++position) {
            (*products_[static_cast<std::size_t>(size - 1)])(a);
            a.input += input_position() / 4;
            a.weights += inputs * 16 * size;
            a.output += output_position() / 4;
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
    std::vector<std::shared_ptr<const winograd::input_code>> inputs_; // of each tile
    std::vector<std::shared_ptr<const winograd::output_code>> outputs_;
};

} // namespace gpunet::cpu::jit

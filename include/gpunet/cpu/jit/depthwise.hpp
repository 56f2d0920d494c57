// Depthwise convolutions on maps in blocks of channels, row by row, 16 channels at a time.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/depthwise_code.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/graph/network.hpp>
#include <gpunet/weights/constants.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace gpunet::cpu::jit {

class depthwise_operation : public operation {
  public:
    depthwise_operation(std::int64_t batch, const graph::convolution& c, bool residual, const folded& weights,
                        const number_format& f, code_cache& cache)
        : batch_(batch), c_(c), format_(f), code_(cache.code<depthwise_code>(shape(residual))) {
        if (f.input == element::byte) {
            weights_ = cache.weights(c.weights + " int8 depthwise", [&] { return pack(weights.int8->weights); });
            // Whole numbers below 2^24, which float32 holds.
            bias_ = cache.weights(c.weights + ".bias whole", [&] { return pack_byte_bias<float>(c, weights); });
            factors_ = cache.weights(c.weights + ".factors", [&] { return pack_factors(c, weights); });
        } else {
            weights_ = cache.weights(c.weights + " depthwise", [&] { return pack(weights.weights); });
            bias_ = cache.weights(c.weights + ".bias", [&] { return pack_bias(c, weights); });
        }
    }

    const char* name() const noexcept override {
        return format_.input == element::byte ? "gpunet:avx512:int8" : "gpunet:avx512";
    }

    void run(const thread_team& team, const operands& o) const noexcept override {
        const std::int64_t height = c_.output.size.height;
        team.for_each(batch_ * sixteens() * height, [&](int, std::int64_t i) { run_row(i / height, i % height, o); });
    }

  private:
    /// Times 16 channels.
    std::int64_t sixteens() const noexcept { return blocks_of(c_.output.channels); }
    std::int64_t taps() const noexcept { return c_.kernel * c_.kernel; }

    row_shape shape(bool residual) const {
        row_shape s = shape_of(c_, residual);
        s.input = format_.input;
        s.output = format_.output;
        return s;
    }

    /// As float32, for each 16 channels [kernel row][kernel column][16].
    template <class T>
    packed_weights pack(const std::vector<T>& from) const {
        packed_weights packed = make_zeros(sixteens() * taps() * 16);
        for (std::int64_t c = 0; c < c_.output.channels; ++c)
            for (std::int64_t t = 0; t < taps(); ++t)
                put(packed, (c / 16 * taps() + t) * 16 + c % 16,
                    static_cast<float>(from[static_cast<std::size_t>(c * taps() + t)]));
        return packed;
    }

    /// Where 16 channels of a picture begin on a map of so many pixels.
    std::int64_t place(std::int64_t picture, std::int64_t sixteen, std::int64_t pixels) const noexcept {
        if (format_.input == element::float32) return (picture * sixteens() + sixteen) * pixels * block_bytes;
        const std::int64_t blocks = blocks_of(c_.output.channels, element::byte);
        return (picture * blocks + sixteen / 4) * pixels * block_bytes + sixteen % 4 * 16;
    }

    /// @param plane  picture * sixteens() + which
    void run_row(std::int64_t plane, std::int64_t row, const operands& o) const {
        const std::int64_t picture = plane / sixteens(), sixteen = plane % sixteens();
        const kernel_rows rows = rows_on_input(c_, row);
        const std::int64_t to =
            place(picture, sixteen, pixels_of(c_.output)) + row * c_.output.size.width * block_bytes;
        row_arguments a;
        a.input =
            o.input + place(picture, sixteen, pixels_of(c_.input)) + rows.first * c_.input.size.width * block_bytes;
        a.weights = weights_->get() + (sixteen * taps() + rows.above * c_.kernel) * 64;
        a.bias = bias_->get() + sixteen * 64;
        a.output = o.output + to;
        a.residual = o.second ? o.second + to : nullptr;
        a.rows = rows.count;
        if (format_.input == element::byte) {
            a.bias += bias_row(c_, rows.above, rows.count) * sixteens() * 64;
            a.factors = factors_->get() + sixteen * 64;
            a.scales = scales_of(format_, c_);
        }
        (*code_)(a);
    }

    std::int64_t batch_;
    graph::convolution c_;
    number_format format_;
    std::shared_ptr<const depthwise_code> code_;
    std::shared_ptr<const packed_weights> weights_, bias_, factors_;
};

} // namespace gpunet::cpu::jit

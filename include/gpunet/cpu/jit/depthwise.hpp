// Depthwise convolutions on maps in blocks of 16 channels (nChw16c), row by row.
#pragma once

#include <gpunet/cpu/jit/blocks.hpp>
#include <gpunet/cpu/jit/code_cache.hpp>
#include <gpunet/cpu/jit/depthwise_code.hpp>
#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/weights/fold.hpp>

#include <cstdint>
#include <memory>

namespace gpunet::cpu::jit {

class depthwise_operation : public operation {
  public:
    depthwise_operation(std::int64_t batch, const graph::convolution& c, bool residual, const folded& weights,
                        code_cache& cache)
        : batch_(batch), c_(c), code_(cache.code<depthwise_code>(shape_of(c, residual))),
          weights_(cache.weights(c.weights + " depthwise", [&] { return pack(weights); })) {}

    void run(const openmp& runtime, int threads, const operands& o) const noexcept override {
        const std::int64_t rows = batch_ * blocks() * c_.output.size.height;
        runtime.parallel(threads, [&](int number, int count) {
            for (std::int64_t i = rows * number / count; i < rows * (number + 1) / count; ++i)
                run_row(i / c_.output.size.height, i % c_.output.size.height, o);
        });
    }

  private:
    std::int64_t blocks() const noexcept { return blocks_of(c_.output.channels); }
    std::int64_t taps() const noexcept { return c_.kernel * c_.kernel; }

    /// For each block the taps, [kernel row][kernel column][16], then the bias.
    packed_weights pack(const folded& from) const {
        packed_weights packed = make_zeros(blocks() * (taps() + 1) * 16);
        for (std::int64_t c = 0; c < c_.output.channels; ++c) {
            float* to = packed.get() + c / 16 * (taps() + 1) * 16 + c % 16;
            for (std::int64_t t = 0; t < taps(); ++t)
                to[t * 16] = from.weights[static_cast<std::size_t>(c * taps() + t)];
            to[taps() * 16] = from.bias[static_cast<std::size_t>(c)];
        }
        return packed;
    }

    /// @param plane  picture * blocks() + block
    void run_row(std::int64_t plane, std::int64_t row, const operands& o) const {
        const kernel_rows rows = rows_on_input(c_, row);
        const float* weights = weights_->get() + plane % blocks() * (taps() + 1) * 16;
        const std::int64_t place = (plane * c_.output.size.height + row) * c_.output.size.width * 16;
        row_arguments a;
        a.input = o.input + (plane * c_.input.size.height + rows.first) * c_.input.size.width * 16;
        a.weights = weights + rows.above * c_.kernel * 16;
        a.bias = weights + taps() * 16;
        a.output = o.output + place;
        a.residual = o.residual ? o.residual + place : nullptr;
        a.rows = rows.count;
        (*code_)(a);
    }

    std::int64_t batch_;
    graph::convolution c_;
    std::shared_ptr<const depthwise_code> code_;
    std::shared_ptr<const packed_weights> weights_;
};

} // namespace gpunet::cpu::jit

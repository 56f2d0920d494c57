// Depthwise convolutions on maps in blocks of 16 channels (nChw16c), row by row.
#pragma once

#include <gpunet/cpu/jit/convolution.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace gpunet::cpu::jit {

class depthwise_operation : public operation {
  public:
    depthwise_operation(std::int64_t batch, const graph::convolution& c, bool residual, const folded& weights,
                        code_cache& cache)
        : batch_(batch), c_(c), code_(cache.depthwise(shape(residual))),
          weights_(cache.weights(c.weights + " depthwise", [&] { return pack(weights); })) {}

    void run(const openmp& runtime, int threads, const float* input, const float* residual,
             float* output) const noexcept override {
        const std::int64_t rows = batch_ * blocks() * c_.output.size.height;
        runtime.parallel(threads, [&](int number, int count) {
            for (std::int64_t i = rows * number / count; i < rows * (number + 1) / count; ++i)
                run_row(i / c_.output.size.height, i % c_.output.size.height, input, residual, output);
        });
    }

  private:
    std::int64_t blocks() const noexcept { return blocks_of(c_.output.channels); }
    std::int64_t taps() const noexcept { return c_.kernel * c_.kernel; }

    row_shape shape(bool residual) const {
        row_shape s;
        s.input_width = static_cast<int>(c_.input.size.width);
        s.width = static_cast<int>(c_.output.size.width);
        s.kernel = static_cast<int>(c_.kernel);
        s.stride = static_cast<int>(c_.stride);
        s.padding = static_cast<int>(c_.padding.left);
        s.pixel = 64;
        s.row = 64 * s.input_width;
        s.act = c_.act;
        s.residual = residual;
        return s;
    }

    /// For each block the taps, [kernel row][kernel column][16], then the bias.
    aligned_floats pack(const folded& from) const {
        aligned_floats packed(static_cast<std::size_t>(blocks() * (taps() + 1) * 16));
        for (std::int64_t c = 0; c < c_.output.channels; ++c) {
            float* to = packed.data() + c / 16 * (taps() + 1) * 16 + c % 16;
            for (std::int64_t t = 0; t < taps(); ++t)
                to[t * 16] = from.weights[static_cast<std::size_t>(c * taps() + t)];
            to[taps() * 16] = from.bias[static_cast<std::size_t>(c)];
        }
        return packed;
    }

    /// @param plane  picture * blocks() + block
    void run_row(std::int64_t plane, std::int64_t row, const float* input, const float* residual, float* output) const {
        const std::int64_t y = row * c_.stride - c_.padding.top;
        const std::int64_t above = std::max<std::int64_t>(0, -y);
        const std::int64_t below = std::max<std::int64_t>(0, y + c_.kernel - c_.input.size.height);
        const float* weights = weights_->data() + plane % blocks() * (taps() + 1) * 16;
        const std::int64_t place = (plane * c_.output.size.height + row) * c_.output.size.width * 16;
        row_arguments a;
        a.input = input + (plane * c_.input.size.height + y + above) * c_.input.size.width * 16;
        a.weights = weights + above * c_.kernel * 16;
        a.bias = weights + taps() * 16;
        a.output = output + place;
        a.residual = residual ? residual + place : nullptr;
        a.rows = c_.kernel - above - below;
        (*code_)(a);
    }

    std::int64_t batch_;
    graph::convolution c_;
    std::shared_ptr<const depthwise_code> code_;
    std::shared_ptr<const aligned_floats> weights_;
};

} // namespace gpunet::cpu::jit

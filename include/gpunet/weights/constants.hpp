// What a network computes with: weights and biases without batch norm, and their int8 form where there is one.
#pragma once

#include <gpunet/error.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpunet {

/// int8 weights of a convolution, row-major O, I / groups, kernel, kernel: real = scales[o] * weights[...].
struct quantized_weights {
    std::vector<std::int8_t> weights; // -127 to 127
    std::vector<float> scales;        // one an output channel
    float input_scale = 1;            // of the value that the convolution reads
};

/// Weights (row-major O, I / groups, kernel, kernel, or O, I) and bias (O; empty where there is none) of one operation.
/// Where there are int8 weights, `weights` are the real numbers they stand for, and `bias` is a whole multiple of
/// input_scale * scales[o].
struct folded {
    std::vector<float> weights;
    std::vector<float> bias;
    std::optional<quantized_weights> int8{};
    std::optional<float> output_scale{}; // of the output in int8; of an excite product: of the gate's product
};

/// Folded operations by the name their weights have in the graph.
class constants {
  public:
    folded& operator[](const std::string& name) { return items_[name]; }
    /// @throws weights_error if there is none of that name
    const folded& at(std::string_view name) const {
        const auto found = items_.find(name);
        if (found == items_.end())
            throw weights_error("constants: expected '" + std::string(name) + "', found nothing");
        return found->second;
    }
    std::size_t size() const noexcept { return items_.size(); }
    auto begin() const noexcept { return items_.begin(); }
    auto end() const noexcept { return items_.end(); }

  private:
    std::map<std::string, folded, std::less<>> items_;
};

} // namespace gpunet

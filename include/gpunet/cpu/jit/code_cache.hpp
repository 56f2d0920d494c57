// Code and packed weights, made once and shared by all plans of a network.
#pragma once

#include <gpunet/cpu/jit/byte_vector_code.hpp>
#include <gpunet/cpu/jit/depthwise_code.hpp>
#include <gpunet/cpu/jit/packed_weights.hpp>
#include <gpunet/cpu/jit/row_code.hpp>
#include <gpunet/cpu/jit/vector_code.hpp>
#include <gpunet/cpu/jit/winograd_code.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>

namespace gpunet::cpu::jit {

class code_cache {
  public:
    /// The code for a shape.
    template <class Code>
    std::shared_ptr<const Code> code(const typename Code::shape& s) {
        auto& known = std::get<codes<Code>>(codes_)[s];
        if (!known) known = std::make_shared<const Code>(s);
        return known;
    }

    /// Weights packed by `pack` under a name that says how.
    std::shared_ptr<const packed_weights> weights(const std::string& name,
                                                  const std::function<packed_weights()>& pack) {
        auto& known = weights_[name];
        if (!known) known = std::make_shared<const packed_weights>(pack());
        return known;
    }

  private:
    template <class Code>
    using codes = std::map<typename Code::shape, std::shared_ptr<const Code>>;

    std::tuple<codes<row_code>, codes<depthwise_code>, codes<winograd::input_code>, codes<winograd::output_code>,
               codes<mean_code>, codes<gate_code>, codes<byte_mean_code>, codes<byte_gate_code>>
        codes_;
    std::map<std::string, std::shared_ptr<const packed_weights>> weights_;
};

} // namespace gpunet::cpu::jit

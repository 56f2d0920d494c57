// Code, shared by the plans of a network that use it, and packed weights, shared by all.
#pragma once

#include <gpunet/cpu/jit/byte_vector_code.hpp>
#include <gpunet/cpu/jit/depthwise_code.hpp>
#include <gpunet/cpu/jit/packed_weights.hpp>
#include <gpunet/cpu/jit/row_code.hpp>
#include <gpunet/cpu/jit/vector_code.hpp>
#include <gpunet/cpu/jit/winograd_code.hpp>
#include <gpunet/error.hpp>

#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <tuple>

namespace gpunet::cpu::jit {

class code_cache {
  public:
    /// The code for a shape. It goes with the last who uses it: a program may see pictures of any number of sizes.
    /// @throws unsupported_error where the system forbids memory that is written and then executed
    template <class Code>
    std::shared_ptr<const Code> code(const typename Code::shape& s) {
        auto& all = std::get<codes<Code>>(codes_);
        const auto found = all.find(s);
        if (auto known = found == all.end() ? nullptr : found->second.lock()) return known;
        std::erase_if(all, [](const auto& entry) { return entry.second.expired(); });
        auto made = make<Code>(s);
        all.emplace(s, made);
        return made;
    }

    /// Weights packed by `pack` under a name that says how; kept, for there are only so many ways.
    std::shared_ptr<const packed_weights> weights(const std::string& name,
                                                  const std::function<packed_weights()>& pack) {
        auto& known = weights_[name];
        if (!known) known = std::make_shared<const packed_weights>(pack());
        return known;
    }

  private:
    template <class Code>
    static std::shared_ptr<const Code> make(const typename Code::shape& s) {
        try {
            return std::make_shared<const Code>(s);
        } catch (const Xbyak::Error& e) {
            if (static_cast<int>(e) == Xbyak::ERR_CANT_ALLOC) throw std::bad_alloc();
            throw unsupported_error(std::string("machine code cannot be made: ") + e.what() +
                                    "; cpu::format::channels_last does without");
        }
    }

    template <class Code>
    using codes = std::map<typename Code::shape, std::weak_ptr<const Code>>;

    std::tuple<codes<row_code>, codes<depthwise_code>, codes<winograd::input_code>, codes<winograd::output_code>,
               codes<mean_code>, codes<gate_code>, codes<byte_mean_code>, codes<byte_gate_code>>
        codes_;
    std::map<std::string, std::shared_ptr<const packed_weights>> weights_;
};

} // namespace gpunet::cpu::jit

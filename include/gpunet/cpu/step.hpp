// One oneDNN primitive, or one operation of our own, ready to run.
#pragma once

#include <gpunet/cpu/jit/operation.hpp>
#include <gpunet/cpu/memory.hpp>
#include <gpunet/error.hpp>
#include <gpunet/layers/backend.hpp>

#include <oneapi/dnnl/dnnl.hpp>

#include <array>
#include <cassert>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cpu {

class step {
  public:
    /// @param operands   oneDNN's argument number of each operand; 0 for one whose memory the output takes over
    /// @param constants  weights and bias, shared with other plans
    step(dnnl::primitive primitive, step_info info, std::vector<int> operands,
         std::vector<std::pair<int, dnnl::memory>> constants = {})
        : primitive_(std::move(primitive)), info_(std::move(info)), operands_(std::move(operands)),
          constants_(std::move(constants)) {
        assert(operands_.size() + constants_.size() + 2 <= max_arguments);
    }

    /// The operands: the input, and the residual or the gate's factors if there are any.
    step(std::shared_ptr<const jit::operation> own, step_info info) : own_(std::move(own)), info_(std::move(info)) {}

    /// Allocates nothing itself. @throws error if oneDNN fails
    void run(memory& m, const step_slots& slots) const {
        if (own_) {
            const auto bytes = [&](slot s) { return reinterpret_cast<std::byte*>(m.data(s)); };
            return own_->run(m.team(),
                             {bytes(slots.operands[0]), slots.operands.size() > 1 ? bytes(slots.operands[1]) : nullptr,
                              bytes(slots.output), slots.workspace ? bytes(*slots.workspace) : nullptr});
        }
        std::array<dnnl_exec_arg_t, max_arguments> arguments;
        int count = 0;
        const auto add = [&](int argument, dnnl_memory_t handle) {
            arguments[static_cast<std::size_t>(count++)] = {argument, handle};
        };
        for (std::size_t i = 0; i < operands_.size(); ++i)
            if (operands_[i] != 0) add(operands_[i], m.handle(slots.operands[i]));
        add(DNNL_ARG_DST, m.handle(slots.output));
        if (slots.workspace) add(DNNL_ARG_SCRATCHPAD, m.handle(*slots.workspace));
        for (const auto& [argument, value] : constants_) add(argument, value.get());
        const dnnl_status_t status = dnnl_primitive_execute(primitive_.get(), m.stream(), count, arguments.data());
        if (status == dnnl_out_of_memory) throw std::bad_alloc();
        if (status != dnnl_success)
            throw error(info_.operation + ": oneDNN's " + info_.implementation + " failed with status " +
                        std::to_string(status));
    }

    const step_info& info() const noexcept { return info_; }

  private:
    static constexpr std::size_t max_arguments = 8;

    std::shared_ptr<const jit::operation> own_; // if null, the primitive
    dnnl::primitive primitive_;
    step_info info_;
    std::vector<int> operands_;
    std::vector<std::pair<int, dnnl::memory>> constants_;
};

} // namespace gpunet::cpu

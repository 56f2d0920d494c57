// What generators of the machine code of rows have in common.
#pragma once

#include <gpunet/cpu/jit/activation_code.hpp>
#include <gpunet/cpu/jit/generator.hpp>
#include <gpunet/cpu/jit/row.hpp>

namespace gpunet::cpu::jit {

class row_generator : public generator<row_arguments> {
  protected:
    explicit row_generator(const row_shape& s) : s_(s), activation_(*this, s.act) {}

    void finish() {
        generator::finish([this] { activation_.emit_constants(); });
    }

    row_shape s_;
    activation_code activation_;
};

} // namespace gpunet::cpu::jit

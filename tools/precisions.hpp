// From the name of a precision to the backend's type.
#pragma once

#include "commands.hpp"

#include <gpunet/cudnn.hpp>

#include <string>

namespace gpunet::tool {

/// Calls f(T(), options) for "fp32", "tf32", "fp16" or "bf16".
template <class F>
auto with_precision(const std::string& precision, const options& asked, F&& f) {
    cudnn::options o;
    o.tune = asked.tune;
    o.programmatic = asked.programmatic;
    o.implicit_gemm = asked.implicit_gemm;
    o.tf32 = precision == "tf32";
    if (precision == "fp16") return f(half(), o);
    if (precision == "bf16") return f(bfloat16(), o);
    return f(0.0F, o);
}

} // namespace gpunet::tool

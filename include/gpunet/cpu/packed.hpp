// Weights in the formats that the kernels want, made once and shared by all plans of a network.
#pragma once

#include <gpunet/cpu/jit.hpp>
#include <gpunet/cpu/layout.hpp>

#include <oneapi/dnnl/dnnl.hpp>

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpunet::cpu {

class packed {
  public:
    /// The values as `wanted`; `plain` says how they lie now. They must stay where they are if both are the same.
    dnnl::memory get(const dnnl::engine& engine, const std::string& name, std::span<const float> values,
                     const dnnl::memory::desc& plain, const dnnl::memory::desc& wanted) {
        auto& formats = items_[name];
        for (const dnnl::memory& m : formats)
            if (m.get_desc() == wanted) return m;
        dnnl::memory m(plain, engine, const_cast<float*>(values.data()));
        if (plain != wanted) {
            dnnl::memory target(wanted, engine);
            dnnl::stream stream(engine);
            dnnl::reorder(m, target).execute(stream, m, target);
            stream.wait();
            m = target;
        }
        formats.push_back(m);
        return m;
    }

    /// What our own kernels share.
    jit::code_cache& own() noexcept { return own_; }

  private:
    jit::code_cache own_;
    std::map<std::string, std::vector<dnnl::memory>> items_;
};

} // namespace gpunet::cpu

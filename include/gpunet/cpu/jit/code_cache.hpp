// Code and packed weights, made once and shared by all plans of a network.
#pragma once

#include <gpunet/cpu/jit/depthwise_code.hpp>
#include <gpunet/cpu/jit/row_code.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>

namespace gpunet::cpu::jit {

/// Floats on a boundary of a cache line.
class aligned_floats {
  public:
    explicit aligned_floats(std::size_t count)
        : values_(static_cast<float*>(::operator new[](count * sizeof(float), std::align_val_t{64}))) {
        for (std::size_t i = 0; i < count; ++i) values_[i] = 0.0F;
    }
    float* data() noexcept { return values_.get(); }
    const float* data() const noexcept { return values_.get(); }

  private:
    struct release {
        void operator()(float* p) const noexcept { ::operator delete[](p, std::align_val_t{64}); }
    };
    std::unique_ptr<float[], release> values_;
};

class code_cache {
  public:
    std::shared_ptr<const row_code> row(const row_shape& s) { return find(rows_, s); }
    std::shared_ptr<const depthwise_code> depthwise(const row_shape& s) { return find(depthwise_, s); }

    /// Weights packed by `pack` under a name that says how.
    std::shared_ptr<const aligned_floats> weights(const std::string& name,
                                                  const std::function<aligned_floats()>& pack) {
        auto& known = weights_[name];
        if (!known) known = std::make_shared<const aligned_floats>(pack());
        return known;
    }

  private:
    template <class Code>
    static std::shared_ptr<const Code> find(std::map<row_shape, std::shared_ptr<const Code>>& all, const row_shape& s) {
        auto& known = all[s];
        if (!known) known = std::make_shared<const Code>(s);
        return known;
    }

    std::map<row_shape, std::shared_ptr<const row_code>> rows_;
    std::map<row_shape, std::shared_ptr<const depthwise_code>> depthwise_;
    std::map<std::string, std::shared_ptr<const aligned_floats>> weights_;
};

} // namespace gpunet::cpu::jit

// How a value lies in memory, as oneDNN describes it.
#pragma once

#include <gpunet/graph/network.hpp>

#include <oneapi/dnnl/dnnl.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace gpunet::cpu {

class layout {
  public:
    layout() = default;
    explicit layout(dnnl::memory::desc d) : descriptor_(std::move(d)) {}

    /// So many bytes: a workspace, or a map whose bytes stand for numbers at a scale, as our own kernels have it. The
    /// descriptor says no more than the size.
    static layout of_bytes(std::int64_t bytes, std::optional<float> scale = std::nullopt) {
        layout l(dnnl::memory::desc({bytes}, dnnl::memory::data_type::u8, dnnl::memory::format_tag::a));
        l.scale_ = scale;
        return l;
    }

    /// Of bytes; empty for float32.
    const std::optional<float>& scale() const noexcept { return scale_; }

    const dnnl::memory::desc& descriptor() const noexcept { return descriptor_; }
    std::size_t bytes() const { return descriptor_.get_size(); }
    friend bool operator==(const layout& a, const layout& b) {
        return a.descriptor_ == b.descriptor_ && a.scale_ == b.scale_;
    }

  private:
    dnnl::memory::desc descriptor_;
    std::optional<float> scale_;
};

inline dnnl::memory::dims dims(std::int64_t batch, const graph::features& f) {
    return {batch, f.channels, f.size.height, f.size.width};
}

/// float32, in the given format.
inline dnnl::memory::desc describe(const dnnl::memory::dims& d, dnnl::memory::format_tag tag) {
    return {d, dnnl::memory::data_type::f32, tag};
}

/// Channels in blocks of so many (nChw16c), or 1 where they are not blocked (nchw, nhwc).
inline std::int64_t channel_block(const dnnl::memory::desc& d) noexcept {
    const auto& blocking = d.data.format_desc.blocking;
    return blocking.inner_nblks == 1 && blocking.inner_idxs[0] == 1 ? blocking.inner_blks[0] : 1;
}

/// One vector of channels per picture (N, C, 1, 1) in the blocking of `like`.
inline dnnl::memory::desc vector_like(std::int64_t batch, std::int64_t channels, const dnnl::memory::desc& like) {
    using tag = dnnl::memory::format_tag;
    const std::int64_t block = channel_block(like);
    return describe({batch, channels, 1, 1}, block == 16 ? tag::nChw16c : block == 8 ? tag::nChw8c : tag::nhwc);
}

} // namespace gpunet::cpu

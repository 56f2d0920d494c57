// Products of matrices and convolutions, in float32.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gpunet_fake::cudnn {

namespace detail {

/// y += a b for Rows rows of a and Columns columns of b.
template <int Rows, int Columns>
void tile(std::int64_t k, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* y,
          std::int64_t ldy) {
    float sum[Rows][Columns] = {};
    for (std::int64_t i = 0; i < k; ++i)
        for (int r = 0; r < Rows; ++r) {
            const float factor = a[r * lda + i];
            for (int c = 0; c < Columns; ++c) sum[r][c] += factor * b[i * ldb + c];
        }
    for (int r = 0; r < Rows; ++r)
        for (int c = 0; c < Columns; ++c) y[r * ldy + c] += sum[r][c];
}

template <int Columns>
void columns(std::int64_t m, std::int64_t k, const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
             float* y, std::int64_t ldy) {
    std::int64_t i = 0;
    for (; i + 4 <= m; i += 4) tile<4, Columns>(k, a + i * lda, lda, b, ldb, y + i * ldy, ldy);
    for (; i < m; ++i) tile<1, Columns>(k, a + i * lda, lda, b, ldb, y + i * ldy, ldy);
}

} // namespace detail

/// y[m][n] += a[m][k] b[k][n]; rows `ld` apart.
inline void multiply_add(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda,
                         const float* b, std::int64_t ldb, float* y, std::int64_t ldy) {
    std::int64_t j = 0;
    for (; j + 8 <= n; j += 8) detail::columns<8>(m, k, a, lda, b + j, ldb, y + j, ldy);
    for (; j < n; ++j) detail::columns<1>(m, k, a, lda, b + j, ldb, y + j, ldy);
}

struct convolution_shape {
    std::int64_t n, h, w, c, k, oh, ow, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, top, left,
        groups;
    bool flipped; // the filter: a convolution as in mathematics
};

/// y = x * w, with x as n h w c, w as k r s c/groups, y as n oh ow k, filled with zeros.
inline void convolve(const convolution_shape& s, const float* x, const float* w, float* y) {
    const std::int64_t cg = s.c / s.groups, kg = s.k / s.groups, taps = s.kernel_h * s.kernel_w;
    const bool depthwise = cg == 1 && kg == 1;
    std::vector<float> turned(static_cast<std::size_t>(s.k * cg * taps)); // taps, group, c, k: filters lie together
    for (std::int64_t k = 0; k < s.k; ++k)
        for (std::int64_t t = 0; t < taps; ++t)
            for (std::int64_t c = 0; c < cg; ++c)
                turned[static_cast<std::size_t>(((t * s.groups + k / kg) * cg + c) * kg + k % kg)] =
                    w[(k * taps + t) * cg + c];
    for (std::int64_t n = 0; n < s.n; ++n)
        for (std::int64_t oh = 0; oh < s.oh; ++oh)
            for (std::int64_t r = 0; r < s.kernel_h; ++r) {
                const std::int64_t ih = oh * s.stride_h - s.top + r * s.dilation_h;
                if (ih < 0 || ih >= s.h) continue;
                for (std::int64_t q = 0; q < s.kernel_w; ++q) {
                    const std::int64_t shift = q * s.dilation_w - s.left; // iw = ow * stride + shift
                    const std::int64_t first = shift < 0 ? (-shift + s.stride_w - 1) / s.stride_w : 0;
                    const std::int64_t last =
                        s.w - 1 - shift < 0 ? -1 : std::min(s.ow - 1, (s.w - 1 - shift) / s.stride_w);
                    if (first > last) continue;
                    const std::int64_t tap = s.flipped ? taps - 1 - (r * s.kernel_w + q) : r * s.kernel_w + q;
                    const float* from = x + ((n * s.h + ih) * s.w + first * s.stride_w + shift) * s.c;
                    float* to = y + ((n * s.oh + oh) * s.ow + first) * s.k;
                    if (depthwise) {
                        const float* factors = turned.data() + tap * s.c;
                        for (std::int64_t ow = first; ow <= last; ++ow, from += s.stride_w * s.c, to += s.k)
                            for (std::int64_t c = 0; c < s.c; ++c) to[c] += from[c] * factors[c];
                        continue;
                    }
                    for (std::int64_t g = 0; g < s.groups; ++g)
                        multiply_add(last - first + 1, kg, cg, from + g * cg, s.stride_w * s.c,
                                     turned.data() + (tap * s.groups + g) * cg * kg, kg, to + g * kg, s.k);
                }
            }
}

} // namespace gpunet_fake::cudnn

// The definition of a convolution, written down as loops, apart: optimised whatever the rest is compiled with.
#pragma once

#include <cstdint>

namespace layer_test::naive {

struct convolution_shape {
    std::int64_t batch, groups, kernel, stride, padding_top, padding_left;
};

/// Feature maps N C H W.
template <class T>
struct map_view {
    T* values;
    std::int64_t channels, height, width;
};

/// @param weights  O, I / groups, kernel, kernel
void sum_convolution(const convolution_shape& c, const map_view<const double>& in, const float* weights,
                     const map_view<double>& out);

} // namespace layer_test::naive

#include "sum_convolution.hpp"

namespace layer_test::naive {

void sum_convolution(const convolution_shape& c, const map_view<const double>& in, const float* weights,
                     const map_view<double>& out) {
    const std::int64_t group_in = in.channels / c.groups, group_out = out.channels / c.groups;
    double* to = out.values;
    for (std::int64_t n = 0; n < c.batch; ++n)
        for (std::int64_t o = 0; o < out.channels; ++o)
            for (std::int64_t y = 0; y < out.height; ++y)
                for (std::int64_t x = 0; x < out.width; ++x) {
                    double sum = 0;
                    for (std::int64_t i = 0; i < group_in; ++i)
                        for (std::int64_t v = 0; v < c.kernel; ++v)
                            for (std::int64_t u = 0; u < c.kernel; ++u) {
                                const std::int64_t sy = y * c.stride - c.padding_top + v;
                                const std::int64_t sx = x * c.stride - c.padding_left + u;
                                if (sy < 0 || sx < 0 || sy >= in.height || sx >= in.width) continue;
                                const std::int64_t channel = o / group_out * group_in + i;
                                sum += double{weights[((o * group_in + i) * c.kernel + v) * c.kernel + u]} *
                                       in.values[((n * in.channels + channel) * in.height + sy) * in.width + sx];
                            }
                    *to++ = sum;
                }
}

} // namespace layer_test::naive

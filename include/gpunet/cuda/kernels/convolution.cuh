R"cuda(
// A thread computes one channel of 4 pixels that follow each other, over rows and pictures. GPUNET_ACT,
// GPUNET_RESIDUAL.
GPUNET_ENTRY(128, 2) convolution(const GPUNET_GRID_CONSTANT convolution_parameters p) {
    constexpr int pixels = 4;
    const int channel = blockIdx.y * blockDim.x + threadIdx.x;
    const long long first = (static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y) * pixels;
    const bool real = channel < p.output_channels;
    const element* const weights = static_cast<const element*>(p.weights) + channel;
    follow_previous();
    if (channel >= p.output_padded) return;

    float sum[pixels];
    const element* picture[pixels];
    int first_row[pixels], first_column[pixels];
#pragma unroll
    for (int i = 0; i < pixels; ++i) {
        const long long pixel = first + i < p.pixels ? first + i : p.pixels - 1;
        const long long line = pixel / p.output_width;
        const int group = real ? channel / p.group_outputs : 0;
        first_column[i] = static_cast<int>(pixel % p.output_width) * p.stride - p.left;
        first_row[i] = static_cast<int>(line % p.output_height) * p.stride - p.top;
        picture[i] = static_cast<const element*>(p.input) +
                     line / p.output_height * p.height * p.width * p.padded + group * p.group_inputs;
        sum[i] = p.bias[channel];
    }
    for (int ky = 0; real && ky < p.kernel; ++ky)
        for (int kx = 0; kx < p.kernel; ++kx) {
            const element* from[pixels];
            bool inside[pixels];
#pragma unroll
            for (int i = 0; i < pixels; ++i) {
                const int row = first_row[i] + ky, column = first_column[i] + kx;
                inside[i] = row >= 0 && row < p.height && column >= 0 && column < p.width;
                from[i] = picture[i] + (inside[i] ? (static_cast<long long>(row) * p.width + column) * p.padded : 0);
            }
            const element* w = weights + static_cast<long long>(ky * p.kernel + kx) * p.group_inputs * p.output_padded;
#pragma unroll 4
            for (int c = 0; c < p.group_inputs; ++c, w += p.output_padded) {
                const float weight = to_float(__ldg(w));
#pragma unroll
                for (int i = 0; i < pixels; ++i)
                    sum[i] += inside[i] ? to_float(from[i][c]) * weight : 0.0f;
            }
        }
#pragma unroll
    for (int i = 0; i < pixels; ++i) {
        if (first + i >= p.pixels) break;
        const long long at = (first + i) * p.output_padded + channel;
        if (GPUNET_RESIDUAL) sum[i] += to_float(static_cast<const element*>(p.residual)[at]);
        static_cast<element*>(p.output)[at] = to_element(activate(GPUNET_ACT, sum[i]));
    }
}
)cuda"

R"cuda(
// A thread computes 8 channels of GPUNET_PIXELS pixels side by side. GPUNET_KERNEL, GPUNET_CHANNELS (of the input),
// GPUNET_STRIDE (0: the parameter's, of one pixel), GPUNET_ACT.
GPUNET_ENTRY(128, GPUNET_PIXELS > 2 ? 3 : 4) stem(const GPUNET_GRID_CONSTANT stem_parameters p) {
    constexpr int kernel = GPUNET_KERNEL, pixels = GPUNET_PIXELS, columns = (pixels - 1) * GPUNET_STRIDE + kernel;
    const int stride = GPUNET_STRIDE ? GPUNET_STRIDE : p.stride;
    GPUNET_SHARED(float, weights);
    const int width = blockDim.x * 8, taps = GPUNET_CHANNELS * kernel * kernel;
    const int own = threadIdx.x * 8, channel = blockIdx.y * width + own;
    const bool active = channel < p.padded;
    for (int tap = threadIdx.y; tap < taps; tap += blockDim.y)
        for (int half = 0; half < 8; half += 4) {
            float w[4] = {0, 0, 0, 0};
            if (active) load_constant_floats(p.weights + tap * p.padded + channel + half, w);
            store_floats(weights + tap * width + own + half, w);
        }
    float bias[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (active) {
        load_constant_floats(p.bias + channel, bias);
        load_constant_floats(p.bias + channel + 4, bias + 4);
    }
    const int picture = blockIdx.x / p.blocks, block = blockIdx.x % p.blocks;
    const int strip = block * blockDim.y + threadIdx.y;
    const int y = strip / p.strips, x = strip % p.strips * pixels;
    __syncthreads();
    follow_previous();
    if (!active || y >= p.output_height) return;

    float sum[pixels][8];
#pragma unroll
    for (int i = 0; i < pixels; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) sum[i][j] = bias[j];
    const int first_row = y * stride - p.top, first_column = x * stride - p.left;
#pragma unroll
    for (int c = 0; c < GPUNET_CHANNELS; ++c) {
        const float* const plane =
            p.input + (static_cast<long long>(picture) * GPUNET_CHANNELS + c) * p.height * p.width;
        float in[kernel][columns];
#pragma unroll
        for (int ky = 0; ky < kernel; ++ky) {
            const int row = first_row + ky;
            const bool inside = row >= 0 && row < p.height;
            const float* const line = plane + static_cast<long long>(inside ? row : 0) * p.width;
#pragma unroll
            for (int i = 0; i < columns; ++i) {
                const int column = first_column + i;
                in[ky][i] = inside && column >= 0 && column < p.width ? line[column] : 0.0f;
            }
        }
#pragma unroll
        for (int ky = 0; ky < kernel; ++ky)
#pragma unroll
            for (int kx = 0; kx < kernel; ++kx) {
                const float* const from = weights + ((c * kernel + ky) * kernel + kx) * width + own;
                float w[8];
                load_floats(from, w);
                load_floats(from + 4, w + 4);
#pragma unroll
                for (int i = 0; i < pixels; ++i)
#pragma unroll
                    for (int j = 0; j < 8; ++j) sum[i][j] += in[ky][i * GPUNET_STRIDE + kx] * w[j];
            }
    }
    element* const out = static_cast<element*>(p.output) +
                         (static_cast<long long>(picture) * p.output_height + y) * p.output_width * p.padded + channel;
#pragma unroll
    for (int i = 0; i < pixels; ++i) {
        if (x + i >= p.output_width) break;
        activate_all<8>(GPUNET_ACT, sum[i]);
#pragma unroll
        for (int j = 0; j < 8; j += 4) store_quad(out + (x + i) * p.padded + j, pack_quad(sum[i] + j));
    }
}
)cuda"

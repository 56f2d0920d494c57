R"cuda(
// A thread computes one mean. GPUNET_ROWS.
GPUNET_ENTRY(128, 2) mean(const GPUNET_GRID_CONSTANT mean_parameters p) {
    const int picture = blockIdx.x / p.blocks;
    const int c = blockIdx.x % p.blocks * blockDim.x + threadIdx.x;
    follow_previous();
    if (c >= p.channels) return;
    const float* const in = p.input + static_cast<long long>(picture) * GPUNET_ROWS * p.padded + c;
    constexpr int at_once = 16;
    float total = 0;
#pragma unroll 2
    for (int r = 0; r < GPUNET_ROWS; r += at_once) {
        float row[at_once];
#pragma unroll
        for (int k = 0; k < at_once; ++k)
            if (r + k < GPUNET_ROWS) row[k] = in[static_cast<long long>(r + k) * p.padded];
#pragma unroll
        for (int k = 0; k < at_once; ++k)
            if (r + k < GPUNET_ROWS) total += row[k];
    }
    p.output[static_cast<long long>(picture) * p.channels + c] = total * p.scale;
}
)cuda"

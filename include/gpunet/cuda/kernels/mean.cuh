R"cuda(
// A thread computes one mean.
GPUNET_ENTRY(128, 2) mean(const GPUNET_GRID_CONSTANT mean_parameters p) {
    const int picture = blockIdx.x / p.blocks;
    const int c = blockIdx.x % p.blocks * blockDim.x + threadIdx.x;
    follow_previous();
    if (c >= p.channels) return;
    const float* const in = p.input + static_cast<long long>(picture) * p.rows * p.padded + c;
    float total = 0;
#pragma unroll 8
    for (int r = 0; r < p.rows; ++r) total += in[static_cast<long long>(r) * p.padded];
    p.output[static_cast<long long>(picture) * p.channels + c] = total * p.scale;
}
)cuda"

R"cuda(
// A thread adds a vector of channels over every blockDim.y-th pixel of a part. GPUNET_INPUT_ACT, GPUNET_MEAN.
GPUNET_ENTRY(256, 2) sums(const GPUNET_GRID_CONSTANT sums_parameters p) {
    const int channel = (blockIdx.y * blockDim.x + threadIdx.x) * wide_length;
    const bool active = channel < p.padded;
    const int picture = blockIdx.x / p.parts, part = blockIdx.x % p.parts;
    const element* const in =
        static_cast<const element*>(p.input) + static_cast<long long>(picture) * p.pixels * p.padded + channel;
    const long long first = part * p.pixels_of_part;
    const long long last = p.pixels - first < p.pixels_of_part ? p.pixels : first + p.pixels_of_part;
    follow_previous();

    float total[wide_length] = {};
    constexpr int ahead = 4;
    if (active)
        for (long long pixel = first + threadIdx.y; pixel < last; pixel += ahead * blockDim.y) {
            uint4 bits[ahead];
#pragma unroll
            for (int i = 0; i < ahead; ++i)
                if (pixel + i * blockDim.y < last) bits[i] = load_wide(in + (pixel + i * blockDim.y) * p.padded);
#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                if (pixel + i * blockDim.y >= last) break;
                float x[wide_length];
                unpack(bits[i], x);
                activate_all<wide_length>(GPUNET_INPUT_ACT, x);
#pragma unroll
                for (int v = 0; v < wide_length; ++v) total[v] += x[v];
            }
        }

    GPUNET_SHARED(float, totals);
    const int width = blockDim.x * wide_length;
    float* const mine = totals + threadIdx.y * width + threadIdx.x * wide_length;
#pragma unroll
    for (int v = 0; v < wide_length; v += 4) store_floats(mine + v, total + v);
    __syncthreads();
    for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < width; i += blockDim.x * blockDim.y) {
        const int c = blockIdx.y * width + i;
        if (c >= (GPUNET_MEAN ? p.channels : p.padded)) continue;
        float all = 0;
#pragma unroll 8
        for (int d = 0; d < blockDim.y; ++d) all += totals[d * width + i];
        if (GPUNET_MEAN)
            p.output[static_cast<long long>(picture) * p.channels + c] = all * p.scale;
        else
            p.output[static_cast<long long>(blockIdx.x) * p.padded + c] = all;
    }
}
)cuda"

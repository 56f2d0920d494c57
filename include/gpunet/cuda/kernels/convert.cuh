R"cuda(
// A block of 32 x 8 threads turns 32 pixels x 32 channels. GPUNET_TO_MAP.
GPUNET_ENTRY(256, 2) convert(const GPUNET_GRID_CONSTANT convert_parameters p) {
    GPUNET_SHARED(float, turned); // [32][33], by pixel and channel
    const long long picture = blockIdx.x / p.tiles, first_pixel = blockIdx.x % p.tiles * 32;
    const int first_channel = blockIdx.y * 32;
    follow_previous();
    if (GPUNET_TO_MAP) {
        const float* const in = static_cast<const float*>(p.input) + picture * p.channels * p.pixels;
        for (int i = threadIdx.y; i < 32; i += 8) {
            const int c = first_channel + i;
            const long long pixel = first_pixel + threadIdx.x;
            turned[threadIdx.x * 33 + i] = c < p.channels && pixel < p.pixels ? in[c * p.pixels + pixel] : 0.0f;
        }
    } else {
        const element* const in = static_cast<const element*>(p.input) + picture * p.pixels * p.padded;
        const int c = first_channel + threadIdx.x;
        for (int i = threadIdx.y; i < 32; i += 8) {
            const long long pixel = first_pixel + i;
            turned[i * 33 + threadIdx.x] =
                c < p.padded && pixel < p.pixels ? to_float(in[pixel * p.padded + c]) : 0.0f;
        }
    }
    __syncthreads();
    if (GPUNET_TO_MAP) {
        element* const out = static_cast<element*>(p.output) + picture * p.pixels * p.padded;
        const int c = first_channel + threadIdx.x;
        for (int i = threadIdx.y; i < 32; i += 8) {
            const long long pixel = first_pixel + i;
            if (c < p.padded && pixel < p.pixels) out[pixel * p.padded + c] = to_element(turned[i * 33 + threadIdx.x]);
        }
    } else {
        float* const out = static_cast<float*>(p.output) + picture * p.channels * p.pixels;
        for (int i = threadIdx.y; i < 32; i += 8) {
            const int c = first_channel + i;
            const long long pixel = first_pixel + threadIdx.x;
            if (c < p.channels && pixel < p.pixels) out[c * p.pixels + pixel] = turned[threadIdx.x * 33 + i];
        }
    }
}
)cuda"

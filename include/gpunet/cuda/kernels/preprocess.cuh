R"cuda(
// A thread makes one pixel: the weighted sum of samples along one axis, in 22-bit fixed point, rounded to 8 bits. What
// the part does not cover is black.
GPUNET_DEVICE int round_sample(int sum) {
    const int value = sum >> 22;
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

GPUNET_ENTRY(128, 8) preprocess(const GPUNET_GRID_CONSTANT preprocess_parameters p) {
    const int x = blockIdx.x % p.blocks * 32 + threadIdx.x, y = blockIdx.x / p.blocks * 4 + threadIdx.y;
    const int column = x - p.left, row = y - p.top;
    follow_previous();
    if (x >= p.width || y >= p.height) return;

    int red = 1 << 21, green = red, blue = red;
    if (column >= 0 && column < p.columns && row >= 0 && row < p.rows) {
        const int i = p.across ? column : row, length = p.across ? p.columns : p.rows;
        const int first = __ldg(p.table + i), count = __ldg(p.table + length + i);
        const int* weight = p.table + 2ll * length + i;
        const int size = p.words ? 4 : 3;
        const long long step = p.across ? size : p.stride, other = p.across ? p.stride : size;
        const unsigned char* sample = p.input + first * step + (p.across ? row : column) * other;
        if (p.words) {
#pragma unroll 4
            for (int t = 0; t < count; ++t, weight += length, sample += step) {
                const unsigned s = *reinterpret_cast<const unsigned*>(sample);
                const int w = __ldg(weight);
                red += w * static_cast<int>(s & 0xFFu);
                green += w * static_cast<int>(s >> 8 & 0xFFu);
                blue += w * static_cast<int>(s >> 16);
            }
        } else {
            const int swap = p.bgr ? 2 : 0;
#pragma unroll 4
            for (int t = 0; t < count; ++t, weight += length, sample += step) {
                const int w = __ldg(weight);
                red += w * sample[swap];
                green += w * sample[1];
                blue += w * sample[2 - swap];
            }
        }
    }
    red = round_sample(red);
    green = round_sample(green);
    blue = round_sample(blue);

    const long long at = static_cast<long long>(y) * p.width + x;
    if (p.last) {
        const long long plane = static_cast<long long>(p.height) * p.width;
        float* const out = static_cast<float*>(p.output) + at;
        out[0] = __ldg(p.scaled + red);
        out[plane] = __ldg(p.scaled + 256 + green);
        out[2 * plane] = __ldg(p.scaled + 512 + blue);
    } else {
        static_cast<unsigned*>(p.output)[at] = static_cast<unsigned>(red | green << 8 | blue << 16);
    }
}
)cuda"

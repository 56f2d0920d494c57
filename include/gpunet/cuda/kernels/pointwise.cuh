R"cuda(
// A thread handles a vector of channels of every blockDim.y-th pixel of a part. GPUNET_ACT, GPUNET_RESIDUAL,
// GPUNET_GATE (0 none, 1 given, 2 computed), GPUNET_GATE_ACT.
GPUNET_ENTRY(256, 2) pointwise(const GPUNET_GRID_CONSTANT pointwise_parameters p) {
    const int own = threadIdx.x * wide_length, width = blockDim.x * wide_length;
    const int channel = blockIdx.y * width + own;
    const bool active = channel < p.padded;
    const int picture = blockIdx.x / p.parts, part = blockIdx.x % p.parts;
    const long long base = static_cast<long long>(picture) * p.pixels * p.padded + channel;
    const element* const in = static_cast<const element*>(p.input) + base;
    const element* const residual = static_cast<const element*>(p.residual) + (GPUNET_RESIDUAL ? base : 0);
    element* const out = static_cast<element*>(p.output) + base;
    const long long first = part * p.pixels_of_part;
    const long long last = p.pixels - first < p.pixels_of_part ? p.pixels : first + p.pixels_of_part;
    constexpr int ahead = 4;
    uint4 bits[ahead], added[ahead];
    const auto load_pixels = [&](long long pixel) {
#pragma unroll
        for (int a = 0; a < ahead; ++a) {
            const long long at = (pixel + a * blockDim.y) * p.padded;
            const bool inside = active && pixel + a * blockDim.y < last;
            if (inside) bits[a] = load_wide(in + at);
            if (GPUNET_RESIDUAL && inside) added[a] = load_wide(residual + at);
        }
    };

    float gate[wide_length];
    if (GPUNET_GATE == 2) {
        // The block's threads share the inputs of the product: thread y has every blockDim.y-th.
        GPUNET_SHARED(float, totals);
        const element* const weights = static_cast<const element*>(p.gate_weights) + channel;
        uint4 w[ahead];
        const auto load_weights = [&](int i) {
#pragma unroll
            for (int a = 0; a < ahead; ++a)
                w[a] = active && i + a * blockDim.y < p.squeezed
                           ? load_constant_wide(weights + static_cast<long long>(i + a * blockDim.y) * p.padded)
                           : uint4{0, 0, 0, 0};
        };
        load_weights(threadIdx.y);
        // The channel whose gate this thread finishes: blockDim.y is at least wide_length, so that one each is enough.
        const int finished = threadIdx.y * blockDim.x + threadIdx.x;
        const bool finishes = finished < width && blockIdx.y * width + finished < p.padded;
        const float bias = finishes ? p.gate_bias[blockIdx.y * width + finished] : 0.0f;
        follow_previous();
        load_pixels(first + threadIdx.y);
        const float* const squeezed = p.gate + static_cast<long long>(picture) * p.squeezed;
#pragma unroll
        for (int v = 0; v < wide_length; ++v) gate[v] = 0.0f;
        for (int i = threadIdx.y; active && i < p.squeezed;) {
            float x[ahead];
#pragma unroll
            for (int a = 0; a < ahead; ++a)
                x[a] = i + a * blockDim.y < p.squeezed ? squeezed[i + a * blockDim.y] : 0.0f;
#pragma unroll
            for (int a = 0; a < ahead; ++a) {
                float numbers[wide_length];
                unpack(w[a], numbers);
#pragma unroll
                for (int v = 0; v < wide_length; ++v) gate[v] += numbers[v] * x[a];
            }
            i += ahead * blockDim.y;
            load_weights(i);
        }
#pragma unroll
        for (int v = 0; v < wide_length; v += 4) store_floats(totals + threadIdx.y * width + own + v, gate + v);
        __syncthreads();
        if (finishes) {
            float all = bias;
#pragma unroll 8
            for (int d = 0; d < blockDim.y; ++d) all += totals[d * width + finished];
            totals[finished] = activate(GPUNET_GATE_ACT, all);
        }
        __syncthreads();
        if (!active) return;
#pragma unroll
        for (int v = 0; v < wide_length; v += 4) load_floats(totals + own + v, gate + v);
    } else {
        follow_previous();
        if (!active) return;
        load_pixels(first + threadIdx.y);
        if (GPUNET_GATE == 1) {
            const float* const from = p.gate + static_cast<long long>(picture) * p.channels + channel;
#pragma unroll
            for (int v = 0; v < wide_length; ++v) gate[v] = channel + v < p.channels ? from[v] : 0.0f;
        }
    }

    for (long long pixel = first + threadIdx.y; pixel < last;) {
#pragma unroll
        for (int a = 0; a < ahead; ++a) {
            if (pixel + a * blockDim.y >= last) break;
            float x[wide_length];
            unpack(bits[a], x);
            if (GPUNET_RESIDUAL) {
                float r[wide_length];
                unpack(added[a], r);
#pragma unroll
                for (int v = 0; v < wide_length; ++v) x[v] += r[v];
            }
            activate_all<wide_length>(GPUNET_ACT, x);
            if (GPUNET_GATE)
#pragma unroll
                for (int v = 0; v < wide_length; ++v) x[v] *= gate[v];
            store_wide(out + (pixel + a * blockDim.y) * p.padded, pack_wide(x));
        }
        pixel += ahead * blockDim.y;
        load_pixels(pixel);
    }
}
)cuda"

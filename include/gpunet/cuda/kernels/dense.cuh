R"cuda(
// A block computes GPUNET_OUTPUTS outputs of GPUNET_PICTURES pictures; its threads share the inputs, four at a time.
// GPUNET_ROWS (of sums; 0: the inputs are a vector), GPUNET_ACT.

// Adds each of the values over the warp's lanes: afterwards this lane holds in values[0] (and on, where there are more
// than 32) the sums of the values from number `first` on.
template <int count>
GPUNET_DEVICE int sum_over_warp(float* values, int lane) {
    int first = 0, held = count;
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) {
        if (held == 1) {
            values[0] += __shfl_xor_sync(0xFFFFFFFFu, values[0], offset);
            continue;
        }
        held /= 2;
        const bool upper = (lane & offset) != 0;
        if (upper) first += held;
#pragma unroll
        for (int i = 0; i < count / 2; ++i) {
            if (i >= held) break;
            const float given = upper ? values[i] : values[i + held];
            const float kept = upper ? values[i + held] : values[i];
            values[i] = kept + __shfl_xor_sync(0xFFFFFFFFu, given, offset);
        }
    }
    return first;
}

// x[a][n]: inputs i + a * step to i + a * step + 3 of picture first + n, for a below `used`; zeros after the last
// input. No load waits for another, but where there are many rows: what lies beyond the end is loaded from the end.
template <int ahead, int pictures>
GPUNET_DEVICE void load_inputs(const dense_parameters& p, int first, int i, int step, int used,
                               float (&x)[ahead][pictures][4]) {
    const int length = GPUNET_ROWS ? p.padded : p.inputs;
    const float* from[pictures];
#pragma unroll
    for (int n = 0; n < pictures; ++n) {
        const long long picture = first + n < p.n ? first + n : p.n - 1;
        from[n] = p.input + picture * (GPUNET_ROWS ? GPUNET_ROWS : 1) * length;
    }
    if (GPUNET_ROWS) {
        constexpr int at_once = pictures > 4 ? 2 : pictures > 1 ? 4 : 8; // rows; and how often in a turn of the loop
        [[maybe_unused]] constexpr int chunks = pictures > 4 ? 1 : pictures > 1 ? 2 : 4;
#pragma unroll
        for (int a = 0; a < ahead; ++a)
#pragma unroll
            for (int n = 0; n < pictures; ++n) x[a][n][0] = x[a][n][1] = x[a][n][2] = x[a][n][3] = 0.0f;
#pragma unroll chunks
        for (int r = 0; r < GPUNET_ROWS; r += at_once) {
            float row[ahead][pictures][at_once][4];
#pragma unroll
            for (int a = 0; a < ahead; ++a) {
                const int at = i + a * step < length ? i + a * step : length - 4;
                if (a >= used) break;
#pragma unroll
                for (int n = 0; n < pictures; ++n)
#pragma unroll
                    for (int k = 0; k < at_once; ++k) {
                        if (r + k >= GPUNET_ROWS) break;
                        load_floats(from[n] + static_cast<long long>(r + k) * length + at, row[a][n][k]);
                    }
            }
#pragma unroll
            for (int a = 0; a < ahead; ++a) {
                if (a >= used) break;
#pragma unroll
                for (int n = 0; n < pictures; ++n)
#pragma unroll
                    for (int k = 0; k < at_once; ++k) {
                        if (r + k >= GPUNET_ROWS) break;
#pragma unroll
                        for (int v = 0; v < 4; ++v) x[a][n][v] += row[a][n][k][v];
                    }
            }
        }
    } else if (length % 4 == 0) {
#pragma unroll
        for (int a = 0; a < ahead; ++a)
#pragma unroll
            for (int n = 0; n < pictures; ++n)
                load_floats(from[n] + (i + a * step < length ? i + a * step : length - 4), x[a][n]);
    } else {
#pragma unroll
        for (int a = 0; a < ahead; ++a)
#pragma unroll
            for (int n = 0; n < pictures; ++n)
#pragma unroll
                for (int v = 0; v < 4; ++v)
                    x[a][n][v] = from[n][i + a * step + v < length ? i + a * step + v : length - 1];
    }
#pragma unroll
    for (int a = 0; a < ahead; ++a)
#pragma unroll
        for (int n = 0; n < pictures; ++n)
#pragma unroll
            for (int v = 0; v < 4; ++v) {
                if (GPUNET_ROWS) x[a][n][v] *= p.scale;
                if (i + a * step + v >= p.inputs) x[a][n][v] = 0.0f;
            }
}

GPUNET_ENTRY(256, GPUNET_OUTPUTS * GPUNET_PICTURES > 32 ? 1 : 2) dense(const GPUNET_GRID_CONSTANT dense_parameters p) {
    constexpr int outputs = GPUNET_OUTPUTS, pictures = GPUNET_PICTURES, count = pictures * outputs;
    constexpr int ahead = pictures > 2 ? 1 : outputs > 4 ? 2 : 4;
    const int used = GPUNET_ROWS > 1 && ahead > 2 ? 2 : ahead; // fours of inputs a thread works on at once
    const int first_output = blockIdx.x % p.blocks * outputs, first_picture = blockIdx.x / p.blocks * pictures;
    const int step = blockDim.x * 4;
    const element* const weights = static_cast<const element*>(p.weights);
    quad w[ahead][outputs];
    const auto load_weights = [&](int i) {
#pragma unroll
        for (int a = 0; a < ahead; ++a) {
            if (a >= used) break;
#pragma unroll
            for (int o = 0; o < outputs; ++o) {
                const int row = first_output + o < p.outputs ? first_output + o : p.outputs - 1;
                w[a][o] = i + a * step < p.padded
                              ? load_constant_quad(weights + static_cast<long long>(row) * p.padded + i + a * step)
                              : zero_quad();
            }
        }
    };
    int i = threadIdx.x * 4;
    load_weights(i);
    // Of the products that this thread finishes.
    float bias[(count + 31) / 32];
#pragma unroll
    for (int k = 0; k < (count + 31) / 32; ++k) {
        const int j = threadIdx.x + k * blockDim.x, output = first_output + j % outputs;
        bias[k] = p.bias && j < count && output < p.outputs ? p.bias[output] : 0.0f;
    }
    follow_previous();

    float sum[count] = {};
    while (i < p.padded) {
        float x[ahead][pictures][4];
        load_inputs(p, first_picture, i, step, used, x);
#pragma unroll
        for (int a = 0; a < ahead; ++a) {
            if (a >= used) break;
#pragma unroll
            for (int o = 0; o < outputs; ++o) {
                float numbers[4];
                unpack(w[a][o], numbers);
#pragma unroll
                for (int n = 0; n < pictures; ++n)
#pragma unroll
                    for (int v = 0; v < 4; ++v) sum[n * outputs + o] += x[a][n][v] * numbers[v];
            }
        }
        i += used * step;
        if (i < p.padded) load_weights(i);
    }

    GPUNET_SHARED(float, totals);
    constexpr int held = count > 32 ? count / 32 : 1;
    constexpr int twins = count < 32 ? 32 / count : 1; // lanes that hold the same sums
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int first = sum_over_warp<count>(sum, lane);
    if (lane % twins == 0)
#pragma unroll
        for (int j = 0; j < held; ++j) totals[warp * count + first + j] = sum[j];
    __syncthreads();
#pragma unroll
    for (int k = 0; k < (count + 31) / 32; ++k) {
        const int j = threadIdx.x + k * blockDim.x;
        const int picture = first_picture + j / outputs, output = first_output + j % outputs;
        if (j >= count || picture >= p.n || output >= p.outputs) continue;
        float all = bias[k];
        for (int other = 0; other < warps; ++other) all += totals[other * count + j];
        p.output[static_cast<long long>(picture) * p.outputs + output] = activate(GPUNET_ACT, all);
    }
}
)cuda"

R"cuda(
// A block computes GPUNET_OUTPUTS outputs of GPUNET_PICTURES pictures; its threads share the inputs, four at a time.
// GPUNET_SUMS, GPUNET_ACT.

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

// Inputs i to i + 3 of one picture, zeros after the last.
GPUNET_DEVICE void load_inputs(const dense_parameters& p, int picture, int i, float* x) {
    if (GPUNET_SUMS) {
        const float* from = p.input + static_cast<long long>(picture) * p.rows * p.padded + i;
        x[0] = x[1] = x[2] = x[3] = 0.0f;
#pragma unroll 4
        for (int r = 0; r < p.rows; ++r, from += p.padded) {
            float row[4];
            load_floats(from, row);
#pragma unroll
            for (int v = 0; v < 4; ++v) x[v] += row[v];
        }
#pragma unroll
        for (int v = 0; v < 4; ++v) x[v] = i + v < p.inputs ? x[v] * p.scale : 0.0f;
    } else {
        const float* const from = p.input + static_cast<long long>(picture) * p.inputs + i;
        if (p.inputs % 4 == 0 && i < p.inputs) {
            load_floats(from, x);
        } else {
#pragma unroll
            for (int v = 0; v < 4; ++v) x[v] = i + v < p.inputs ? from[v] : 0.0f;
        }
    }
}

GPUNET_ENTRY(256, GPUNET_OUTPUTS * GPUNET_PICTURES > 32 ? 1 : 2) dense(const GPUNET_GRID_CONSTANT dense_parameters p) {
    constexpr int outputs = GPUNET_OUTPUTS, pictures = GPUNET_PICTURES;
    constexpr int ahead = pictures > 2 ? 1 : outputs > 4 ? 2 : 4; // fours of inputs a thread works on at once
    const int first_output = blockIdx.x % p.blocks * outputs, first_picture = blockIdx.x / p.blocks * pictures;
    const int step = blockDim.x * 4;
    const element* const weights = static_cast<const element*>(p.weights);
    quad w[ahead][outputs];
    const auto load_weights = [&](int i) {
#pragma unroll
        for (int a = 0; a < ahead; ++a)
#pragma unroll
            for (int o = 0; o < outputs; ++o) {
                const int row = first_output + o < p.outputs ? first_output + o : p.outputs - 1;
                w[a][o] = i + a * step < p.padded
                              ? load_constant_quad(weights + static_cast<long long>(row) * p.padded + i + a * step)
                              : zero_quad();
            }
    };
    int i = threadIdx.x * 4;
    load_weights(i);
    follow_previous();

    float sum[pictures * outputs] = {};
    while (i < p.padded) {
#pragma unroll
        for (int a = 0; a < ahead; ++a) {
            float x[pictures][4];
#pragma unroll
            for (int n = 0; n < pictures; ++n) {
                const int picture = first_picture + n < p.n ? first_picture + n : p.n - 1;
                if (i + a * step < p.padded)
                    load_inputs(p, picture, i + a * step, x[n]);
                else
                    x[n][0] = x[n][1] = x[n][2] = x[n][3] = 0.0f;
            }
#pragma unroll
            for (int o = 0; o < outputs; ++o) {
                float numbers[4];
                unpack(w[a][o], numbers);
#pragma unroll
                for (int n = 0; n < pictures; ++n)
#pragma unroll
                    for (int v = 0; v < 4; ++v) sum[n * outputs + o] += x[n][v] * numbers[v];
            }
        }
        i += ahead * step;
        if (i < p.padded) load_weights(i);
    }

    GPUNET_SHARED(float, totals);
    constexpr int count = pictures * outputs, held = count > 32 ? count / 32 : 1;
    constexpr int twins = count < 32 ? 32 / count : 1; // lanes that hold the same sums
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int first = sum_over_warp<count>(sum, lane);
    if (lane % twins == 0)
#pragma unroll
        for (int j = 0; j < held; ++j) totals[warp * count + first + j] = sum[j];
    __syncthreads();
    for (int j = threadIdx.x; j < count; j += blockDim.x) {
        const int picture = first_picture + j / outputs, output = first_output + j % outputs;
        if (picture >= p.n || output >= p.outputs) continue;
        float all = p.bias ? p.bias[output] : 0.0f;
        for (int k = 0; k < warps; ++k) all += totals[k * count + j];
        p.output[static_cast<long long>(picture) * p.outputs + output] = activate(GPUNET_ACT, all);
    }
}
)cuda"

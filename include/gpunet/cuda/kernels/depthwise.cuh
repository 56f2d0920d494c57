R"cuda(
// A thread computes 4 channels of GPUNET_STRIP_X x GPUNET_STRIP_Y outputs at a time; blockDim.x threads lie side by
// side in the channels, y and z of them in the picture. GPUNET_KERNEL, GPUNET_STRIDE (0: the parameter's, strips of
// one), GPUNET_INPUT_ACT, GPUNET_ACT, GPUNET_SUMS, GPUNET_SHARED_WEIGHTS (or each thread keeps its own in registers).
[[maybe_unused]] constexpr int blocks_at_once =
    GPUNET_STRIP_X * GPUNET_STRIP_Y > 2 ? 2 : (GPUNET_KERNEL <= 5 ? 3 : 2) - (GPUNET_ELEMENT == 0);

GPUNET_ENTRY(256, blocks_at_once) depthwise(const GPUNET_GRID_CONSTANT depthwise_parameters p) {
    constexpr int kernel = GPUNET_KERNEL, strip_x = GPUNET_STRIP_X, strip_y = GPUNET_STRIP_Y;
    constexpr int columns = (strip_x - 1) * GPUNET_STRIDE + kernel, rows = (strip_y - 1) * GPUNET_STRIDE + kernel;
    constexpr bool shared_weights = GPUNET_SHARED_WEIGHTS;
    [[maybe_unused]] constexpr int pitch = kernel * kernel | 1; // of a thread's weights there: odd, that no banks clash
    // Of the input: bounds registers and code.
    [[maybe_unused]] constexpr int rows_at_once = kernel > 3 && strip_y > 1 ? 1 : rows;
    const int stride = GPUNET_STRIDE ? GPUNET_STRIDE : p.stride;
    const int channel = (blockIdx.y * blockDim.x + threadIdx.x) * 4;
    const bool active = channel < p.padded;
    const int depth = threadIdx.z * blockDim.y + threadIdx.y, depths = blockDim.y * blockDim.z;

    GPUNET_SHARED(quad, stage);
    quad own[shared_weights ? 1 : kernel * kernel];
    const element* const weights = static_cast<const element*>(p.weights) + channel;
    if (shared_weights) {
        for (int tap = depth; tap < kernel * kernel; tap += depths)
            stage[threadIdx.x * pitch + tap] = active ? load_constant_quad(weights + tap * p.padded) : zero_quad();
    } else {
#pragma unroll
        for (int tap = 0; tap < kernel * kernel; ++tap)
            own[shared_weights ? 0 : tap] = active ? load_constant_quad(weights + tap * p.padded) : zero_quad();
    }
    float bias[4] = {0, 0, 0, 0};
    if (active) load_constant_floats(p.bias + channel, bias);
    const int picture = blockIdx.x / p.parts, part = blockIdx.x % p.parts;
    const element* const in =
        static_cast<const element*>(p.input) + static_cast<long long>(picture) * p.height * p.width * p.padded + channel;
    element* const out = static_cast<element*>(p.output) +
                         static_cast<long long>(picture) * p.output_height * p.output_width * p.padded + channel;
    const int first_tile = part * p.tiles_of_part, tiles = p.tiles_x * p.tiles_y;
    const int last_tile = tiles - first_tile < p.tiles_of_part ? tiles : first_tile + p.tiles_of_part;
    if (shared_weights) __syncthreads();
    follow_previous();

    float total[4] = {0, 0, 0, 0};
    for (int tile = first_tile; tile < last_tile; ++tile) {
        const int x = (tile % p.tiles_x * blockDim.y + threadIdx.y) * strip_x;
        const int y = (tile / p.tiles_x * blockDim.z + threadIdx.z) * strip_y;
        if (!active || x >= p.output_width || y >= p.output_height) continue;
        float sum[strip_y][strip_x][4];
#pragma unroll
        for (int i = 0; i < strip_y; ++i)
#pragma unroll
            for (int j = 0; j < strip_x; ++j)
#pragma unroll
                for (int v = 0; v < 4; ++v) sum[i][j][v] = bias[v];
        const int first_row = y * stride - p.top, first_column = x * stride - p.left;
        unsigned columns_inside = 0;
#pragma unroll
        for (int i = 0; i < columns; ++i)
            columns_inside |= (first_column + i >= 0 && first_column + i < p.width ? 1u : 0u) << i;
        const long long line_length = static_cast<long long>(p.width) * p.padded;
        const element* line = in + first_row * line_length + static_cast<long long>(first_column) * p.padded;
#pragma unroll rows_at_once
        for (int r = 0; r < rows; ++r, line += line_length) {
            const bool inside_rows = first_row + r >= 0 && first_row + r < p.height;
            if (rows_at_once == 1 && !inside_rows) continue;
            const unsigned inside = inside_rows ? columns_inside : 0u;
            float numbers[columns][4];
#pragma unroll
            for (int i = 0; i < columns; ++i) {
                unpack(inside >> i & 1u ? load_quad(line + i * p.padded) : zero_quad(), numbers[i]);
                activate_all<4>(GPUNET_INPUT_ACT, numbers[i]);
                if (moves_zero(GPUNET_INPUT_ACT) && !(inside >> i & 1u))
                    numbers[i][0] = numbers[i][1] = numbers[i][2] = numbers[i][3] = 0.0f;
            }
#pragma unroll
            for (int i = 0; i < strip_y; ++i) {
                const int ky = r - i * GPUNET_STRIDE;
                if (ky < 0 || ky >= kernel) continue;
#pragma unroll
                for (int kx = 0; kx < kernel; ++kx) {
                    float w[4];
                    const int tap = ky * kernel + kx;
                    unpack(shared_weights ? stage[threadIdx.x * pitch + tap] : own[shared_weights ? 0 : tap], w);
#pragma unroll
                    for (int j = 0; j < strip_x; ++j)
#pragma unroll
                        for (int v = 0; v < 4; ++v) sum[i][j][v] += numbers[j * GPUNET_STRIDE + kx][v] * w[v];
                }
            }
        }
#pragma unroll
        for (int i = 0; i < strip_y; ++i) {
            if (y + i >= p.output_height) continue;
            element* const line = out + static_cast<long long>(y + i) * p.output_width * p.padded;
#pragma unroll
            for (int j = 0; j < strip_x; ++j) {
                if (x + j >= p.output_width) continue;
                activate_all<4>(GPUNET_ACT, sum[i][j]);
                const quad packed = pack_quad(sum[i][j]);
                store_quad(line + (x + j) * p.padded, packed);
                if (GPUNET_SUMS) {
                    float rounded[4];
                    unpack(packed, rounded);
#pragma unroll
                    for (int v = 0; v < 4; ++v) total[v] += rounded[v];
                }
            }
        }
    }
    if (!GPUNET_SUMS) return;
    GPUNET_SHARED(float, totals);
    const int width = blockDim.x * 4;
    if (shared_weights) __syncthreads();
    store_floats(totals + depth * width + threadIdx.x * 4, total);
    __syncthreads();
    for (int i = depth * blockDim.x + threadIdx.x; i < width; i += depths * blockDim.x) {
        const int c = blockIdx.y * width + i;
        if (c >= p.padded) continue;
        float all = 0;
#pragma unroll 8
        for (int d = 0; d < depths; ++d) all += totals[d * width + i];
        p.sums[static_cast<long long>(blockIdx.x) * p.padded + c] = all;
    }
}
)cuda"

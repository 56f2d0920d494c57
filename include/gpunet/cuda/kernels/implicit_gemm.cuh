R"cuda(
// A convolution as a product of matrices on tensor cores: a row for each output pixel, a column for each output channel,
// as terms the input's channels under each tap of the filter. A warp computes GPUNET_TILE_ROWS rows (of 16) by GPUNET_TILE_COLUMNS
// columns (of 8). The block's warps along y share these and have a part of the terms each; those along z have rows of
// their own. GPUNET_ACT, GPUNET_RESIDUAL.
//
// A lane, number 4 g + t, loads what it feeds the tensor cores itself, 16 bytes (a "vector") at a time: rows g, g + 8,
// ... and columns g, g + 8, ... Which terms stand where in a sum is free, so of four vectors that follow each other lane
// t has the whole t-th, though the instruction's order would give it parts of each.

// sum += a b for a warp's 16 x 8 numbers. Of each operand a lane gives two groups of terms: `low` at place t, `high` at
// place t + 4 of its row or column; upper: row g, lower: row g + 8. It holds rows g, g, g + 8, g + 8 of the sums,
// columns 2 t, 2 t + 1, 2 t, 2 t + 1. (PTX ISA, mma.m16n8k16 and mma.m16n8k8.)
GPUNET_DEVICE void multiply(float (&sum)[4], unsigned upper_low, unsigned upper_high, unsigned lower_low,
                            unsigned lower_high, unsigned column_low, unsigned column_high) {
#ifdef GPUNET_EMULATION
    constexpr int each = GPUNET_ELEMENT == 0 ? 1 : 2; // terms of a group
    const unsigned groups[] = {upper_low, upper_high, lower_low, lower_high, column_low, column_high};
    float terms[6 * each];
    for (int i = 0; i < 6; ++i) {
#if GPUNET_ELEMENT == 0
        terms[i] = __uint_as_float(groups[i] & 0xFFFFE000u);
#else
        unpack_pair(groups[i], terms + 2 * i);
#endif
    }
    multiply_in_warp<each>(terms, sum);
#else
#if GPUNET_ELEMENT == 0
#define GPUNET_SHAPE "m16n8k8.row.col.f32.tf32.tf32.f32"
#elif GPUNET_ELEMENT == 1
#define GPUNET_SHAPE "m16n8k16.row.col.f32.f16.f16.f32"
#else
#define GPUNET_SHAPE "m16n8k16.row.col.f32.bf16.bf16.f32"
#endif
    asm volatile("mma.sync.aligned." GPUNET_SHAPE " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(upper_low), "r"(lower_low), "r"(upper_high), "r"(lower_high), "r"(column_low), "r"(column_high));
#undef GPUNET_SHAPE
#endif
}

#ifndef GPUNET_EMULATION
GPUNET_DEVICE unsigned float_to_tf32(float x) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return bits;
}
#endif

// As the tensor cores take it: float32 with 10 bits after the leading one.
GPUNET_DEVICE uint4 to_terms(uint4 vector) {
#if GPUNET_ELEMENT == 0
    float x[4];
    unpack(vector, x);
    return uint4{float_to_tf32(x[0]), float_to_tf32(x[1]), float_to_tf32(x[2]), float_to_tf32(x[3])};
#else
    return vector;
#endif
}

// Loads a vector, of weights or after touch(), where `there`, and leaves `to` as it is elsewhere: with the address computed before, not after the
// predicate, and by every lane, so that loads do not wait for each other.
GPUNET_DEVICE void load_if(bool there, const element* from, uint4& to) {
#ifdef GPUNET_EMULATION
    if (there) to = load_constant_wide(from);
#else
    asm volatile("{\n.reg .pred p;\nsetp.ne.u32 p, %5, 0;\n@p ld.global.v4.u32 {%0, %1, %2, %3}, [%4];\n}"
                 : "+r"(to.x), "+r"(to.y), "+r"(to.z), "+r"(to.w)
                 : "l"(from), "r"(static_cast<unsigned>(there)));
#endif
}

// Hides how an address came about: else it is taken apart, and put together anew for every load.
GPUNET_DEVICE void keep([[maybe_unused]] const element*& address) {
#ifndef GPUNET_EMULATION
    asm volatile("" : "+l"(address));
#endif
}
GPUNET_DEVICE void keep([[maybe_unused]] int& offset) {
#ifndef GPUNET_EMULATION
    asm volatile("" : "+r"(offset));
#endif
}

// a / b, `by` being 2^31 / b, rounded up, and a b below 2^31.
GPUNET_DEVICE int divide(int a, unsigned by) {
    return static_cast<int>(static_cast<unsigned long long>(static_cast<unsigned>(a)) * by >> 31);
}

GPUNET_DEVICE int clamp(int x, int most) { return x < 0 ? 0 : x < most ? x : most; }

GPUNET_DEVICE unsigned bits_between(int from, int to) { return from < to ? (1u << to) - (1u << from) : 0u; }

GPUNET_ENTRY(256, 1) implicit_gemm(const GPUNET_GRID_CONSTANT implicit_gemm_parameters p) {
    constexpr int row_tiles = GPUNET_TILE_ROWS / 16, column_tiles = GPUNET_TILE_COLUMNS / 8;
    constexpr int ahead = row_tiles * column_tiles > 8 ? 1 : 2; // steps of four vectors, loaded at once
    const int lane = threadIdx.x, g = lane / 4, t = lane % 4, splits = blockDim.y;
    const int first_row = (blockIdx.x * blockDim.z + threadIdx.z) * GPUNET_TILE_ROWS;
    const int first_column = blockIdx.y * GPUNET_TILE_COLUMNS;
    const int steps = (p.vectors + 3) / 4;
    const int begin = divide(steps * threadIdx.y, p.by_splits), end = divide(steps * (threadIdx.y + 1), p.by_splits);
    const int last = end * 4 < p.vectors ? end * 4 : p.vectors;

    // Of a column that is no channel, the last channel's weights: its sums go nowhere. After the last term, whatever was
    // there: the pixels' are zeros.
    const element* weights[column_tiles];
#pragma unroll
    for (int j = 0; j < column_tiles; ++j) {
        const int column = clamp(first_column + 8 * j + g, p.output_padded - 1);
        weights[j] = static_cast<const element*>(p.weights) + static_cast<long long>(column) * p.vectors * wide_length;
        keep(weights[j]);
    }
    const auto load_weights = [&](int v, uint4(&w)[ahead][column_tiles]) {
#pragma unroll
        for (int s = 0; s < ahead; ++s)
#pragma unroll
            for (int j = 0; j < column_tiles; ++j)
                load_if(v + 4 * s < last, weights[j] + (v + 4 * s) * wide_length, w[s][j]);
    };

    // Of each of the lane's rows: where its window begins in the input, and a bit for each tap that lies inside.
    // A lane finds out for every fourth row, and gets the others from its neighbours.
    const element* window[2 * row_tiles];
    unsigned inside[2 * row_tiles];
#pragma unroll
    for (int q = 0; q < 2 * row_tiles; q += 4) {
        const int pixel = first_row + 8 * (q + t) + g;
        const int line = divide(pixel, p.by_output_width), picture = divide(line, p.by_output_height);
        const int left = (pixel - line * p.output_width) * p.stride - p.left;
        const int top = (line - picture * p.output_height) * p.stride - p.top;
        const unsigned rows = bits_between(clamp(-top, p.kernel) * p.kernel, clamp(p.height - top, p.kernel) * p.kernel);
        const unsigned columns = bits_between(clamp(-left, p.kernel), clamp(p.width - left, p.kernel));
        const int own_inside = static_cast<int>(pixel < p.pixels ? (p.first_taps & rows) * columns : 0u);
        const int own_base = ((picture * p.height + top) * p.width + left) * p.vectors_of_tap;
#pragma unroll
        for (int r = q; r < q + 4 && r < 2 * row_tiles; ++r) {
            inside[r] = static_cast<unsigned>(__shfl_sync(0xFFFFFFFFu, own_inside, 4 * g + r - q));
            window[r] = static_cast<const element*>(p.input) +
                        static_cast<long long>(__shfl_sync(0xFFFFFFFFu, own_base, 4 * g + r - q)) * wide_length;
            keep(window[r]);
        }
    }
    const auto load_pixels = [&](int v, uint4(&x)[ahead][2 * row_tiles]) {
#pragma unroll
        for (int s = 0; s < ahead; ++s) {
            const int at = v + 4 * s, tap = divide(at, p.by_vectors_of_tap), down = divide(tap, p.by_kernel);
            int offset =
                (down * p.width + tap - down * p.kernel) * p.vectors_of_tap + at - tap * p.vectors_of_tap;
            keep(offset);
            const unsigned bit = at < last ? 1u << tap : 0u;
#pragma unroll
            for (int r = 0; r < 2 * row_tiles; ++r) {
                x[s][r] = uint4{0, 0, 0, 0};
                touch();
                load_if((inside[r] & bit) != 0, window[r] + static_cast<long long>(offset) * wide_length, x[s][r]);
            }
        }
    };

    float sum[row_tiles][column_tiles][4] = {};
    const auto add_products = [&](uint4(&x)[ahead][2 * row_tiles], uint4(&w)[ahead][column_tiles]) {
#pragma unroll
        for (int s = 0; s < ahead; ++s) {
#pragma unroll
            for (int r = 0; r < 2 * row_tiles; ++r) x[s][r] = to_terms(x[s][r]);
#pragma unroll
            for (int j = 0; j < column_tiles; ++j) w[s][j] = to_terms(w[s][j]);
            const auto product = [&](int i, int j) {
                const uint4 upper = x[s][2 * i], lower = x[s][2 * i + 1], column = w[s][j];
                multiply(sum[i][j], upper.x, upper.y, lower.x, lower.y, column.x, column.y);
                multiply(sum[i][j], upper.z, upper.w, lower.z, lower.w, column.z, column.w);
            };
            // The order that makes ptxas copy the fewest registers.
            if (row_tiles > 2) {
#pragma unroll
                for (int i = 0; i < row_tiles; ++i)
#pragma unroll
                    for (int j = 0; j < column_tiles; ++j) product(i, j);
            } else {
#pragma unroll
                for (int j = 0; j < column_tiles; ++j)
#pragma unroll
                    for (int i = 0; i < row_tiles; ++i) product(i, j);
            }
        }
    };

    // At the end a lane finishes every `stride`-th row from `own_row` on, of the vector of channels from `channel` on.
    constexpr int vectors_of_row = GPUNET_TILE_COLUMNS / wide_length;
    const int own_row = (threadIdx.y * 32 + lane) / vectors_of_row, stride = splits * 32 / vectors_of_row;
    const int own_column = lane % vectors_of_row * wide_length, channel = first_column + own_column;
    uint4 bias{0, 0, 0, 0};
    if (channel < p.output_padded) bias = load_constant_wide(static_cast<const element*>(p.bias) + channel);

    // While one set of vectors is multiplied, the other is on its way.
    uint4 x[2][ahead][2 * row_tiles], w[2][ahead][column_tiles] = {};
    int v = begin * 4 + t;
    load_weights(v, w[0]);
    follow_previous();
    load_pixels(v, x[0]);
    for (int step = begin; step < end; step += 2 * ahead) {
        load_weights(v + 4 * ahead, w[1]);
        load_pixels(v + 4 * ahead, x[1]);
        add_products(x[0], w[0]);
        if (step + ahead >= end) break;
        v += 8 * ahead;
        load_weights(v, w[0]);
        load_pixels(v, x[0]);
        add_products(x[1], w[1]);
    }

    // Adds the parts of the terms, in their order, and what else there is to add.
    constexpr int at_once = GPUNET_TILE_ROWS * vectors_of_row < 128 ? GPUNET_TILE_ROWS * vectors_of_row / 32 : 4;
    const auto present = [&](int row) {
        return row < GPUNET_TILE_ROWS && first_row + row < p.pixels && channel < p.output_padded;
    };
    const auto place = [&](int row) { return static_cast<long long>(first_row + row) * p.output_padded + channel; };
    uint4 residual[at_once];
    const auto load_residual = [&](int row) {
#pragma unroll
        for (int k = 0; k < at_once; ++k)
            if (GPUNET_RESIDUAL && present(row + k * stride))
                residual[k] = load_wide(static_cast<const element*>(p.residual) + place(row + k * stride));
    };
    load_residual(own_row);
    GPUNET_SHARED(float, parts);
    constexpr int pitch = GPUNET_TILE_COLUMNS + 8; // writes of a warp then fall into distinct banks
    float* const own = parts + threadIdx.z * splits * GPUNET_TILE_ROWS * pitch;
#pragma unroll
    for (int i = 0; i < row_tiles; ++i)
#pragma unroll
        for (int j = 0; j < column_tiles; ++j)
#pragma unroll
            for (int h = 0; h < 2; ++h) {
                float* const to = own + (threadIdx.y * GPUNET_TILE_ROWS + 16 * i + 8 * h + g) * pitch + 8 * j + 2 * t;
                to[0] = sum[i][j][2 * h];
                to[1] = sum[i][j][2 * h + 1];
            }
    __syncthreads();
    float biases[wide_length];
    unpack(bias, biases);
    for (int row = own_row; row < GPUNET_TILE_ROWS; row += at_once * stride) {
#pragma unroll
        for (int k = 0; k < at_once; ++k) {
            const int of = row + k * stride;
            if (!present(of)) break;
            float y[wide_length] = {};
#pragma unroll 1
            for (int split = 0; split < splits; ++split)
#pragma unroll
                for (int q = 0; q < wide_length; q += 4) {
                    float part[4];
                    load_floats(own + (split * GPUNET_TILE_ROWS + of) * pitch + own_column + q, part);
#pragma unroll
                    for (int n = 0; n < 4; ++n) y[q + n] += part[n];
                }
            if (GPUNET_RESIDUAL) {
                float more[wide_length];
                unpack(residual[k], more);
#pragma unroll
                for (int q = 0; q < wide_length; ++q) y[q] += more[q];
            }
#pragma unroll
            for (int q = 0; q < wide_length; ++q) y[q] += biases[q];
            activate_all<wide_length>(GPUNET_ACT, y);
            store_wide(static_cast<element*>(p.output) + place(of), pack_wide(y));
        }
        load_residual(row + at_once * stride);
    }
}
)cuda"

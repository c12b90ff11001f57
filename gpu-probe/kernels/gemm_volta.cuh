// Matrix product by mma.sync m8n8k4, for sm_70, whose only tensor type is FP16: int8 is turned into
// FP16 on its way to shared memory, and the FP32 sums of small integers are exact.
//
// Four groups of eight lanes (lanes 4 g to 4 g + 3 and 16 more) each multiply 8 x 4 by 4 x 8; two by
// two they make 16 x 16. A group's eight rows are four and, eight further, four more, so that the
// eight lanes that shared memory serves at once read eight neighbouring rows, which lie in different
// banks. n is a multiple of 256.
#pragma once

#include "gemm.cuh"

constexpr u32 TILE_ROWS = 128, TILE_COLUMNS = 128, THREADS = 256;
constexpr u32 STAGE_BYTES = (TILE_ROWS + TILE_COLUMNS) * ROW_BYTES;
constexpr u32 GEMM_SHARED_BYTES = 2 * STAGE_BYTES;
// Warps lie in two rows of four; each has 4 x 2 squares of 16 x 16.
constexpr u32 SQUARES_M = TILE_ROWS / 2 / 16, SQUARES_N = TILE_COLUMNS / 4 / 16;
constexpr u32 PIECES_EACH = (TILE_ROWS + TILE_COLUMNS) * PIECES / THREADS;

// Four int8 in `x` as FP16. A byte b, its sign bit turned over, is b + 128; below the high byte of
// 1024.0 it makes 1024 + 128 + b.
DEVICE void widen(u32 x, u32 &low, u32 &high) {
    x ^= 0x80808080u;
    u32 first = __byte_perm(x, 0x64646464u, 0x4140), second = __byte_perm(x, 0x64646464u, 0x4342);
    constexpr u32 MINUS_1152 = 0xE480E480u;
    asm("add.f16x2 %0, %1, %2;" : "=r"(low) : "r"(first), "r"(MINUS_1152));
    asm("add.f16x2 %0, %1, %2;" : "=r"(high) : "r"(second), "r"(MINUS_1152));
}

struct VoltaF16 {
    typedef f32 Sum;
    static constexpr u32 BYTES = 2;
    static DEVICE_METHOD uint4 load(const u8 *from) {
        return *(const uint4 *)from;
    }
    static DEVICE_METHOD f32 result(f32 sum) {
        return sum;
    }
};

struct VoltaS8 {
    typedef i32 Sum;
    static constexpr u32 BYTES = 1;
    static DEVICE_METHOD uint4 load(const u8 *from) {
        uint2 eight = *(const uint2 *)from;
        uint4 piece;
        widen(eight.x, piece.x, piece.y);
        widen(eight.y, piece.z, piece.w);
        return piece;
    }
    static DEVICE_METHOD i32 result(f32 sum) {
        return (i32)sum;
    }
};

DEVICE void multiply_volta(f32 d[8], u32 a0, u32 a1, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%0,%1,%2,%3,%4,%5,%6,%7}, "
                 "{%8,%9}, {%10,%11}, {%0,%1,%2,%3,%4,%5,%6,%7};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]),
                   "+f"(d[6]), "+f"(d[7])
                 : "r"(a0), "r"(a1), "r"(b0), "r"(b1));
}

// The row of A and the column of B that this lane brings to the square, and the first row and
// column of its sums there.
struct Lane {
    u32 row_a, column_b, row, column;

    DEVICE_METHOD Lane() {
        u32 lane = threadIdx.x % 32, group = lane / 4 % 4;
        u32 down = group % 2 * 4, across = group / 2 * 4, half = lane / 16 * 8;
        row_a = down + half + lane % 4;
        column_b = across + half + lane % 4;
        row = down + half + lane % 2;
        column = across + (lane & 2);
    }
};

// Adds the product of one stage, 64 numbers of k, to this warp's sums.
DEVICE void multiply_stage(f32 sum[SQUARES_M][SQUARES_N][8], u32 stage) {
    u32 warp = threadIdx.x / 32;
    Lane lane;
    u32 row_a = warp / 4 * (16 * SQUARES_M) + lane.row_a;
    u32 row_b = TILE_ROWS + warp % 4 * (16 * SQUARES_N) + lane.column_b;
#pragma unroll
    for (u32 piece = 0; piece < PIECES; piece++) {
        uint4 a[SQUARES_M], b[SQUARES_N];
#pragma unroll
        for (u32 m = 0; m < SQUARES_M; m++) {
            a[m] = load_shared(stage + swizzled(row_a + 16 * m, piece));
        }
#pragma unroll
        for (u32 n = 0; n < SQUARES_N; n++) {
            b[n] = load_shared(stage + swizzled(row_b + 16 * n, piece));
        }
#pragma unroll
        for (u32 m = 0; m < SQUARES_M; m++) {
#pragma unroll
            for (u32 n = 0; n < SQUARES_N; n++) {
                multiply_volta(sum[m][n], a[m].x, a[m].y, b[n].x, b[n].y);
                multiply_volta(sum[m][n], a[m].z, a[m].w, b[n].z, b[n].w);
            }
        }
    }
}

// All of k through two stages: while one is multiplied, the next is on its way in registers.
template <class Unit>
DEVICE void multiply_tile(f32 sum[SQUARES_M][SQUARES_N][8], const u8 *a, const u8 *b, u64 row_bytes,
                          u32 shared) {
    constexpr u32 GLOBAL_PIECE = 8 * Unit::BYTES, STEP = THREADS / PIECES;
    u32 steps = row_bytes / (PIECES * GLOBAL_PIECE);
    u32 row = threadIdx.x / PIECES, piece = threadIdx.x % PIECES;
    const u8 *sources[PIECES_EACH];
#pragma unroll
    for (u32 i = 0; i < PIECES_EACH; i++) {
        u32 r = row + i * STEP;
        sources[i] = (r < TILE_ROWS ? a + r * row_bytes : b + (r - TILE_ROWS) * row_bytes) +
                     piece * GLOBAL_PIECE;
    }
    uint4 held[PIECES_EACH];
#pragma unroll
    for (u32 i = 0; i < PIECES_EACH; i++) held[i] = Unit::load(sources[i]);
    for (u32 step = 0; step < steps; step++) {
        u32 stage = shared + step % 2 * STAGE_BYTES;
#pragma unroll
        for (u32 i = 0; i < PIECES_EACH; i++) {
            store_shared(stage + swizzled(row + i * STEP, piece), held[i]);
        }
        __syncthreads();
        if (step + 1 < steps) {
#pragma unroll
            for (u32 i = 0; i < PIECES_EACH; i++) {
                held[i] = Unit::load(sources[i] + (step + 1) * PIECES * GLOBAL_PIECE);
            }
        }
        multiply_stage(sum, stage);
    }
    __syncthreads();
}

// C = A B. Any grid; 256 threads a block, GEMM_SHARED_BYTES of dynamic shared memory.
template <class Unit>
DEVICE void gemm(const void *a, const void *b_columns, typename Unit::Sum *c, u32 n) {
    extern __shared__ __align__(1024) u8 stages[];
    typedef TilePlace<TILE_ROWS, TILE_COLUMNS> Place;
    u64 row_bytes = (u64)n * Unit::BYTES;
    u32 warp = threadIdx.x / 32;
    Lane lane;
    for (u32 tile = blockIdx.x; tile < Place::tiles(n); tile += gridDim.x) {
        Place at(tile, n);
        f32 sum[SQUARES_M][SQUARES_N][8] = {};
        multiply_tile<Unit>(sum, (const u8 *)a + at.row * row_bytes,
                            (const u8 *)b_columns + at.column * row_bytes, row_bytes,
                            shared_address(stages));
        // Sum i of a lane lies i & 2 rows and (i & 1) + 2 (i & 4) columns from its first.
        u32 row = at.row + warp / 4 * (16 * SQUARES_M) + lane.row;
        u32 column = at.column + warp % 4 * (16 * SQUARES_N) + lane.column;
#pragma unroll
        for (u32 m = 0; m < SQUARES_M; m++) {
#pragma unroll
            for (u32 f = 0; f < SQUARES_N; f++) {
#pragma unroll
                for (u32 i = 0; i < 8; i += 2) {
                    u32 r = row + 16 * m + (i & 2), s = column + 16 * f + 2 * (i & 4);
                    store_pair(c + (u64)r * n + s, Unit::result(sum[m][f][i]),
                               Unit::result(sum[m][f][i + 1]));
                }
            }
        }
    }
}

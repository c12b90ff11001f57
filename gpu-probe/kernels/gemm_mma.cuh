// Matrix product by mma.sync and ldmatrix, for sm_75 and from sm_80 on where there is no wgmma.
//
// Fragments are the same bytes for every type: 32 bytes of k, 16 rows of A, 8 columns of B. So one
// loop serves FP16, BF16, FP8 and int8, and only the instruction differs. n is a multiple of 256.
#pragma once

#include "gemm.cuh"

struct FragmentA {
    u32 x[4];
};

struct FragmentB {
    u32 x[2];
};

#define MMA_F32(INSTRUCTION)                                                                       \
    asm volatile(INSTRUCTION " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"             \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                  \
                 : "r"(a.x[0]), "r"(a.x[1]), "r"(a.x[2]), "r"(a.x[3]), "r"(b.x[0]), "r"(b.x[1]))

#if __CUDA_ARCH__ >= 800
struct MmaF16 {
    typedef f32 Sum;
    static constexpr u32 BYTES = 2;
    static DEVICE_METHOD void multiply(f32 d[4], const FragmentA &a, const FragmentB &b) {
        MMA_F32("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
    }
};

struct MmaBf16 {
    typedef f32 Sum;
    static constexpr u32 BYTES = 2;
    static DEVICE_METHOD void multiply(f32 d[4], const FragmentA &a, const FragmentB &b) {
        MMA_F32("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
    }
};

struct MmaFp8 {
    typedef f32 Sum;
    static constexpr u32 BYTES = 1;
    static DEVICE_METHOD void multiply(f32 d[4], const FragmentA &a, const FragmentB &b) {
        MMA_F32("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32");
    }
};

struct MmaS8 {
    typedef i32 Sum;
    static constexpr u32 BYTES = 1;
    static DEVICE_METHOD void multiply(i32 d[4], const FragmentA &a, const FragmentB &b) {
        asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
                     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                     : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                     : "r"(a.x[0]), "r"(a.x[1]), "r"(a.x[2]), "r"(a.x[3]), "r"(b.x[0]),
                       "r"(b.x[1]));
    }
};
#else
// Turing takes 16 bytes of k at once: two instructions for FP16, four for int8, whose tile has
// eight rows.
struct MmaF16 {
    typedef f32 Sum;
    static constexpr u32 BYTES = 2;
    static DEVICE_METHOD void half(f32 d[4], u32 a0, u32 a1, u32 b) {
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                     "{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a0), "r"(a1), "r"(b));
    }
    static DEVICE_METHOD void multiply(f32 d[4], const FragmentA &a, const FragmentB &b) {
        half(d, a.x[0], a.x[1], b.x[0]);
        half(d, a.x[2], a.x[3], b.x[1]);
    }
};

struct MmaS8 {
    typedef i32 Sum;
    static constexpr u32 BYTES = 1;
    static DEVICE_METHOD void quarter(i32 d[2], u32 a, u32 b) {
        asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
                     : "+r"(d[0]), "+r"(d[1])
                     : "r"(a), "r"(b));
    }
    static DEVICE_METHOD void multiply(i32 d[4], const FragmentA &a, const FragmentB &b) {
        quarter(d, a.x[0], b.x[0]);
        quarter(d, a.x[2], b.x[1]);
        quarter(d + 2, a.x[1], b.x[0]);
        quarter(d + 2, a.x[3], b.x[1]);
    }
};
#endif

// Four 8 x 16-byte matrices; each lane gives the address of one row of one of them.
DEVICE void load_matrices(u32 x[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(address)
                 : "memory");
}

// Shape of the work: data-centre chips have faster units and more shared memory, so they take
// larger tiles. Warps lie in two rows of four.
#if __CUDA_ARCH__ == 800 || __CUDA_ARCH__ == 1000
constexpr u32 TILE_COLUMNS = 256, STAGES = 3;
#elif __CUDA_ARCH__ >= 800
constexpr u32 TILE_COLUMNS = 128, STAGES = 3;
#else
constexpr u32 TILE_COLUMNS = 128, STAGES = 2;
#endif
constexpr u32 TILE_ROWS = 128, THREADS = 256;
constexpr u32 WARP_ROWS = TILE_ROWS / 2, WARP_COLUMNS = TILE_COLUMNS / 4;
constexpr u32 FRAGMENTS_M = WARP_ROWS / 16, FRAGMENTS_N = WARP_COLUMNS / 8;
constexpr u32 STAGE_BYTES = (TILE_ROWS + TILE_COLUMNS) * ROW_BYTES;
constexpr u32 GEMM_SHARED_BYTES = STAGES * STAGE_BYTES;
// 16-byte pieces of a stage that one thread brings.
constexpr u32 PIECES_A = TILE_ROWS * PIECES / THREADS, PIECES_B = TILE_COLUMNS * PIECES / THREADS;

// The source of one tile's rows and columns, and the pieces of it that this thread brings.
struct Source {
    const u8 *a, *b;
    u64 row_bytes;

    DEVICE_METHOD Source(const u8 *a_rows, const u8 *b_columns, u64 bytes) : row_bytes(bytes) {
        u64 mine = threadIdx.x / PIECES * row_bytes + threadIdx.x % PIECES * 16;
        a = a_rows + mine;
        b = b_columns + mine;
    }

    // Piece `i` of this thread in the stage of k that begins at byte `k`.
    DEVICE_METHOD const u8 *piece(u32 i, u32 k) const {
        u32 step = THREADS / PIECES;
        return i < PIECES_A ? a + i * step * row_bytes + k
                            : b + (i - PIECES_A) * step * row_bytes + k;
    }

    // Where it goes in the stage.
    static DEVICE_METHOD u32 place(u32 i) {
        return swizzled(threadIdx.x / PIECES + i * (THREADS / PIECES), threadIdx.x % PIECES);
    }
};

// Adds the product of one stage, 128 bytes of k, to this warp's sums.
template <class Unit>
DEVICE void multiply_stage(typename Unit::Sum sum[FRAGMENTS_M][FRAGMENTS_N][4], u32 stage) {
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    u32 row_a = warp / 4 * WARP_ROWS + lane % 16;
    u32 row_b = TILE_ROWS + warp % 4 * WARP_COLUMNS + lane / 16 * 8 + lane % 8;
#pragma unroll
    for (u32 k = 0; k < 4; k++) {
        FragmentA a[FRAGMENTS_M];
        FragmentB b[FRAGMENTS_N];
#pragma unroll
        for (u32 m = 0; m < FRAGMENTS_M; m++) {
            load_matrices(a[m].x, stage + swizzled(row_a + 16 * m, 2 * k + lane / 16));
        }
#pragma unroll
        for (u32 n = 0; n < FRAGMENTS_N; n += 2) {
            u32 x[4];
            load_matrices(x, stage + swizzled(row_b + 8 * n, 2 * k + lane / 8 % 2));
            b[n] = FragmentB{{x[0], x[1]}};
            b[n + 1] = FragmentB{{x[2], x[3]}};
        }
#pragma unroll
        for (u32 m = 0; m < FRAGMENTS_M; m++) {
#pragma unroll
            for (u32 n = 0; n < FRAGMENTS_N; n++) Unit::multiply(sum[m][n], a[m], b[n]);
        }
    }
}

// All of k through a ring of stages in shared memory.
template <class Unit>
DEVICE void multiply_tile(typename Unit::Sum sum[FRAGMENTS_M][FRAGMENTS_N][4], const Source &source,
                          u32 shared) {
    u32 steps = source.row_bytes / ROW_BYTES;
    constexpr u32 ALL = PIECES_A + PIECES_B;
#if __CUDA_ARCH__ >= 800
#pragma unroll
    for (u32 step = 0; step < STAGES - 1; step++) {
        if (step < steps) {
#pragma unroll
            for (u32 i = 0; i < ALL; i++) {
                copy_async(shared + step * STAGE_BYTES + Source::place(i),
                           source.piece(i, step * ROW_BYTES));
            }
        }
        copy_async_commit();
    }
    u32 read = 0, write = STAGES - 1;
    for (u32 step = 0; step < steps; step++) {
        copy_async_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) {
#pragma unroll
            for (u32 i = 0; i < ALL; i++) {
                copy_async(shared + write * STAGE_BYTES + Source::place(i),
                           source.piece(i, (step + STAGES - 1) * ROW_BYTES));
            }
        }
        copy_async_commit();
        multiply_stage<Unit>(sum, shared + read * STAGE_BYTES);
        read = read + 1 == STAGES ? 0 : read + 1;
        write = write + 1 == STAGES ? 0 : write + 1;
    }
    copy_async_wait<0>();
#else
    uint4 held[ALL];
#pragma unroll
    for (u32 i = 0; i < ALL; i++) held[i] = *(const uint4 *)source.piece(i, 0);
    for (u32 step = 0; step < steps; step++) {
        u32 stage = shared + step % 2 * STAGE_BYTES;
#pragma unroll
        for (u32 i = 0; i < ALL; i++) store_shared(stage + Source::place(i), held[i]);
        __syncthreads();
        if (step + 1 < steps) {
#pragma unroll
            for (u32 i = 0; i < ALL; i++) {
                held[i] = *(const uint4 *)source.piece(i, (step + 1) * ROW_BYTES);
            }
        }
        multiply_stage<Unit>(sum, stage);
    }
#endif
    __syncthreads();
}

// C = A B. Any grid; 256 threads a block, GEMM_SHARED_BYTES of dynamic shared memory.
template <class Unit>
DEVICE void gemm(const void *a, const void *b_columns, typename Unit::Sum *c, u32 n) {
    extern __shared__ __align__(1024) u8 stages[];
    typedef TilePlace<TILE_ROWS, TILE_COLUMNS> Place;
    u64 row_bytes = (u64)n * Unit::BYTES;
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (u32 tile = blockIdx.x; tile < Place::tiles(n); tile += gridDim.x) {
        Place at(tile, n);
        Source source((const u8 *)a + at.row * row_bytes,
                      (const u8 *)b_columns + at.column * row_bytes, row_bytes);
        typename Unit::Sum sum[FRAGMENTS_M][FRAGMENTS_N][4] = {};
        multiply_tile<Unit>(sum, source, shared_address(stages));
        u32 row = at.row + warp / 4 * WARP_ROWS + lane / 4;
        u32 column = at.column + warp % 4 * WARP_COLUMNS + lane % 4 * 2;
#pragma unroll
        for (u32 m = 0; m < FRAGMENTS_M; m++) {
#pragma unroll
            for (u32 f = 0; f < FRAGMENTS_N; f++) {
                typename Unit::Sum *to = c + (u64)(row + 16 * m) * n + column + 8 * f;
                store_pair(to, sum[m][f][0], sum[m][f][1]);
                store_pair(to + 8 * (u64)n, sum[m][f][2], sum[m][f][3]);
            }
        }
    }
}

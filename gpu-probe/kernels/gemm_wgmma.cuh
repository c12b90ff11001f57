// Matrix product by wgmma, for sm_90a: two warpgroups, each with 64 x 256 sums in registers, fed from
// a ring of four stages in shared memory by cp.async. The instruction runs beside the threads: while
// step i is multiplied, step i - 1 ends and the copies for step i + 2 start. n is a multiple of 256.
#pragma once

#include "gemm.cuh"

constexpr u32 TILE_ROWS = 128, TILE_COLUMNS = 256, THREADS = 256, STAGES = 4;
constexpr u32 STAGE_BYTES = (TILE_ROWS + TILE_COLUMNS) * ROW_BYTES;
constexpr u32 GEMM_SHARED_BYTES = STAGES * STAGE_BYTES;
constexpr u32 SUMS = 128;

// The 128 sums of a thread as operands 0 to 127 of the instruction.
#define SUM_NAMES                                                                                  \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                      \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "             \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "             \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "             \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
#define SUMS_4(C, I) C(d[I]), C(d[I + 1]), C(d[I + 2]), C(d[I + 3])
#define SUMS_16(C, I) SUMS_4(C, I), SUMS_4(C, I + 4), SUMS_4(C, I + 8), SUMS_4(C, I + 12)
#define SUMS_64(C, I) SUMS_16(C, I), SUMS_16(C, I + 16), SUMS_16(C, I + 32), SUMS_16(C, I + 48)
#define SUMS_128(C) SUMS_64(C, 0), SUMS_64(C, 64)
#define WGMMA(INSTRUCTION, C, SCALES)                                                              \
    asm volatile("{\n\t.reg .pred add;\n\tsetp.ne.b32 add, 1, 0;\n\t" INSTRUCTION " " SUM_NAMES    \
                 "%128, %129, add" SCALES ";\n\t}"                                                 \
                 : SUMS_128(C)                                                                     \
                 : "l"(a), "l"(b))

struct WgmmaF16 {
    typedef f32 Sum;
    static constexpr u32 BYTES = 2;
    static DEVICE_METHOD void multiply(f32 d[SUMS], u64 a, u64 b) {
        WGMMA("wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16", "+f", ", 1, 1, 0, 0");
    }
};

struct WgmmaBf16 {
    typedef f32 Sum;
    static constexpr u32 BYTES = 2;
    static DEVICE_METHOD void multiply(f32 d[SUMS], u64 a, u64 b) {
        WGMMA("wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16", "+f", ", 1, 1, 0, 0");
    }
};

struct WgmmaFp8 {
    typedef f32 Sum;
    static constexpr u32 BYTES = 1;
    static DEVICE_METHOD void multiply(f32 d[SUMS], u64 a, u64 b) {
        WGMMA("wgmma.mma_async.sync.aligned.m64n256k32.f32.e4m3.e4m3", "+f", ", 1, 1");
    }
};

struct WgmmaS8 {
    typedef i32 Sum;
    static constexpr u32 BYTES = 1;
    static DEVICE_METHOD void multiply(i32 d[SUMS], u64 a, u64 b) {
        WGMMA("wgmma.mma_async.sync.aligned.m64n256k32.s32.s8.s8", "+r", "");
    }
};

// Describes a tile for wgmma: rows of 128 bytes with the 128-byte swizzle (code 1 in the two top
// bits), the next eight rows 1024 bytes on. Addresses count 16 bytes.
DEVICE u64 tile_descriptor(u32 address) {
    return 1ull << 62 | (u64)(1024 / 16) << 32 | 1ull << 16 | (address >> 4 & 0x3FFF);
}

// Tells the unit that registers and shared memory are ready to be read.
DEVICE void wgmma_fence() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

DEVICE void wgmma_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Waits until at most `PENDING` groups of products are under way.
template <int PENDING>
DEVICE void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

// Makes shared memory that this thread has written visible to the unit.
DEVICE void fence_shared_for_unit() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Starts this thread's share of the copies of the 128 bytes of k from byte `k` into `stage`.
DEVICE void bring_stage(u32 stage, const u8 *a, const u8 *b, u64 row_bytes, u64 k) {
    u32 row = threadIdx.x / PIECES, piece = threadIdx.x % PIECES;
    constexpr u32 STEP = THREADS / PIECES;
    u64 mine = row * row_bytes + piece * 16 + k;
#pragma unroll
    for (u32 i = 0; i < TILE_ROWS / STEP; i++) {
        copy_async(stage + swizzled(row + i * STEP, piece), a + mine + i * STEP * row_bytes);
    }
#pragma unroll
    for (u32 i = 0; i < TILE_COLUMNS / STEP; i++) {
        copy_async(stage + swizzled(TILE_ROWS + row + i * STEP, piece),
                   b + mine + i * STEP * row_bytes);
    }
}

// All of k. Before step i writes over the stage of step i - 2, the barrier has shown that both
// warpgroups are done with it.
template <class Unit>
DEVICE void multiply_tile(typename Unit::Sum sum[SUMS], const u8 *a, const u8 *b, u64 row_bytes,
                          u32 shared) {
    u32 steps = row_bytes / ROW_BYTES;
    u32 half = threadIdx.x / 128 * 64 * ROW_BYTES;
#pragma unroll
    for (u32 step = 0; step < STAGES - 2; step++) {
        if (step < steps) bring_stage(shared + step * STAGE_BYTES, a, b, row_bytes, step * ROW_BYTES);
        copy_async_commit();
    }
    for (u32 step = 0; step < steps; step++) {
        copy_async_wait<STAGES - 3>();
        fence_shared_for_unit();
        __syncthreads();
        u32 stage = shared + step % STAGES * STAGE_BYTES;
        u64 rows = tile_descriptor(stage + half);
        u64 columns = tile_descriptor(stage + TILE_ROWS * ROW_BYTES);
        wgmma_fence();
#pragma unroll
        for (u32 k = 0; k < 4; k++) Unit::multiply(sum, rows + 2 * k, columns + 2 * k);
        wgmma_commit();
        u32 ahead = step + STAGES - 2;
        if (ahead < steps) {
            bring_stage(shared + ahead % STAGES * STAGE_BYTES, a, b, row_bytes,
                        (u64)ahead * ROW_BYTES);
        }
        copy_async_commit();
        wgmma_wait<1>();
    }
    wgmma_wait<0>();
    copy_async_wait<0>();
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
        typename Unit::Sum sum[SUMS];
#pragma unroll
        for (u32 i = 0; i < SUMS; i++) sum[i] = 0;
        multiply_tile<Unit>(sum, (const u8 *)a + at.row * row_bytes,
                            (const u8 *)b_columns + at.column * row_bytes, row_bytes,
                            shared_address(stages));
        // Warp w of the block holds rows 16 w to 16 w + 15.
        typename Unit::Sum *to =
            c + (u64)(at.row + 16 * warp + lane / 4) * n + at.column + lane % 4 * 2;
#pragma unroll
        for (u32 f = 0; f < TILE_COLUMNS / 8; f++) {
            store_pair(to + 8 * f, sum[4 * f], sum[4 * f + 1]);
            store_pair(to + 8 * f + 8 * (u64)n, sum[4 * f + 2], sum[4 * f + 3]);
        }
    }
}

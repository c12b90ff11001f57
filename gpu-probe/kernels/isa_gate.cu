// One tensor instruction that only this architecture, or none before it, has.
//
// The answer is the same everywhere but for the shape M x N x K: out[r * N + c] is
//
//     iterations * sum over k of A[r][k] * B[k][c]      (int32)
//
// with A[r][k] = entry(r K + k) and B[k][c] = entry(4096 + c K + k), where entry(i) is the low two
// bits of word i of the random sequence of `seed`, less 2: from -2 to 1. No sum is above 4 K <= 128,
// and at most 32 products are added up before they go to an integer: 4096, exact also in units that
// keep 14 bits of an FP8 sum.
//
//     sm_70   8 x 8 x 4     HMMA f16      sm_89, sm_120   16 x 8 x 32   QMMA e4m3
//     sm_75  16 x 8 x 8     HMMA f16      sm_90a          64 x 8 x 16   HGMMA bf16
//     sm_80, sm_86, sm_100  16 x 8 x 16   HMMA bf16
//
// Run it as one block of 128 threads; but for sm_90a, warps after the first leave.
#include "tensor.cuh"

constexpr u32 B_FIRST = 4096, RUN = 32;

DEVICE i32 entry(u32 seed, u32 index) {
    return (i32)(random_word(seed, index) & 3) - 2;
}

// Small integers as FP16, BF16 and e4m3.
DEVICE u32 as_f16(i32 x) {
    u32 size = x < 0 ? -x : x;
    return (x < 0 ? 0x8000u : 0u) | (size == 0 ? 0u : size == 1 ? 0x3C00u : 0x4000u);
}

DEVICE u32 as_bf16(i32 x) {
    return __float_as_uint((f32)x) >> 16;
}

DEVICE u32 as_e4m3(i32 x) {
    u32 size = x < 0 ? -x : x;
    return (x < 0 ? 0x80u : 0u) | (size == 0 ? 0u : size == 1 ? 0x38u : 0x40u);
}

#if __CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200
constexpr u32 BYTES = 1;
DEVICE u32 number(i32 x) {
    return as_e4m3(x);
}
#elif __CUDA_ARCH__ >= 800
constexpr u32 BYTES = 2;
DEVICE u32 number(i32 x) {
    return as_bf16(x);
}
#else
constexpr u32 BYTES = 2;
DEVICE u32 number(i32 x) {
    return as_f16(x);
}
#endif

// The four bytes of neighbouring numbers that begin with entry `index`.
DEVICE u32 numbers(u32 seed, u32 index) {
    u32 word = 0;
#pragma unroll
    for (u32 i = 0; i < 4 / BYTES; i++) {
        word |= number(entry(seed, index + i)) << (8 * BYTES * i);
    }
    return word;
}

#if __CUDA_ARCH__ == 900

DEVICE void multiply_gate(f32 d[4], u64 a, u64 b) {
    asm volatile("{\n\t.reg .pred add;\n\tsetp.ne.b32 add, 1, 0;\n\t"
                 "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, %4, %5, add, "
                 "1, 1, 0, 0;\n\t}"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "l"(a), "l"(b));
}

// Rows of 32 bytes without swizzle: cores of eight rows by 16 bytes, 128 bytes each; the next along
// k is 128 bytes on, the next eight rows 256.
DEVICE u64 gate_descriptor(const void *tile) {
    return (u64)(256 / 16) << 32 | (u64)(128 / 16) << 16 | (shared_address(tile) >> 4 & 0x3FFF);
}

DEVICE u32 core_word(u32 row, u32 pair) {
    return row / 8 * 64 + pair / 4 * 32 + row % 8 * 4 + pair % 4;
}

KERNEL __launch_bounds__(128) isa_gate(u32 seed, u32 iterations, i32 *out) {
    __shared__ __align__(128) u32 a[64 * 8], b[8 * 8];
    u32 t = threadIdx.x, lane = t % 32;
    for (u32 i = t; i < 64 * 8; i += 128) a[core_word(i / 8, i % 8)] = numbers(seed, 2 * i);
    if (t < 8 * 8) b[core_word(t / 8, t % 8)] = numbers(seed, B_FIRST + 2 * t);
    fence_shared_for_unit();
    __syncthreads();
    i32 total[4] = {};
    for (u32 done = 0; done < iterations;) {
        f32 d[4] = {};
        u32 run = min(iterations - done, RUN);
        for (u32 i = 0; i < run; i++) {
            wgmma_fence();
            multiply_gate(d, gate_descriptor(a), gate_descriptor(b));
            wgmma_commit();
            wgmma_wait<0>();
        }
        for (u32 i = 0; i < 4; i++) total[i] += (i32)d[i];
        done += run;
    }
    u32 row = t / 32 * 16 + lane / 4, column = lane % 4 * 2;
    store_pair(out + row * 8 + column, total[0], total[1]);
    store_pair(out + (row + 8) * 8 + column, total[2], total[3]);
}

#elif __CUDA_ARCH__ >= 750

#if __CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200
typedef MmaFp8 GateUnit;
#elif __CUDA_ARCH__ >= 800
typedef MmaBf16 GateUnit;
#endif

KERNEL __launch_bounds__(128) isa_gate(u32 seed, u32 iterations, i32 *out) {
    if (threadIdx.x >= 32) return;
    // Numbers of k in 16 bytes, and in all of it.
    constexpr u32 PIECE = 16 / BYTES, K = __CUDA_ARCH__ >= 800 ? 2 * PIECE : PIECE;
    u32 row = threadIdx.x / 4, first = threadIdx.x % 4 * (4 / BYTES);
    FragmentA a = {{numbers(seed, row * K + first), numbers(seed, (row + 8) * K + first),
                    numbers(seed, row * K + first + PIECE),
                    numbers(seed, (row + 8) * K + first + PIECE)}};
    FragmentB b = {{numbers(seed, B_FIRST + row * K + first),
                    numbers(seed, B_FIRST + row * K + first + PIECE)}};
    i32 total[4] = {};
    for (u32 done = 0; done < iterations;) {
        f32 d[4] = {};
        u32 run = min(iterations - done, RUN);
        for (u32 i = 0; i < run; i++) {
#if __CUDA_ARCH__ >= 800
            GateUnit::multiply(d, a, b);
#else
            MmaF16::half(d, a.x[0], a.x[1], b.x[0]);
#endif
        }
        for (u32 i = 0; i < 4; i++) total[i] += (i32)d[i];
        done += run;
    }
    u32 column = threadIdx.x % 4 * 2;
    store_pair(out + row * 8 + column, total[0], total[1]);
    store_pair(out + (row + 8) * 8 + column, total[2], total[3]);
}

#else

KERNEL __launch_bounds__(128) isa_gate(u32 seed, u32 iterations, i32 *out) {
    if (threadIdx.x >= 32) return;
    u32 lane = threadIdx.x, first = (lane % 4 + lane / 16 * 4) * 4;
    u32 a0 = numbers(seed, first), a1 = numbers(seed, first + 2);
    u32 b0 = numbers(seed, B_FIRST + first), b1 = numbers(seed, B_FIRST + first + 2);
    i32 total[8] = {};
    for (u32 done = 0; done < iterations;) {
        f32 d[8] = {};
        u32 run = min(iterations - done, RUN);
        for (u32 i = 0; i < run; i++) multiply_volta(d, a0, a1, b0, b1);
        for (u32 i = 0; i < 8; i++) total[i] += (i32)d[i];
        done += run;
    }
    // All four groups have the same answer; the first writes it.
    if (lane / 4 % 4 != 0) return;
    for (u32 i = 0; i < 8; i += 2) {
        u32 row = lane % 2 + (i & 2) + lane / 16 * 4, column = (i & 4) + (lane & 2);
        store_pair(out + row * 8 + column, total[i], total[i + 1]);
    }
}

#endif

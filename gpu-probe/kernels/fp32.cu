// FP32 rate: eight independent chains of fused multiply-adds a thread, so that latency is hidden.
#include "common.cuh"

// Runs 8 x `iterations` multiply-adds x = x a + b a thread; the sum of the chains goes to the
// thread's place in `out`. Chain k of thread t starts at (t mod 1024 + k) / 1024.
KERNEL fp32_fma(f32 *out, u32 iterations, f32 a, f32 b) {
    f32 x[8];
#pragma unroll
    for (u32 k = 0; k < 8; k++) x[k] = (f32)((u32)thread_index() % 1024 + k) * (1.0f / 1024.0f);
#pragma unroll 16
    for (u32 i = 0; i < iterations; i++) {
#pragma unroll
        for (int k = 0; k < 8; k++) x[k] = fmaf(x[k], a, b);
    }
    f32 sum = x[0];
#pragma unroll
    for (int k = 1; k < 8; k++) sum += x[k];
    out[thread_index()] = sum;
}

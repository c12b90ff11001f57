// Matrix product of FP8 (e4m3) numbers with FP32 sums: the rate of the tensor units.
#include "tensor.cuh"

// Dynamic shared memory of `gemm_fp8`, for the host to ask for.
extern "C" __device__ const u32 gemm_fp8_shared_bytes = GEMM_SHARED_BYTES;

// C = A B, n a multiple of 256. Launch with 256 threads and the shared memory above; the blocks of
// the grid share out the tiles.
KERNEL __launch_bounds__(THREADS, 1)
    gemm_fp8(const u8 *a, const u8 *b_columns, f32 *c, u32 n) {
    gemm<UnitFp8>(a, b_columns, c, n);
}

// Number i comes from part i mod 8 (of 8 bits, low part first) of word i / 8 of the random
// sequence of `seed`.
KERNEL fill_fp8(u8 *out, u64 count, u64 seed) {
    for (u64 i = thread_index(); i < count; i += thread_count()) {
        u32 bits = (u32)(random_word(seed, i / 8) >> (i % 8 * 8)) & ((1u << 8) - 1);
        out[i] = (u8)random_float<3, 8>(bits, 4);
    }
}

// Matrix product of FP16 numbers with FP32 sums: the rate of the tensor units.
#include "tensor.cuh"

// Dynamic shared memory of `gemm_f16`, for the host to ask for.
extern "C" __device__ const u32 gemm_f16_shared_bytes = GEMM_SHARED_BYTES;

// C = A B, n a multiple of 256. Launch with 256 threads and the shared memory above; the blocks of
// the grid share out the tiles.
KERNEL __launch_bounds__(THREADS, 1)
    gemm_f16(const u16 *a, const u16 *b_columns, f32 *c, u32 n) {
    gemm<UnitF16>(a, b_columns, c, n);
}

// Number i comes from part i mod 4 (of 16 bits, low part first) of word i / 4 of the random
// sequence of `seed`.
KERNEL fill_f16(u16 *out, u64 count, u64 seed) {
    for (u64 i = thread_index(); i < count; i += thread_count()) {
        u32 bits = (u32)(random_word(seed, i / 4) >> (i % 4 * 16)) & ((1u << 16) - 1);
        out[i] = (u16)random_float<10, 16>(bits, 12);
    }
}

// The matrix proof: operands from seeds, their exact integer product, and the hashes of its rows.
#include "sha256.cuh"
#include "tensor.cuh"

// Dynamic shared memory of `matrix_multiply`, for the host to ask for.
extern "C" __device__ const u32 matrix_multiply_shared_bytes = GEMM_SHARED_BYTES;

// Word `index` of the entries: sixteen signed 4-bit parts.
DEVICE u64 entry_word(u64 k0, u64 k1, u64 index) {
    return mix(mix(k0 + index * GOLDEN) ^ k1);
}

// The low four of the 4-bit parts in `parts`, one in each byte, with their signs.
DEVICE u32 four_entries(u32 parts) {
    u32 spread = (parts & 0xF) | (parts & 0xF0) << 4 | (parts & 0xF00) << 8 | (parts & 0xF000) << 12;
    u32 sign = spread & 0x08080808u;
    return spread | sign << 1 | sign << 2 | sign << 3 | sign << 4;
}

DEVICE uint4 sixteen_entries(u64 word) {
    return make_uint4(four_entries((u32)word), four_entries((u32)(word >> 16)),
                      four_entries((u32)(word >> 32)), four_entries((u32)(word >> 48)));
}

// A by rows and B by columns: in both, word i holds entries 16 i to 16 i + 15 of memory.
KERNEL matrix_fill(i8 *a, i8 *b_columns, u64 a_k0, u64 a_k1, u64 b_k0, u64 b_k1, u32 n) {
    u64 words = (u64)n * n / 16;
    for (u64 i = thread_index(); i < words; i += thread_count()) {
        ((uint4 *)a)[i] = sixteen_entries(entry_word(a_k0, a_k1, i));
        ((uint4 *)b_columns)[i] = sixteen_entries(entry_word(b_k0, b_k1, i));
    }
}

// C = A B, n a multiple of 256. Launch with 256 threads and the shared memory above; the blocks of
// the grid share out the tiles.
KERNEL __launch_bounds__(THREADS, 1)
    matrix_multiply(const i8 *a, const i8 *b_columns, i32 *c, u32 n) {
    gemm<UnitS8>(a, b_columns, c, n);
}

// The digest of each run of 256 numbers, 1024 bytes; one thread a digest.
KERNEL matrix_chunks(const i32 *c, u8 *digests, u64 chunks) {
    for (u64 i = thread_index(); i < chunks; i += thread_count()) {
        const uint4 *pieces = (const uint4 *)(c + 256 * i);
        Digest digest = sha256_start();
        // Sixteen blocks of data and one of padding.
#pragma unroll 1
        for (int block = 0; block < 17; block++) {
            u32 w[16] = {0x80000000u};
            w[15] = 1024 * 8;
            if (block < 16) {
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    uint4 piece = pieces[4 * block + k];
                    w[4 * k] = swap_bytes(piece.x);
                    w[4 * k + 1] = swap_bytes(piece.y);
                    w[4 * k + 2] = swap_bytes(piece.z);
                    w[4 * k + 3] = swap_bytes(piece.w);
                }
            }
            sha256_block(digest, w);
        }
        store_digest(digests + 32 * i, digest);
    }
}

// Each row's leaf: the digest of a zero byte and of the digest of the row's chunk digests, joined.
KERNEL matrix_leaves(const u8 *chunk_digests, u8 *leaves, u32 rows, u32 chunks_per_row) {
    for (u64 row = thread_index(); row < rows; row += thread_count()) {
        const u8 *from = chunk_digests + row * chunks_per_row * 32;
        Digest digest = sha256_start();
        u32 w[16];
        // Two digests fill a block; in the last one the padding begins where they end.
#pragma unroll 1
        for (u32 first = 0; first <= chunks_per_row; first += 2) {
            u32 here = min(chunks_per_row - first, 2u);
            bool last = here < 2;
#pragma unroll
            for (u32 half = 0; half < 2; half++) {
                Digest part = {};
                if (half < here) {
                    part = load_digest(from + (first + half) * 32);
                } else if (half == here) {
                    part.word[0] = 0x80000000u;
                }
#pragma unroll
                for (int k = 0; k < 8; k++) w[8 * half + k] = part.word[k];
            }
            if (last) w[15] = chunks_per_row * 256;
            sha256_block(digest, w);
        }
        store_digest(leaves + 32 * row, merkle_leaf(digest));
    }
}

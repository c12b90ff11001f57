// The proof that memory is there: a fill that is dear to recompute, and a keyed checksum that reads
// it at the speed of memory.
#include "mersenne61.cuh"
#include "sha256.cuh"

// Words of one block of 1 MiB.
constexpr u32 BLOCK_WORDS = 131072;
// Threads that share one block in `vram_checksum`; each takes a pair of words of every 512.
constexpr u32 CHECKSUM_THREADS = 256;
constexpr u32 STEP_WORDS = 2 * CHECKSUM_THREADS;
constexpr u32 STEPS = BLOCK_WORDS / STEP_WORDS;

// The first 8 bytes of a digest as a number, the first byte lowest.
DEVICE u64 first_word(const Digest &d) {
    return (u64)swap_bytes(d.word[1]) << 32 | swap_bytes(d.word[0]);
}

// F(index): the first 8 bytes of H(H(le64(index) || key)).
DEVICE u64 fill_word(const Digest &key, u64 index) {
    u32 w[16] = {};
    w[0] = swap_bytes((u32)index);
    w[1] = swap_bytes((u32)(index >> 32));
#pragma unroll
    for (int i = 0; i < 8; i++) w[2 + i] = key.word[i];
    w[10] = 0x80000000u;
    w[15] = 40 * 8;
    Digest inner = sha256_start();
    sha256_block(inner, w);
    return first_word(sha256_of_digest(inner));
}

#ifdef __CUDACC__
// words[j] = F(first_index + j) for j below `count`.
KERNEL vram_fill(u64 *words, u64 first_index, u64 count, const u8 *fill_key) {
    Digest key = load_digest(fill_key);
    for (u64 j = thread_index(); j < count; j += thread_count()) {
        words[j] = fill_word(key, first_index + j);
    }
}

// The sum of `mine` over the threads of the block, in thread 0.
DEVICE u64 block_sum61(u64 mine) {
    __shared__ u64 of_warp[CHECKSUM_THREADS / 32];
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        mine = add61(mine, __shfl_down_sync(0xFFFFFFFFu, mine, distance));
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x != 0) return 0;
    for (u32 warp = 1; warp < CHECKSUM_THREADS / 32; warp++) mine = add61(mine, of_warp[warp]);
    return mine;
}

// checksums[b] = sum of w_i x^(131071 - i) mod p over the words of block b. Launch with 256 threads;
// the blocks of the grid share out the 1 MiB blocks.
//
// Word i = 512 s + 2 t + j belongs to thread t. Its power is x^(512 (255 - s)) x^(1 - j), the same
// for all threads and kept in `powers`, times x^(2 (255 - t)), applied once at the end. A thread
// adds up 32-bit partial products without reducing them: four multiply-adds a word.
KERNEL __launch_bounds__(CHECKSUM_THREADS, 4)
    vram_checksum(const u64 *words, u64 blocks, u64 x, u64 *checksums) {
    __shared__ ulonglong2 powers[STEPS];
    u32 t = threadIdx.x;
    u64 of_step = power61(x, STEP_WORDS * (STEPS - 1 - t));
    powers[t] = make_ulonglong2(multiply61(of_step, x), of_step);
    u64 of_thread = power61(x, 2 * (CHECKSUM_THREADS - 1 - t));
    __syncthreads();
    for (u64 block = blockIdx.x; block < blocks; block += gridDim.x) {
        const ulonglong2 *pairs = (const ulonglong2 *)(words + block * BLOCK_WORDS) + t;
        Sum96 low = {}, middle = {}, high = {};
#pragma unroll 8
        for (u32 s = 0; s < STEPS; s++) {
            ulonglong2 word = pairs[s * CHECKSUM_THREADS];
            ulonglong2 power = powers[s];
            low.add_product((u32)word.x, (u32)power.x);
            middle.add_product((u32)word.x, (u32)(power.x >> 32));
            middle.add_product((u32)(word.x >> 32), (u32)power.x);
            high.add_product((u32)(word.x >> 32), (u32)(power.x >> 32));
            low.add_product((u32)word.y, (u32)power.y);
            middle.add_product((u32)word.y, (u32)(power.y >> 32));
            middle.add_product((u32)(word.y >> 32), (u32)power.y);
            high.add_product((u32)(word.y >> 32), (u32)(power.y >> 32));
        }
        u64 sum = add61(low.reduced(), multiply61(middle.reduced(), 1ull << 32));
        sum = add61(sum, multiply61(high.reduced(), 8));
        sum = block_sum61(multiply61(sum, of_thread));
        if (t == 0) checksums[block] = sum;
    }
}

// leaves[b] = H(0x00 || le64(c_b)) below `blocks`, 32 zero bytes from there to `padded`.
KERNEL vram_leaves(const u64 *checksums, u64 blocks, u8 *leaves, u64 padded) {
    for (u64 b = thread_index(); b < padded; b += thread_count()) {
        Digest leaf = {};
        if (b < blocks) {
            u32 first = swap_bytes((u32)checksums[b]);
            u32 second = swap_bytes((u32)(checksums[b] >> 32));
            u32 w[16] = {};
            w[0] = first >> 8;
            w[1] = first << 24 | second >> 8;
            w[2] = second << 24 | 0x00800000u;
            w[15] = 9 * 8;
            leaf = sha256_start();
            sha256_block(leaf, w);
        }
        store_digest(leaves + 32 * b, leaf);
    }
}
#endif

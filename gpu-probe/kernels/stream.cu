// Memory bandwidth by plain loads and stores of 16 bytes, as STREAM does. `count` counts 16-byte
// pieces. Each thread has four pieces in flight.
#include "common.cuh"

constexpr int IN_FLIGHT = 4;

KERNEL stream_copy(const uint4 *src, uint4 *dst, u64 count) {
    u64 stride = thread_count();
    u64 i = thread_index();
    for (; i + (IN_FLIGHT - 1) * stride < count; i += IN_FLIGHT * stride) {
        uint4 piece[IN_FLIGHT];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) piece[k] = src[i + k * stride];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) dst[i + k * stride] = piece[k];
    }
    for (; i < count; i += stride) dst[i] = src[i];
}

DEVICE u32 folded(uint4 piece) {
    return piece.x ^ piece.y ^ piece.z ^ piece.w;
}

// Reads everything. The exclusive or of all words a thread has read goes to `sink` only when it is
// 2^32 - 1, which keeps the loads alive and costs no stores.
KERNEL stream_read(const uint4 *src, u64 count, u32 *sink) {
    u64 stride = thread_count();
    u64 i = thread_index();
    u32 all = 0;
    for (; i + (IN_FLIGHT - 1) * stride < count; i += IN_FLIGHT * stride) {
        uint4 piece[IN_FLIGHT];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) piece[k] = src[i + k * stride];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) all ^= folded(piece[k]);
    }
    for (; i < count; i += stride) all ^= folded(src[i]);
    if (all == 0xFFFFFFFFu) *sink = all;
}

// Piece i becomes {seed ^ i, seed, ~seed, seed + i}, with i modulo 2^32.
KERNEL stream_write(uint4 *dst, u64 count, u32 seed) {
    u64 stride = thread_count();
#pragma unroll 4
    for (u64 i = thread_index(); i < count; i += stride) {
        dst[i] = make_uint4(seed ^ (u32)i, seed, ~seed, seed + (u32)i);
    }
}

// Piece i becomes words 2 i and 2 i + 1 of the random sequence of `seed`.
KERNEL stream_fill(uint4 *dst, u64 count, u64 seed) {
    for (u64 i = thread_index(); i < count; i += thread_count()) {
        u64 low = random_word(seed, 2 * i);
        u64 high = random_word(seed, 2 * i + 1);
        dst[i] = make_uint4((u32)low, (u32)(low >> 32), (u32)high, (u32)(high >> 32));
    }
}

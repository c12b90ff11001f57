// What all matrix products share. Both factors lie with k running fastest: A by rows, B by columns.
// In shared memory a tile's row is 128 bytes of k in eight pieces of 16 bytes, and piece p of row r
// lies at place p ^ (r mod 8), so that eight rows read at one piece touch all banks once. That is
// also the 128-byte swizzle that wgmma reads.
#pragma once

#include "common.cuh"

// Bytes of k in one row of a tile.
constexpr u32 ROW_BYTES = 128;
constexpr u32 PIECES = ROW_BYTES / 16;

// Where piece `piece` of row `row` lies in a tile.
DEVICE u32 swizzled(u32 row, u32 piece) {
    return row * ROW_BYTES + (piece ^ (row % 8)) * 16;
}

// First row and column of tile number `tile`. Tiles go in bands of eight tile rows, column by
// column, so that those at work together share rows and columns in the L2 cache.
template <u32 ROWS, u32 COLUMNS>
struct TilePlace {
    u32 row, column;

    DEVICE_METHOD TilePlace(u32 tile, u32 n) {
        u32 down = n / ROWS, across = n / COLUMNS;
        u32 in_band = 8 * across;
        u32 first = tile / in_band * 8;
        u32 height = min(down - first, 8u);
        row = (first + tile % in_band % height) * ROWS;
        column = tile % in_band / height * COLUMNS;
    }

    static DEVICE_METHOD u32 tiles(u32 n) {
        return (n / ROWS) * (n / COLUMNS);
    }
};

DEVICE u32 shared_address(const void *pointer) {
    return (u32)__cvta_generic_to_shared(pointer);
}

// Starts a copy of 16 bytes to shared memory.
DEVICE void copy_async(u32 to, const void *from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

DEVICE void copy_async_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until at most `PENDING` groups of this thread's copies are under way.
template <int PENDING>
DEVICE void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

DEVICE void store_shared(u32 to, uint4 piece) {
    asm volatile("st.shared.v4.u32 [%0], {%1,%2,%3,%4};" ::"r"(to), "r"(piece.x), "r"(piece.y),
                 "r"(piece.z), "r"(piece.w)
                 : "memory");
}

DEVICE uint4 load_shared(u32 from) {
    uint4 piece;
    asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(piece.x), "=r"(piece.y), "=r"(piece.z), "=r"(piece.w)
                 : "r"(from)
                 : "memory");
    return piece;
}

// Two neighbouring sums of a row.
DEVICE void store_pair(f32 *to, f32 first, f32 second) {
    *(float2 *)to = make_float2(first, second);
}

DEVICE void store_pair(i32 *to, i32 first, i32 second) {
    *(int2 *)to = make_int2(first, second);
}

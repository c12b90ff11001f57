// Latency from each SM to each region of memory: the pattern differs between dies, also of one
// model, and stays the same over time.
#include "common.cuh"

// Region r begins at word r * region_words and holds a ring of word numbers counted from the
// region's first (a region of zeros is a ring of one word). The first thread of each block walks
// `hops` steps twice through each region, first to bring it into the cache, then timed:
// cycles[block * regions + r] are the cycles of the second walk.
KERNEL latency_map(const u32 *memory, u64 region_words, u32 regions, u32 hops, u32 *smid,
                   u32 *cycles) {
    if (threadIdx.x != 0) return;
    smid[blockIdx.x] = sm_id();
    for (u32 region = 0; region < regions; region++) {
        const u32 *base = memory + region * region_words;
        u32 at = 0;
        for (u32 hop = 0; hop < hops; hop++) at = load_past_l1(base + at);
        u64 clock0 = cycles_now();
#pragma unroll 8
        for (u32 hop = 0; hop < hops; hop++) at = load_past_l1(base + at);
        u64 clock1 = cycles_now();
        // The last word joins the result, so that the walk ends before the clock is read; rings
        // hold word numbers below 2^31, so nothing is added.
        cycles[(u64)blockIdx.x * regions + region] = (u32)(clock1 - clock0) + (at >> 31);
    }
}

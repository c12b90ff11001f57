// Pointer chase: the latency of one dependent load, by the size of the area walked through. The
// knee of the curve shows the size of the L2 cache.
#include "common.cuh"

// Makes one ring through all lines: line l leads to (l * multiplier + increment) mod lines. With
// `lines` a power of two, `multiplier` mod 4 = 1 and `increment` odd that is one cycle through all
// of them (Hull and Dobell, 1962). Only the first word of a line is written.
KERNEL chase_fill(u32 *next, u64 lines, u32 stride_words, u64 multiplier, u64 increment) {
    for (u64 line = thread_index(); line < lines; line += thread_count()) {
        u64 to = (line * multiplier + increment) & (lines - 1);
        next[line * stride_words] = (u32)(to * stride_words);
    }
}

// Walks `hops` steps from word `start`. Run it as one thread.
KERNEL chase(const u32 *next, u32 start, u32 hops, u64 *cycles, u64 *timer_ns, u32 *end) {
    if (thread_index() != 0) return;
    u32 at = start;
    u64 timer0 = timer_ns_now();
    u64 clock0 = cycles_now();
#pragma unroll 8
    for (u32 hop = 0; hop < hops; hop++) at = load_past_l1(next + at);
    u64 clock1 = cycles_now();
    u64 timer1 = timer_ns_now();
    *end = at;
    *cycles = clock1 - clock0;
    *timer_ns = timer1 - timer0;
}

// Which SMs run blocks, and how fast their clock is: one entry a block, made by its first thread.
// Every block spins, so that all SMs are taken when there is one block for each.
#include "common.cuh"

KERNEL census(u32 *smid, u64 *clock_start, u64 *clock_end, u64 *timer_start, u64 *timer_end,
              u64 spin_cycles) {
    if (threadIdx.x != 0) return;
    u64 timer0 = timer_ns_now();
    u64 clock0 = cycles_now();
    u64 clock1;
    do {
        clock1 = cycles_now();
    } while (clock1 - clock0 < spin_cycles);
    u64 timer1 = timer_ns_now();
    smid[blockIdx.x] = sm_id();
    clock_start[blockIdx.x] = clock0;
    clock_end[blockIdx.x] = clock1;
    timer_start[blockIdx.x] = timer0;
    timer_end[blockIdx.x] = timer1;
}

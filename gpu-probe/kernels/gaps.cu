// Gaps in one thread's time: while another process has its time slice on the GPU, the thread does
// not run and the timer jumps. Run it as one thread.
#include "common.cuh"

// Watches the timer for `duration_ns`. Jumps above `threshold_ns` are counted; the first `gaps_max`
// of them are kept.
KERNEL time_gaps(u64 duration_ns, u64 threshold_ns, u64 *gaps_ns, u32 gaps_max, u32 *count) {
    if (thread_index() != 0) return;
    u64 start = timer_ns_now();
    u64 last = start;
    u32 found = 0;
    while (last - start < duration_ns) {
        u64 now = timer_ns_now();
        if (now - last > threshold_ns) {
            if (found < gaps_max) gaps_ns[found] = now - last;
            found++;
        }
        last = now;
    }
    *count = found;
}

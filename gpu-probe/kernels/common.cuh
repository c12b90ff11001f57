// Types, constants and small functions that every kernel file shares. NVRTC has no standard
// headers, so the types are our own. `DEVICE` is empty when a host compiler reads the file.
#pragma once

#ifdef __CUDACC__
#define DEVICE __device__ __forceinline__
#define DEVICE_METHOD __device__ __forceinline__
#define KERNEL extern "C" __global__ void
#else
#define DEVICE static inline
#define DEVICE_METHOD inline
#endif

typedef signed char i8;
typedef unsigned char u8;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;

// 2^64 divided by the golden ratio, made odd: the increment of SplitMix64.
constexpr u64 GOLDEN = 0x9E3779B97F4A7C15ull;

// The finaliser of SplitMix64.
DEVICE u64 mix(u64 z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// Word `index` of the random sequence of `seed`.
DEVICE u64 random_word(u64 seed, u64 index) {
    return mix(seed + index * GOLDEN);
}

#ifdef __CUDACC__
// This thread among all threads of the grid, and how many there are: for loops that stride over
// any amount of work with any grid.
DEVICE u64 thread_index() {
    return (u64)blockIdx.x * blockDim.x + threadIdx.x;
}

DEVICE u64 thread_count() {
    return (u64)gridDim.x * blockDim.x;
}

DEVICE u32 sm_id() {
    u32 id;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(id));
    return id;
}

// Cycles of this SM's clock.
DEVICE u64 cycles_now() {
    u64 now;
    asm volatile("mov.u64 %0, %%clock64;" : "=l"(now)::"memory");
    return now;
}

// Nanoseconds of the device's timer.
DEVICE u64 timer_ns_now() {
    u64 now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now)::"memory");
    return now;
}

// A load that asks the L2 cache and leaves the L1 cache alone.
DEVICE u32 load_past_l1(const u32 *address) {
    u32 value;
    asm volatile("ld.global.cg.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
    return value;
}
#endif

// Arithmetic modulo the Mersenne prime p = 2^61 - 1.
#pragma once

#include "common.cuh"

constexpr u64 P61 = (1ull << 61) - 1;

// A number of at most 64 bits, reduced to 0 .. p - 1.
DEVICE u64 reduce61(u64 x) {
    x = (x & P61) + (x >> 61);
    return x >= P61 ? x - P61 : x;
}

// The product of two numbers below 2^62, reduced to 0 .. p - 1. 2^61 = 1, so the high part of the
// product is added to the low part.
DEVICE u64 multiply61(u64 a, u64 b) {
    u64 low = a * b;
#ifdef __CUDA_ARCH__
    u64 high = __umul64hi(a, b);
#else
    u64 high = (u64)((unsigned __int128)a * b >> 64);
#endif
    return reduce61((low & P61) + (high << 3 | low >> 61));
}

DEVICE u64 add61(u64 a, u64 b) {
    return reduce61(a + b);
}

// base^exponent by squares.
DEVICE u64 power61(u64 base, u32 exponent) {
    u64 result = 1;
    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1) result = multiply61(result, base);
        base = multiply61(base, base);
    }
    return result;
}

// A sum of up to 2^32 products of two 32-bit numbers: 96 bits.
struct Sum96 {
    u32 low, middle, high;

    DEVICE_METHOD void add_product(u32 a, u32 b) {
#ifdef __CUDA_ARCH__
        asm("mad.lo.cc.u32 %0, %3, %4, %0;\n\t"
            "madc.hi.cc.u32 %1, %3, %4, %1;\n\t"
            "addc.u32 %2, %2, 0;"
            : "+r"(low), "+r"(middle), "+r"(high)
            : "r"(a), "r"(b));
#else
        unsigned __int128 sum = ((unsigned __int128)high << 64 | (u64)middle << 32 | low);
        sum += (u64)a * b;
        low = (u32)sum, middle = (u32)(sum >> 32), high = (u32)(sum >> 64);
#endif
    }

    // The sum modulo p: 2^64 = 8.
    DEVICE_METHOD u64 reduced() const {
        return add61(reduce61((u64)middle << 32 | low), (u64)high << 3);
    }
};

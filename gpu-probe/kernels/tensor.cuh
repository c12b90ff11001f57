// Which matrix product an architecture gets. FP8 needs a unit that mma.sync or wgmma reaches: sm_89
// and sm_120, and sm_90a; elsewhere mma.sync on FP8 is emulated by FP16 and says nothing. On sm_100
// the full rate needs tcgen05, which is not used here: mma.sync gives a part of it.
#pragma once

#if __CUDA_ARCH__ == 900
#include "gemm_wgmma.cuh"
typedef WgmmaF16 UnitF16;
typedef WgmmaBf16 UnitBf16;
typedef WgmmaFp8 UnitFp8;
typedef WgmmaS8 UnitS8;
#elif __CUDA_ARCH__ >= 750
#include "gemm_mma.cuh"
typedef MmaF16 UnitF16;
typedef MmaS8 UnitS8;
#if __CUDA_ARCH__ >= 800
typedef MmaBf16 UnitBf16;
typedef MmaFp8 UnitFp8;
#endif
#else
#include "gemm_volta.cuh"
typedef VoltaF16 UnitF16;
typedef VoltaS8 UnitS8;
#endif

// Random numbers, never zero, infinite or not a number: the sign from the top bit of `bits`, an
// exponent from the four that end at 1 .. 2, and all bits of the mantissa. So the size lies from 1/8
// to below 2. `exponent` is the lowest of the four as stored.
template <u32 MANTISSA, u32 WIDTH>
DEVICE u32 random_float(u32 bits, u32 exponent) {
    u32 mantissa = bits & ((1u << MANTISSA) - 1);
    u32 step = bits >> MANTISSA & 3;
    u32 sign = bits >> (WIDTH - 1) & 1;
    return sign << (WIDTH - 1) | (exponent + step) << MANTISSA | mantissa;
}

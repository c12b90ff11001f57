// SHA-256 (FIPS 180-4) on whole 32-bit words: messages of the proofs have lengths known beforehand,
// so callers lay out the padded blocks themselves. Words of a block are big-endian numbers.
#pragma once

#include "common.cuh"

struct Digest {
    u32 word[8];
};

DEVICE u32 swap_bytes(u32 x) {
#ifdef __CUDA_ARCH__
    return __byte_perm(x, 0, 0x0123);
#else
    return x << 24 | (x << 8 & 0xFF0000u) | (x >> 8 & 0xFF00u) | x >> 24;
#endif
}

DEVICE u32 rotate_right(u32 x, u32 bits) {
    return x >> bits | x << (32 - bits);
}

DEVICE Digest sha256_start() {
    return Digest{{0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au, 0x510E527Fu, 0x9B05688Cu,
                   0x1F83D9ABu, 0x5BE0CD19u}};
}

// Adds one block of 16 words to `state`; the block is used up.
DEVICE void sha256_block(Digest &state, u32 w[16]) {
    constexpr u32 K[64] = {
        0x428A2F98u, 0x71374491u, 0xB5C0FBCFu, 0xE9B5DBA5u, 0x3956C25Bu, 0x59F111F1u, 0x923F82A4u,
        0xAB1C5ED5u, 0xD807AA98u, 0x12835B01u, 0x243185BEu, 0x550C7DC3u, 0x72BE5D74u, 0x80DEB1FEu,
        0x9BDC06A7u, 0xC19BF174u, 0xE49B69C1u, 0xEFBE4786u, 0x0FC19DC6u, 0x240CA1CCu, 0x2DE92C6Fu,
        0x4A7484AAu, 0x5CB0A9DCu, 0x76F988DAu, 0x983E5152u, 0xA831C66Du, 0xB00327C8u, 0xBF597FC7u,
        0xC6E00BF3u, 0xD5A79147u, 0x06CA6351u, 0x14292967u, 0x27B70A85u, 0x2E1B2138u, 0x4D2C6DFCu,
        0x53380D13u, 0x650A7354u, 0x766A0ABBu, 0x81C2C92Eu, 0x92722C85u, 0xA2BFE8A1u, 0xA81A664Bu,
        0xC24B8B70u, 0xC76C51A3u, 0xD192E819u, 0xD6990624u, 0xF40E3585u, 0x106AA070u, 0x19A4C116u,
        0x1E376C08u, 0x2748774Cu, 0x34B0BCB5u, 0x391C0CB3u, 0x4ED8AA4Au, 0x5B9CCA4Fu, 0x682E6FF3u,
        0x748F82EEu, 0x78A5636Fu, 0x84C87814u, 0x8CC70208u, 0x90BEFFFAu, 0xA4506CEBu, 0xBEF9A3F7u,
        0xC67178F2u};
    u32 a = state.word[0], b = state.word[1], c = state.word[2], d = state.word[3];
    u32 e = state.word[4], f = state.word[5], g = state.word[6], h = state.word[7];
#pragma unroll
    for (int i = 0; i < 64; i++) {
        if (i >= 16) {
            u32 x = w[(i + 1) % 16], y = w[(i + 14) % 16];
            u32 s0 = rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3;
            u32 s1 = rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10;
            w[i % 16] += s0 + w[(i + 9) % 16] + s1;
        }
        u32 sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        u32 t1 = h + sum1 + ((e & f) ^ (~e & g)) + K[i] + w[i % 16];
        u32 sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        u32 t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    state.word[0] += a, state.word[1] += b, state.word[2] += c, state.word[3] += d;
    state.word[4] += e, state.word[5] += f, state.word[6] += g, state.word[7] += h;
}

// The digest of another digest's 32 bytes.
DEVICE Digest sha256_of_digest(const Digest &inner) {
    u32 w[16] = {};
#pragma unroll
    for (int i = 0; i < 8; i++) w[i] = inner.word[i];
    w[8] = 0x80000000u;
    w[15] = 32 * 8;
    Digest out = sha256_start();
    sha256_block(out, w);
    return out;
}

// The leaf of 32 bytes of data: the digest of a zero byte and the data.
DEVICE Digest merkle_leaf(const Digest &data) {
    u32 w[16] = {};
    w[0] = data.word[0] >> 8;
#pragma unroll
    for (int i = 1; i < 8; i++) w[i] = data.word[i - 1] << 24 | data.word[i] >> 8;
    w[8] = data.word[7] << 24 | 0x00800000u;
    w[15] = 33 * 8;
    Digest out = sha256_start();
    sha256_block(out, w);
    return out;
}

// The node above two others: the digest of a byte of value one and both.
DEVICE Digest merkle_node(const Digest &left, const Digest &right) {
    u32 w[16];
    w[0] = 0x01000000u | left.word[0] >> 8;
#pragma unroll
    for (int i = 1; i < 8; i++) w[i] = left.word[i - 1] << 24 | left.word[i] >> 8;
    w[8] = left.word[7] << 24 | right.word[0] >> 8;
#pragma unroll
    for (int i = 1; i < 8; i++) w[8 + i] = right.word[i - 1] << 24 | right.word[i] >> 8;
    Digest out = sha256_start();
    sha256_block(out, w);
    u32 rest[16] = {};
    rest[0] = right.word[7] << 24 | 0x00800000u;
    rest[15] = 65 * 8;
    sha256_block(out, rest);
    return out;
}

#ifdef __CUDACC__
// Digests lie in memory as their 32 bytes, so each word is turned round.
DEVICE Digest load_digest(const u8 *bytes) {
    const uint4 *pieces = (const uint4 *)bytes;
    uint4 x = pieces[0], y = pieces[1];
    return Digest{{swap_bytes(x.x), swap_bytes(x.y), swap_bytes(x.z), swap_bytes(x.w),
                   swap_bytes(y.x), swap_bytes(y.y), swap_bytes(y.z), swap_bytes(y.w)}};
}

DEVICE void store_digest(u8 *bytes, const Digest &d) {
    uint4 *pieces = (uint4 *)bytes;
    const u32 *w = d.word;
    pieces[0] = make_uint4(swap_bytes(w[0]), swap_bytes(w[1]), swap_bytes(w[2]), swap_bytes(w[3]));
    pieces[1] = make_uint4(swap_bytes(w[4]), swap_bytes(w[5]), swap_bytes(w[6]), swap_bytes(w[7]));
}
#endif

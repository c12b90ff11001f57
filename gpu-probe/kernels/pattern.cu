// Memory test patterns: written over an area and compared word by word.
#include "common.cuh"

// What word `index` must hold. Kinds: 0 `value`, 1 the index exclusive-or `value`, 2 the same
// inverted, 3 one bit that walks, 4 the random sequence of `value`.
DEVICE u64 pattern_word(u32 kind, u64 value, u64 index) {
    switch (kind) {
    case 0: return value;
    case 1: return index ^ value;
    case 2: return ~(index ^ value);
    case 3: return 1ull << ((index + value) % 64);
    default: return random_word(value, index);
    }
}

// Writes words first_index .. first_index + count - 1 of a pattern to words[0 .. count - 1].
KERNEL pattern_write(u64 *words, u64 count, u64 first_index, u32 kind, u64 value) {
    for (u64 i = thread_index(); i < count; i += thread_count()) {
        words[i] = pattern_word(kind, value, first_index + i);
    }
}

// Adds the number of words that differ to `errors` and lowers `first_bad` to the smallest index of
// one; the host sets them to zero and 2^64 - 1 before.
KERNEL pattern_check(const u64 *words, u64 count, u64 first_index, u32 kind, u64 value, u64 *errors,
                     u64 *first_bad) {
    u64 found = 0;
    u64 first = ~0ull;
    for (u64 i = thread_index(); i < count; i += thread_count()) {
        u64 index = first_index + i;
        if (words[i] != pattern_word(kind, value, index)) {
            found++;
            if (index < first) first = index;
        }
    }
    if (found != 0) {
        atomicAdd(errors, found);
        atomicMin(first_bad, first);
    }
}

// One level of a Merkle tree from the level below: `nodes` nodes, each above two of below.
#include "sha256.cuh"

KERNEL merkle_level(const u8 *below, u8 *above, u64 nodes) {
    for (u64 i = thread_index(); i < nodes; i += thread_count()) {
        Digest left = load_digest(below + 64 * i);
        Digest right = load_digest(below + 64 * i + 32);
        store_digest(above + 32 * i, merkle_node(left, right));
    }
}

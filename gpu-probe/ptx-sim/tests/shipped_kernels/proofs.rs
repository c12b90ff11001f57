//! The kernels of the matrix proof, the Merkle trees and the VRAM proof.

use tandem_ptx_sim::Arg::{U32, U64};

use crate::reference::{
    P, checksum, entry_word, fill_word, hash, leaf, matrix, node, product, random,
};
use crate::setting::{architectures, card};

const N: usize = 256;

fn as_bytes(entries: &[i8]) -> Vec<u8> {
    entries.iter().map(|x| *x as u8).collect()
}

#[test]
fn products_of_seeded_matrices_are_exact() {
    let keys = [random(1, 0), random(1, 1), random(1, 2), random(1, 3)];
    let (a, b) = (matrix(keys[0], keys[1], N), matrix(keys[2], keys[3], N));
    let wanted = product(&a, &b, N);
    for architecture in &architectures("matrix") {
        let mut card = card("matrix", architecture);
        let (at, bt) = (card.space(N * N), card.space(N * N));
        let c = card.space(4 * N * N);
        let keys = keys.map(U64);
        let args = [
            U64(at),
            U64(bt),
            keys[0],
            keys[1],
            keys[2],
            keys[3],
            U32(N as u32),
        ];
        card.run("matrix_fill", 3, 96, &args);
        assert_eq!(card.bytes(at, N * N), as_bytes(&a), "A, sm_{architecture}");
        assert_eq!(card.bytes(bt, N * N), as_bytes(&b), "B, sm_{architecture}");
        let args = [U64(at), U64(bt), U64(c), U32(N as u32)];
        card.run("matrix_multiply", 3, 256, &args);
        let found: Vec<i32> = card.u32s(c, N * N).iter().map(|x| *x as i32).collect();
        let wrong = found.iter().zip(&wanted).position(|(x, y)| x != y);
        assert_eq!(wrong, None, "first wrong entry, sm_{architecture}");
    }
}

#[test]
fn extreme_entries_of_a_larger_matrix_do_not_overflow() {
    let n = 512;
    let mut card = card("matrix", "80");
    let a = card.put(&as_bytes(&vec![-8; n * n]));
    let b = card.put(&as_bytes(&vec![-8; n * n]));
    let c = card.space(4 * n * n);
    let args = [U64(a), U64(b), U64(c), U32(n as u32)];
    card.run("matrix_multiply", 2, 256, &args);
    assert!(card.u32s(c, n * n).iter().all(|x| *x == 64 * n as u32));
}

#[test]
fn entries_follow_the_words_of_the_seeds_on_every_architecture() {
    for architecture in &architectures("matrix") {
        let mut card = card("matrix", architecture);
        let (a, b) = (card.space(N * N), card.space(N * N));
        let args = [
            U64(a),
            U64(b),
            U64(5),
            U64(6),
            U64(7),
            U64(u64::MAX),
            U32(N as u32),
        ];
        card.run("matrix_fill", 1, 64, &args);
        assert_eq!(card.bytes(a, N * N), as_bytes(&matrix(5, 6, N)));
        assert_eq!(card.bytes(b, N * N), as_bytes(&matrix(7, u64::MAX, N)));
        // The least and greatest part are read with their sign.
        let word = entry_word(5, 6, 0);
        let first = (word & 15) as i8;
        let first = if first > 7 { first - 16 } else { first };
        assert_eq!(card.bytes(a, 1)[0] as i8, first);
    }
}

#[test]
fn rows_are_hashed_by_chunks_and_then_to_leaves() {
    for architecture in &architectures("matrix") {
        for (rows, chunks_per_row) in [(5, 1), (3, 2), (2, 5), (1, 32)] {
            let mut card = card("matrix", architecture);
            let numbers = rows * chunks_per_row * 256;
            let content: Vec<u8> = (0..numbers as u64 / 2)
                .flat_map(|i| random(9, i).to_le_bytes())
                .collect();
            let c = card.put(&content);
            let chunks = rows * chunks_per_row;
            let digests = card.space(32 * chunks);
            let leaves = card.space(32 * rows);
            card.run(
                "matrix_chunks",
                2,
                32,
                &[U64(c), U64(digests), U64(chunks as u64)],
            );
            let args = [
                U64(digests),
                U64(leaves),
                U32(rows as u32),
                U32(chunks_per_row as u32),
            ];
            card.run("matrix_leaves", 1, 64, &args);
            let of_chunks: Vec<_> = content.chunks(1024).map(|chunk| hash(&[chunk])).collect();
            assert_eq!(card.bytes(digests, 32 * chunks), of_chunks.concat());
            let of_rows: Vec<_> = of_chunks
                .chunks(chunks_per_row)
                .map(|row| leaf(&hash(&[&row.concat()])))
                .collect();
            assert_eq!(card.bytes(leaves, 32 * rows), of_rows.concat());
        }
    }
}

#[test]
fn nodes_of_a_tree_hash_their_two_children() {
    for architecture in &architectures("merkle") {
        let mut card = card("merkle", architecture);
        let below: Vec<u8> = (0..2 * 37 * 4)
            .flat_map(|i| random(3, i).to_le_bytes())
            .collect();
        let (from, to) = (card.put(&below), card.space(37 * 32));
        card.run("merkle_level", 1, 32, &[U64(from), U64(to), U64(37)]);
        let wanted: Vec<_> = below
            .chunks(64)
            .map(|pair| node(&pair[..32], &pair[32..]))
            .collect();
        assert_eq!(card.bytes(to, 37 * 32), wanted.concat());
    }
}

#[test]
fn the_fill_is_the_double_hash_of_index_and_key() {
    let key = hash(&[b"vram", b"base"]);
    for architecture in &architectures("vram") {
        for first in [0, 0xffff_fff0, 1 << 40] {
            let mut card = card("vram", architecture);
            let key_at = card.put(&key);
            let words = card.space(8 * 70);
            let args = [U64(words), U64(first), U64(70), U64(key_at)];
            card.run("vram_fill", 1, 32, &args);
            let wanted: Vec<_> = (first..first + 70).map(|i| fill_word(&key, i)).collect();
            assert_eq!(
                card.u64s(words, 70),
                wanted,
                "sm_{architecture} from {first}"
            );
        }
    }
}

#[test]
fn checksums_are_polynomials_over_the_field_whatever_the_words() {
    const BLOCK: usize = 131_072;
    let random_words: Vec<u64> = (0..BLOCK as u64).map(|i| random(17, i)).collect();
    // Words of p, 2^64 - 1 and 0 at the borders of what is reduced.
    let edges: Vec<u64> = (0..BLOCK)
        .map(|i| [u64::MAX, P, P - 1, P + 1, 0][i % 5])
        .collect();
    let largest = vec![u64::MAX; BLOCK];
    let blocks = [random_words, edges, largest];
    let points = [2, P - 1, random(5, 5) % P];
    let cases = architectures("vram").into_iter();
    for (architecture, x) in cases.flat_map(|a| points.map(|x| (a.clone(), x))) {
        let architecture = &architecture;
        let mut card = card("vram", architecture);
        let words = card.put_words(&blocks.concat());
        let sums = card.space(8 * blocks.len());
        let args = [U64(words), U64(blocks.len() as u64), U64(x), U64(sums)];
        card.run("vram_checksum", 2, 256, &args);
        let wanted: Vec<_> = blocks.iter().map(|block| checksum(block, x)).collect();
        assert_eq!(card.u64s(sums, blocks.len()), wanted, "sm_{architecture}");
    }
}

#[test]
fn leaves_of_checksums_are_padded_with_zeros() {
    for architecture in &architectures("vram") {
        let mut card = card("vram", architecture);
        let sums: Vec<u64> = (0..5).map(|i| random(8, i) % P).collect();
        let (from, to) = (card.put_words(&sums), card.space(32 * 8));
        card.run("vram_leaves", 1, 32, &[U64(from), U64(5), U64(to), U64(8)]);
        let mut wanted: Vec<_> = sums.iter().map(|c| leaf(&c.to_le_bytes())).collect();
        wanted.resize(8, [0; 32]);
        assert_eq!(card.bytes(to, 32 * 8), wanted.concat());
    }
}

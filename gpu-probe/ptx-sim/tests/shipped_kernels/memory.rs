//! Bandwidth, pointer chase and memory patterns.

use tandem_ptx_sim::Arg::{U32, U64};

use crate::reference::random;
use crate::setting::{Card, architectures, card};

/// Pieces of 16 bytes: not a multiple of what the threads take at once.
const PIECES: usize = 1003;

fn content(seed: u64) -> Vec<u8> {
    let words = (0..2 * PIECES as u64).map(|i| random(seed, i));
    words.flat_map(|w| w.to_le_bytes()).collect()
}

#[test]
fn streams_copy_write_and_fill_every_piece() {
    for architecture in &architectures("stream") {
        let mut card = card("stream", architecture);
        let (src, dst) = (card.put(&content(1)), card.space(16 * PIECES));
        let count = U64(PIECES as u64);
        card.run("stream_copy", 3, 64, &[U64(src), U64(dst), count]);
        assert_eq!(
            card.bytes(dst, 16 * PIECES),
            content(1),
            "sm_{architecture}"
        );
        card.run("stream_fill", 3, 64, &[U64(dst), count, U64(77)]);
        assert_eq!(
            card.bytes(dst, 16 * PIECES),
            content(77),
            "sm_{architecture}"
        );
        card.run("stream_write", 3, 64, &[U64(dst), count, U32(5)]);
        let written = card.u32s(dst, 4 * PIECES);
        assert!(
            written
                .chunks(4)
                .enumerate()
                .all(|(i, piece)| piece == [5 ^ i as u32, 5, !5, 5 + i as u32])
        );
    }
}

#[test]
fn a_read_touches_every_piece() {
    for architecture in &architectures("stream") {
        // One thread reads all: the folded words are all ones only if no piece is left out.
        let mut words = content(4);
        let folded = words.chunks(4).fold([0; 4], |all, word| {
            std::array::from_fn(|i| all[i] ^ word[i])
        });
        for (byte, all) in words[16 * 500..].iter_mut().zip(folded) {
            *byte ^= !all;
        }
        let mut card = card("stream", architecture);
        let (src, sink) = (card.put(&words), card.put(&[0; 4]));
        let args = [U64(src), U64(PIECES as u64), U64(sink)];
        card.run("stream_read", 1, 1, &args);
        assert_eq!(card.u32s(sink, 1), [u32::MAX], "sm_{architecture}");
    }
}

#[test]
fn a_chase_walks_one_ring_through_all_lines() {
    for architecture in &architectures("chase") {
        let mut card = card("chase", architecture);
        let (lines, stride) = (64_u64, 32_u32);
        let words = lines as usize * stride as usize;
        let next = card.space(4 * words);
        let (cycles, timer, end) = (card.space(8), card.space(8), card.space(4));
        let args = [
            U64(next),
            U64(lines),
            U32(stride),
            U64(0x5_4321 * 4 + 1),
            U64(0x1235),
        ];
        card.run("chase_fill", 1, 32, &args);
        let ring = card.u32s(next, words);
        let mut at = 0_u32;
        let mut seen = std::collections::BTreeSet::new();
        for hops in 1..=lines as u32 {
            at = ring[at as usize];
            assert!(seen.insert(at), "the ring is shorter than its lines");
            if [1, 7, 8, 37, 64].contains(&hops) {
                let args = [
                    U64(next),
                    U32(0),
                    U32(hops),
                    U64(cycles),
                    U64(timer),
                    U64(end),
                ];
                card.run("chase", 1, 32, &args);
                assert_eq!(card.u32s(end, 1), [at], "{hops} hops, sm_{architecture}");
                // Every hop waits for the load before it.
                let taken = card.u64s(cycles, 1)[0];
                assert!(taken >= 400 * u64::from(hops) && taken < 500 * u64::from(hops) + 500);
                let ns = card.u64s(timer, 1)[0];
                assert!(ns >= taken && ns < taken + 100, "a clock of 1 GHz");
            }
        }
        assert_eq!(at, 0, "the ring closes");
    }
}

fn check(card: &mut Card, words: u64, count: usize, first: u64, kind: u32) -> (u64, u64) {
    let (errors, first_bad) = (card.put_words(&[0]), card.put_words(&[u64::MAX]));
    let args = [
        U64(words),
        U64(count as u64),
        U64(first),
        U32(kind),
        U64(0xdead_beef_0123),
        U64(errors),
        U64(first_bad),
    ];
    card.run("pattern_check", 2, 64, &args);
    (card.u64s(errors, 1)[0], card.u64s(first_bad, 1)[0])
}

#[test]
fn patterns_hold_what_they_say_and_planted_flips_are_found() {
    let (count, first, value) = (777, (1 << 33) + 5, 0xdead_beef_0123_u64);
    for architecture in &architectures("pattern") {
        let mut card = card("pattern", architecture);
        for kind in 0..=4 {
            let words = card.space(8 * count);
            let args = [
                U64(words),
                U64(count as u64),
                U64(first),
                U32(kind),
                U64(value),
            ];
            card.run("pattern_write", 2, 64, &args);
            let wanted: Vec<u64> = (first..first + count as u64)
                .map(|i| match kind {
                    0 => value,
                    1 => i ^ value,
                    2 => !(i ^ value),
                    3 => 1 << ((i + value) % 64),
                    _ => random(value, i),
                })
                .collect();
            assert_eq!(
                card.u64s(words, count),
                wanted,
                "kind {kind}, sm_{architecture}"
            );
            assert_eq!(check(&mut card, words, count, first, kind), (0, u64::MAX));
            for (word, bit) in [(776, 63), (301, 0), (300, 31)] {
                let flipped = wanted[word] ^ 1 << bit;
                let at = words + 8 * word as u64;
                card.machine.write(at, &flipped.to_le_bytes()).unwrap();
            }
            let found = check(&mut card, words, count, first, kind);
            assert_eq!(found, (3, first + 300), "kind {kind}, sm_{architecture}");
        }
    }
}

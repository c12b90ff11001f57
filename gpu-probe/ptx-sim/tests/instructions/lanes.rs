//! Shuffles, votes, matches and reductions.

use proptest::prelude::*;

use crate::harness::compute;

fn of_lanes(lines: &str, result: &str, words: &[u64; 32]) -> Vec<u64> {
    compute(lines, result, &words.map(|w| [w, 0, 0, 0]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// As the CUDA guide tells it: `width` lanes form a group of their own.
    #[test]
    fn shuffles_read_within_their_group(words in any::<[u32; 32]>(), distance in 0_usize..32, log_width in 0_u32..6) {
        let words = words.map(u64::from);
        let width = 1 << log_width;
        let clamp = (32 - width) << 8 | 31;
        let run = |mode: &str, c: usize| {
            let lines = format!("shfl.sync.{mode}.b32 %r9|%p1, %r1, {distance}, {c}, -1; selp.b64 %rd9, 1, 0, %p1;
                cvt.u64.u32 %rd8, %r9; shl.b64 %rd9, %rd9, 32; or.b64 %rd9, %rd9, %rd8;");
            of_lanes(&lines, "%rd9", &words)
        };
        let expect = |from: &dyn Fn(usize) -> Option<usize>| -> Vec<u64> {
            (0..32).map(|lane| match from(lane) {
                Some(other) => 1 << 32 | words[other],
                None => words[lane],
            }).collect()
        };
        let group = |lane: usize| lane / width * width;
        prop_assert_eq!(run("idx", clamp), expect(&|lane| Some(group(lane) + distance % width)));
        prop_assert_eq!(run("down", clamp), expect(&|lane| {
            Some(lane + distance).filter(|o| *o < 32 && group(*o) == group(lane))
        }));
        prop_assert_eq!(run("up", clamp & !31), expect(&|lane| {
            lane.checked_sub(distance).filter(|o| group(*o) == group(lane))
        }));
        prop_assert_eq!(run("bfly", clamp), expect(&|lane| {
            Some(lane ^ distance).filter(|o| *o < group(lane) + width)
        }));
    }

    #[test]
    fn votes_count_the_lanes_that_say_yes(yes in any::<u32>()) {
        let words = std::array::from_fn(|lane| u64::from(yes >> lane & 1));
        let test = "setp.ne.u64 %p2, %rd1, 0;";
        let ballot = of_lanes(&format!("{test} vote.sync.ballot.b32 %r9, %p2, -1;"), "%r9", &words);
        prop_assert_eq!(ballot, vec![u64::from(yes); 32]);
        for (mode, holds) in [("any", yes != 0), ("all", yes == u32::MAX), ("uni", yes == 0 || yes == u32::MAX)] {
            let found = of_lanes(&format!("{test} vote.sync.{mode}.pred %p1, %p2, -1;"), "%p1", &words);
            prop_assert_eq!(found, vec![u64::from(holds); 32], "{}", mode);
        }
        let none = of_lanes(&format!("{test} vote.sync.any.pred %p1, !%p2, -1;"), "%p1", &words);
        prop_assert_eq!(none, vec![u64::from(yes != u32::MAX); 32]);
    }

    #[test]
    fn reductions_and_matches_take_the_lanes_of_their_mask(words in any::<[u32; 32]>()) {
        // Even and odd lanes reduce apart from each other.
        let masks = "and.b32 %r8, %r39, 1; setp.eq.u32 %p2, %r8, 0; selp.b32 %r8, 0x55555555, 0xaaaaaaaa, %p2;";
        let small = words.map(|w| u64::from(w % 5));
        let words = words.map(u64::from);
        let of = |op: &str| of_lanes(&format!("{masks} redux.sync.{op} %r9, %r1, %r8;"), "%r9", &words);
        let expect = |f: &dyn Fn(u32, u32) -> u32| -> Vec<u64> {
            (0..32).map(|lane| {
                let own = (lane % 2..32).step_by(2).map(|i| words[i] as u32);
                u64::from(own.reduce(f).unwrap())
            }).collect()
        };
        prop_assert_eq!(of("add.u32"), expect(&u32::wrapping_add));
        prop_assert_eq!(of("max.u32"), expect(&|a, b| a.max(b)));
        prop_assert_eq!(of("min.s32"), expect(&|a, b| (a as i32).min(b as i32) as u32));
        prop_assert_eq!(of("xor.b32"), expect(&|a, b| a ^ b));
        let found = of_lanes("match.any.sync.b32 %r9, %r1, -1;", "%r9", &small);
        for lane in 0..32 {
            let same = (0..32).fold(0, |m, i| m | u64::from(small[i] == small[lane]) << i);
            prop_assert_eq!(found[lane], same);
        }
    }
}

#[test]
fn lanes_that_come_later_are_waited_for() {
    // The lower half takes a detour; the shuffle still reads the upper half's value, and its own.
    let lines = "mov.u32 %r8, 7; setp.lt.u32 %p2, %r39, 16; @!%p2 bra $meet;
        add.u32 %r8, %r39, 100; add.u32 %r8, %r8, 1000; bra $meet; $meet:
        shfl.sync.bfly.b32 %r9, %r8, 16, 31, -1;";
    let found = of_lanes(lines, "%r9", &[0; 32]);
    let wanted: Vec<_> = (0..32)
        .map(|lane| if lane < 16 { 7 } else { lane - 16 + 1100 })
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_vote_on_one_side_of_a_branch_waits_for_its_members_alone() {
    let lines = "mov.u32 %r9, 5; setp.lt.u32 %p2, %r39, 8; @!%p2 bra $skip;
        setp.lt.u32 %p3, %r39, 3; vote.sync.ballot.b32 %r9, %p3, 0xff; bar.warp.sync 0xff; $skip:
        bar.warp.sync -1;";
    let found = of_lanes(lines, "%r9", &[0; 32]);
    let wanted: Vec<_> = (0..32).map(|lane| if lane < 8 { 7 } else { 5 }).collect();
    assert_eq!(found, wanted);
}

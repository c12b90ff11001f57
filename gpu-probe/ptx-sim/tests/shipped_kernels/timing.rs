//! Kernels that read clocks: they end, and tell what the machine was made with.

use tandem_ptx_sim::Arg::{F32, U32, U64};
use tandem_ptx_sim::MachineConfig;

use crate::setting::{architectures, card, card_like};

fn machine(sm_count: u32, clock_mhz: u64) -> MachineConfig {
    MachineConfig {
        sm_count,
        clock_mhz,
        ..MachineConfig::default()
    }
}

#[test]
fn a_census_finds_every_sm_and_its_clock() {
    for architecture in &architectures("census") {
        let mut card = card_like("census", architecture, machine(13, 1750));
        let blocks = 13 * 4;
        let smid = card.space(4 * blocks);
        let at: [u64; 4] = std::array::from_fn(|_| card.space(8 * blocks));
        let args = [
            U64(smid),
            U64(at[0]),
            U64(at[1]),
            U64(at[2]),
            U64(at[3]),
            U64(100_000),
        ];
        card.run("census", blocks as u32, 64, &args);
        let mut sms = card.u32s(smid, blocks);
        sms.sort_unstable();
        sms.dedup();
        assert_eq!(sms, (0..13).collect::<Vec<_>>(), "sm_{architecture}");
        let [c0, c1, t0, t1] = at.map(|at| card.u64s(at, blocks));
        for block in 0..blocks {
            let cycles = c1[block] - c0[block];
            assert!((100_000..101_000).contains(&cycles));
            let mhz = cycles as f64 * 1000.0 / (t1[block] - t0[block]) as f64;
            assert!((mhz - 1750.0).abs() < 10.0, "{mhz} MHz, sm_{architecture}");
        }
    }
}

#[test]
fn the_gap_test_ends_and_finds_no_gap_where_none_is() {
    for architecture in &architectures("gaps") {
        let mut card = card("gaps", architecture);
        let (gaps, count) = (card.space(8 * 4), card.space(4));
        let args = [U64(500_000), U64(1_000), U64(gaps), U32(4), U64(count)];
        let before = card.machine.now_ns();
        card.run("time_gaps", 2, 32, &args);
        let took = card.machine.now_ns() - before;
        assert!((500_000..510_000).contains(&took), "{took} ns");
        assert_eq!(card.u32s(count, 1), [0]);
        assert_eq!(card.bytes(gaps, 32), [0xa5; 32], "no gap is written");
    }
}

#[test]
fn gaps_beyond_the_list_are_counted_and_not_written() {
    for architecture in &architectures("gaps") {
        // Every reading of the timer is later than the threshold of no time at all.
        let mut card = card("gaps", architecture);
        let (gaps, count) = (card.space(8 * 4), card.space(4));
        let args = [U64(10_000), U64(0), U64(gaps), U32(4), U64(count)];
        card.run("time_gaps", 1, 1, &args);
        assert!(card.u32s(count, 1)[0] > 4);
        let kept = card.u64s(gaps, 4);
        assert!(kept.iter().all(|ns| (1..1_000).contains(ns)), "{kept:?}");
    }
}

#[test]
fn the_latency_map_times_each_region_from_each_block() {
    for architecture in &architectures("latency_map") {
        let mut card = card_like("latency_map", architecture, machine(5, 1000));
        let (region_words, regions, hops) = (64_usize, 3_usize, 21);
        let mut words = Vec::new();
        for _ in 0..regions {
            words.extend((0..region_words as u32).map(|i| (i + 7) % region_words as u32));
        }
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let memory = card.put(&bytes);
        let (smid, cycles) = (card.space(4 * 5), card.space(4 * 5 * regions));
        let args = [
            U64(memory),
            U64(region_words as u64),
            U32(regions as u32),
            U32(hops),
            U64(smid),
            U64(cycles),
        ];
        card.run("latency_map", 5, 32, &args);
        assert_eq!(card.u32s(smid, 5), [0, 1, 2, 3, 4]);
        for taken in card.u32s(cycles, 5 * regions) {
            assert!((400 * hops..500 * hops).contains(&taken), "{taken} cycles");
        }
    }
}

#[test]
fn an_empty_kernel_runs() {
    for architecture in &architectures("launch") {
        card("launch", architecture).run("empty", 100, 1024, &[]);
    }
}

#[test]
fn fp32_chains_give_the_same_bits_as_the_host() {
    let (iterations, a, b) = (37, 0.999_9_f32, 0.000_3_f32);
    for architecture in &architectures("fp32") {
        let mut card = card("fp32", architecture);
        let threads = 2 * 96;
        let out = card.space(4 * threads);
        let args = [U64(out), U32(iterations), F32(a), F32(b)];
        card.run("fp32_fma", 2, 96, &args);
        for (thread, bits) in card.u32s(out, threads).into_iter().enumerate() {
            let mut x: [f32; 8] =
                std::array::from_fn(|k| (thread % 1024 + k) as f32 * (1.0 / 1024.0));
            for _ in 0..iterations {
                x = x.map(|x| x.mul_add(a, b));
            }
            let sum = x.into_iter().reduce(|sum, x| sum + x).unwrap();
            assert_eq!(bits, sum.to_bits(), "thread {thread}, sm_{architecture}");
        }
    }
}

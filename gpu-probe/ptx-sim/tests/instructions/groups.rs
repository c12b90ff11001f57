//! `wgmma`: factors in shared memory in every layout, and sums that arrive when they are waited for.

use tandem_ptx_sim::FaultKind;

use crate::harness::{HEAD, REGISTERS, run_text};

/// Where B begins in shared memory, and the bytes of both factors together.
const B_START: usize = 8192;
const SHARED: usize = 10_240;

/// A layout of rows of 32 bytes: code of the swizzle, and the byte at which piece `p` of row `r`
/// stands.
struct Layout {
    code: u64,
    leading: u64,
    stride: u64,
    place: fn(row: usize, piece: usize) -> usize,
}

const LAYOUTS: [Layout; 4] = [
    Layout {
        code: 0,
        leading: 128,
        stride: 256,
        place: |row, piece| row / 8 * 256 + piece * 128 + row % 8 * 16,
    },
    Layout {
        code: 1,
        leading: 16,
        stride: 1024,
        place: |row, piece| row * 128 + (piece ^ (row % 8)) * 16,
    },
    Layout {
        code: 2,
        leading: 16,
        stride: 512,
        place: |row, piece| row * 64 + (piece ^ (row / 2 % 4)) * 16,
    },
    Layout {
        code: 3,
        leading: 16,
        stride: 256,
        place: |row, piece| row * 32 + (piece ^ (row / 4 % 2)) * 16,
    },
];

fn a(row: usize, k: usize) -> i8 {
    (row * 37 + k * 11 + row * k) as i8
}

fn b(column: usize, k: usize) -> i8 {
    (column * 91 + k * 29 + 5) as i8
}

/// Runs 128 threads over these bytes of shared memory; the sums of a thread stand in `%r20` to
/// `%r23`, all 7 at first, and the descriptors in `%rd10` and `%rd11`.
fn run(shared: &[u8], descriptors: [u64; 2], lines: &str) -> Result<Vec<u64>, FaultKind> {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    .shared .align 1024 .b8 factors[{SHARED}];
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r1, %tid.x;
    mov.u32 %r2, %r1;
$copy:
    mul.wide.u32 %rd1, %r2, 8;
    add.u64 %rd2, %rd1, %rd19;
    ld.global.u64 %rd3, [%rd2];
    mov.u64 %rd4, factors;
    add.u64 %rd4, %rd4, %rd1;
    st.shared.u64 [%rd4], %rd3;
    add.u32 %r2, %r2, 128;
    setp.lt.u32 %p1, %r2, {};
    @%p1 bra $copy;
    bar.sync 0;
    mov.u64 %rd10, {:#x};
    mov.u64 %rd11, {:#x};
    mov.u32 %r20, 7;
    mov.u32 %r21, 7;
    mov.u32 %r22, 7;
    mov.u32 %r23, 7;
    setp.ne.b32 %p2, 1, 0;
    wgmma.fence.sync.aligned;
    {lines}
    bar.sync 0;
    mul.wide.u32 %rd1, %r1, 16;
    add.u64 %rd1, %rd1, %rd19;
    st.global.v4.u32 [%rd1], {{%r20, %r21, %r22, %r23}};
    ret;\n}}",
        SHARED / 8,
        descriptors[0],
        descriptors[1]
    );
    let words: Vec<u64> = shared
        .chunks(8)
        .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    run_text(&text, 128, &words).map_err(|fault| fault.kind)
}

/// Factors in a layout, with their descriptors.
fn factors(layout: &Layout) -> (Vec<u8>, [u64; 2]) {
    let mut shared = vec![0; SHARED];
    for k in 0..32 {
        for row in 0..64 {
            shared[(layout.place)(row, k / 16) + k % 16] = a(row, k) as u8;
        }
        for column in 0..8 {
            shared[B_START + (layout.place)(column, k / 16) + k % 16] = b(column, k) as u8;
        }
    }
    let descriptor = |start: u64| {
        (layout.code << 62)
            | ((layout.stride / 16) << 32)
            | ((layout.leading / 16) << 16)
            | (start / 16)
    };
    (shared, [descriptor(0), descriptor(B_START as u64)])
}

fn sum(row: usize, column: usize) -> i32 {
    let terms = (0..32).map(|k| i32::from(a(row, k)) * i32::from(b(column, k)));
    terms.sum()
}

/// The sums in the order of the threads' registers, `times` the product and `start` added.
fn wanted(times: i32, start: i32) -> Vec<u32> {
    let mut out = Vec::new();
    for thread in 0..128 {
        for i in 0..4 {
            let row = thread / 32 * 16 + thread % 32 / 4 + if i < 2 { 0 } else { 8 };
            let column = thread % 4 * 2 + i % 2;
            out.push((times * sum(row, column) + start) as u32);
        }
    }
    out
}

fn sums(words: &[u64]) -> Vec<u32> {
    let halves = words[..256]
        .iter()
        .flat_map(|w| [*w as u32, (*w >> 32) as u32]);
    halves.collect()
}

const MULTIPLY: &str = "wgmma.mma_async.sync.aligned.m64n8k32.s32.s8.s8 \
    {%r20, %r21, %r22, %r23}, %rd10, %rd11, ";

#[test]
fn products_of_every_layout_are_the_plain_ones() {
    for layout in &LAYOUTS {
        let (shared, descriptors) = factors(layout);
        let twice = format!(
            "{MULTIPLY}%p2; {MULTIPLY}%p2; wgmma.commit_group.sync.aligned;
            wgmma.wait_group.sync.aligned 0;"
        );
        let found = run(&shared, descriptors, &twice).unwrap();
        assert_eq!(sums(&found), wanted(2, 7), "swizzle {}", layout.code);
        let afresh = format!(
            "{MULTIPLY}!%p2; wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;"
        );
        let found = run(&shared, descriptors, &afresh).unwrap();
        assert_eq!(sums(&found), wanted(1, 0), "swizzle {}", layout.code);
    }
}

#[test]
fn sums_arrive_when_their_group_is_waited_for_and_not_before() {
    let (shared, descriptors) = factors(&LAYOUTS[1]);
    let two = format!(
        "{MULTIPLY}%p2; wgmma.commit_group.sync.aligned; {MULTIPLY}%p2;
        wgmma.commit_group.sync.aligned;"
    );
    for (wait, times) in [("", 0), ("2", 0), ("1", 1), ("0", 2)] {
        let wait = match wait {
            "" => String::new(),
            left => format!("wgmma.wait_group.sync.aligned {left};"),
        };
        let found = run(&shared, descriptors, &format!("{two} {wait}")).unwrap();
        assert_eq!(sums(&found), wanted(times, 7), "{wait}");
    }
    // A factor that is written over before the wait spoils the product.
    let early = format!(
        "{MULTIPLY}%p2; wgmma.commit_group.sync.aligned; bar.sync 0;
        st.shared.u64 [factors], %rd19; bar.sync 0; wgmma.wait_group.sync.aligned 0;"
    );
    let found = run(&shared, descriptors, &early).unwrap();
    assert_ne!(sums(&found), wanted(1, 7));
}

#[test]
fn a_descriptor_beyond_shared_memory_is_a_fault() {
    let (shared, [a, _]) = factors(&LAYOUTS[1]);
    let lines =
        format!("{MULTIPLY}%p2; wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;");
    let fault = run(&shared, [a, a | 0x3fff], &lines).unwrap_err();
    assert!(matches!(
        fault,
        FaultKind::OutOfBounds {
            space: "shared",
            bytes: 16,
            ..
        }
    ));
}

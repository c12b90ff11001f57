//! Loads, stores, atomics, spaces and variables.

use tandem_ptx_sim::{Arg, Machine, MachineConfig};

use crate::harness::{HEAD, REGISTERS, compute, machine, parse, run, run_text};

#[test]
fn loads_extend_by_their_type_and_stores_cut() {
    let rows = [
        [0xf0f1_f2f3_f4f5_f6f7, 0, 0, 0],
        [0x0102_0304_0506_0708, 0, 0, 0],
    ];
    let at = |lines: &str, result: &str| compute(lines, result, &rows);
    assert_eq!(at("ld.global.u8 %r9, [%rd18+1];", "%r9"), [0xf6, 0x07]);
    assert_eq!(
        at("ld.global.s8 %r9, [%rd18+1];", "%r9"),
        [0xffff_fff6, 0x07]
    );
    assert_eq!(
        at("ld.global.s16 %rd9, [%rd18+2];", "%rd9"),
        [0xffff_ffff_ffff_f4f5, 0x0506]
    );
    assert_eq!(
        at("ld.global.nc.s32 %rd9, [%rd18+4];", "%rd9"),
        [0xffff_ffff_f0f1_f2f3, 0x0102_0304]
    );
    assert_eq!(
        at("ld.volatile.global.u16 %rs9, [%rd18];", "%rs9"),
        [0xf6f7, 0x0708]
    );
    assert_eq!(
        at(
            "st.global.u8 [%rd18+3], %r1; ld.global.L1::no_allocate.b64 %rd9, [%rd18];",
            "%rd9"
        ),
        [0xf0f1_f2f3_f7f5_f6f7, 0x0102_0304_0806_0708]
    );
    assert_eq!(
        at(
            "ld.global.v4.u16 {%rs5, _, %rs6, %rs7}, [%rd18]; mov.b64 %rd9, {%rs7, %rs6, %rs5, %rs5};",
            "%rd9"
        ),
        [0xf6f7_f6f7_f2f3_f0f1, 0x0708_0708_0304_0102]
    );
}

#[test]
fn atomics_return_what_was_there_and_add_up() {
    let body = "
    mov.u32 %r1, %tid.x;
    cvt.u64.u32 %rd2, %r1;
    atom.global.add.u64 %rd1, [%rd19], %rd2;
    red.global.add.u32 [%rd19+8], 1;
    atom.global.min.s32 %r2, [%rd19+12], %r1;
    atom.global.max.u64 %rd3, [%rd19+16], %rd2;
    atom.global.inc.u32 %r3, [%rd19+24], 9;
    atom.global.cas.b32 %r4, [%rd19+28], %r1, 77;
    atom.global.exch.b64 %rd4, [%rd19+32], %rd2;
    red.relaxed.gpu.global.add.f32 [%rd19+40], 0f3F800000;
    atom.or.b32 %r5, [%rd19+44], %r1;
    mul.wide.u32 %rd5, %r1, 8;
    add.u64 %rd5, %rd5, %rd19;
    st.global.u64 [%rd5+48], %rd1;";
    let mut memory = vec![0; 6 + 64];
    memory[1] = 5 << 32;
    let found = run(body, 64, &memory).unwrap();
    assert_eq!(found[0], 63 * 64 / 2);
    assert_eq!(found[1], 64, "64 ones, and 0 as the least");
    assert_eq!(found[2], 63);
    assert_eq!(
        found[3],
        4 | 77 << 32,
        "64 counts from 0 to 9; thread 0 met a 0"
    );
    assert_eq!(found[4], 63);
    assert_eq!(found[5], u64::from(64_f32.to_bits()) | 63 << 32);
    let sums: Vec<_> = (0..64).map(|t: u64| t * t.saturating_sub(1) / 2).collect();
    assert_eq!(found[6..], sums);
}

#[test]
fn generic_addresses_lead_to_their_space() {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 k_0, .param .align 8 .b8 k_1[16])\n{{{REGISTERS}
    .local .align 8 .b8 own[16];
    .shared .align 8 .b8 ours[16];
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r1, %tid.x;
    mov.u64 %rd1, ours;
    cvta.shared.u64 %rd1, %rd1;
    mov.u64 %rd2, own;
    cvta.local.u64 %rd2, %rd2;
    mov.b64 %rd3, k_1;
    cvta.param.u64 %rd3, %rd3;
    cvt.u64.u32 %rd4, %r1;
    st.u64 [%rd2+8], %rd4;
    st.u64 [%rd1+8], 100;
    ld.u64 %rd5, [%rd3+8];
    ld.u64 %rd6, [%rd2+8];
    ld.local.u64 %rd7, [own+8];
    ld.shared.u64 %rd8, [ours+8];
    isspacep.shared %p1, %rd1;
    isspacep.global %p2, %rd19;
    isspacep.local %p3, %rd1;
    add.u64 %rd9, %rd5, %rd6;
    add.u64 %rd9, %rd9, %rd7;
    add.u64 %rd9, %rd9, %rd8;
    @%p1 add.u64 %rd9, %rd9, 100000;
    @%p2 add.u64 %rd9, %rd9, 200000;
    @%p3 add.u64 %rd9, %rd9, 400000;
    cvta.to.shared.u64 %rd1, %rd1;
    ld.shared.u64 %rd8, [%rd1];
    add.u64 %rd9, %rd9, %rd8;
    mul.wide.u32 %rd10, %r1, 8;
    add.u64 %rd10, %rd10, %rd19;
    st.u64 [%rd10], %rd9;
    ret;\n}}"
    );
    let module = parse(&text);
    let kernel = &module.kernels()[0];
    let params: Vec<_> = kernel
        .params()
        .iter()
        .map(|p| (p.offset, p.bytes))
        .collect();
    assert_eq!(params, [(0, 8), (8, 16)]);
    assert_eq!(kernel.shared_bytes(), 16);
    let mut machine = machine();
    let at = machine.alloc(8 * 40).unwrap();
    let params = [
        at.to_le_bytes().to_vec(),
        [[0; 8], 7000_u64.to_le_bytes()].concat(),
    ];
    machine
        .launch_raw(&module, "k", [1; 3], [40, 1, 1], 0, &params)
        .unwrap();
    for thread in 0..40_u64 {
        let word = machine.read(at + 8 * thread, 8).unwrap();
        let word = u64::from_le_bytes(word.try_into().unwrap());
        assert_eq!(word, 307_100 + 2 * thread, "thread {thread}");
    }
}

#[test]
fn variables_of_a_module_keep_their_values_between_launches() {
    let text = format!(
        "{HEAD}.const .align 4 .u32 table[3] = {{5, 0x10, 017}};
.visible .global .align 8 .b8 count[8] = {{41}};
.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    ld.param.u64 %rd19, [k_0];
    ld.global.u64 %rd1, [count];
    add.u64 %rd1, %rd1, 1;
    mov.u64 %rd2, count;
    st.global.u64 [%rd2], %rd1;
    ld.const.u32 %r1, [table+4];
    mov.u64 %rd3, table;
    ld.const.u32 %r2, [%rd3+8];
    mad.lo.u32 %r1, %r1, 1000, %r2;
    mov.b64 %rd4, {{%r1, 0}};
    add.u64 %rd4, %rd4, %rd1;
    st.global.u64 [%rd19], %rd4;
    ret;\n}}"
    );
    let module = parse(&text);
    let mut machine = machine();
    let at = machine.alloc(8).unwrap();
    for round in 1..=3 {
        machine
            .launch(&module, "k", [1; 3], [1, 1, 1], 0, &[Arg::U64(at)])
            .unwrap();
        let word = u64::from_le_bytes(machine.read(at, 8).unwrap().try_into().unwrap());
        assert_eq!(word, 16_015 + 41 + round);
    }
    let count = machine.variable(&module, "count").unwrap().unwrap();
    assert_eq!(machine.read(count, 8).unwrap()[0], 44);
    assert_eq!(machine.variable(&module, "other"), Ok(None));
    assert_eq!(module.variables().len(), 2);
}

#[test]
fn dynamic_shared_memory_lies_behind_the_declared() {
    let text = format!(
        "{HEAD}.extern .shared .align 16 .b8 dynamic[];
.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    .shared .align 4 .b8 fixed[20];
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r1, dynamic;
    mov.u32 %r2, fixed;
    mov.u32 %r3, %dynamic_smem_size;
    st.shared.u32 [%r1+60], %r3;
    ld.shared.u32 %r4, [dynamic+60];
    sub.u32 %r1, %r1, %r2;
    mov.b64 %rd1, {{%r1, %r4}};
    st.global.u64 [%rd19], %rd1;
    ret;\n}}"
    );
    let module = parse(&text);
    let mut machine = machine();
    let at = machine.alloc(8).unwrap();
    let args = [Arg::U64(at)];
    machine
        .launch(&module, "k", [1; 3], [1, 1, 1], 64, &args)
        .unwrap();
    assert_eq!(machine.read(at, 8).unwrap(), [32, 0, 0, 0, 64, 0, 0, 0]);
    assert!(
        machine
            .launch(&module, "k", [1; 3], [1, 1, 1], 63, &args)
            .is_err()
    );
}

#[test]
fn blocks_of_three_dimensions_cover_every_place_once() {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r1, %ctaid.z;
    mov.u32 %r2, %nctaid.y;
    mov.u32 %r3, %ctaid.y;
    mad.lo.u32 %r1, %r1, %r2, %r3;
    mov.u32 %r2, %nctaid.x;
    mov.u32 %r3, %ctaid.x;
    mad.lo.u32 %r1, %r1, %r2, %r3;
    mov.u32 %r2, %ntid.z;
    mov.u32 %r3, %tid.z;
    mad.lo.u32 %r1, %r1, %r2, %r3;
    mov.u32 %r2, %ntid.y;
    mov.u32 %r3, %tid.y;
    mad.lo.u32 %r1, %r1, %r2, %r3;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.u32 %r1, %r1, %r2, %r3;
    mul.wide.u32 %rd1, %r1, 4;
    add.u64 %rd1, %rd1, %rd19;
    red.global.add.u32 [%rd1], 1;
    ret;\n}}"
    );
    let module = parse(&text);
    let mut machine = Machine::new(MachineConfig::default());
    let threads = 2 * 3 * 4 * 5 * 6 * 7;
    let at = machine.alloc(4 * threads).unwrap();
    let args = [Arg::U64(at)];
    machine
        .launch(&module, "k", [2, 3, 4], [5, 6, 7], 0, &args)
        .unwrap();
    let found = machine.read(at, 4 * threads).unwrap();
    assert_eq!(found, [1, 0, 0, 0].repeat(threads as usize));
}

#[test]
fn clocks_go_on_and_never_back() {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    ld.param.u64 %rd19, [k_0];
    mov.u64 %rd1, %clock64;
    mov.u64 %rd2, %globaltimer;
    nanosleep.u32 5000;
    mov.u64 %rd3, %clock64;
    mov.u64 %rd4, %globaltimer;
    st.global.v2.u64 [%rd19], {{%rd1, %rd2}};
    st.global.v2.u64 [%rd19+16], {{%rd3, %rd4}};
    ret;\n}}"
    );
    let found = run_text(&text, 1, &[0; 4]).unwrap();
    assert!((5000..5100).contains(&(found[2] - found[0])));
    assert!((5000..5100).contains(&(found[3] - found[1])));
}

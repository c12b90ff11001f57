//! Barriers of a block.

use tandem_ptx_sim::{Arg, FaultKind, Machine, MachineConfig};

use crate::harness::{HEAD, REGISTERS, kernel, machine, parse, run, run_text};

#[test]
fn shared_memory_is_seen_after_a_barrier_however_warps_diverge() {
    // Each thread writes its place, and reads that of the thread 37 further on; before the barrier
    // lanes loop for different times.
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    .shared .align 8 .b8 tile[1024];
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r1, %tid.x;
    and.b32 %r2, %r1, 13;
$spin:
    setp.eq.u32 %p1, %r2, 0;
    @%p1 bra $ready;
    sub.u32 %r2, %r2, 1;
    bra $spin;
$ready:
    mov.u32 %r3, tile;
    mad.lo.u32 %r4, %r1, 8, %r3;
    mul.wide.u32 %rd1, %r1, 3;
    st.shared.u64 [%r4], %rd1;
    setp.lt.u32 %p2, %r1, 50;
    @%p2 bra $one;
    bar.sync 0;
    bra $read;
$one:
    bar.sync 0;
$read:
    add.u32 %r5, %r1, 37;
    and.b32 %r5, %r5, 127;
    mad.lo.u32 %r5, %r5, 8, %r3;
    ld.shared.u64 %rd2, [%r5];
    bar.sync 0;
    mul.wide.u32 %rd3, %r1, 8;
    add.u64 %rd3, %rd3, %rd19;
    st.global.u64 [%rd3], %rd2;
    ret;\n}}"
    );
    let found = run_text(&text, 128, &[0; 128]).unwrap();
    let wanted: Vec<_> = (0..128).map(|t| (t + 37) % 128 * 3).collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_barrier_tells_how_many_predicates_hold() {
    let body = "
    mov.u32 %r1, %tid.x;
    setp.lt.u32 %p1, %r1, 41;
    bar.red.popc.u32 %r2, 1, %p1;
    setp.lt.u32 %p3, %r1, 96;
    barrier.red.and.pred %p4, 0, %p3;
    bar.red.or.pred %p5, 0, !%p3;
    selp.u32 %r3, 1000, 0, %p4;
    selp.u32 %r4, 5000, 0, %p5;
    add.u32 %r2, %r2, %r3;
    add.u32 %r2, %r2, %r4;
    mul.wide.u32 %rd3, %r1, 8;
    add.u64 %rd3, %rd3, %rd19;
    cvt.u64.u32 %rd2, %r2;
    st.global.u64 [%rd3], %rd2;";
    assert_eq!(run(body, 96, &[0; 96]).unwrap(), [1041; 96]);
}

#[test]
fn some_warps_can_meet_by_themselves() {
    let body = "
    mov.u32 %r1, %tid.x;
    setp.ge.u32 %p1, %r1, 64;
    @%p1 bra $end;
    bar.sync 3, 64;
    mov.u64 %rd1, 8;
    st.global.u64 [%rd19], %rd1;
$end:
    bar.sync 0;";
    assert_eq!(run(body, 96, &[0]).unwrap(), [8]);
}

#[test]
fn a_barrier_that_not_all_reach_is_a_fault() {
    let body = "
    mov.u32 %r1, %tid.x;
    setp.ge.u32 %p1, %r1, 40;
    @%p1 bra $end;
    bar.sync 2;
$end:";
    let fault = run(body, 64, &[0]).unwrap_err();
    assert_eq!(
        fault.kind,
        FaultKind::Barrier {
            barrier: 2,
            waiting: 40,
            expected: 64
        }
    );
    assert_eq!(fault.site.unwrap().thread, [0, 0, 0]);
    // A machine that counts ended threads, as new ones do, lets the others pass.
    let module = parse(&kernel(body));
    let mut lenient = Machine::new(MachineConfig {
        ended_threads_pass_barriers: true,
        ..machine().config().clone()
    });
    let args = [Arg::U64(0)];
    assert_eq!(
        lenient.launch(&module, "k", [1; 3], [64, 1, 1], 0, &args),
        Ok(())
    );
}

#[test]
fn threads_at_two_barriers_are_a_fault() {
    let body = "
    mov.u32 %r1, %tid.x;
    setp.ge.u32 %p1, %r1, 32;
    @%p1 bra $other;
    bar.sync 0;
    bra $end;
$other:
    bar.sync 1;
$end:";
    let fault = run(body, 64, &[0]).unwrap_err();
    assert!(
        matches!(fault.kind, FaultKind::Barrier { waiting: 32, .. }),
        "{fault}"
    );
}

#[test]
fn barriers_that_do_not_exist_are_faults() {
    for body in ["bar.sync 16;", "bar.sync 0, 33;", "bar.sync 0, 96;"] {
        let fault = run(body, 64, &[0]).unwrap_err();
        assert!(
            matches!(fault.kind, FaultKind::BarrierOperand { .. }),
            "{body}: {fault}"
        );
    }
}

//! Faults: each by its name, with kernel, line and thread.

use tandem_ptx_sim::{Arg, FaultKind, Machine, MachineConfig};

use crate::harness::{kernel, machine, parse, run};

#[test]
fn an_access_out_of_bounds_names_line_and_thread() {
    let body = "
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd1, %r1, 8;
    add.u64 %rd1, %rd1, %rd19;
    st.global.u64 [%rd1], %rd1;";
    let fault = run(body, 40, &[0; 35]).unwrap_err();
    let site = fault.site.unwrap();
    assert_eq!(site.thread, [35, 0, 0]);
    assert_eq!(site.block, [0, 0, 0]);
    let line = kernel(body)
        .lines()
        .position(|line| line.contains("st.global"))
        .unwrap();
    assert_eq!(site.line as usize, line + 1);
    assert!(matches!(
        fault.kind,
        FaultKind::OutOfBounds {
            space: "global",
            bytes: 8,
            ..
        }
    ));
    let text = fault.to_string();
    assert!(
        text.contains("kernel k, PTX line") && text.contains("out of bounds"),
        "{text}"
    );
}

#[test]
fn an_access_that_runs_over_the_end_is_out_of_bounds_in_every_space() {
    for (lines, space) in [
        ("ld.global.v2.u64 {%rd1, %rd2}, [%rd19+16];", "global"),
        ("ld.global.u8 %r1, [%rd19+-1];", "global"),
        ("ld.u64 %rd1, [0];", "global"),
        (
            ".shared .align 8 .b8 t[8]; st.shared.u64 [t+8], %rd1;",
            "shared",
        ),
        (
            ".local .align 8 .b8 t[8]; ld.local.u32 %r1, [t+8];",
            "local",
        ),
        ("ld.param.u32 %r1, [k_0+8];", "param"),
        ("red.global.add.u32 [%rd19+24], 1;", "global"),
        (
            ".shared .align 16 .b8 t[16]; cp.async.ca.shared.global [t], [%rd19+24], 8;",
            "global",
        ),
    ] {
        let fault = run(lines, 1, &[0; 3]).unwrap_err();
        match &fault.kind {
            FaultKind::OutOfBounds { space: found, .. } => assert_eq!(*found, space, "{lines}"),
            other => panic!("{lines}: {other}"),
        }
    }
}

#[test]
fn a_misaligned_access_is_a_fault() {
    for lines in [
        "ld.global.u32 %r1, [%rd19+2];",
        "ld.global.v2.u32 {%r1, %r2}, [%rd19+4];",
        "st.global.v4.u32 [%rd19+8], {%r1, %r1, %r1, %r1};",
        "atom.global.add.u64 %rd1, [%rd19+4], 1;",
        ".shared .align 16 .b8 t[32]; cp.async.cg.shared.global [t+8], [%rd19], 16;",
        ".shared .align 16 .b8 t[32]; cp.async.cg.shared.global [t], [%rd19+8], 16;",
    ] {
        let fault = run(lines, 1, &[0; 4]).unwrap_err();
        assert!(
            matches!(fault.kind, FaultKind::Misaligned { .. }),
            "{lines}: {fault}"
        );
    }
}

#[test]
fn memory_given_back_is_out_of_bounds() {
    let module = parse(&kernel("st.global.u64 [%rd19], %rd1;"));
    let mut machine = machine();
    let at = machine.alloc(8).unwrap();
    let args = [Arg::U64(at)];
    assert_eq!(
        machine.launch(&module, "k", [1; 3], [1; 3], 0, &args),
        Ok(())
    );
    machine.free(at).unwrap();
    let fault = machine
        .launch(&module, "k", [1; 3], [1; 3], 0, &args)
        .unwrap_err();
    assert!(
        matches!(fault.kind, FaultKind::OutOfBounds { .. }),
        "{fault}"
    );
    assert!(matches!(machine.free(at).unwrap_err().kind, FaultKind::NotAllocated(a) if a == at));
    assert!(machine.read(at, 1).is_err() && machine.write(at, &[1]).is_err());
}

#[test]
fn memory_ends_where_the_machine_says() {
    let mut machine = Machine::new(MachineConfig {
        memory_bytes: 1000,
        ..MachineConfig::default()
    });
    let first = machine.alloc(600).unwrap();
    assert_eq!(machine.free_bytes(), 400);
    assert_eq!(
        machine.alloc(401).unwrap_err().kind,
        FaultKind::OutOfMemory {
            bytes: 401,
            free: 400
        }
    );
    machine.free(first).unwrap();
    let second = machine.alloc(1000).unwrap();
    assert_eq!((first % 512, second % 512), (0, 0));
    assert_ne!(first, second, "an address is not handed out twice");
}

#[test]
fn a_kernel_that_does_not_end_is_a_fault() {
    let fault = run("$a: bra $a;", 32, &[0]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::StepLimit(1_000_000));
    // One thread that waits for another of its own warp, which never gets its turn.
    let spin = "
    mov.u32 %r1, %tid.x;
    setp.eq.u32 %p1, %r1, 1;
    @%p1 bra $write;
$wait:
    ld.volatile.global.u64 %rd1, [%rd19];
    setp.eq.u64 %p2, %rd1, 0;
    @%p2 bra $wait;
    bra $end;
$write:
    st.global.u64 [%rd19], %rd19;
$end:";
    assert_eq!(
        run(spin, 2, &[0]).unwrap_err().kind,
        FaultKind::StepLimit(1_000_000)
    );
}

#[test]
fn lanes_that_are_named_and_never_come_are_a_fault() {
    let body = "
    mov.u32 %r1, %tid.x;
    setp.ge.u32 %p1, %r1, 16;
    @%p1 bra $other;
    bar.warp.sync -1;
    bra $end;
$other:
    bar.sync 0;
$end:";
    let fault = run(body, 32, &[0]).unwrap_err();
    assert_eq!(
        fault.kind,
        FaultKind::WarpSync {
            waiting: 0xffff,
            members: u32::MAX
        }
    );
    let fault = run("shfl.sync.idx.b32 %r1, %r2, 0, 31, 0xff;", 32, &[0]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::MemberMask { members: 0xff });
    // Half a warp cannot run what needs a whole one.
    let half = ".shared .align 16 .b8 t[128]; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [t];";
    assert!(matches!(
        run(half, 16, &[0]).unwrap_err().kind,
        FaultKind::WarpSync { .. }
    ));
    assert!(run(half, 32, &[0]).is_ok());
}

#[test]
fn refused_families_fail_by_name_when_they_are_run() {
    for name in [
        "cp.async.bulk.tensor.2d.shared::cluster.global",
        "tcgen05.alloc.b32",
        "mbarrier.init.b64",
    ] {
        let text = kernel(&format!("{name} {{%f1, %f2}}, whatever, 1, (x), -1;"));
        let module = parse(&text);
        let fault = machine().launch(&module, "k", [1; 3], [32, 1, 1], 0, &[Arg::U64(0)]);
        match fault.unwrap_err().kind {
            FaultKind::Unsupported(found) => assert_eq!(found, name),
            other => panic!("{other}"),
        }
    }
    assert_eq!(run("trap;", 1, &[0]).unwrap_err().kind, FaultKind::Trap);
}

#[test]
fn launches_that_do_not_fit_the_kernel_are_refused() {
    let text = kernel("").replace("k_0)\n", "k_0)\n.maxntid 64, 1, 1\n");
    let module = parse(&text);
    let mut machine = machine();
    let mut kind = |name: &str, grid, block, shared, args: &[Arg]| {
        machine
            .launch(&module, name, grid, block, shared, args)
            .unwrap_err()
            .kind
    };
    let arg = [Arg::U64(0)];
    assert_eq!(
        kind("other", [1; 3], [1; 3], 0, &arg),
        FaultKind::UnknownKernel
    );
    for (grid, block) in [
        ([0, 1, 1], [1, 1, 1]),
        ([1, 1, 1], [1, 0, 1]),
        ([1, 65_536, 1], [1, 1, 1]),
        ([1, 1, 1], [65, 1, 1]),
    ] {
        assert_eq!(
            kind("k", grid, block, 0, &arg),
            FaultKind::Shape { grid, block }
        );
    }
    for args in [&[] as &[Arg], &[Arg::U32(1)], &[Arg::U64(1), Arg::U64(2)]] {
        let found = kind("k", [1; 3], [1; 3], 0, args);
        assert!(matches!(found, FaultKind::Parameters { wanted, .. } if wanted == [8]));
    }
    let too_much = kind("k", [1; 3], [1; 3], 300_000, &arg);
    assert!(matches!(
        too_much,
        FaultKind::SharedMemory { bytes: 300_000, .. }
    ));
}

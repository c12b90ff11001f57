//! Branches: lanes part, loop for different times, and meet again.

use crate::harness::{HEAD, REGISTERS, run, run_text};

/// `%rd18` is the address of the thread's word, `%r1` the thread's index.
const START: &str = "
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd18, %r1, 8;
    add.u64 %rd18, %rd18, %rd19;
";

#[test]
fn lanes_loop_for_different_times_and_meet_again() {
    // The number of steps of Collatz's sequence from 27 + thread, then how many lanes are together.
    let body = format!(
        "{START}
    add.u32 %r2, %r1, 27;
    mov.u32 %r3, 0;
$loop:
    setp.eq.u32 %p1, %r2, 1;
    @%p1 bra $done;
    and.b32 %r4, %r2, 1;
    setp.eq.u32 %p2, %r4, 0;
    @%p2 bra $even;
    mad.lo.u32 %r2, %r2, 3, 1;
    bra $next;
$even:
    shr.u32 %r2, %r2, 1;
$next:
    add.u32 %r3, %r3, 1;
    bra.uni $loop;
$done:
    activemask.b32 %r5;
    popc.b32 %r5, %r5;
    mov.b64 %rd1, {{%r3, %r5}};
    st.global.u64 [%rd18], %rd1;"
    );
    let found = run(&body, 64, &[0; 64]).unwrap();
    for (thread, word) in found.into_iter().enumerate() {
        let (mut x, mut steps) = (27 + thread as u64, 0);
        while x != 1 {
            x = if x % 2 == 0 { x / 2 } else { 3 * x + 1 };
            steps += 1;
        }
        assert_eq!(word & 0xffff_ffff, steps, "thread {thread}");
        assert_eq!(word >> 32, 32, "all lanes meet at the end");
    }
}

#[test]
fn nested_branches_and_guards_touch_only_their_lanes() {
    let body = format!(
        "{START}
    mov.u64 %rd1, 0;
    setp.lt.u32 %p1, %r1, 20;
    setp.lt.u32 %p2, %r1, 7;
    @!%p1 bra $else;
    add.u64 %rd1, %rd1, 1;
    @%p2 bra $inner;
    add.u64 %rd1, %rd1, 10;
    bra $both;
$inner:
    add.u64 %rd1, %rd1, 100;
$both:
    add.u64 %rd1, %rd1, 1000;
    bra $end;
$else:
    @%p2 add.u64 %rd1, %rd1, 5000000;
    add.u64 %rd1, %rd1, 10000;
$end:
    @!%p2 add.u64 %rd1, %rd1, 100000;
    st.global.u64 [%rd18], %rd1;"
    );
    let found = run(&body, 40, &[0; 40]).unwrap();
    for (thread, word) in found.into_iter().enumerate() {
        let wanted = match thread {
            0..7 => 1101,
            7..20 => 101_011,
            _ => 110_000,
        };
        assert_eq!(word, wanted, "thread {thread}");
    }
}

#[test]
fn threads_that_leave_early_write_nothing_more() {
    let body = format!(
        "{START}
    setp.ge.u32 %p1, %r1, 33;
    @%p1 exit;
    and.b32 %r2, %r1, 1;
    setp.eq.u32 %p2, %r2, 1;
    @%p2 ret;
    mov.u64 %rd1, 9;
    st.global.u64 [%rd18], %rd1;"
    );
    let found = run(&body, 64, &[1; 64]).unwrap();
    for (thread, word) in found.into_iter().enumerate() {
        let stays = thread < 33 && thread % 2 == 0;
        assert_eq!(word, if stays { 9 } else { 1 }, "thread {thread}");
    }
}

#[test]
fn a_table_of_branches_sends_each_lane_to_its_own_place() {
    let body = format!(
        "{START}
    and.b32 %r2, %r1, 3;
$table: .branchtargets $a, $b, $c, $d;
    brx.idx %r2, $table;
$a:
    mov.u64 %rd1, 10;
    bra $end;
$b:
    mov.u64 %rd1, 11;
    bra $end;
$c:
    mov.u64 %rd1, 12;
    bra $end;
$d:
    mov.u64 %rd1, 13;
$end:
    st.global.u64 [%rd18], %rd1;"
    );
    let found = run(&body, 32, &[0; 32]).unwrap();
    let wanted: Vec<_> = (0..32).map(|i| 10 + i % 4).collect();
    assert_eq!(found, wanted);
}

#[test]
fn braces_hide_registers_and_labels_of_inline_assembly() {
    let block = "
    {
        .reg .pred %p1;
        .reg .b64 %rd1;
        mov.u64 %rd1, 1000;
        setp.gt.u32 %p1, %r1, 3;
        @%p1 bra DONE;
        add.u64 %rd2, %rd2, 1;
    DONE:
        add.u64 %rd2, %rd2, 100;
    }";
    let body = format!(
        "{START}
    setp.lt.u32 %p1, %r1, 2;
    mov.u64 %rd1, 5;
    mov.u64 %rd2, 0;
{block}{block}
    @%p1 add.u64 %rd2, %rd2, %rd1;
    st.global.u64 [%rd18], %rd2;"
    );
    let found = run(&body, 6, &[0; 6]).unwrap();
    assert_eq!(found, [207, 207, 202, 202, 200, 200]);
}

#[test]
fn special_registers_tell_the_place_of_a_thread() {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r1, %tid.x;
    mov.u32 %r2, %laneid;
    mov.u32 %r3, %warpid;
    mov.u32 %r4, %lanemask_lt;
    mov.u32 %r5, %nwarpid;
    popc.b32 %r4, %r4;
    mad.lo.u32 %r3, %r3, WARP_SZ, %r2;
    add.u32 %r3, %r3, %r4;
    mad.lo.u32 %r3, %r5, 1000, %r3;
    mul.wide.u32 %rd18, %r1, 8;
    add.u64 %rd18, %rd18, %rd19;
    cvt.u64.u32 %rd1, %r3;
    st.global.u64 [%rd18], %rd1;
    ret;\n}}"
    );
    let found = run_text(&text, 70, &[0; 70]).unwrap();
    let wanted: Vec<_> = (0..70).map(|t| 3000 + t + t % 32).collect();
    assert_eq!(found, wanted);
}

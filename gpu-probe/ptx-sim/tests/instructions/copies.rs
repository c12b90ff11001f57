//! `cp.async`: what is there before and after a wait.

use crate::harness::{HEAD, REGISTERS, run_text};

/// One thread copies two groups of 16 bytes, waits as `wait` says, and reads all of it back.
fn copied(wait: &str, copies: &str) -> Vec<u64> {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    .shared .align 16 .b8 tile[32];
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r1, tile;
    mov.u64 %rd1, 7;
    st.shared.v2.u64 [%r1], {{%rd1, %rd1}};
    st.shared.v2.u64 [%r1+16], {{%rd1, %rd1}};
    {copies}
    {wait}
    ld.shared.v2.u64 {{%rd2, %rd3}}, [%r1];
    ld.shared.v2.u64 {{%rd4, %rd5}}, [%r1+16];
    st.global.v2.u64 [%rd19], {{%rd2, %rd3}};
    st.global.v2.u64 [%rd19+16], {{%rd4, %rd5}};
    ret;\n}}"
    );
    run_text(&text, 1, &[1, 2, 3, 4]).unwrap()
}

const TWO_GROUPS: &str = "cp.async.cg.shared.global [%r1], [%rd19], 16;
    cp.async.commit_group;
    cp.async.ca.shared.global.L2::128B [%r1+16], [%rd19+16], 16;
    cp.async.commit_group;";

#[test]
fn copies_arrive_when_their_group_is_waited_for_and_not_before() {
    assert_eq!(copied("", TWO_GROUPS), [7, 7, 7, 7]);
    assert_eq!(copied("cp.async.wait_group 2;", TWO_GROUPS), [7, 7, 7, 7]);
    assert_eq!(copied("cp.async.wait_group 1;", TWO_GROUPS), [1, 2, 7, 7]);
    assert_eq!(copied("cp.async.wait_group 0;", TWO_GROUPS), [1, 2, 3, 4]);
    assert_eq!(copied("cp.async.wait_all;", TWO_GROUPS), [1, 2, 3, 4]);
}

#[test]
fn a_copy_of_fewer_bytes_fills_up_with_zeros() {
    let copies = "mov.u32 %r2, 8; cp.async.cg.shared.global [%r1], [%rd19], 16, %r2;
        cp.async.ca.shared.global [%r1+24], [%rd19+16], 4;";
    assert_eq!(copied("cp.async.wait_all;", copies), [1, 0, 7, 3]);
}

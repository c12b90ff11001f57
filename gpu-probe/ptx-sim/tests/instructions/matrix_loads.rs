//! `ldmatrix`: rows from shared memory to the lanes of a warp.

use crate::harness::{HEAD, REGISTERS, run_text};

/// Loads four matrices of 8 x 8 halves; half `h` of row `r` of matrix `i` is `64 i + 8 r + h`.
fn loaded(count: usize, transposed: &str) -> Vec<u64> {
    let registers = ["%r1", "%r2", "%r3", "%r4"][..count].join(", ");
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    .shared .align 16 .b8 tile[512];
    ld.param.u64 %rd19, [k_0];
    mov.u32 %r10, %laneid;
    mov.u32 %r11, tile;
    mad.lo.u32 %r11, %r10, 16, %r11;
    mul.lo.u32 %r12, %r10, 524296;
    add.u32 %r12, %r12, 65536;
    add.u32 %r13, %r12, 131074;
    add.u32 %r14, %r13, 131074;
    add.u32 %r15, %r14, 131074;
    st.shared.v4.u32 [%r11], {{%r12, %r13, %r14, %r15}};
    bar.sync 0;
    ldmatrix.sync.aligned.m8n8.x{count}{transposed}.shared.b16 {{{registers}}}, [%r11];
    mul.wide.u32 %rd1, %r10, 16;
    add.u64 %rd19, %rd19, %rd1;
    st.global.v4.u32 [%rd19], {{%r1, %r2, %r3, %r4}};
    ret;\n}}"
    );
    run_text(&text, 32, &[0; 64]).unwrap()
}

#[test]
fn matrices_are_loaded_row_by_row_or_turned() {
    for count in [1, 2, 4] {
        for transposed in [false, true] {
            let found = loaded(count, if transposed { ".trans" } else { "" });
            let words: Vec<u32> = found
                .iter()
                .flat_map(|w| [*w as u32, (*w >> 32) as u32])
                .collect();
            for (index, word) in words.into_iter().enumerate() {
                let (lane, matrix) = (index / 4, index % 4);
                let half = |row: usize, column: usize| {
                    let (row, column) = if transposed {
                        (column, row)
                    } else {
                        (row, column)
                    };
                    (64 * matrix + 8 * row + column) as u32
                };
                let (row, column) = (lane / 4, lane % 4 * 2);
                let wanted = if matrix < count {
                    half(row, column) | half(row, column + 1) << 16
                } else {
                    0
                };
                assert_eq!(word, wanted, "x{count}, turned {transposed}, lane {lane}");
            }
        }
    }
}

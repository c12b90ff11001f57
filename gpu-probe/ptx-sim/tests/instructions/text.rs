//! What a text may not hold: every error names its line.

use proptest::prelude::*;
use tandem_ptx_sim::{Module, TEXT_BYTES_MAX};

use crate::harness::{HEAD, kernel};

fn error(text: &str) -> (u32, String) {
    let error = Module::parse(text).unwrap_err();
    (error.line, error.what)
}

#[test]
fn what_is_not_known_is_named_with_its_line() {
    for (lines, what) in [
        ("frobnicate.u32 %r1, %r2;", "frobnicate"),
        ("add.u33 %r1, %r2, %r3;", "add.u33"),
        ("add.u32.zigzag %r1, %r2, %r3;", "zigzag"),
        ("add.u32 %r1, %r2;", "operand 3"),
        ("add.u32 %r1, %r2, %r99;", "%r99"),
        ("add.u32 %p1, %r2, %r3;", "operand 1"),
        ("bra $nowhere;", "$nowhere"),
        ("@%r1 bra $x; $x:", "%r1"),
        ("setp.xx.u32 %p1, %r1, %r2;", "setp.xx.u32"),
        ("ld.global.v4.u32 {%r1, %r2}, [%rd1];", "length"),
        (
            "mma.sync.aligned.m16n8k16.row.col.f32.s8.s8.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, {%f1,%f2,%f3,%f4};",
            "shape",
        ),
        (
            "mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32 {%r1}, {%r2}, {%r3}, {%r4};",
            "shape",
        ),
        ("call (), printf, ();", "`(`"),
        ("st.global.u32 [%rd1], %undefined;", "%undefined"),
        (".reg .b128 %q;", "b128"),
        ("$x: $x:", "twice"),
        ("add.u32 %r1, %r2, ~;", "`~`"),
    ] {
        let text = kernel(&format!("    mov.u32 %r1, 1;\n{lines}"));
        let wanted = text.lines().position(|line| line == lines).unwrap() as u32 + 1;
        let (line, found) = error(&text);
        assert!(found.contains(what), "{lines}: {found}");
        assert_eq!(line, wanted, "{lines}: {found}");
    }
}

#[test]
fn texts_that_are_not_whole_are_errors() {
    for text in [
        "",
        ".version 8.0\n",
        "/* open",
        ".version 8.0\n.target \"sm_80",
        &format!("{HEAD}.visible .entry k("),
        &format!("{HEAD}.visible .entry k() {{ .reg .b32 %r<4>;"),
        &format!("{HEAD}.visible .func f() {{ ret; }}"),
        &format!("{HEAD}.extern .func (.param .b32 r) vprintf (.param .b64 a);"),
        &format!("{HEAD}.visible .entry k() {{ .reg .b32 %r<4000000000>; }}"),
        &format!("{HEAD}.global .b8 huge[999999999999];"),
        &format!("{HEAD}.visible .entry k(.param .b8 p[40000]) {{ ret; }}"),
        &"x".repeat(TEXT_BYTES_MAX + 1),
        "é",
    ] {
        assert!(
            Module::parse(text).is_err(),
            "{}",
            &text[..text.len().min(80)]
        );
    }
}

#[test]
fn a_module_tells_its_kernels_and_their_parameters() {
    let text = format!(
        "{HEAD}.visible .entry a(\n .param .u32 a_0,\n .param .u64 .ptr .global .align 16 a_1,\n .param .f32 a_2\n)
.maxntid 256, 1, 1\n.minnctapersm 2\n{{ ret; }}
.entry b() {{ .pragma \"nounroll\"; ret; }}"
    );
    let module = Module::parse(&text).unwrap();
    assert_eq!((module.target(), module.version()), ("sm_80", "8.0"));
    let names: Vec<_> = module.kernels().iter().map(|k| k.name()).collect();
    assert_eq!(names, ["a", "b"]);
    let params: Vec<_> = module.kernels()[0]
        .params()
        .iter()
        .map(|p| (p.offset, p.bytes))
        .collect();
    assert_eq!(params, [(0, 4), (8, 8), (16, 4)]);
    assert!(module.kernel("b").unwrap().params().is_empty());
    assert_eq!(module.kernel("b").unwrap().instructions(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "add.u32", "ld.global.v4.u32", "%r1", "%rd1", "%p1", "[", "]", "{", "}", ",", ";", "@", "!", "-", "+",
            "0x", "0f3F800000", "0d", "9", ":", "$x", ".reg", ".b32", ".shared", ".align", "<", ">", "mma.sync",
            "=", "|", "(", ")", "\n", "setp.lt.s32", "mov.b64", "cvt.rn.f32", ".entry", "%tid.x", "_", "bra",
            "shfl.sync.idx.b32", "atom.add.u32", "cp.async.cg.shared.global", "brx.idx", "//", "é", "0U", "U",
        ]), 0..40)
    ) {
        let _ = Module::parse(&kernel(&words.join(" ")));
        let _ = Module::parse(&format!("{HEAD}{}", words.join(" ")));
        let _ = Module::parse(&words.join(" "));
    }
}

//! Small kernels around a few lines of PTX.

use tandem_ptx_sim::{Arg, Fault, Machine, MachineConfig, Module};

/// What stands before the kernels of every text.
pub(crate) const HEAD: &str = ".version 8.0\n.target sm_80\n.address_size 64\n";

/// Registers that every kernel here has.
pub(crate) const REGISTERS: &str = "
    .reg .pred %p<9>;
    .reg .b16 %rs<20>;
    .reg .b32 %r<40>;
    .reg .f32 %f<20>;
    .reg .b64 %rd<20>;
    .reg .f64 %fd<20>;
";

/// A kernel `k` of one pointer, `%rd19`, with this body.
pub(crate) fn kernel(body: &str) -> String {
    format!(
        "{HEAD}.visible .entry k(.param .u64 k_0)\n{{{REGISTERS}
    ld.param.u64 %rd19, [k_0];
    cvta.to.global.u64 %rd19, %rd19;
{body}
    ret;\n}}\n"
    )
}

pub(crate) fn parse(text: &str) -> Module {
    Module::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The machine of these tests: few steps, so that a kernel which hangs ends soon.
pub(crate) fn machine() -> Machine {
    Machine::new(MachineConfig {
        steps_max: 1_000_000,
        ..MachineConfig::default()
    })
}

/// Runs [`kernel`] as one block and gives back its memory of 64-bit words.
pub(crate) fn run(body: &str, threads: u32, memory: &[u64]) -> Result<Vec<u64>, Fault> {
    run_text(&kernel(body), threads, memory)
}

pub(crate) fn run_text(text: &str, threads: u32, memory: &[u64]) -> Result<Vec<u64>, Fault> {
    let module = parse(text);
    let mut machine = machine();
    let bytes: Vec<u8> = memory.iter().flat_map(|w| w.to_le_bytes()).collect();
    let at = machine.alloc(bytes.len() as u64)?;
    machine.write(at, &bytes)?;
    machine.launch(&module, "k", [1; 3], [threads, 1, 1], 0, &[Arg::U64(at)])?;
    let bytes = machine.read(at, bytes.len() as u64)?;
    let words = bytes.chunks_exact(8);
    Ok(words
        .map(|w| u64::from_le_bytes(w.try_into().unwrap()))
        .collect())
}

/// The result of a few lines for each row of inputs: `%rd1` to `%rd4`, their low halves in `%r1` and
/// `%f1` on, their low quarters in `%rs1` on, all of them in `%fd1` on. `result` names the register
/// that is read.
pub(crate) fn compute(lines: &str, result: &str, rows: &[[u64; 4]]) -> Vec<u64> {
    let mut body = String::from(
        "    mov.u32 %r39, %tid.x;
    mul.wide.u32 %rd18, %r39, 32;
    add.u64 %rd18, %rd18, %rd19;\n",
    );
    for i in 1..=4 {
        let offset = 8 * (i - 1);
        body += &format!(
            "    ld.global.u64 %rd{i}, [%rd18+{offset}];
    cvt.u32.u64 %r{i}, %rd{i};
    cvt.u16.u64 %rs{i}, %rd{i};
    mov.b32 %f{i}, %r{i};
    mov.b64 %fd{i}, %rd{i};\n"
        );
    }
    body += &format!("    {lines}\n");
    body += &match result
        .trim_start_matches('%')
        .trim_end_matches(char::is_numeric)
    {
        "p" => format!("    selp.b64 %rd17, 1, 0, {result};\n"),
        "rs" => format!("    cvt.u64.u16 %rd17, {result};\n"),
        "r" => format!("    cvt.u64.u32 %rd17, {result};\n"),
        "f" => format!("    mov.b32 %r38, {result};\n    cvt.u64.u32 %rd17, %r38;\n"),
        _ => format!("    mov.b64 %rd17, {result};\n"),
    };
    body += "    st.global.u64 [%rd18], %rd17;";
    let out = run(&body, rows.len() as u32, rows.as_flattened());
    let out = out.unwrap_or_else(|fault| panic!("{fault}\n{lines}"));
    out.chunks_exact(4).map(|row| row[0]).collect()
}

/// The lines of one instruction, checked against a function of its inputs.
pub(crate) fn check(
    lines: &str,
    result: &str,
    rows: &[[u64; 4]],
    wanted: impl Fn(u64, u64, u64, u64) -> u64,
) {
    for (row, found) in rows.iter().zip(compute(lines, result, rows)) {
        let wanted = wanted(row[0], row[1], row[2], row[3]);
        assert_eq!(
            found, wanted,
            "{lines} of {row:x?}: {found:#x}, not {wanted:#x}"
        );
    }
}

/// Lines, the register of their result, and what it must be.
pub(crate) type Case = (&'static str, &'static str, fn(u64, u64, u64, u64) -> u64);

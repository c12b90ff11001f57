//! Reads the machine code for the instruction that a kernel is there for: NVRTC does not check inline
//! PTX, and ptxas replaces what a chip lacks by something slower without a word.

use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::toolchain::Toolchain;
use crate::process::command;

/// An instruction that a kernel's code must hold.
struct Meant {
    module: &'static str,
    kernel: &'static str,
    architectures: &'static [&'static str],
    /// How the instruction begins in the listing.
    instruction: &'static str,
    /// At least so many: a whole unrolled loop where that shows in the listing.
    count_min: usize,
}

const fn meant(
    (module, kernel): (&'static str, &'static str),
    architectures: &'static [&'static str],
    instruction: &'static str,
    count_min: usize,
) -> Meant {
    Meant {
        module,
        kernel,
        architectures,
        instruction,
        count_min,
    }
}

const F16: (&str, &str) = ("gemm_f16", "gemm_f16");
const BF16: (&str, &str) = ("gemm_bf16", "gemm_bf16");
const FP8: (&str, &str) = ("gemm_fp8", "gemm_fp8");
const MATRIX: (&str, &str) = ("matrix", "matrix_multiply");
const GATE: (&str, &str) = ("isa_gate", "isa_gate");
/// The disassembler of CUDA 13 reads from here on; `sm_70` is checked by opcode.
const READABLE: &[&str] = &["75", "80", "86", "89", "90a", "100", "120"];
const SM_80_LIKE: &[&str] = &["80", "86", "89", "100", "120"];
const COPY_ASYNC: &str = "LDGSTS.E.BYPASS.128";

/// What is meant, by kernel.
const MEANT: &[Meant] = &[
    meant(F16, &["75"], "HMMA.1688.F32", 128),
    meant(F16, SM_80_LIKE, "HMMA.16816.F32", 64),
    meant(F16, SM_80_LIKE, COPY_ASYNC, 8),
    meant(F16, &["90a"], "HGMMA.64x256x16.F32", 4),
    meant(F16, &["90a"], COPY_ASYNC, 12),
    meant(BF16, SM_80_LIKE, "HMMA.16816.F32.BF16", 64),
    meant(BF16, &["90a"], "HGMMA.64x256x16.F32.BF16", 4),
    meant(FP8, &["89", "120"], "QMMA.16832.F32.E4M3.E4M3", 64),
    meant(FP8, &["90a"], "QGMMA.64x256x32.F32.E4M3.E4M3", 4),
    meant(MATRIX, &["75"], "IMMA.8816.S8.S8", 256),
    meant(MATRIX, SM_80_LIKE, "IMMA.16832.S8.S8", 64),
    meant(MATRIX, &["90a"], "IGMMA.64x256x32.S8.S8", 4),
    meant(GATE, &["75"], "HMMA.1688.F32", 1),
    meant(GATE, &["80", "86", "100"], "HMMA.16816.F32.BF16", 1),
    meant(GATE, &["89", "120"], "QMMA.16832.F32.E4M3.E4M3", 1),
    meant(GATE, &["90a"], "HGMMA.64x8x16.F32.BF16", 1),
    meant(("stream", "stream_copy"), READABLE, "LDG.E.128", 4),
    meant(("stream", "stream_copy"), READABLE, "STG.E.128", 4),
    meant(("stream", "stream_read"), READABLE, "LDG.E.128", 4),
    meant(("stream", "stream_write"), READABLE, "STG.E.128", 4),
    meant(("vram", "vram_checksum"), READABLE, "LDG.E.128", 8),
    meant(("matrix", "matrix_fill"), READABLE, "STG.E.128", 2),
    meant(("fp32", "fp32_fma"), READABLE, "FFMA", 128),
    meant(("chase", "chase"), READABLE, "LDG.E", 8),
];

/// On `sm_70`: the opcode of HMMA.884, the low 12 bits of an instruction of 16 bytes, and how many a
/// file must hold. Four make up one `mma.m8n8k4`. Taken from the code that ptxas makes.
const HMMA_884_OPCODE: u64 = 0x236;
const VOLTA: &[(&str, usize)] = &[("gemm_f16", 512), ("matrix", 512), ("isa_gate", 4)];

/// Fails when an instruction is missing in the cubins of `folder`.
pub(super) fn check(toolchain: &Toolchain, folder: &Path) -> anyhow::Result<()> {
    for architecture in READABLE {
        let mut modules: Vec<&str> = MEANT
            .iter()
            .filter(|meant| meant.architectures.contains(architecture))
            .map(|meant| meant.module)
            .collect();
        modules.sort_unstable();
        modules.dedup();
        for module in modules {
            let listing = disassemble(toolchain, folder, module, architecture)?;
            check_module(module, architecture, &listing)?;
        }
    }
    for (module, count_min) in VOLTA {
        let file = folder.join(format!("{module}.70.cubin"));
        let code = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let count = opcodes(&code, HMMA_884_OPCODE);
        ensure!(
            count >= *count_min,
            "{module} for sm_70 holds {count} HMMA.884, not the {count_min} that are meant"
        );
    }
    Ok(())
}

fn check_module(module: &str, architecture: &str, listing: &str) -> anyhow::Result<()> {
    let here =
        |meant: &&Meant| meant.module == module && meant.architectures.contains(&architecture);
    for meant in MEANT.iter().filter(here) {
        let code = kernel_code(listing, meant.kernel).with_context(|| {
            format!(
                "no code of {} in {module} for sm_{architecture}",
                meant.kernel
            )
        })?;
        let count = instructions(code, meant.instruction);
        ensure!(
            count >= meant.count_min,
            "{} for sm_{architecture} holds {count} {}, not the {} that are meant: the kernel was \
             changed, or the assembler replaced the instruction",
            meant.kernel,
            meant.instruction,
            meant.count_min
        );
    }
    Ok(())
}

fn disassemble(
    toolchain: &Toolchain,
    folder: &Path,
    module: &str,
    architecture: &str,
) -> anyhow::Result<String> {
    let file = folder.join(format!("{module}.{architecture}.cubin"));
    let output = command(&toolchain.nvdisasm, &["-c"])
        .arg(&file)
        .output()
        .context("could not start nvdisasm")?;
    if !output.status.success() {
        bail!(
            "nvdisasm of {}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The part of a listing between a kernel's section and the next.
fn kernel_code<'a>(listing: &'a str, kernel: &str) -> Option<&'a str> {
    let start = format!("//--------------------- .text.{kernel} ");
    let (_, after) = listing.split_once(&start)?;
    Some(
        after
            .split("//---------------------")
            .next()
            .unwrap_or(after),
    )
}

/// How many lines of code have an instruction that begins so.
fn instructions(code: &str, beginning: &str) -> usize {
    code.lines()
        .filter_map(|line| line.split_once("*/")?.1.split_once(';'))
        .filter(|(text, _)| {
            text.split_whitespace()
                .find(|word| !word.starts_with('@') && *word != "{")
                .is_some_and(|word| word.starts_with(beginning))
        })
        .count()
}

/// How many 16-byte instructions of `code` have this opcode.
fn opcodes(code: &[u8], opcode: u64) -> usize {
    code.chunks_exact(16)
        .filter(|bytes| {
            let (low, _) = bytes.split_at(2);
            low.try_into()
                .is_ok_and(|low| u64::from(u16::from_le_bytes(low)) & 0xFFF == opcode)
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
//--------------------- .text.other --------------------------
        /*0000*/                   HMMA.16816.F32 R4, R8, R12, R4 ;
//--------------------- .text.gemm --------------------------
        /*0000*/                   LDG.E.128 R4, [R2] ;
        /*0010*/              @!P0 HMMA.16816.F32.BF16 R4, R8, R12, R4 ;
        /*0020*/                   HMMA.16816.F16 R4, R8, R12, R4 ;
//--------------------- .nv.info --------------------------
        /*0000*/                   HMMA.16816.F32 R4, R8, R12, R4 ;
";

    #[test]
    fn only_the_instructions_of_the_kernel_itself_count() {
        let code = kernel_code(LISTING, "gemm").expect("it is there");
        assert_eq!(instructions(code, "HMMA.16816.F32"), 1);
        assert_eq!(instructions(code, "LDG.E.128"), 1);
        assert_eq!(instructions(code, "QMMA"), 0);
        assert!(kernel_code(LISTING, "gem").is_none());
    }

    #[test]
    fn an_emulated_instruction_is_refused() {
        let emulated = "//--------------------- .text.gemm_fp8 ----\n\
                        /*0000*/ HMMA.16816.F32 R4, R8, R12, R4 ;\n";
        let refused = check_module("gemm_fp8", "89", emulated).expect_err("no QMMA in it");
        assert!(refused.to_string().contains("QMMA"), "{refused}");
    }

    #[test]
    fn opcodes_are_counted_at_whole_instructions_only() {
        let mut code = vec![0_u8; 64];
        code[0..2].copy_from_slice(&[0x36, 0x72]);
        code[16..18].copy_from_slice(&[0x36, 0xA2]);
        code[40..42].copy_from_slice(&[0x36, 0x72]);
        assert_eq!(opcodes(&code, HMMA_884_OPCODE), 2);
    }
}

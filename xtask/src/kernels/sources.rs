//! What is compiled for which architecture: the table that `docs/gpu-probe.md` gives in words.

/// A GPU architecture that we compile for.
pub(super) struct Architecture {
    /// As in `sm_90a`, without `sm_`.
    pub(super) name: &'static str,
    /// The oldest PTX version that has all that our kernels use there. The compiler writes a newer
    /// one into its output, which older drivers refuse; the line is lowered to this.
    pub(super) ptx_version: &'static str,
}

/// All architectures, oldest first. PTX 6.4 brought `mma.m8n8k4`, 6.5 `ldmatrix` and `m16n8k8`, 7.0
/// `sm_80` and its shapes, 7.1 `sm_86`, 8.0 `wgmma`, 8.4 FP8 in `mma.sync`, 8.6 and 8.7 the last two
/// chips (PTX ISA, release notes: <https://docs.nvidia.com/cuda/parallel-thread-execution/>).
pub(super) const ARCHITECTURES: &[Architecture] = &[
    architecture("70", "6.4"),
    architecture("75", "6.5"),
    architecture("80", "7.0"),
    architecture("86", "7.1"),
    architecture("89", "8.4"),
    architecture("90a", "8.0"),
    architecture("100", "8.6"),
    architecture("120", "8.7"),
];

const fn architecture(name: &'static str, ptx_version: &'static str) -> Architecture {
    Architecture { name, ptx_version }
}

/// A source file and where it is worth having.
pub(super) struct Source {
    /// File name without `.cu`.
    pub(super) module: &'static str,
    /// Architectures that get a cubin.
    pub(super) cubin: &'static [&'static str],
    /// Architectures whose PTX is shipped as well, for drivers and chips that take no cubin of
    /// ours: one where the source is the same for all, else one for each variant of the source.
    pub(super) ptx: &'static [&'static str],
}

const ALL: &[&str] = &["70", "75", "80", "86", "89", "90a", "100", "120"];
const AMPERE_ON: &[&str] = &["80", "86", "89", "90a", "100", "120"];
/// Where FP8 has a unit that `mma.sync` or `wgmma` reaches.
const FP8: &[&str] = &["89", "90a", "120"];
const EVERYWHERE_THE_SAME: &[&str] = &["70"];

/// All sources.
pub(super) const SOURCES: &[Source] = &[
    source("census", ALL, EVERYWHERE_THE_SAME),
    source("chase", ALL, EVERYWHERE_THE_SAME),
    source("fp32", ALL, EVERYWHERE_THE_SAME),
    source("gaps", ALL, EVERYWHERE_THE_SAME),
    source("gemm_bf16", AMPERE_ON, &["80", "86", "90a"]),
    source("gemm_f16", ALL, &["70", "75", "80", "86", "90a"]),
    source("gemm_fp8", FP8, FP8),
    source("isa_gate", ALL, &["70", "75", "80", "89", "90a", "120"]),
    source("latency_map", ALL, EVERYWHERE_THE_SAME),
    source("launch", ALL, EVERYWHERE_THE_SAME),
    source("matrix", ALL, &["70", "75", "80", "86", "90a"]),
    source("merkle", ALL, EVERYWHERE_THE_SAME),
    source("pattern", ALL, EVERYWHERE_THE_SAME),
    source("stream", ALL, EVERYWHERE_THE_SAME),
    source("vram", ALL, EVERYWHERE_THE_SAME),
];

const fn source(
    module: &'static str,
    cubin: &'static [&'static str],
    ptx: &'static [&'static str],
) -> Source {
    Source { module, cubin, ptx }
}

impl Source {
    /// The architectures in the order of [`ARCHITECTURES`].
    pub(super) fn architectures(&self) -> impl Iterator<Item = &'static Architecture> {
        ARCHITECTURES
            .iter()
            .filter(|architecture| self.cubin.contains(&architecture.name))
    }
}

//! Numbers that commands, variables and fields set: `--max-model-len 4096`, `NNODES=4`,
//! `maxModelLen: 4096`, `#SBATCH --nodes=2`.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::facts::{Fact, Facts, Zone};
use super::words;

/// Zones that set something.
const SET: [Zone; 4] = [Zone::Run, Zone::Env, Zone::Other, Zone::Gpu];
/// Most digits of a number; longer ones are no sizes.
const DIGITS_MAX: usize = 9;

/// A setting's value and the line that it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) value: u64,
    pub(super) line: u32,
}

/// Every name that is looked for, in lower case, with dashes for underscores.
const NAMES: &[&str] = &[
    // Nodes and GPUs.
    "nodes",
    "nnodes",
    "num-nodes",
    "num-machines",
    "numnodes",
    "slurm-nnodes",
    "gpus-per-node",
    "gpus-per-task",
    "nproc-per-node",
    "num-gpus",
    "ngpus",
    "gpu-count",
    "requestgpu",
    "gpus",
    // Sharing of a model.
    "tensor-parallel-size",
    "tensor-parallel",
    "tp-size",
    "tp",
    "num-shard",
    "tensorparallelsize",
    "pipeline-parallel-size",
    "pp-size",
    // Length and number of sequences.
    "max-model-len",
    "maxmodellen",
    "ctx-size",
    "context-length",
    "max-total-tokens",
    "max-seq-len",
    "max-seqlen",
    "max-sequence-length",
    "n-ctx",
    "num-ctx",
    "ollama-context-length",
    "parallel",
    "ollama-num-parallel",
    "max-seq-length",
    "seq-length",
    "seq-len",
    "sequence-len",
    "max-length",
    "model-max-length",
    "max-context-width",
    "block-size",
    "per-device-train-batch-size",
    "micro-batch-size",
    "train-micro-batch-size-per-gpu",
    // Form of a model.
    "num-layers",
    "n-layers",
    "n-layer",
    "num-hidden-layers",
    "hidden-size",
    "hidden-width",
    "hidden-dim",
    "n-embd",
    "d-model",
    "embedding-dim",
];

static INDEX: LazyLock<words::Index> =
    LazyLock::new(|| words::Index::new(NAMES.iter().zip(0..).map(|(name, id)| (*name, id))));

/// The first value of every setting of a document.
pub(super) struct Settings(Vec<Option<Setting>>);

impl Settings {
    /// Reads all settings in one pass over the texts.
    pub(super) fn of(facts: &[Fact]) -> Self {
        let mut found = vec![None; NAMES.len()];
        for fact in facts.iter().filter(|f| SET.contains(&f.zone)) {
            let field = dashed(fact.field());
            if let Some(id) = NAMES.iter().position(|n| *n == field)
                && let Some(value) = leading(&fact.lower)
            {
                let line = fact.line;
                found[id].get_or_insert(Setting { value, line });
            }
            let lower = dashed(&fact.lower);
            INDEX.scan(&lower, |id, name, at| {
                let slot = &mut found[usize::from(id)];
                let rest = lower[at + name.len()..].strip_prefix(['=', ' ', ':']);
                if slot.is_none()
                    && let Some(value) = rest.and_then(|r| leading(r.trim_start()))
                {
                    let line = fact.line_at(at);
                    *slot = Some(Setting { value, line });
                }
            });
        }
        Self(found)
    }
}

/// The first of these settings that has a number; each is one of [`NAMES`].
pub(super) fn number(facts: &Facts, names: &[&str]) -> Option<Setting> {
    let known = names.iter().filter_map(|name| {
        let id = NAMES.iter().position(|n| n == name)?;
        facts.settings().0[id]
    });
    known.min_by_key(|setting| setting.line)
}

/// Names are compared without regard to `_` and `-`.
fn dashed(text: &str) -> Cow<'_, str> {
    if text.contains('_') {
        text.replace('_', "-").into()
    } else {
        text.into()
    }
}

/// The number that a text begins with; `32k` is 32,768, as contexts are counted.
fn leading(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(['"', '\'']);
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    if end == 0 || end > DIGITS_MAX {
        return None;
    }
    let value: u64 = text[..end].parse().ok()?;
    let rest = &text[end..];
    match rest.chars().next() {
        Some('k') if !rest[1..].starts_with(char::is_alphanumeric) => Some(value * 1_024),
        Some(c) if c.is_alphanumeric() || c == '.' => None,
        _ => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    fn read(text: &str, name: &str) -> Option<(u64, u32)> {
        let facts = Facts::of(&files::look(text).unwrap());
        number(&facts, &[name]).map(|s| (s.value, s.line))
    }

    #[test]
    fn a_setting_is_found_as_flag_variable_or_field_with_its_line() {
        let name = "max-model-len";
        assert_eq!(
            read("run: |\n  vllm serve x \\\n  --max-model-len 4096\n", name),
            Some((4_096, 3))
        );
        assert_eq!(
            read("run: vllm --max_model_len=32k\n", name),
            Some((32_768, 1))
        );
        assert_eq!(read("x: {max-model-len: 8}\n", name), Some((8, 1)));
        assert_eq!(
            read("thing:\n  args:\n  - --max-model-len\n  - '16'\n", name),
            Some((16, 3))
        );
        assert_eq!(read("envs: {MAX_MODEL_LEN: 5}\n", name), Some((5, 1)));
    }

    #[test]
    fn what_is_no_number_is_passed_over() {
        let name = "tp";
        assert_eq!(read("run: x --tp $N --tp 2\n", name), Some((2, 1)));
        for none in [
            "run: x --tp=auto\n",
            "run: x --tp 99999999999\n",
            "run: x --tp 1.5\n",
            "run: http 5\n",
        ] {
            assert_eq!(read(none, name), None, "{none}");
        }
    }
}

//! How many parameters a model has: read from names such as `Qwen2.5-7B`, `8x7B`, or known.

use super::Evidence;
use super::facts::{Facts, Zone};
use super::words;

/// A model's size and where it was read.
#[derive(Debug, Clone)]
pub(super) struct Size {
    /// Total parameters in millions; of a mixture, all experts.
    pub(super) params_millions: u64,
    line: u32,
    text: String,
}

impl Size {
    pub(super) fn into_evidence(self) -> Evidence {
        let tenths = self.params_millions.div_ceil(100);
        Evidence {
            line: self.line,
            source: "size".into(),
            text: format!(
                "`{}`: {}.{} billion parameters",
                self.text,
                tenths / 10,
                tenths % 10
            ),
            points_to: "needs.vram_gb_per_gpu".into(),
        }
    }
}

/// Published sizes in millions of models whose name does not carry them (model cards, 2022-2026).
/// Longer names first.
const KNOWN: &[(&str, u64)] = &[
    ("deepseek-v2-lite", 16_000),
    ("deepseek-v3*", 671_000),
    ("kimi-k2*", 1_000_000),
    ("glm-4.5-air*", 106_000),
    ("glm-4.5*", 355_000),
    ("llama-4-maverick*", 400_000),
    ("llama-4-scout*", 109_000),
    ("whisper-large*", 1_550),
    ("stable-diffusion-xl*", 3_500),
    ("stable-diffusion*", 1_000),
    ("sdxl", 3_500),
    ("flux.1*", 12_000),
    ("wan2.2*", 27_000),
    ("phi-4", 14_000),
    ("mistral*", 7_000),
    ("vit-base*", 86),
    ("bert-base*", 110),
    ("resnet*", 26),
    ("sam3*", 850),
    ("gpt2", 124),
];

/// Share of experts in a mixture `AxB`: shared layers make 8x7B 46.7, not 56 billion.
const MIXTURE_PERCENT: u64 = 83;

/// The largest size named in commands and variables, else in what is known of a name.
pub(super) fn of(facts: &Facts) -> Option<Size> {
    let told = |f: &&super::facts::Fact| {
        matches!(f.zone, Zone::Run | Zone::Env | Zone::Setup | Zone::Other)
    };
    let known = facts.iter().filter(told).find_map(|f| {
        let (name, millions) = KNOWN.iter().find(|(name, _)| words::find(&f.lower, name))?;
        let text = name.trim_end_matches('*').to_owned();
        Some(Size {
            params_millions: *millions,
            line: f.line,
            text,
        })
    });
    let written = facts
        .iter()
        .filter(told)
        .filter_map(|f| {
            let (millions, text) =
                largest(&f.lower).or_else(|| from_variable(&f.path, &f.lower))?;
            Some(Size {
                params_millions: millions,
                line: f.line,
                text,
            })
        })
        .max_by_key(|s| s.params_millions);
    match (written, known) {
        // `17B-128E` gives the active size; the known total is larger.
        (Some(w), Some(k))
            if k.params_millions > w.params_millions && k.params_millions >= 50_000 =>
        {
            Some(k)
        }
        (Some(w), _) => Some(w),
        (None, k) => k,
    }
}

/// `MODEL_SIZE: 7` means seven billion.
fn from_variable(path: &str, value: &str) -> Option<(u64, String)> {
    let name = path.rsplit('.').next()?;
    if !matches!(name, "model_size" | "model_params_b" | "params_b") {
        return None;
    }
    let billions: u64 = value.trim().parse().ok()?;
    (1..=10_000)
        .contains(&billions)
        .then(|| (billions * 1_000, format!("{name} {value}")))
}

/// The largest `7b`, `0.5b` or `8x7b` of a lower-case text, in millions, and its text.
fn largest(text: &str) -> Option<(u64, String)> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter_map(|word| {
            let word = without_extension(word.trim_matches('.'));
            let digits = word.strip_suffix('b')?;
            let millions = match digits.split_once('x') {
                Some((experts, size)) => {
                    let experts: u64 = experts.parse().ok()?;
                    experts
                        .checked_mul(to_millions(size)?)?
                        .checked_mul(MIXTURE_PERCENT)?
                        / 100
                }
                None => to_millions(digits)?,
            };
            Some((millions, word.to_owned()))
        })
        .max()
}

/// `8b.toml` -> `8b`: what follows a dot and begins with a letter is no part of a number.
fn without_extension(word: &str) -> &str {
    match word.find('.') {
        Some(dot) if word[dot + 1..].starts_with(|c: char| c.is_ascii_alphabetic()) => &word[..dot],
        _ => word,
    }
}

fn to_millions(number: &str) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 4 || fraction.len() > 3 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    Some(whole.parse::<u64>().ok()? * 1_000 + fraction).filter(|m| *m > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_names_and_active_sizes_are_not() {
        for (text, millions) in [
            ("qwen/qwen2.5-7b-instruct", Some(7_000)),
            ("thebloke/mixtral-8x7b-instruct-v0.1-gptq", Some(46_480)),
            ("deepseek-r1-distill-qwen-1.5b", Some(1_500)),
            ("qwen3.6-35b-a3b-gguf:q4_k_m", Some(35_000)),
            ("llama-3.1-405b", Some(405_000)),
            ("configs/llama3_8b.toml", Some(8_000)),
            ("t2v-a14b", None),
            ("-b 512m -e 8g", None),
            ("b", None),
        ] {
            assert_eq!(largest(text).map(|(m, _)| m), millions, "{text}");
        }
    }
}

//! How many parameters a model has: known by name, read from names such as `Qwen2.5-7B` and
//! `8x7B`, or computed from the layers that a command sets.

use std::sync::LazyLock;

use super::Evidence;
use super::catalogue::{self, Model};
use super::facts::{Fact, Facts, Zone};
use super::{settings, words};

/// A model's size and where it was read.
#[derive(Debug, Clone)]
pub(super) struct Size {
    /// Total parameters in millions; of a mixture, all experts.
    pub(super) params_millions: u64,
    /// The catalogue's figures, when the model is known.
    pub(super) model: Option<&'static Model>,
    pub(super) line: u32,
    text: String,
    source: &'static str,
}

impl Size {
    pub(super) fn into_evidence(self) -> Evidence {
        let tenths = self.params_millions.div_ceil(100);
        let active = match self.model {
            Some(m) if m.active_millions < m.params_millions => {
                let tenths = m.active_millions.div_ceil(100);
                format!(", {}.{} of them active", tenths / 10, tenths % 10)
            }
            _ => String::new(),
        };
        Evidence {
            line: self.line,
            source: "size".into(),
            text: format!(
                "`{}`: {}.{} billion parameters{active} ({})",
                self.text,
                tenths / 10,
                tenths % 10,
                self.source
            ),
            points_to: "needs.vram_gb_per_gpu".into(),
        }
    }
}

/// Share of experts in a mixture `AxB`: shared layers make 8x7B 46.7, not 56 billion.
const MIXTURE_PERCENT: u64 = 83;
/// Layers and widths that a command may set.
const LAYERS: (u64, u64) = (1, 1_000);
const WIDTH: (u64, u64) = (64, 65_536);

/// The largest model that is started with; where none is, the largest that is named beside.
pub(super) fn of(facts: &Facts) -> Option<Size> {
    let started = |f: &&Fact| matches!(f.zone, Zone::Run | Zone::Env | Zone::Image);
    let beside = |f: &&Fact| matches!(f.zone, Zone::Setup | Zone::Other | Zone::Name);
    let largest = |chosen: &dyn Fn(&&Fact) -> bool| {
        facts
            .iter()
            .filter(chosen)
            .filter_map(of_fact)
            .max_by_key(|s| s.params_millions)
    };
    largest(&started)
        .or_else(|| from_layers(facts))
        .or_else(|| largest(&beside))
}

static FAMILIES: LazyLock<words::Index> = LazyLock::new(|| {
    let names = catalogue::families().zip(0..).flat_map(|(family, id)| {
        let open = family.names.iter();
        open.map(move |name| (*name, id))
    });
    words::Index::new(names)
});

/// What stands between the words of a command, not in a path or a name.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | ')' | '=')
}

/// The rest of a name from an offset on.
fn rest_of_name(text: &str, at: usize) -> &str {
    text[at..].split(is_between).next().unwrap_or_default()
}

/// Whether a name that begins here is that of an organisation: `org` in `org/model`. In a longer
/// path any folder may be the model's.
fn is_organisation(text: &str, at: usize) -> bool {
    let before = text[..at].rsplit(is_between).next().unwrap_or_default();
    let rest = rest_of_name(text, at).trim_end_matches('/');
    !before.contains('/') && rest.matches('/').count() == 1
}

fn of_fact(fact: &Fact) -> Option<Size> {
    let mut known: Option<(u16, usize)> = None;
    FAMILIES.scan(&fact.lower, |id, _, at| {
        if known.is_none_or(|(first, _)| id < first) && !is_organisation(&fact.lower, at) {
            known = Some((id, at));
        }
    });
    let named = known.and_then(|(id, at)| {
        let family = catalogue::families().nth(usize::from(id))?;
        let name = rest_of_name(&fact.lower, at);
        let model = family.member(largest(name).map(|(m, _)| m))?;
        Some(Size {
            params_millions: model.params_millions,
            model: Some(model),
            line: fact.line_at(at),
            text: name.chars().take(64).collect(),
            source: family.source,
        })
    });
    let read = || {
        let (millions, text) =
            largest(&fact.lower).or_else(|| from_variable(&fact.path, &fact.lower))?;
        let at = fact.lower.find(&text).unwrap_or(0);
        Some(Size {
            params_millions: millions,
            model: None,
            line: fact.line_at(at),
            text,
            source: "read from the name",
        })
    };
    named.or_else(read)
}

/// `12 x layers x width²` (Kaplan et al., 2020, arXiv:2001.08361, §2.1), where both are set.
fn from_layers(facts: &Facts) -> Option<Size> {
    let layers = settings::number(
        facts,
        &["num-layers", "n-layers", "n-layer", "num-hidden-layers"],
    )?;
    let width = settings::number(
        facts,
        &[
            "hidden-size",
            "hidden-width",
            "hidden-dim",
            "n-embd",
            "d-model",
            "embedding-dim",
        ],
    )?;
    let within = |value: u64, (min, max)| (min..=max).contains(&value);
    let params = 12 * layers.value.min(LAYERS.1) * width.value.min(WIDTH.1).pow(2);
    let plausible = within(layers.value, LAYERS) && within(width.value, WIDTH);
    plausible.then(|| Size {
        params_millions: (params / 1_000_000).max(1),
        model: None,
        line: layers.line,
        text: format!("{} layers of width {}", layers.value, width.value),
        source: "12 x layers x width²",
    })
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
        .then(|| (billions * 1_000, value.trim().to_owned()))
}

/// The largest `7b`, `0.5b`, `270m` or `8x7b` of a lower-case text, in millions, and its text.
fn largest(text: &str) -> Option<(u64, String)> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .filter_map(|word| {
            let word = without_extension(word.trim_matches('.'));
            let word = word
                .strip_suffix("bn")
                .map_or(word, |_| &word[..word.len() - 1]);
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
    use crate::files;

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

    #[test]
    fn a_known_model_has_the_figures_of_the_catalogue() {
        let of = |run: &str| {
            let facts = Facts::of(&files::look(&format!("run: {run}\n")).unwrap());
            of(&facts).map(|s| (s.params_millions, s.model.is_some()))
        };
        for (run, found) in [
            ("vllm serve meta-llama/Llama-3.1-8B-Instruct", (8_030, true)),
            ("vllm serve meta-llama/Meta-Llama-3-70B", (70_554, true)),
            (
                "x deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
                (70_554, true),
            ),
            ("x deepseek-ai/DeepSeek-R1", (671_026, true)),
            ("x mistralai/Mixtral-8x22B-v0.1", (140_621, true)),
            ("x meta-llama/Llama-4-Maverick-17B-128E", (401_583, true)),
            ("x openai/whisper-large-v3", (1_550, true)),
            ("x acme/thing-33b", (33_000, false)),
            ("x acme/llama-3-merged-33b", (33_000, false)),
            ("x --num-layers 40 --hidden-size 5120", (12_582, false)),
        ] {
            assert_eq!(of(run), Some(found), "{run}");
        }
        assert_eq!(of("x --num-layers 999999999 --hidden-size 999999999"), None);
    }
}

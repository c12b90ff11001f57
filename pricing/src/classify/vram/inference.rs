//! Memory of a model that answers: weights, cache of keys and values, and what the engine needs.

use tandem_model::workload::WorkloadClass;

use super::{Estimate, precision};
use crate::classify::ask::Ask;
use crate::classify::catalogue::{self, Model};
use crate::classify::facts::{Facts, Zone};
use crate::classify::settings;
use crate::classify::sizes::Size;

/// Activations and fragmentation beside the weights, in percent of them: the lower end of the
/// "≤20 %" of EleutherAI, "Transformer Math 101" (blog.eleuther.ai/transformer-math), since the
/// cache is counted apart here.
const BESIDE_WEIGHTS_PERCENT: u64 = 10;
/// CUDA context, kernels and graphs of an engine, in megabytes (vLLM, arXiv:2309.06180, fig. 1:
/// "others").
const ENGINE_MB: u64 = 1_500;
/// The same with the activations of a small vision, sound or embedding model and its batch.
const SMALL_MB: u64 = 4_000;
/// A model below this size counts as small, in millions of parameters.
const SMALL_MILLIONS: u64 = 1_000;
/// Tokens of one sequence where no length is stated.
const CONTEXT_TOKENS: u64 = 4_096;
/// Longest context that is counted.
const CONTEXT_TOKENS_MAX: u64 = 10_485_760;
/// Most sequences that are counted.
const SEQUENCES_MAX: u64 = 256;
/// Memory of the largest common consumer card, which a model is kept whole on when it fits, in MB.
const ONE_CARD_MB: u64 = 24_000;

/// Weights in megabytes, and the name of their precision.
pub(super) fn weights_mb(size: &Size, facts: &Facts) -> (u64, &'static str) {
    let (decibits, name) = precision::decibits(size, facts);
    (size.params_millions * u64::from(decibits) / 80, name)
}

/// Bytes of cache for one token: 2 x layers x heads of keys and values x width of a head x bytes
/// (Kwon et al., 2023, arXiv:2309.06180, §3.1).
fn cache_bytes_per_token(model: &Model, bytes: u64) -> u64 {
    2 * u64::from(model.kv_layers) * u64::from(model.kv_heads) * u64::from(model.head_dim) * bytes
}

/// The cache of a model that answers.
#[derive(Debug, Clone, Copy, Default)]
struct Cache {
    /// Megabytes for the stated length and number of sequences.
    mb: u64,
    /// The length; a short one where none is stated.
    tokens: u64,
    /// The model's own length with its megabytes, where the engine reserves that and none is stated.
    reserved: Option<(u64, u64)>,
}

fn cache(size: &Size, facts: &Facts) -> Cache {
    let form = size.model.or_else(|| {
        (size.params_millions >= SMALL_MILLIONS)
            .then(|| catalogue::nearest(size.params_millions))?
    });
    let Some(model) = form.filter(|m| m.kv_layers > 0) else {
        return Cache::default();
    };
    let length = settings::number(
        facts,
        &[
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
        ],
    );
    let of_model = u64::from(model.context_tokens).max(1);
    let tokens = length
        .map_or(CONTEXT_TOKENS.min(of_model), |s| s.value)
        .min(CONTEXT_TOKENS_MAX);
    let sequences = settings::number(facts, &["parallel", "ollama-num-parallel"])
        .map_or(1, |s| s.value.clamp(1, SEQUENCES_MAX));
    let small = [
        "kv-cache-dtype fp8*",
        "kv-cache-dtype=fp8*",
        "cache-type-k q8*",
    ]
    .iter()
    .any(|w| facts.says(&[Zone::Run], w));
    let bytes = cache_bytes_per_token(model, if small { 1 } else { 2 });
    let mb = |tokens: u64| bytes * tokens * sequences / 1_000_000;
    let reserves = ["vllm*", "sglang*"]
        .iter()
        .any(|w| facts.says(&[Zone::Run, Zone::Image], w));
    let is_longer = length.is_none() && reserves && of_model > tokens;
    Cache {
        mb: mb(tokens),
        tokens,
        reserved: is_longer.then(|| (of_model, mb(of_model))),
    }
}

/// GPUs that share one copy of the model.
fn shared_over(whole_mb: u64, facts: &Facts, ask: &Ask) -> u64 {
    let stated = settings::number(
        facts,
        &[
            "tensor-parallel-size",
            "tensor-parallel",
            "tp-size",
            "tp",
            "num-shard",
            "tensorparallelsize",
        ],
    );
    let gpus = u64::from(ask.gpus_total());
    match stated {
        Some(s) if s.value > 0 => s.value.min(gpus.max(1)) * stages(facts),
        _ if whole_mb <= ONE_CARD_MB => 1,
        _ => gpus,
    }
    .clamp(1, gpus.max(1))
}

/// Stages that one copy's layers are dealt out to.
fn stages(facts: &Facts) -> u64 {
    settings::number(facts, &["pipeline-parallel-size", "pp-size"])
        .map_or(1, |s| s.value.clamp(1, 64))
}

pub(super) fn estimate(class: WorkloadClass, size: &Size, facts: &Facts, ask: &Ask) -> Estimate {
    let (weights, precision) = weights_mb(size, facts);
    let cache = match class {
        WorkloadClass::Rendering => Cache::default(),
        _ => cache(size, facts),
    };
    let engine = if size.params_millions < SMALL_MILLIONS {
        SMALL_MB
    } else {
        ENGINE_MB
    };
    let whole = weights + weights * BESIDE_WEIGHTS_PERCENT / 100 + cache.mb;
    let gpus = shared_over(whole + engine, facts, ask);
    let mut text = format!("{} GB of weights in {precision}", weights.div_ceil(1_000));
    if cache.mb > 0 {
        let (mb, tokens) = (cache.mb.div_ceil(1_000), cache.tokens);
        text.push_str(&format!(", {mb} GB of cache for {tokens} tokens"));
    }
    if let Some((tokens, mb)) = cache.reserved {
        text.push_str(&format!(
            " (the engine reserves {} GB for {tokens} tokens unless a length is stated)",
            mb.div_ceil(1_000)
        ));
    }
    if gpus > 1 {
        text.push_str(&format!(", over {gpus} GPUs"));
    }
    Estimate::of(whole.div_ceil(gpus) + engine, size.line, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_of_a_token_is_that_of_the_published_figures() {
        let bytes = |name: &str, millions: u64| {
            let family = catalogue::families()
                .find(|f| f.names.contains(&name))
                .unwrap();
            let named = Some(millions).filter(|m| *m > 0);
            cache_bytes_per_token(family.member(named).unwrap(), 2)
        };
        assert_eq!(bytes("llama-2", 13_000), 819_200);
        assert_eq!(bytes("llama-3", 8_000), 131_072);
        assert_eq!(bytes("llama-3", 70_000), 327_680);
        assert_eq!(bytes("deepseek-v3", 0), 70_272);
    }
}

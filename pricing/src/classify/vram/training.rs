//! Memory of training: weights, gradients and optimiser states, and activations.

use super::{Estimate, precision};
use crate::classify::ask::Ask;
use crate::classify::catalogue;
use crate::classify::facts::{Fact, Facts, Zone};
use crate::classify::settings;
use crate::classify::sizes::Size;

const SAID: &[Zone] = &[Zone::Run, Zone::Env, Zone::Name, Zone::Other, Zone::Key];
/// Bytes of a parameter that is trained with Adam in mixed precision: 2 of weights, 2 of
/// gradients, 12 of optimiser states (ZeRO, Rajbhandari et al., 2020, arXiv:1910.02054, §3.1).
const ADAM_BYTES: u64 = 16;
/// The same with moments in 8 bits (Dettmers et al., 2022, arXiv:2110.02861).
const ADAM_8BIT_BYTES: u64 = 10;
/// The same with factored second moments and no first ones (Adafactor, arXiv:1804.04235).
const ADAFACTOR_BYTES: u64 = 8;
/// Bytes of a parameter of the frozen copy that a policy is compared with (PPO as in
/// arXiv:2203.02155), in 16 bits.
const REFERENCE_BYTES: u64 = 2;
/// Low-rank adapters are trained beside frozen weights: a share of them of this size, in permille
/// (LoRA, arXiv:2106.09685, table 4, has 0.01 to 0.2 %).
const ADAPTER_PERMILLE: u64 = 2;
/// Runtime, logits and buffers while adapters are trained, in megabytes. QLoRA's authors train 65
/// billion parameters in 48 GB (arXiv:2305.14314, §1).
const ADAPTERS_EXTRA_MB: u64 = 4_000;
/// Bytes of activations that are kept for a token, a layer and a unit of width when the rest is
/// computed again (Korthikanti et al., 2022, arXiv:2205.05198, §5).
const KEPT_BYTES: u64 = 2;
/// Bytes of all activations of one layer for a token and a unit of width (the same, §4.1).
const LAYER_BYTES: u64 = 34;
/// Tokens of a sequence and sequences of a step where nothing is stated.
const SEQUENCE_TOKENS: u64 = 2_048;
const LIMITS: (u64, u64) = (131_072, 64);
/// Memory of the largest card that a whole copy of the state is kept on, in megabytes.
const ONE_CARD_MB: u64 = 80_000;
/// Memory of the largest card of the catalogue, and of the largest common consumer card: above the
/// one the state is shared out whatever the file says, below the other it need not be.
const LARGEST_CARD_MB: u64 = 180_000;
const CONSUMER_CARD_MB: u64 = 24_000;

fn says(facts: &Facts, words: &[&str]) -> bool {
    let wanted = |f: &Fact, at| SAID.contains(&f.zone) && !f.is_off_at(at);
    words
        .iter()
        .any(|w| facts.mentions(w).any(|(f, at)| wanted(f, at)))
}

/// How the weights are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Full,
    Lora,
    Qlora,
}

fn method(size: &Size, facts: &Facts) -> Method {
    let adapters = says(
        facts,
        &["lora*", "peft", "use_peft", "enable_lora", "unsloth*"],
    ) || facts.says(&[Zone::Setup], "unsloth*");
    let four = precision::decibits(size, facts).0 < 60
        && size.model.is_none_or(|m| m.weight_decibits >= 60);
    match (says(facts, &["qlora*"]) || four, adapters) {
        (true, _) => Method::Qlora,
        (false, true) => Method::Lora,
        (false, false) => Method::Full,
    }
}

/// Megabytes of weights, gradients and optimiser states over all GPUs, and how they come about.
pub(super) fn state_mb(size: &Size, facts: &Facts) -> (u64, &'static str) {
    let millions = size.params_millions;
    let adapters = millions * ADAPTER_PERMILLE * ADAM_BYTES / 1_000;
    match method(size, facts) {
        Method::Qlora => (
            millions * 5 / 10 + adapters,
            "weights in 4 bits with adapters",
        ),
        Method::Lora => (millions * 2 + adapters, "weights in 16 bits with adapters"),
        Method::Full => {
            let (bytes, text) = if says(
                facts,
                &[
                    "adamw_8bit",
                    "adamw_bnb_8bit",
                    "paged_adamw_8bit",
                    "adamw8bit",
                ],
            ) {
                (ADAM_8BIT_BYTES, "10 bytes per parameter with 8-bit Adam")
            } else if says(facts, &["adafactor"]) {
                (ADAFACTOR_BYTES, "8 bytes per parameter with Adafactor")
            } else {
                (ADAM_BYTES, "16 bytes per parameter with Adam")
            };
            let reference = if says(facts, &["ppo", "grpo", "dpo", "rlhf"]) {
                REFERENCE_BYTES
            } else {
                0
            };
            (millions * (bytes + reference), text)
        }
    }
}

/// Megabytes of activations of one GPU's step.
fn activations_mb(size: &Size, facts: &Facts) -> u64 {
    let number = |names: &[&str], otherwise: u64, max: u64| {
        settings::number(facts, names).map_or(otherwise, |s| s.value.clamp(1, max))
    };
    let tokens = number(
        &[
            "max-seq-length",
            "max-seq-len",
            "seq-length",
            "seq-len",
            "sequence-len",
            "max-length",
            "model-max-length",
            "max-context-width",
            "block-size",
        ],
        SEQUENCE_TOKENS,
        LIMITS.0,
    );
    let batch = number(
        &[
            "per-device-train-batch-size",
            "micro-batch-size",
            "train-micro-batch-size-per-gpu",
        ],
        1,
        LIMITS.1,
    );
    let layers = size
        .model
        .or_else(|| catalogue::nearest(size.params_millions))
        .map_or(32, |m| u64::from(m.layers));
    // From params = 12 x layers x width².
    let width = (size.params_millions * 1_000_000 / (12 * layers)).isqrt();
    tokens * batch * width * (KEPT_BYTES * layers + LAYER_BYTES) / 1_000_000
}

pub(super) fn estimate(size: &Size, facts: &Facts, ask: &Ask) -> Estimate {
    let (state, how) = state_mb(size, facts);
    let gpus = u64::from(ask.gpus_total());
    let sharded = says(
        facts,
        &[
            "fsdp*",
            "zero3",
            "zero_3",
            "zero-3",
            "deepspeed",
            "megatron*",
            "torchtitan",
            "full_shard",
            "sharding_strategy",
        ],
    );
    let extra = match method(size, facts) {
        Method::Full => 0,
        Method::Lora | Method::Qlora => ADAPTERS_EXTRA_MB,
    };
    let beside = activations_mb(size, facts) + extra;
    let mut text = format!("{} GB: {how}", state.div_ceil(1_000));
    let shares = sharded || state > LARGEST_CARD_MB;
    if shares && ask.gpus_per_node.is_none() && state + beside > CONSUMER_CARD_MB {
        text.push_str(", and activations");
        return Estimate::over_unknown(state + beside, size.line, &text);
    }
    let over = if sharded || state > ONE_CARD_MB {
        gpus
    } else {
        1
    };
    if over > 1 {
        text.push_str(&format!(", over {over} GPUs"));
    }
    text.push_str(", and activations");
    Estimate::of(state.div_ceil(over) + beside, size.line, text)
}

//! Memory per GPU: what the file states, else published rules of thumb in whole numbers.
//!
//! Inference: weights x 1.2 (EleutherAI, "Transformer Math 101", blog.eleuther.ai). LoRA on bf16:
//! weights plus about 7 GiB. QLoRA: 0.6 GiB per billion plus about 6 GiB (Dettmers et al., 2023:
//! 65B in 48 GB). Full fine-tuning with Adam in mixed precision: 16 bytes per parameter (ZeRO,
//! Rajbhandari et al., 2020, §3.1) over the GPUs that share the state.

use tandem_model::workload::WorkloadClass;

use super::Evidence;
use super::ask::Ask;
use super::facts::{Facts, Zone};
use super::sizes::Size;
use super::words;

const USE_WORDS: &[&str] = &[
    "consumes", "consume", "uses", "needs", "require", "requires", "takes",
];
const FOUR_BIT: &[&str] = &[
    "q4*",
    "gptq",
    "awq",
    "int4",
    "4bit",
    "4-bit",
    "qlora*",
    "nf4",
    "load_in_4bit",
    "use_4bit_quantization",
];
const EIGHT_BIT: &[&str] = &["fp8", "int8", "q8*", "8bit"];
const SAID: &[Zone] = &[
    Zone::Run,
    Zone::Env,
    Zone::Other,
    Zone::Name,
    Zone::Setup,
    Zone::Comment,
];
/// Memory beside the weights when a model answers, in GB.
const INFERENCE_EXTRA_GB: u64 = 1;
/// Memory beside the weights of a small vision or embedding model, in GB.
const SMALL_EXTRA_GB: u64 = 4;
const LORA_EXTRA_GB: u64 = 7;
const QLORA_EXTRA_GB: u64 = 6;

/// A figure that the file itself gives for the memory in use, with its line.
pub(super) fn stated(facts: &Facts) -> Option<(u32, Evidence)> {
    facts.iter().find_map(|f| {
        let of_memory = words::find(&f.lower, "vram") || f.lower.contains("gpu memory");
        if f.zone != Zone::Comment
            || !of_memory
            || !USE_WORDS.iter().any(|w| words::find(&f.lower, w))
        {
            return None;
        }
        let gb = figure(&f.lower)?;
        let evidence = Evidence {
            line: f.line,
            source: "comment".into(),
            text: format!("the file states {gb} GB of GPU memory"),
            points_to: "needs.vram_gb_per_gpu".into(),
        };
        Some((gb, evidence))
    })
}

/// The first number before `gb`, rounded up.
fn figure(text: &str) -> Option<u32> {
    let head = text[..text.find("gb")?].trim_end();
    let start = head
        .rfind(|c: char| !c.is_ascii_digit() && c != '.')
        .map_or(0, |i| {
            i + head[i..].chars().next().map_or(1, char::len_utf8)
        });
    let (whole, fraction) = head[start..]
        .split_once('.')
        .unwrap_or((&head[start..], ""));
    let whole: u32 = whole.parse().ok()?;
    let up = fraction.bytes().any(|b| b != b'0');
    (whole < 10_000).then_some(whole + u32::from(up))
}

/// Bits per parameter of the weights.
fn bits(facts: &Facts) -> u64 {
    let says = |list: &[&str]| list.iter().any(|w| facts.says(SAID, w));
    if says(FOUR_BIT) {
        4
    } else if says(EIGHT_BIT) {
        8
    } else {
        16
    }
}

/// An estimate from the model's size; none when no size is known or no GPU is asked.
pub(super) fn estimate(
    class: WorkloadClass,
    size: Option<&Size>,
    facts: &Facts,
    ask: &Ask,
) -> Option<u32> {
    let millions = size?.params_millions;
    if ask.gpus_per_node == Some(0) {
        return None;
    }
    let gpus = u64::from(ask.gpus_total());
    let training = matches!(
        class,
        WorkloadClass::DistributedTraining | WorkloadClass::SingleNodeTraining
    );
    let megabytes = if training {
        training_mb(millions, facts, gpus)
    } else {
        // Embedded in 4 bits, a weight takes about 4.8 bits with its scales.
        let per_weight = match bits(facts) {
            4 => 48,
            8 => 85,
            _ => 160,
        };
        let weights = millions * per_weight / 80;
        let extra = if millions < 1_000 {
            SMALL_EXTRA_GB
        } else {
            INFERENCE_EXTRA_GB
        };
        weights * 12 / 10 / gpus + extra * 1_000
    };
    u32::try_from(megabytes.div_ceil(1_000)).ok()
}

/// Megabytes per GPU while training.
fn training_mb(millions: u64, facts: &Facts, gpus: u64) -> u64 {
    if bits(facts) == 4 {
        millions * 6 / 10 / gpus + QLORA_EXTRA_GB * 1_000
    } else if ["lora*", "peft", "use_peft", "enable_lora"]
        .iter()
        .any(|w| facts.says(&[Zone::Run, Zone::Env, Zone::Name, Zone::Other], w))
    {
        millions * 2 / gpus + LORA_EXTRA_GB * 1_000
    } else {
        millions * 16 / gpus
    }
}

/// Gigabytes of weights, or of training state, over all GPUs.
pub(super) fn state_gb(class: WorkloadClass, size: &Size, facts: &Facts) -> u64 {
    let training = matches!(
        class,
        WorkloadClass::DistributedTraining | WorkloadClass::SingleNodeTraining
    );
    let megabytes = if training {
        training_mb(size.params_millions, facts, 1)
    } else {
        size.params_millions * bits(facts) / 8
    };
    megabytes / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_before_their_unit() {
        assert_eq!(figure("consumes ~25gb of vram"), Some(25));
        assert_eq!(figure("uses 7.5 gb vram"), Some(8));
        assert_eq!(figure("vram gb"), None);
        assert_eq!(figure("≥24gb vram"), Some(24));
    }
}

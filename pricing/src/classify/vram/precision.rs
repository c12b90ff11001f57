//! Bits of a weight, read from names and flags.

use crate::classify::facts::{Facts, Zone};
use crate::classify::sizes::Size;
use crate::classify::words;

/// Words that state a precision, the bits of a weight in tenths with its scales, and the name.
/// GGUF figures are those of llama.cpp's `tools/quantize/README.md`; GPTQ (arXiv:2210.17323) and
/// AWQ (arXiv:2306.00978) keep a 16-bit scale and zero point for 128 weights; NF4 is QLoRA's
/// (arXiv:2305.14314, §3).
const STATED: &[(&[&str], u32, &str)] = &[
    (&["q2*", "iq2*"], 32, "2 bits"),
    (&["q3*", "iq3*"], 40, "3 bits"),
    (&["q4*", "iq4*"], 49, "4 bits"),
    (&["q5*"], 57, "5 bits"),
    (&["q6*"], 66, "6 bits"),
    (&["q8*"], 85, "8 bits"),
    (&["mxfp4", "nvfp4", "fp4"], 43, "4 bits"),
    (
        &[
            "gptq",
            "awq",
            "int4",
            "4bit",
            "4-bit",
            "w4a16",
            "nf4",
            "qlora*",
            "load_in_4bit",
            "use_4bit_quantization",
            "exl2",
            "bitsandbytes",
        ],
        45,
        "4 bits",
    ),
    (
        &[
            "fp8",
            "int8",
            "w8a8",
            "8bit",
            "8-bit",
            "load_in_8bit",
            "llm.int8",
        ],
        85,
        "8 bits",
    ),
    (&["fp32", "float32", "no-half"], 320, "32 bits"),
];
/// Where a precision is looked for, in this order.
const SAID: [&[Zone]; 2] = [
    &[Zone::Run, Zone::Env, Zone::Image],
    &[
        Zone::Other,
        Zone::Name,
        Zone::Setup,
        Zone::Key,
        Zone::Comment,
    ],
];
/// 16-bit weights, what models are published in where nothing else is said.
const HALF: u32 = 160;

/// Bits of a weight in tenths, and what they are called.
pub(super) fn decibits(size: &Size, facts: &Facts) -> (u32, &'static str) {
    for zones in SAID {
        for fact in facts.iter().filter(|f| zones.contains(&f.zone)) {
            // A cache or a part of the file may be in fewer bits than the weights.
            let lower = without_cache(&fact.lower);
            let found = STATED
                .iter()
                .find(|(needles, _, _)| needles.iter().any(|n| words::find(&lower, n)));
            if let Some((_, decibits, name)) = found {
                return (*decibits, name);
            }
        }
    }
    match size.model.map(|m| m.weight_decibits) {
        Some(own) if own < 60 => (own, "4 bits"),
        Some(own) if own < HALF => (own, "8 bits"),
        _ => (HALF, "16 bits"),
    }
}

/// A text without the value of a setting that is about the cache or the optimiser.
fn without_cache(lower: &str) -> std::borrow::Cow<'_, str> {
    let about_others = [
        "kv-cache-dtype",
        "kv_cache_dtype",
        "cache-type",
        "adamw_8bit",
        "adamw_bnb_8bit",
        "adamw8bit",
        "optim",
    ];
    if about_others.iter().all(|w| !lower.contains(w)) {
        return lower.into();
    }
    let mut kept = Vec::new();
    let mut skip = false;
    for word in lower.split_whitespace() {
        let about = about_others.iter().any(|w| word.contains(w));
        if !about && !skip {
            kept.push(word);
        }
        skip = about && !word.contains('=');
    }
    kept.join(" ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precision_of_a_cache_or_an_optimiser_is_not_that_of_the_weights() {
        let kept = without_cache("vllm serve m --kv-cache-dtype fp8 --optim=adamw_8bit --x awq");
        assert_eq!(kept, "vllm serve m --x awq");
        assert_eq!(without_cache("plain"), "plain");
    }
}

//! Bits of a weight, read from names and flags.

use crate::classify::facts::{Facts, Zone};
use crate::classify::sizes::Size;

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
        let told = STATED.iter().flat_map(|(needles, decibits, name)| {
            let places = needles.iter().flat_map(|n| facts.mentions(n));
            places
                .filter(|(f, at)| zones.contains(&f.zone) && !is_of_another(&f.lower[..*at]))
                .map(|(f, at)| (f.line, at, *decibits, *name))
        });
        if let Some((.., decibits, name)) = told.min_by_key(|(line, at, ..)| (*line, *at)) {
            return (decibits, name);
        }
    }
    match size.model.map(|m| m.weight_decibits) {
        Some(own) if own < 60 => (own, "4 bits"),
        Some(own) if own < HALF => (own, "8 bits"),
        _ => (HALF, "16 bits"),
    }
}

/// Parts of settings that are about the cache or the optimiser.
const OTHERS: [&str; 5] = ["kv-cache", "kv_cache", "cache-type", "adam", "optim"];

/// Whether a text before a precision ends with the name of a setting that is not about weights.
fn is_of_another(before: &str) -> bool {
    let mut words = before.rsplit(char::is_whitespace);
    let own = words.next().unwrap_or_default();
    let flag = if own.is_empty() {
        words.next().unwrap_or_default()
    } else {
        own
    };
    OTHERS.iter().any(|other| flag.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precision_of_a_cache_or_an_optimiser_is_not_that_of_the_weights() {
        for (before, other) in [
            ("vllm serve m --kv-cache-dtype ", true),
            ("vllm serve m --kv_cache_dtype=", true),
            ("train --optim adamw_", true),
            ("train --optim=paged_adamw_", true),
            ("vllm serve m --kv-cache-dtype auto --quantization ", false),
            ("vllm serve a/m-7b-", false),
            ("", false),
        ] {
            assert_eq!(is_of_another(before), other, "{before}");
        }
    }
}

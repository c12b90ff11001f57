//! Bits of a weight, read from names and flags.

use crate::classify::facts::{Fact, Facts, Zone};
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
            "int4",
            "4bit",
            "4-bit",
            "w4a16",
            "nf4",
            "qlora*",
            "load_in_4bit",
            "use_4bit_quantization",
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
/// Methods that mean 4 bits where the same name states no number: `x-GPTQ`, but not `x-GPTQ-Int8`.
const METHODS: (&[&str], u32, &str) = (&["gptq", "awq", "exl2", "bitsandbytes"], 45, "4 bits");
/// Where a precision is looked for, in this order. What is installed may serve an optimiser, and a
/// comment may be about another model.
const SAID: [&[Zone]; 2] = [
    &[Zone::Run, Zone::Env, Zone::Image],
    &[Zone::Other, Zone::Name, Zone::Key],
];
/// 16-bit weights, what models are published in where nothing else is said.
const HALF: u32 = 160;

/// Bits of a weight in tenths, and what they are called.
pub(super) fn decibits(size: &Size, facts: &Facts) -> (u32, &'static str) {
    for zones in SAID {
        let told = STATED.iter().chain([&METHODS]);
        let told = told.flat_map(|(needles, decibits, name)| {
            let is_method = *needles == METHODS.0;
            let places = needles.iter().flat_map(|n| facts.mentions(n));
            places
                .filter(|(f, at)| zones.contains(&f.zone) && is_of_weights(f, *at))
                .map(move |(f, at)| {
                    let place = (f.line, word_of(&f.lower, at), is_method, at);
                    (place, *decibits, *name)
                })
        });
        if let Some((_, decibits, name)) = told.min_by_key(|(place, ..)| *place) {
            return (decibits, name);
        }
    }
    match size.model.map(|m| m.weight_decibits) {
        Some(own) if own < 60 => (own, "4 bits"),
        Some(own) if own < HALF => (own, "8 bits"),
        _ => (HALF, "16 bits"),
    }
}

/// Where the word that holds an offset begins.
fn word_of(text: &str, at: usize) -> usize {
    let space = text[..at].rfind(char::is_whitespace);
    space.map_or(0, |space| space + 1)
}

/// Whether a precision is one of weights, and wanted.
fn is_of_weights(fact: &Fact, at: usize) -> bool {
    let of_optimiser = OTHERS.iter().any(|other| fact.field().contains(other));
    !of_optimiser && !is_of_another(&fact.lower[..at]) && !fact.is_off_at(at)
}

/// Parts of settings that are about the cache or the optimiser.
const OTHERS: [&str; 5] = ["kv-cache", "kv_cache", "cache-type", "adam", "optim"];

/// Whether a text before a precision ends with the name of a setting that is not about weights, or
/// is a command that installs something.
fn is_of_another(before: &str) -> bool {
    let command = before.rsplit(['&', ';', '|']).next().unwrap_or_default();
    let mut words = before.rsplit(char::is_whitespace);
    let own = words.next().unwrap_or_default();
    let flag = if own.is_empty() {
        words.next().unwrap_or_default()
    } else {
        own
    };
    command.contains(" install ") || OTHERS.iter().any(|other| flag.contains(other))
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
            ("pip install vllm ", true),
            ("pip install vllm && vllm serve a/m-7b-", false),
            ("", false),
        ] {
            assert_eq!(is_of_another(before), other, "{before}");
        }
    }
}

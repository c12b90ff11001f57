//! What is read of models, precision and training, as tables of one line or one small file each:
//! words that stand near a model often speak of another, of what is switched off, or of a setup.

use super::*;
use crate::files;

fn of(text: &str) -> Classification {
    classify(&files::look(text).unwrap())
}

/// The evidence of a source, or nothing.
fn said(found: &Classification, source: &str) -> String {
    let of_source = found.evidence.iter().find(|e| e.source == source);
    of_source.map(|e| e.text.clone()).unwrap_or_default()
}

#[test]
fn a_model_is_known_by_its_own_name_and_size() {
    for (model, billions) in [
        ("mistralai/Codestral-22B-v0.1", "22.0"),
        ("mistralai/Pixtral-Large-Instruct-2411", "124.0"),
        ("mistralai/Mistral-Medium-3.5-128B", "128.0"),
        ("mistralai/Mistral-Small-4-119B", "119.0"),
        ("mistralai/Mistral-Large-3-675B", "675.0"),
        ("CohereLabs/c4ai-command-r7b-12-2024", "8.1"),
        ("CohereLabs/c4ai-command-r-v01", "35.0"),
        ("zai-org/GLM-4.5V", "106.9"),
        ("zai-org/GLM-4.5", "355.0"),
        ("deepseek-r1:70b", "70.0"),
        ("Wan-AI/Wan2.1-T2V-1.3B", "1.3"),
        ("mistral-community/pixtral-12b", "12.0"),
        // These are what their family's only member is.
        ("mistralai/Mistral-Small-24B-Instruct-2501", "23.6"),
        ("mistralai/Mistral-Large-Instruct-2411", "122.7"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "7.3"),
        ("mistral", "7.3"),
        ("/models/mistral-7b/snapshot/1", "7.3"),
        ("timm/resnet50", "0.1"),
    ] {
        let found = of(&format!("run: vllm serve {model}\n"));
        let size = said(&found, "size");
        assert!(
            size.contains(&format!(": {billions} billion")),
            "{model}: {size}"
        );
    }
}

#[test]
fn the_precision_is_that_of_the_weights_that_are_used() {
    for (text, bits) in [
        ("run: vllm serve Qwen/Qwen2.5-32B-GPTQ-Int8\n", "8 bits"),
        ("run: vllm serve Qwen/Qwen2.5-32B-GPTQ-Int4\n", "4 bits"),
        ("run: vllm serve Qwen/Qwen2.5-32B-GPTQ\n", "4 bits"),
        (
            "# use the AWQ version on a small card\nrun: vllm serve Qwen/Qwen2.5-32B\n",
            "16 bits",
        ),
        (
            "setup: pip install vllm bitsandbytes\nrun: vllm serve Qwen/Qwen2.5-32B\n",
            "16 bits",
        ),
        (
            "run: pip install vllm bitsandbytes && vllm serve Qwen/Qwen2.5-32B\n",
            "16 bits",
        ),
        (
            "run: pip install vllm && vllm serve Qwen/Qwen2.5-32B --quantization bitsandbytes\n",
            "4 bits",
        ),
        (
            "run: serve Qwen/Qwen2.5-32B --load_in_4bit false --load_in_8bit true\n",
            "8 bits",
        ),
    ] {
        let found = of(&format!("resources: {{accelerators: H100:1}}\n{text}"));
        let memory = said(&found, "memory");
        assert!(memory.contains(&format!("in {bits}")), "{text}: {memory}");
    }
}

/// A fine-tuning recipe with these settings beside its model.
fn recipe(settings: &str) -> String {
    format!(
        "base_model: Qwen/Qwen2.5-3B\n{settings}micro_batch_size: 1\nnum_epochs: 1\nlearning_rate: 0.0002\n"
    )
}

#[test]
fn the_method_of_training_is_that_of_settings_with_a_value() {
    for (text, how) in [
        (recipe("adapter:\nlora_r:\nlora_alpha:\n"), "16 bytes"),
        (recipe("adapter: lora\nlora_r: 8\n"), "16 bits with adapters"),
        (
            recipe("adapter: lora\nload_in_4bit: false\nload_in_8bit: false\n"),
            "16 bits with adapters",
        ),
        (recipe("load_in_4bit: false\nload_in_8bit: false\n"), "16 bytes"),
        (
            recipe("adapter: lora\nload_in_4bit: false\nload_in_8bit: true\n"),
            "16 bits with adapters",
        ),
        (recipe("load_in_4bit: true\nadapter: qlora\n"), "4 bits with"),
        (recipe("optimizer: adamw_8bit\n"), "10 bytes"),
        (
            "setup: pip install transformers peft bitsandbytes\nrun: python train.py --model a/m-3b --optim adamw_bnb_8bit\nresources: {accelerators: H100:1}\n".to_owned(),
            "10 bytes",
        ),
        (
            "run: python train.py --model a/m-40b --fsdp.offload=false\nresources: {accelerators: H100:8}\n".to_owned(),
            "over 8 GPUs",
        ),
        (
            "run: python train.py --model a/m-3b --use_peft false\nresources: {accelerators: H100:1}\n".to_owned(),
            "16 bytes",
        ),
    ] {
        let memory = said(&of(&text), "memory");
        assert!(memory.contains(how), "{text}: {memory}");
    }
}

#[test]
fn memory_over_an_unknown_number_of_gpus_is_stated_as_a_whole() {
    let large = |settings: &str| of(&recipe(settings).replace("Qwen2.5-3B", "acme-27b"));
    for settings in [
        "deepspeed: zero3.json\n",
        "fsdp: [full_shard]\n",
        "optimizer: adamw_torch\n",
    ] {
        let found = large(settings);
        assert_eq!(found.needs.vram_gb_per_gpu, None, "{settings}");
        let memory = said(&found, "memory");
        assert!(memory.contains("434 GB over all GPUs"), "{memory}");
        assert!(found.tiers.enterprise && !found.tiers.consumer);
        let cards = &found.needs.gpu_models;
        assert!(!cards.is_empty() && cards.iter().all(|m| m.is_a100_or_better()));
    }
    let counted = large("deepspeed: zero3.json\nnum_gpus: 8\n");
    assert_eq!(counted.needs.vram_gb_per_gpu, Some(56));
    let small = of(&recipe("deepspeed: zero2.json\nadapter: qlora\n"));
    assert!(small.tiers.consumer, "one card is enough");
}

#[test]
fn an_engine_that_reserves_the_model_s_own_length_is_told_so_where_none_is_stated() {
    let gpu = "resources: {accelerators: H100:1}\n";
    let text = format!("{gpu}run: vllm serve meta-llama/Llama-3.1-8B-Instruct");
    let told = said(&of(&format!("{text}\n")), "memory");
    let reserved = "the engine reserves 18 GB for 131072 tokens unless a length is stated";
    assert!(told.contains(reserved), "{told}");
    for stated in [" --max-model-len 8192\n", " --max-model-len=131072\n"] {
        let told = said(&of(&format!("{text}{stated}")), "memory");
        assert!(!told.contains("reserves"), "{told}");
    }
    let other = format!("{gpu}run: llama-server -m Llama-3.1-8B-Instruct-Q4_K_M.gguf\n");
    let told = said(&of(&other), "memory");
    assert!(
        told.contains("cache") && !told.contains("reserves"),
        "{told}"
    );
}

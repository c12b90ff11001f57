//! Rules on small files: each shows a trap that words alone would fall into.

use super::*;
use crate::files;

fn of(text: &str) -> Classification {
    classify(&files::look(text).unwrap())
}

#[test]
fn a_launcher_alone_is_not_training() {
    let chat = of(
        "resources: {accelerators: A100:2}\nrun: ttyd /bin/bash -c \"torchrun --nproc_per_node 2 chat.py\"\n",
    );
    assert_eq!(chat.class, WorkloadClass::Interactive);
    let bench = of(
        "run: accelerate launch bench_io.py --skip_training\nresources: {accelerators: H100:8}\n",
    );
    assert_eq!(bench.class, WorkloadClass::EvaluationOrData);
}

#[test]
fn several_nodes_train_together_but_also_serve_together() {
    let train = of("num_nodes: 2\nresources: {accelerators: L4:2}\nrun: torchrun train.py\n");
    assert_eq!(train.class, WorkloadClass::DistributedTraining);
    assert!(!train.tiers.consumer && train.tiers.enterprise);
    let serve = of(
        "num_nodes: 2\nresources: {accelerators: H100:8, ports: 8000}\nservice: {readiness_probe: /health}\nrun: vllm serve x\n",
    );
    assert_eq!(serve.class, WorkloadClass::OnlineInference);
}

#[test]
fn a_server_in_the_background_serves_only_the_job() {
    let text = "resources: {accelerators: L4:1}\nrun: |\n  vllm serve my/model-7b &\n  python embed.py --start-idx 0\n";
    assert_eq!(of(text).class, WorkloadClass::BatchInference);
}

#[test]
fn the_class_that_the_customer_states_wins() {
    let c = of("tandem: 1\nname: a\nclass: rendering\nrun: vllm serve x\n");
    assert_eq!((c.class, c.confidence), (WorkloadClass::Rendering, 100));
    assert_eq!(c.evidence[0].line, 3);
}

#[test]
fn a_named_gpu_binds_placement_but_not_the_tiers() {
    let c = of("resources: {accelerators: H100:1}\nrun: vllm serve Qwen/Qwen2.5-7B-Instruct\n");
    assert_eq!(c.needs.gpu_models, ["H100"]);
    assert!(c.tiers.consumer, "{:?}", c.evidence);
    assert!((17..=20).contains(&c.needs.vram_gb_per_gpu.unwrap()));
    let bare = of("resources: {accelerators: H100:1}\nrun: ./x\n");
    assert!(!bare.tiers.consumer);
}

#[test]
fn precision_and_method_change_the_memory_needed() {
    let gb = |run: &str| {
        of(&format!(
            "resources: {{accelerators: A100:1}}\nrun: {run}\n"
        ))
        .needs
        .vram_gb_per_gpu
        .unwrap()
    };
    assert_eq!(gb("vllm serve a/m-70b"), 169);
    assert_eq!(gb("vllm serve a/m-70b-fp8"), 91);
    assert!((50..=52).contains(&gb("vllm serve a/m-70b-awq")));
    assert_eq!(gb("python train.py --model a/m-7b"), 112);
    assert_eq!(gb("python train.py --model a/m-7b --lora_r 8"), 21);
    assert_eq!(gb("python train.py --model a/m-7b --qlora"), 11);
}

#[test]
fn what_the_file_states_about_memory_wins() {
    let c = of(
        "# Consumes ~25GB of VRAM\nresources: {accelerators: A100:1}\nrun: python train.py --model a/m-7b --qlora\n",
    );
    assert_eq!(c.needs.vram_gb_per_gpu, Some(25));
    assert!(!c.tiers.consumer);
}

#[test]
fn graphics_work_is_kept_from_cards_without_graphics_units() {
    let c = of(
        "job_specifications:\n- tasks:\n  - docker_image: x/ffmpeg\n    command: -i a.mp4 -c:v hevc_nvenc b.mp4\n",
    );
    assert_eq!(c.class, WorkloadClass::Rendering);
    assert!(c.tiers.consumer && !c.tiers.enterprise && !c.tiers.assured);
}

#[test]
fn unknown_formats_are_classified_with_less_confidence() {
    let known = of("run: jupyter lab\n");
    let unknown = of("thing: {command: jupyter lab}\n");
    assert_eq!(unknown.class, WorkloadClass::Interactive);
    assert!(unknown.confidence < known.confidence);
    assert_eq!(of("a: b\n").confidence, 10);
}

#[test]
fn the_document_has_exactly_the_fields_of_the_interface() {
    let json = serde_json::to_value(of(
        "run: torchrun train.py\nresources: {accelerators: RTX4090:1}\n",
    ))
    .unwrap();
    let keys = |v: &serde_json::Value| {
        let mut keys: Vec<_> = v.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(
        keys(&json),
        ["class", "confidence", "evidence", "needs", "tiers"]
    );
    assert_eq!(
        keys(&json["needs"]),
        [
            "checkpointing",
            "fast_interconnect",
            "gpu_models",
            "gpus_per_node",
            "nodes",
            "port",
            "preemption_tolerant",
            "vram_gb_per_gpu"
        ]
    );
    assert_eq!(keys(&json["tiers"]), ["assured", "consumer", "enterprise"]);
    assert_eq!(
        keys(&json["evidence"][0]),
        ["line", "points_to", "source", "text"]
    );
}

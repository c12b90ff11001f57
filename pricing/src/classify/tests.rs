//! Rules on small files: each shows a trap that words alone would fall into.

use super::*;
use crate::files;
use tandem_model::gpu::GpuModel;

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
    assert_eq!(c.needs.gpus_asked, ["H100"]);
    let fits = |id| c.needs.gpu_models.contains(&GpuModel::by_id(id).unwrap());
    assert!(fits("rtx4090") && fits("h100-sxm5-80gb") && !fits("rtx4080"));
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
    assert_eq!(gb("vllm serve a/m-70b"), 157);
    assert_eq!(gb("vllm serve a/m-70b-fp8"), 85);
    assert_eq!(gb("vllm serve a/m-70b-awq"), 47);
    assert_eq!(
        gb("vllm serve a/m-70b-awq --tensor-parallel-size 1 --max-model-len 32768"),
        56
    );
    assert_eq!(gb("python train.py --model a/m-7b"), 113);
    assert_eq!(gb("python train.py --model a/m-7b --lora_r 8"), 20);
    assert_eq!(gb("python train.py --model a/m-7b --qlora"), 9);
    assert_eq!(gb("python train.py --model a/m-7b --optim adamw_8bit"), 71);
}

#[test]
fn tensor_parallelism_shares_the_model_and_a_longer_context_needs_more() {
    let gb = |flags: &str| {
        of(&format!(
            "resources: {{accelerators: A100:8}}\nrun: vllm serve meta-llama/Llama-3.1-70B {flags}\n"
        ))
        .needs
        .vram_gb_per_gpu
        .unwrap()
    };
    assert_eq!(gb("--tensor-parallel-size 8"), 22);
    assert_eq!(gb("--tensor-parallel-size 4 --max-model-len 131072"), 52);
    assert_eq!(
        gb("--tensor-parallel-size 4 --max-model-len 131072 --kv-cache-dtype fp8"),
        46
    );
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
fn state_is_saved_where_a_setting_saves_it_or_takes_it_up_again() {
    for (run, saves) in [
        ("python train.py --save_steps 100", true),
        ("python train.py --resume", true),
        ("python train.py --checkpoint-dir /out", true),
        ("python train.py trainer.save_freq=10", true),
        ("python train.py --output_dir /checkpoints/a", true),
        ("python train.py --no-resume --skip_checkpoint", false),
        ("python train.py --resume_from_checkpoint=False", false),
        ("python train.py --save_steps 0", false),
        ("python train.py --ckpt_path m.ckpt", false),
        ("python train.py --load_checkpoint m.pt", false),
        ("python train.py --gradient_checkpointing", false),
        ("WANDB_RESUME=allow python train.py", false),
        ("python generate.py --ckpt_path m.safetensors", false),
        ("python generate.py --ckpt_dir /models/m", false),
        ("python generate.py --resume", true),
        ("python extract_resume.py", false),
        ("trtllm-build --checkpoint_dir m", false),
    ] {
        let found = of(&format!(
            "resources: {{accelerators: A100:1}}\nrun: {run}\n"
        ));
        let needs = (found.needs.checkpointing, found.needs.preemption_tolerant);
        assert_eq!(needs, (saves, saves), "{run}");
    }
}

#[test]
fn an_everyday_verb_is_inference_only_beside_a_model_or_a_gpu() {
    for program in [
        "sample_code",
        "generate_report",
        "compute_stats",
        "extract_load",
    ] {
        let job = |image: &str, more: &str| {
            format!(
                "apiVersion: ray.io/v1\nkind: RayJob\nspec:\n  entrypoint: python {program}.py {more}\n  rayClusterSpec:\n    headGroupSpec: {{template: {{spec: {{containers: [{{image: {image}}}]}}}}}}\n"
            )
        };
        let bare = of(&job("rayproject/ray", ""));
        assert_eq!(bare.class, WorkloadClass::EvaluationOrData, "{program}");
        assert!(bare.confidence < 75, "{program} {}", bare.confidence);
        for (image, more) in [
            ("rayproject/ray", "--model Qwen/Qwen3-8B"),
            ("vllm/vllm-openai", ""),
        ] {
            let found = of(&job(image, more));
            assert_eq!(found.class, WorkloadClass::BatchInference, "{program}");
        }
        let gpu = of(&format!(
            "resources: {{accelerators: L4:1}}\nrun: python {program}.py\n"
        ));
        assert_eq!(gpu.class, WorkloadClass::BatchInference, "{program}");
    }
}

#[test]
fn a_container_that_ships_logs_says_nothing_of_the_work() {
    let pod = |sidecar: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - {{name: a, image: x, command: [python, train.py]}}\n{sidecar}"
        )
    };
    let beside = "  - {name: logs, image: 'fluent/fluent-bit:1.9', command: [transcribe], args: [--resume]}\n";
    let (alone, with) = (of(&pod("")), of(&pod(beside)));
    assert_eq!(
        (with.class, with.confidence),
        (alone.class, alone.confidence)
    );
    assert!(!with.needs.checkpointing);
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
            "gpus_asked",
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

#[test]
fn every_piece_of_evidence_has_the_line_that_it_came_from() {
    let text = "name: a\nnum_nodes: 2\nresources:\n  accelerators: H100:8\n  ports: 8000\nrun: |\n  torchrun train.py \\\n    --model meta-llama/Llama-3.1-8B \\\n    --resume_from_checkpoint x\n";
    let found = of(text);
    let line = |points_to: &str| {
        let of = found.evidence.iter().find(|e| e.points_to == points_to);
        of.unwrap_or_else(|| panic!("{points_to}")).line
    };
    assert_eq!(line("needs.nodes"), 2);
    assert_eq!(line("needs.gpus_per_node"), 4);
    assert_eq!(line("needs.port"), 5);
    assert_eq!(line("distributed_training"), 7);
    assert_eq!(line("tiers.consumer"), 2);
}

#[test]
fn words_of_a_list_are_read_as_one_command_and_keep_their_lines() {
    let text = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a\n    command:\n    - accelerate\n    - launch\n    - train.py\n    args: [--num_epochs, '3']\n    env:\n    - name: MODEL\n      value: gpt2\n    resources: {limits: {nvidia.com/gpu: 1}}\n";
    let found = of(text);
    assert_eq!(found.class, WorkloadClass::SingleNodeTraining);
    let program = found
        .evidence
        .iter()
        .find(|e| e.text.starts_with("`train`"));
    assert_eq!(program.unwrap().line, 9);
    let size = found.evidence.iter().find(|e| e.source == "size").unwrap();
    assert_eq!(size.line, 12);
}

#[test]
fn a_script_is_classified_from_what_it_runs_and_asks_of_its_batch_system() {
    let text = "#!/bin/bash\n#SBATCH --nodes=4\n#SBATCH --gres=gpu:a100:8\nexport IMAGE=megatron.sqsh\nsrun torchrun train.py --lr 1e-4\n";
    let found = of(text);
    assert_eq!(found.class, WorkloadClass::DistributedTraining);
    assert_eq!((found.needs.nodes, found.needs.gpus_per_node), (4, Some(8)));
    assert_eq!(found.needs.gpus_asked, ["a100"]);
    assert!(files::look(text).unwrap().submittable().is_err());
    let plain =
        of("import torch\nfor batch in loader:\n    loss.backward()\n    optimizer.step()\n");
    assert_eq!(plain.class, WorkloadClass::SingleNodeTraining);
}

#[test]
fn tasks_of_a_batch_system_are_not_its_nodes() {
    for (directive, nodes) in [
        ("#SBATCH -N 1 -n 8", 1),
        ("#SBATCH -n 8 -N 2", 2),
        ("#SBATCH -N4", 4),
        ("#SBATCH -n 16", 1),
        ("#SBATCH --nodes=2-3 --ntasks=8", 3),
        ("#flux: -N 2 -n 16", 2),
        ("#PBS -N 5", 1),
    ] {
        let found = of(&format!("#!/bin/bash\n{directive}\nsrun python train.py\n"));
        assert_eq!(found.needs.nodes, nodes, "{directive}");
    }
}

#[test]
fn a_list_of_objects_and_values_of_a_chart_are_classified_and_not_submitted() {
    let chart = "servingEngineSpec:\n  modelSpec:\n  - name: llama3\n    repository: vllm/vllm-openai\n    modelURL: meta-llama/Llama-3.1-8B-Instruct\n    requestGPU: 1\n    vllmConfig: {maxModelLen: 4096}\n";
    for text in [
        chart.to_owned(),
        format!("- {}", chart.replace('\n', "\n  ")),
    ] {
        let found = of(&text);
        assert_eq!(
            found.class,
            WorkloadClass::OnlineInference,
            "{:#?}",
            found.evidence
        );
        assert_eq!(found.needs.vram_gb_per_gpu, Some(20));
        let error = files::look(&text).unwrap().submittable().unwrap_err();
        assert!(error.to_string().contains("not submitted"));
    }
}

#[test]
fn amd_and_other_accelerators_fit_no_card_of_the_catalogue() {
    let found = of(
        "resources: {gpu: 'MI300X:8'}\ntype: service\nport: 80\nimage: rocm/vllm\ncommands: [vllm serve Qwen/Qwen3-8B]\n",
    );
    assert!(found.needs.gpu_models.is_empty());
    assert!(!found.tiers.consumer && !found.tiers.enterprise);
}

#[test]
fn accelerators_of_another_vendor_fit_no_tier_though_no_gpu_of_ours_is_asked() {
    let pod = |device: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - name: a\n    image: vllm/vllm-openai\n    args: [--model, Qwen/Qwen3-8B]\n    resources:\n      limits: {{{device}: 8}}\n"
        )
    };
    let rocm = "services:\n  llm: {image: rocm/vllm, command: vllm serve Qwen/Qwen3-8B}\n";
    for (text, line) in [
        (pod("amd.com/gpu"), 10),
        (pod("google.com/tpu"), 10),
        (rocm.to_owned(), 2),
    ] {
        let found = of(&text);
        let TierFit {
            consumer,
            assured,
            enterprise,
        } = found.tiers;
        assert!(!consumer && !assured && !enterprise, "{text}");
        let why = found.evidence.last().unwrap();
        assert!(why.text.contains("another vendor"), "{why:?}");
        assert_eq!(why.line, line, "{text}");
    }
    assert!(of(&pod("nvidia.com/gpu")).tiers.enterprise);
}

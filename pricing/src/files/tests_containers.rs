//! Akash deployments and io.net recipes: what becomes of each field, and what is refused where.

use tandem_model::workload::{GpuNeed, Workload, WorkloadKind};

use super::*;

const SDL: &str = "version: \"2.0\"
services:
  llm:
    image: vllm/vllm-openai:v0.6.2
    command: [bash, -c]
    args:
      - vllm serve $(MODEL) --port 8000
    env:
      - MODEL=Qwen/Qwen2.5-7B-Instruct
      - HF_TOKEN=
    expose:
      - port: 8000
        as: 80
        to:
          - global: true
profiles:
  compute:
    llm:
      resources:
        cpu: {units: 3.5}
        memory: {size: 16Gi}
        storage:
          - size: 50Gi
          - {name: data, size: 100Gi, attributes: {persistent: true, class: beta3}}
          - {name: shm, size: 8Gi, attributes: {class: ram}}
        gpu:
          units: 2
          attributes:
            vendor:
              nvidia:
                - model: rtx4090
                - {model: a100, ram: 80Gi}
  placement:
    here:
      pricing: {llm: {denom: uakt, amount: 10000}}
deployment:
  llm:
    here: {profile: llm, count: 3}
";

fn workload(text: &str) -> Workload {
    read(text)
        .unwrap_or_else(|e| panic!("{e}"))
        .workload
        .unwrap()
}

/// Line, code and field of every refusal.
fn problems(text: &str) -> Vec<String> {
    let document = look(text).unwrap_or_else(|e| panic!("{e}"));
    let refusals = document.refusals.iter();
    refusals
        .map(|e| format!("{} {} {}", e.line, e.code, e.field))
        .collect()
}

#[test]
fn an_akash_service_becomes_a_workload() {
    let w = workload(SDL);
    assert_eq!(
        (w.name.as_str(), w.kind, w.replicas),
        ("llm", WorkloadKind::Service, 3)
    );
    assert_eq!(w.run, "vllm serve ${MODEL} --port 8000");
    assert_eq!(w.env["MODEL"], "Qwen/Qwen2.5-7B-Instruct");
    assert_eq!(w.secrets, ["HF_TOKEN"]);
    assert_eq!(w.port, Some(8_000));
    let r = &w.resources;
    assert_eq!(
        (r.cpus_min, r.memory_gb_min, r.disk_gb_min),
        (Some(4), Some(16), Some(150))
    );
    assert_eq!(r.gpus_per_node, 2);
    let GpuNeed::Named { choices } = &r.gpu else {
        panic!("{:?}", r.gpu)
    };
    let ids: Vec<_> = choices
        .iter()
        .flat_map(|c| &c.models)
        .map(|m| m.id())
        .collect();
    assert_eq!(ids, ["rtx4090", "a100-pcie-80gb", "a100-sxm4-80gb"]);
}

/// A text of the file above, what it becomes, and the refusal.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "    command:",
        "    credentials: {host: a}\n    command:",
        "5 TDM-1004 services.llm.credentials",
    ),
    (
        "    expose:\n",
        "    expose:\n      - {port: 9, to: [{global: true}]}\n",
        "13 TDM-1004 services.llm.expose[1].port",
    ),
    (
        "nvidia:",
        "amd:",
        "30 TDM-1004 profiles.compute.llm.resources.gpu.attributes.vendor.amd",
    ),
    (
        "units: 2",
        "units: two",
        "27 TDM-1003 profiles.compute.llm.resources.gpu.units",
    ),
    (
        "16Gi",
        "16Xi",
        "21 TDM-1003 profiles.compute.llm.resources.memory.size",
    ),
    (
        "units: 3.5",
        "units: 99999",
        "20 TDM-1003 profiles.compute.llm.resources.cpu.units",
    ),
    (
        "profile: llm",
        "profile: other",
        "17 TDM-1003 profiles.compute.other",
    ),
    (
        "count: 3",
        "count: -1",
        "38 TDM-1003 deployment.llm.here.count",
    ),
    (
        "port: 8000\n",
        "port: 99999\n",
        "12 TDM-1003 services.llm.expose[0].port",
    ),
    (
        "    image: vllm/vllm-openai:v0.6.2\n",
        "",
        "3 TDM-1003 services.llm.image",
    ),
    (
        "services:\n",
        "services:\n  two: {image: b}\n",
        "3 TDM-1004 services.two",
    ),
    (
        "profiles:\n",
        "endpoints: {a: {kind: ip}}\nprofiles:\n",
        "16 TDM-1004 endpoints",
    ),
    (
        "    command:",
        "    comand:",
        "5 TDM-1002 services.llm.comand",
    ),
];

#[test]
fn an_akash_file_is_refused_where_it_asks_for_what_is_not_there() {
    for (from, to, expected) in REFUSED {
        assert!(SDL.contains(from), "{from}");
        let found = problems(&SDL.replacen(from, to, 1));
        assert!(found.iter().any(|p| p == *expected), "{to}: {found:?}");
    }
}

#[test]
fn an_akash_service_without_a_global_port_is_a_job_with_any_gpu() {
    let text = SDL
        .replace("          - global: true", "          - service: other")
        .replace(
            "                - model: rtx4090\n                - {model: a100, ram: 80Gi}\n",
            "",
        );
    let w = workload(&text);
    assert_eq!((w.kind, w.port), (WorkloadKind::Job, None));
    assert_eq!(w.resources.gpu, GpuNeed::AnyWithVram { vram_gb_min: 0 });
}

#[test]
fn a_serving_recipe_starts_the_server_that_its_preset_names() {
    let text = "kind: serving\nname: qwen\nmodel: Qwen/Qwen3-8B\nhardware: RTX4090\ngpus: 2\nreplicas: 2\nargs:\n  max-model-len: 8192\n  enable-prefix-caching: true\n  disable-x: false\n  lora-modules: [a, b]\n";
    let w = workload(text);
    assert_eq!(
        w.run,
        "python3 -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-8B --host 0.0.0.0 \
         --port 8000 --tensor-parallel-size 2 '--max-model-len=8192' --enable-prefix-caching \
         --lora-modules a b"
    );
    assert_eq!(
        (w.port, w.replicas, w.resources.gpus_per_node),
        (Some(8_000), 2, 2)
    );
    assert_eq!(w.readiness_path.as_deref(), Some("/v1/models"));
    let llama = workload(&text.replace("hardware", "preset: llamacpp\nhardware"));
    assert!(
        llama
            .run
            .starts_with("/app/llama-server -hf Qwen/Qwen3-8B --host 0.0.0.0 --port 8080")
    );
}

#[test]
fn a_finetuning_recipe_takes_its_data_set_at_submission_or_from_its_flags() {
    let text = "kind: finetune\nname: tune\nbase_model: Qwen/Qwen3-8B\nmethod: dpo\nhardware: H100\ngpus: 1\nargs: {lora_r: 8}\n";
    let w = workload(text);
    assert_eq!(w.secrets, ["DATASET"]);
    assert_eq!(
        w.run,
        "trl dpo --model_name_or_path Qwen/Qwen3-8B --output_dir output '--lora_r=8' --dataset_name \"$DATASET\""
    );
    assert!(w.setup.unwrap().contains("trl"));
    let given = BTreeMap::from([("DATASET".to_owned(), "a/b".to_owned())]);
    let w = read_with(text, &given).unwrap().workload.unwrap();
    assert_eq!(w.env["DATASET"], "a/b");
    let w = workload(&text.replace("lora_r: 8", "dataset_name: a/b"));
    assert!(w.secrets.is_empty() && w.run.ends_with("'--dataset_name=a/b'"));
}

#[test]
fn a_recipe_is_refused_by_field_and_line() {
    let recipe = "kind: serving\nname: a\nmodel: m\nhardware: L4\ngpus: 1\n";
    for (text, expected) in [
        (recipe.replace("gpus: 1", "gpus: 0"), "5 TDM-1003 gpus"),
        (recipe.replace("hardware: L4\n", ""), "1 TDM-1003 hardware"),
        (
            recipe.replace("name: a", "preset: other\nname: a"),
            "2 TDM-1003 preset",
        ),
        (
            recipe.replace("gpus: 1", "gpus: 1\nmethod: sft"),
            "6 TDM-1002 method",
        ),
        (
            format!("{recipe}args: {{\"a b\": 1}}\n"),
            "6 TDM-1003 args.a b",
        ),
        (format!("{recipe}args: [1]\n"), "6 TDM-1003 args"),
        (recipe.replace("serving", "batch"), "1 TDM-1004 kind"),
        (format!("{recipe}---\n{recipe}"), "7 TDM-1004 documents[1]"),
    ] {
        let found = problems(&text);
        assert!(found.iter().any(|p| p == expected), "{text}: {found:?}");
    }
}

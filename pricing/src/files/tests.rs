//! The readers on small files: what is understood, and what is said about what is not.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tandem_model::error::ErrorCode;
use tandem_model::gpu::GpuModel;
use tandem_model::workload::{Checkpoints, CodeSource, GpuNeed, WorkloadClass, WorkloadKind};

use super::*;

fn workload(text: &str) -> Workload {
    match read(text) {
        Ok(document) => document.workload.expect("a submittable format"),
        Err(errors) => panic!("{errors}\n{text}"),
    }
}

/// `line code field` of every problem.
fn problems(text: &str) -> Vec<String> {
    let errors = read(text).expect_err(text).0;
    errors
        .iter()
        .map(|e| format!("{} {} {}", e.line, e.code, e.field))
        .collect()
}

fn names(need: &GpuNeed) -> Vec<&str> {
    match need {
        GpuNeed::Named { choices } => choices.iter().map(|c| c.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn all_problems_of_a_file_are_reported_at_once_with_their_lines() {
    let text = "tandem: 1\nname: Bad Name\nkind: daemon\nrunn: x\nresources:\n  gpu: any:zero\n  nodes: 0\nport: 70000\nenv:\n  TANDEM_RANK: 1\n";
    let found = problems(text);
    for wanted in [
        "2 TDM-1003 name",
        "3 TDM-1003 kind",
        "4 TDM-1002 runn",
        "6 TDM-1003 resources.gpu",
        "7 TDM-1003 resources.nodes",
        "8 TDM-1003 port",
        "10 TDM-1003 env.TANDEM_RANK",
    ] {
        assert!(
            found.iter().any(|f| f == wanted),
            "{wanted} missing in {found:#?}"
        );
    }
    let shown = read(text).unwrap_err().to_string();
    assert!(shown.contains("did you mean `run`?"), "{shown}");
}

#[test]
fn our_own_format_in_yaml_and_json_gives_the_same_workload() {
    let yaml = "tandem: 1\nname: a\nrun: python3 x.py\nresources: {gpu: [RTX4090, A100], gpus_per_node: 2}\ncheckpoints: {interval_seconds: 60}\nlimits: {max_price_usd_per_gpu_hour: 0.75, countries_allowed: [DE, \"NO\"]}\n";
    let json = r#"{"tandem":1,"name":"a","run":"python3 x.py","resources":{"gpu":["RTX4090","A100"],"gpus_per_node":2},"checkpoints":{"interval_seconds":60},"limits":{"max_price_usd_per_gpu_hour":0.75,"countries_allowed":["DE","NO"]}}"#;
    let w = workload(yaml);
    assert_eq!(w, workload(json));
    assert_eq!(names(&w.resources.gpu), ["RTX4090", "A100"]);
    assert_eq!(
        w.checkpoints,
        Checkpoints::Agent {
            interval_seconds: 60
        }
    );
    assert_eq!(w.limits.max_price_micro_usd.unwrap().get(), 750_000);
}

#[test]
fn checkpoints_kept_by_the_customer_make_the_job_exclusive() {
    let w = workload("tandem: 1\nname: a\nrun: x\ncheckpoints: customer\n");
    assert!(w.exclusive);
}

#[test]
fn running_work_is_probed_only_where_its_file_says_so() {
    let file = "tandem: 1\nname: a\nrun: x\n";
    assert!(!workload(file).probe_while_running);
    assert!(workload(&format!("{file}probe_while_running: true\n")).probe_while_running);
    let found = problems(&format!("{file}probe_while_running: often\n"));
    assert!(found[0].ends_with(" probe_while_running"), "{found:?}");
}

#[test]
fn skypilot_accelerators_are_read_in_every_spelling() {
    let spelled = [
        ("A100:8", vec!["A100"], 8),
        ("{A100: 8, H100: 8}", vec!["A100", "H100"], 8),
        ("{L4, A10g, A100-80GB}", vec!["L4", "A10g", "A100-80GB"], 1),
        ("[A100:4, H100:4]", vec!["A100", "H100"], 4),
        ("'{V100:1, T4:1}'", vec!["V100", "T4"], 1),
        ("{H100:8, H200:8}", vec!["H100", "H200"], 8),
        ("RTX4090", vec!["RTX4090"], 1),
    ];
    for (written, wanted, count) in spelled {
        let w = workload(&format!("resources:\n  accelerators: {written}\nrun: x\n"));
        assert_eq!(names(&w.resources.gpu), wanted, "{written}");
        assert_eq!(w.resources.gpus_per_node, count, "{written}");
    }
    let w = workload(
        "resources:\n  any_of:\n    - {accelerators: L4:2, use_spot: true}\n    - {accelerators: T4:2, infra: aws}\nrun: x\n",
    );
    assert_eq!(names(&w.resources.gpu), ["L4", "T4"]);
    assert!(w.preemptible);
    for bad in [
        "A100:0",
        "A100:-1",
        "A100:NaN",
        "A100:1e999",
        "A100:99999",
        "A100:0.5",
        "tpu-v4-8",
        "''",
    ] {
        let text = format!("run: x\nresources:\n  accelerators: {bad}\n");
        assert!(
            problems(&text).iter().all(|f| f.starts_with("3 TDM-100")),
            "{bad}"
        );
    }
    assert_eq!(
        problems("run: x\nresources:\n  accelerators: {A100: 8, H100: 4}\n"),
        ["3 TDM-1004 resources.accelerators"]
    );
}

#[test]
fn skypilot_variables_fill_fields_but_not_scripts() {
    let text = "envs:\n  BUCKET:\n  MODEL: m\nfile_mounts:\n  /data:\n    name: ${BUCKET}\n  /code: ./$MODEL\nrun: echo $MODEL\n";
    assert_eq!(problems(text), ["6 TDM-1003 file_mounts./data.name"]);
    let given = BTreeMap::from([("BUCKET".to_owned(), "mine".to_owned())]);
    let w = read_with(text, &given).unwrap().workload.unwrap();
    assert_eq!(w.buckets[0].source, "mine");
    assert_eq!(w.code[0].1, CodeSource::LocalPath("./m".into()));
    assert_eq!(w.run, "echo $MODEL");
    assert!(w.secrets.is_empty());
}

#[test]
fn a_secret_with_a_value_is_refused_and_its_value_is_not_repeated() {
    let errors = read("secrets:\n  HF_TOKEN: hf_abc123\nrun: x\n").unwrap_err();
    assert_eq!(errors.0[0].code, ErrorCode::WORKLOAD_FIELD_UNSUPPORTED);
    assert!(!errors.to_string().contains("hf_abc123"));
}

#[test]
fn dstack_gpus_are_read_in_every_spelling() {
    let one = |gpu: &str| {
        workload(&format!(
            "type: task\ncommands: [x]\nresources:\n  gpu: {gpu}\n"
        ))
        .resources
    };
    assert_eq!(one("H100:8").gpus_per_node, 8);
    assert_eq!(names(&one("A100:80GB:2").gpu), ["A100"]);
    let GpuNeed::Named { choices } = one("A100:80GB:2").gpu else {
        panic!()
    };
    assert!(choices[0].models.iter().all(|m| m.facts().vram_gb == 80));
    assert_eq!(one("24GB..").gpu, GpuNeed::AnyWithVram { vram_gb_min: 24 });
    assert_eq!(one("1").gpu, GpuNeed::AnyWithVram { vram_gb_min: 0 });
    assert_eq!(one("0").gpu, GpuNeed::None);
    assert_eq!(
        names(&one("\"nvidia:A100,H100:40GB..:1..4\"").gpu),
        ["A100", "H100"]
    );
    let range = one("25GB..50GB").gpu;
    assert!(GpuModel::all().all(|m| range.accepts(m) == (25..=51).contains(&m.facts().vram_gb)));
    let map = one("{name: [H100, H200], count: 1..8, memory: 80GB..}");
    assert_eq!(
        (names(&map.gpu), map.gpus_per_node),
        (vec!["H100", "H200"], 1)
    );
    let capable = one("{memory: 16GB.., compute_capability: 9.0}").gpu;
    assert!(!capable.accepts(GpuModel::by_id("rtx4090").unwrap()));
    assert!(GpuModel::all().all(|m| !one("amd:MI300X").gpu.accepts(m)));
}

#[test]
fn dstack_kinds_ports_and_variables_are_read() {
    let w = workload(
        "type: service\nimage: a/b:1\nport: 80:8000\nenv: [HF_TOKEN, A=b=c]\nreplicas: 2\nprobes: [{type: http, url: /health}]\n",
    );
    assert_eq!(
        (w.kind, w.port, w.replicas),
        (WorkloadKind::Service, Some(8000), 2)
    );
    assert_eq!(w.env["A"], "b=c");
    assert_eq!(w.secrets, ["HF_TOKEN"]);
    assert_eq!(w.readiness_path.as_deref(), Some("/health"));
    let dev = read("type: dev-environment\nide: vscode\ninit: [echo hi]\n").unwrap();
    assert!(dev.notes.iter().any(|n| n.field == "ide" && n.line == 2));
    let dev = dev.workload.unwrap();
    assert_eq!(
        (dev.class, dev.port),
        (Some(WorkloadClass::Interactive), Some(8888))
    );
}

#[test]
fn known_fields_that_cannot_be_honoured_say_what_to_use_instead() {
    let errors = read("type: task\ncommands: [x]\nutilization_policy: {min_gpu_utilization: 10, time_window: 1h}\nvolumes:\n  - {name: v, path: /v}\nprivileged: true\n").unwrap_err();
    let codes: Vec<_> = errors.0.iter().map(|e| (e.line, e.code)).collect();
    let unsupported = ErrorCode::WORKLOAD_FIELD_UNSUPPORTED;
    assert_eq!(
        codes,
        [(3, unsupported), (5, unsupported), (6, unsupported)]
    );
    assert!(errors.to_string().contains("use `max_duration`"));
}

#[test]
fn several_documents_are_refused_by_name_unless_the_others_are_empty() {
    assert_eq!(
        problems("run: a\n---\nrun: b\n"),
        ["3 TDM-1004 documents[1]"]
    );
    assert_eq!(workload("---\nrun: a\n---\n").run, "a");
}

#[test]
fn other_formats_are_recognised_and_cannot_be_submitted() {
    let known = [
        ("services: {a: {image: b}}\n", DocumentFormat::Compose),
        ("- a: b\n", DocumentFormat::Unrecognised),
        (
            "specificationVersion: jobtemplate-2023-09\n",
            DocumentFormat::OpenJobDescription,
        ),
        ("type: fleet\n", DocumentFormat::DstackResource),
        ("a: b\n", DocumentFormat::Unrecognised),
    ];
    for (text, format) in known {
        let document = read(text).unwrap();
        assert_eq!(document.format, format);
        let error = document.submittable().unwrap_err().to_string();
        assert!(
            error.contains("can be classified, but not submitted"),
            "{error}"
        );
    }
}

#[test]
fn every_field_has_its_line() {
    let document = read("tandem: 1\nname: a\nrun: |\n  x\nresources:\n  gpu: [A100]\n").unwrap();
    assert_eq!(document.lines["resources.gpu[0]"], 6);
    assert_eq!(document.lines["run"], 3);
}

#[test]
fn too_large_files_and_texts_are_refused() {
    let large = format!("run: {}\n", "x".repeat(FILE_BYTES_MAX));
    assert_eq!(
        read(&large).unwrap_err().0[0].code,
        ErrorCode::WORKLOAD_TOO_LARGE
    );
    let text = format!("run: {}\n", "x".repeat(TEXT_MAX + 1));
    assert_eq!(problems(&text)[0], "1 TDM-1005 run");
    let many = format!("type: task\ncommands: [{}]\n", "x,".repeat(LIST_MAX + 1));
    assert!(problems(&many)[0].starts_with("2 TDM-1005 commands"));
    assert!(read("").is_err() && read("- a\n").is_err() && read("a: [\n").is_err());
}

const SEEDS: [&str; 10] = [
    "tandem: 1\nname: a\nkind: service\nrun: |\n  x\nport: 80\nresources: {gpu: [A100, H100], gpus_per_node: 8, nodes: 2}\ncheckpoints: {interval_seconds: 60}\nlimits: {max_price_usd_per_gpu_hour: 1.5}\n",
    "name: a\nnum_nodes: 2\nresources:\n  accelerators: {A100: 8}\n  any_of: [{use_spot: true}]\n  ports: 80\nenvs: {A: 1}\nfile_mounts:\n  /x: {name: $A, mode: MOUNT}\nservice: {replicas: 2, readiness_probe: /}\nrun: x\n",
    "type: service\nport: 80\nenv: [A=1, B]\ncommands: [x]\nresources: {gpu: {name: [A100], count: 1..8, memory: 24GB..}, cpu: 8, disk: 100GB}\nreplicas: 1..4\nprobes: [{type: http}]\n",
    "version: \"2.0\"\nservices: {a: {image: b, command: [bash, -c], args: [x $(A)], env: [A=b, T_TOKEN=], expose: [{port: 80, to: [{global: true}]}], params: {storage: {d: {mount: /d}}}}}\nprofiles: {compute: {a: {resources: {cpu: {units: 1.5}, memory: {size: 2Gi}, storage: [{size: 1Gi}], gpu: {units: 1, attributes: {vendor: {nvidia: [{model: a100, ram: 80Gi}]}}}}}}, placement: {p: {pricing: {a: {amount: 1}}}}}\ndeployment: {a: {p: {profile: a, count: 1}}}\n",
    "kind: serving\nname: a\nmodel: m/n-7B\npreset: sglang\nhardware: H100_SXM5\ngpus: 2\nreplicas: 2\nargs: {max-model-len: 4096, x: true, y: [1, 2]}\n",
    "kind: finetune\nname: a\nbase_model: m\nmethod: sft\nhardware: RTX4090\ngpus: 1\nargs: {lora_r: 8}\n",
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n      - {name: c, image: a, args: [--m=$(M)], env: [{name: M, value: n}], ports: [{containerPort: 80}], readinessProbe: {httpGet: {path: /, port: 80}}, resources: {limits: {nvidia.com/gpu: 1, memory: 8Gi}}, volumeMounts: [{name: v, mountPath: /v}]}\n      volumes: [{name: v, configMap: {name: m}}]\n      nodeSelector: {accelerator: l4}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {k: v}\n",
    "apiVersion: batch/v1\nkind: Job\nspec: {completions: 2, parallelism: 2, template: {spec: {containers: [{image: a, command: [sh, -c, x]}]}}}\n",
    "apiVersion: ray.io/v1\nkind: RayJob\nspec: {entrypoint: python a.py, runtimeEnvYAML: 'pip: [a]', rayClusterSpec: {headGroupSpec: {template: {spec: {containers: [{image: a}]}}}, workerGroupSpecs: [{replicas: 2, numOfHosts: 1, template: {spec: {containers: [{image: a, resources: {limits: {nvidia.com/gpu: 8}}}]}}}]}}\n",
    "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nspec: {nprocPerNode: auto, pytorchReplicaSpecs: {Master: {template: {spec: {containers: [{image: a}]}}}, Worker: {replicas: 2, template: {spec: {containers: [{image: a}]}}}}}\n",
];

proptest! {
    #[test]
    fn random_text_never_panics(text in "\\PC{0,200}") {
        let _ = look(&text);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = look(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_yaml_like_text_never_panics(text in "([-:\\[\\]{},#&*!|>'\"%@` \n\ta0~.<]){0,120}") {
        let _ = look(&text);
    }

    #[test]
    fn mutated_files_never_panic_and_every_refusal_has_a_line(
        seed in 0usize..10,
        at in 0usize..1_000,
        cut in 0usize..12,
        put in prop::sample::select(vec![
            "-1", "0", "NaN", "1e999", "99999999999999999999", "null", "[]", "{}", "*a", "&a ",
            ": ", "\n", "'", "..", "1..", "é", "\u{0}", "- ", "<<: *a", "!!int x",
        ]),
    ) {
        let text = SEEDS[seed];
        let start = at % text.len();
        let end = (start + cut).min(text.len());
        let mutated = format!("{}{put}{}", &text[..start], &text[end..]);
        match look(&mutated) {
            Ok(document) => {
                crate::classify::classify(&document);
                for error in &document.refusals {
                    prop_assert!(error.line >= 1 && error.column >= 1);
                    let whole = document.format == DocumentFormat::Script
                        || error.text.contains("without a name");
                    prop_assert!(!error.field.is_empty() || whole, "{error}");
                }
                prop_assert_eq!(document.workload.is_some(),
                    document.format.can_be_submitted() && document.refusals.is_empty());
            }
            Err(errors) => prop_assert!(errors.0.iter().all(|e| e.line >= 1)),
        }
    }
}

#[test]
fn a_file_may_tell_a_sandbox_how_to_play_it() {
    let text =
        "tandem: 1\nname: a\nrun: x\nresources:\n  gpu: any\nenv:\n  TANDEM_SIM_STEPS: \"9\"\n";
    let document = look(text).unwrap();
    assert_eq!(document.submittable().unwrap().env["TANDEM_SIM_STEPS"], "9");
}

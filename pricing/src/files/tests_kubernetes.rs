//! Kubernetes manifests: what becomes of each kind, what stands beside it, and what is refused.

use tandem_model::workload::{GpuNeed, Workload, WorkloadKind};

use super::*;

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm-server}
spec:
  replicas: 2
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
      - name: server
        image: vllm/vllm-openai:v0.10.0
        args: [--model=$(MODEL_ID), --port=8000]
        env:
        - {name: MODEL_ID, value: Qwen/Qwen3-8B}
        - name: HF_TOKEN
          valueFrom: {secretKeyRef: {name: hf, key: token}}
        ports:
        - {containerPort: 9090, name: metrics}
        - {containerPort: 8000, name: api}
        readinessProbe: {httpGet: {path: /health, port: 8000}}
        resources:
          requests: {cpu: 1500m, memory: 16Gi}
          limits: {nvidia.com/gpu: 2, cpu: 4}
        volumeMounts: [{mountPath: /dev/shm, name: shm}]
      volumes: [{name: shm, emptyDir: {medium: Memory}}]
      nodeSelector: {cloud.google.com/gke-accelerator: nvidia-l4}
---
apiVersion: v1
kind: Service
metadata: {name: vllm}
spec: {selector: {app: vllm}, ports: [{port: 80, targetPort: api}]}
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

fn pod(container: &str, rest: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - {{image: a, {container}}}\n{rest}"
    )
}

#[test]
fn a_deployment_becomes_a_service_that_its_service_leads_to() {
    let w = workload(DEPLOYMENT);
    assert_eq!(
        (w.name.as_str(), w.kind, w.replicas),
        ("vllm-server", WorkloadKind::Service, 2)
    );
    assert!(w.run.is_empty());
    assert_eq!(w.image_args, ["--model=Qwen/Qwen3-8B", "--port=8000"]);
    assert_eq!(w.secrets, ["HF_TOKEN"]);
    assert_eq!(
        (w.port, w.readiness_path.as_deref()),
        (Some(8_000), Some("/health"))
    );
    let r = &w.resources;
    assert_eq!(
        (r.cpus_min, r.memory_gb_min, r.gpus_per_node, r.nodes),
        (Some(2), Some(16), 2, 1)
    );
    assert!(matches!(&r.gpu, GpuNeed::Named { choices } if choices[0].name == "l4"));
}

/// A text of the file above, what it becomes, and the refusal.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "      containers:\n",
        "      initContainers: [{image: a}]\n      containers:\n",
        "10 TDM-1004 spec.template.spec.initContainers",
    ),
    (
        "      volumes:",
        "      - {name: two, image: b}\n      volumes:",
        "26 TDM-1004 spec.template.spec.containers[1]",
    ),
    (
        "emptyDir: {medium: Memory}",
        "persistentVolumeClaim: {claimName: a}",
        "26 TDM-1004 spec.template.spec.volumes[0].persistentVolumeClaim",
    ),
    (
        "emptyDir: {medium: Memory}",
        "configMap: {name: a}",
        "26 TDM-1004 spec.template.spec.volumes[0].configMap",
    ),
    (
        "emptyDir: {medium: Memory}",
        "secret: {secretName: a}",
        "26 TDM-1004 spec.template.spec.volumes[0].secret",
    ),
    (
        "nodeSelector:",
        "affinity: {nodeAffinity: {requiredDuringScheduling: {}}}\n      nodeSelector:",
        "27 TDM-1004 spec.template.spec.affinity.nodeAffinity",
    ),
    (
        "gke-accelerator: nvidia-l4",
        "gke-accelerator: nvidia-l4, pool: a",
        "27 TDM-1004 spec.template.spec.nodeSelector.pool",
    ),
    (
        "nvidia.com/gpu: 2",
        "amd.com/gpu: 2",
        "24 TDM-1004 spec.template.spec.containers[0].resources.limits.amd.com/gpu",
    ),
    (
        "nvidia.com/gpu: 2",
        "nvidia.com/gpu: lots",
        "24 TDM-1003 spec.template.spec.containers[0].resources.limits.nvidia.com/gpu",
    ),
    (
        "nvidia.com/gpu: 2",
        "nvidia.com/mig-1g.5gb: 2",
        "24 TDM-1004 spec.template.spec.containers[0].resources.limits.nvidia.com/mig-1g.5gb",
    ),
    ("replicas: 2", "replicas: 0", "5 TDM-1003 spec.replicas"),
    ("replicas: 2", "replica: 2", "5 TDM-1002 spec.replica"),
    (
        "--port=8000",
        "$(HF_TOKEN)",
        "13 TDM-1004 spec.template.spec.containers[0].args",
    ),
    (
        "secretKeyRef: {name: hf, key: token}",
        "fieldRef: {fieldPath: status.podIP}",
        "17 TDM-1004 spec.template.spec.containers[0].env[1].valueFrom.fieldRef",
    ),
    (
        "name: shm}]\n",
        "name: other}]\n",
        "25 TDM-1003 spec.template.spec.containers[0].volumeMounts[0]",
    ),
    (
        "        image: vllm/vllm-openai:v0.10.0\n",
        "",
        "11 TDM-1003 spec.template.spec.containers[0].image",
    ),
    (
        "containers:\n",
        "hostNetwork: true\n      containers:\n",
        "10 TDM-1004 spec.template.spec.hostNetwork",
    ),
    (
        "kind: Service",
        "kind: PersistentVolumeClaim",
        "29 TDM-1004 documents[1]",
    ),
    ("kind: Service", "kind: Widget", "29 TDM-1004 documents[1]"),
    ("kind: Deployment", "kind: DaemonSet", "2 TDM-1004 kind"),
];

#[test]
fn a_manifest_is_refused_where_it_asks_for_what_is_not_there() {
    for (from, to, expected) in REFUSED {
        assert!(DEPLOYMENT.contains(from), "{from}");
        let found = problems(&DEPLOYMENT.replacen(from, to, 1));
        assert!(found.iter().any(|p| p == *expected), "{to}: {found:?}");
    }
}

#[test]
fn a_pod_is_a_service_when_it_opens_a_port_and_is_started_again() {
    let port = "ports: [{containerPort: 80}]";
    assert_eq!(workload(&pod(port, "")).kind, WorkloadKind::Service);
    assert_eq!(
        workload(&pod(port, "  restartPolicy: Never\n")).kind,
        WorkloadKind::Job
    );
    assert_eq!(workload(&pod("command: [x]", "")).kind, WorkloadKind::Job);
    let w = workload(&pod(
        "command: [/bin/sh, -ec, 'a $(B) $(date)'], env: [{name: B, value: c}]",
        "",
    ));
    assert_eq!(w.run, "set -e\na ${B} $(date)");
}

#[test]
fn all_pods_of_a_job_at_once_are_its_nodes_and_a_queue_of_them_is_refused() {
    let job = |spec: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nspec:\n  {spec}\n  template: {{spec: {{containers: [{{image: a}}]}}}}\n"
        )
    };
    assert_eq!(workload(&job("parallelism: 1")).resources.nodes, 1);
    assert_eq!(
        workload(&job("completions: 4\n  parallelism: 4"))
            .resources
            .nodes,
        4
    );
    assert_eq!(workload(&job("parallelism: 3")).resources.nodes, 3);
    assert_eq!(
        problems(&job("completions: 4\n  parallelism: 2")),
        ["4 TDM-1004 spec.completions"]
    );
    assert_eq!(
        problems(&job("completions: 90\n  parallelism: 90")),
        ["4 TDM-1005 spec.completions"]
    );
    let limited = workload(&job("activeDeadlineSeconds: 60\n  backoffLimit: 3"));
    assert_eq!(limited.limits.max_duration_seconds, Some(60));
}

#[test]
fn config_maps_of_the_file_are_written_before_the_start_and_fill_variables() {
    let text = format!(
        "{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: code}}\ndata: {{a.py: \"print('x')\\n\", b: c}}\n",
        pod(
            "command: [python, /src/a.py], envFrom: [{configMapRef: {name: code}, prefix: P_}], \
             env: [{name: B, valueFrom: {configMapKeyRef: {name: code, key: b}}}], \
             volumeMounts: [{name: v, mountPath: /src}]",
            "  volumes: [{name: v, configMap: {name: code, items: [{key: a.py, path: a.py}]}}]\n"
        )
    );
    // `P_a.py` is no name of a variable, so the ConfigMap is taken over only where all entries are.
    assert_eq!(problems(&text), ["11 TDM-1003 documents[1].data.a.py"]);
    let w = workload(&text.replace("envFrom: [{configMapRef: {name: code}, prefix: P_}], ", ""));
    assert_eq!(w.env["B"], "c");
    assert_eq!(
        w.setup.as_deref(),
        Some(
            "mkdir -p \"$(dirname /src/a.py)\" && printf '%s' \"print('x')\n\" > /src/a.py || exit 1\n"
        )
    );
}

const PYTORCH: &str = "apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: ddp}
spec:
  nprocPerNode: '8'
  pytorchReplicaSpecs:
    Master:
      template: {spec: {containers: [{name: pytorch, image: a, command: [torchrun, t.py], ports: [{containerPort: 23456}], resources: {limits: {nvidia.com/gpu: 8, rdma/ib: 1}}}]}}
    Worker:
      replicas: 3
      template: {spec: {containers: [{name: pytorch, image: a, command: [torchrun, t.py], resources: {limits: {nvidia.com/gpu: 8, rdma/ib: 1}}}]}}
";

#[test]
fn master_and_workers_of_kubeflow_are_the_nodes_of_one_run() {
    let w = workload(PYTORCH);
    assert_eq!((w.resources.nodes, w.resources.gpus_per_node), (4, 8));
    assert!(w.resources.fast_interconnect);
    assert_eq!(
        (w.run.as_str(), w.kind),
        ("torchrun t.py", WorkloadKind::Job)
    );
    assert_eq!(w.env["PET_NPROC_PER_NODE"], "8");
    let other = PYTORCH.replacen("image: a", "image: b", 1);
    assert_eq!(
        problems(&other),
        ["9 TDM-1004 spec.pytorchReplicaSpecs.Worker"]
    );
    let open = PYTORCH.replace("replicas: 3", "replicas: $N");
    assert_eq!(
        problems(&open),
        ["10 TDM-1003 spec.pytorchReplicaSpecs.Worker.replicas"]
    );
    assert!(crate::classify::classify(&look(&open).unwrap()).needs.nodes > 1);
}

#[test]
fn a_train_job_runs_its_trainer_over_a_known_runtime() {
    let text = "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: t}\nspec:\n  runtimeRef: {name: torch-distributed}\n  trainer:\n    numNodes: 2\n    command: [torchrun, t.py]\n    resourcesPerNode: {requests: {nvidia.com/gpu: 1}}\n";
    let w = workload(text);
    assert_eq!((w.resources.nodes, w.resources.gpus_per_node), (2, 1));
    assert_eq!(w.env["PET_NPROC_PER_NODE"], "auto");
    let other = text.replace("torch-distributed", "mine");
    assert_eq!(problems(&other), ["5 TDM-1004 spec.runtimeRef.name"]);
    assert!(problems(&other.replace("trainer:\n", "trainer:\n    image: a\n")).is_empty());
}

const RAY: &str = "apiVersion: ray.io/v1
kind: RayJob
metadata: {name: tune}
spec:
  entrypoint: python tune.py
  runtimeEnvYAML: |
    pip: [numpy]
  rayClusterSpec:
    headGroupSpec:
      template: {spec: {containers: [{name: head, image: rayproject/ray:2.46.0, env: [{name: A, value: b}]}]}}
    workerGroupSpecs:
    - groupName: gpu
      replicas: 2
      template: {spec: {containers: [{name: w, image: 'rayproject/ray:2.46.0-gpu', resources: {limits: {nvidia.com/gpu: 4}}}]}}
";

#[test]
fn a_ray_job_starts_its_head_on_the_first_node_and_submits_to_itself() {
    let w = workload(RAY);
    assert_eq!((w.resources.nodes, w.resources.gpus_per_node), (2, 4));
    assert_eq!(w.image.as_deref(), Some("rayproject/ray:2.46.0-gpu"));
    assert_eq!(w.env["A"], "b");
    let run = &w.run;
    assert!(run.contains("exec ray start --address \"$tandem_head:6379\" --block"));
    assert!(run.contains("printf '%s' 'pip: [numpy]\n' > /tmp/tandem-ray-runtime-env.yaml"));
    assert!(run.ends_with("--runtime-env /tmp/tandem-ray-runtime-env.yaml -- python tune.py\n"));
    let second = "    - groupName: other\n      template: {spec: {containers: [{image: c, resources: {limits: {nvidia.com/gpu: 8}}}]}}\n";
    assert_eq!(
        problems(&format!("{RAY}{second}")),
        ["15 TDM-1004 spec.rayClusterSpec.workerGroupSpecs[1]"]
    );
}

#[test]
fn a_ray_cluster_stays_up_for_its_users_jobs() {
    let text = "apiVersion: ray.io/v1\nkind: RayCluster\nspec:\n  headGroupSpec: {template: {spec: {containers: [{image: a}]}}}\n";
    let w = workload(text);
    assert_eq!(
        (w.kind, w.port, w.resources.nodes),
        (WorkloadKind::Service, Some(8_265), 1)
    );
    assert!(w.run.ends_with("--dashboard-port 8265 --block\n"));
    assert_eq!(
        problems(&text.replace("headGroup", "footGroup")),
        [
            "3 TDM-1003 spec.headGroupSpec",
            "4 TDM-1002 spec.footGroupSpec"
        ]
    );
}

#[test]
fn of_several_workloads_the_one_with_gpus_is_classified_and_the_others_are_named() {
    let text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: etcd}}\nspec: {{template: {{spec: {{containers: [{{image: etcd}}]}}}}}}\n---\n{PYTORCH}"
    );
    let document = look(&text).unwrap();
    assert_eq!(problems(&text), ["1 TDM-1004 documents[0]"]);
    let found = crate::classify::classify(&document);
    assert_eq!(
        (found.needs.nodes, found.class.as_str()),
        (4, "distributed_training")
    );
}

//! Files of every format and class with the answer that an expert gives. Each stands for a kind of
//! file that a rule once read wrongly, or for one that is easily mistaken for another.

use super::*;
use crate::files;
use tandem_model::workload::WorkloadClass::{
    BatchInference, DistributedTraining, EvaluationOrData, Interactive, OnlineInference, Rendering,
    SingleNodeTraining,
};

/// What it is, the class, whether consumer cards fit, and the file.
const FILES: &[(&str, WorkloadClass, bool, &str)] = &[
    (
        "Kubeflow counts master and workers",
        DistributedTraining,
        false,
        "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nspec:\n  pytorchReplicaSpecs:\n    Master: {template: {spec: {containers: [{image: a, command: [python, main.py, --epochs, '3'], resources: {limits: {nvidia.com/gpu: 8}}}]}}}\n    Worker: {replicas: 3, template: {spec: {containers: [{image: a, resources: {limits: {nvidia.com/gpu: 8}}}]}}}\n",
    ),
    (
        "a launcher without GPU is no node",
        SingleNodeTraining,
        true,
        "apiVersion: kubeflow.org/v2beta1\nkind: MPIJob\nspec:\n  mpiReplicaSpecs:\n    Launcher: {replicas: 1, template: {spec: {containers: [{image: a, command: [mpirun, python, train.py]}]}}}\n    Worker: {replicas: 1, template: {spec: {containers: [{image: a, resources: {limits: {nvidia.com/gpu: 2}}}]}}}\n",
    ),
    (
        "Ray counts its groups of workers",
        DistributedTraining,
        false,
        "apiVersion: ray.io/v1\nkind: RayJob\nspec:\n  entrypoint: python train_fsdp.py\n  rayClusterSpec:\n    headGroupSpec: {template: {spec: {containers: [{image: a}]}}}\n    workerGroupSpecs: [{replicas: 2, template: {spec: {containers: [{image: a, resources: {limits: {nvidia.com/gpu: 8}}}]}}}]\n",
    ),
    (
        "a benchmark of links spans nodes and trains nothing",
        EvaluationOrData,
        false,
        "apiVersion: kubeflow.org/v2beta1\nkind: MPIJob\nspec:\n  mpiReplicaSpecs:\n    Worker: {replicas: 2, template: {spec: {containers: [{image: a, command: [mpirun, /opt/nccl-tests/build/all_reduce_perf], resources: {limits: {nvidia.com/gpu: 8}}}]}}}\n",
    ),
    (
        "replicas of a Deployment answer each for itself",
        OnlineInference,
        true,
        "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 4, template: {spec: {containers: [{image: ghcr.io/huggingface/text-embeddings-inference:1.5, args: [--model-id, BAAI/bge-large-en-v1.5], resources: {limits: {nvidia.com/gpu: 1}}}]}}}\n",
    ),
    (
        "an indexed Job shares out its input",
        BatchInference,
        true,
        "apiVersion: batch/v1\nkind: Job\nspec: {completions: 100, parallelism: 10, completionMode: Indexed, template: {spec: {containers: [{image: a, command: [sh, -c, 'python transcribe.py --shard $JOB_COMPLETION_INDEX'], resources: {limits: {nvidia.com/gpu: 1}}}]}}}\n",
    ),
    (
        "a loop of model calls beside its own server",
        BatchInference,
        true,
        "tandem: 1\nname: archive\nresources: {gpu: any:16GB}\nrun: |\n  vllm serve Qwen/Qwen2-VL-2B-Instruct &\n  python ocr_all.py --from pages.txt\n",
    ),
    (
        "pictures from a list of prompts",
        BatchInference,
        true,
        "services:\n  sd: {image: a/diffusers:1, command: python txt2img.py --prompts prompts.txt --out /out}\n",
    ),
    (
        "a farm's worker listens, but renders",
        Rendering,
        true,
        "version: '2.0'\nservices: {w: {image: a/flamenco-worker:3, expose: [{port: 8080}]}}\nprofiles: {compute: {w: {resources: {gpu: {units: 1, attributes: {vendor: {nvidia: [{model: rtx3090}]}}}}}}}\ndeployment: {w: {}}\n",
    ),
    (
        "a page for a person is a service only in form",
        Interactive,
        true,
        "tandem: 1\nname: a\nkind: service\nport: 7860\nsetup: pip install gradio diffusers\nrun: python app.py --server-port 7860\nresources: {gpu: any:12GB}\n",
    ),
    (
        "an array of a batch system over a finite input",
        BatchInference,
        true,
        "resources: {accelerators: RTX3090:1}\nrun: |\n  #SBATCH --array=0-99\n  python predict_structures.py --fasta seqs_${SLURM_ARRAY_TASK_ID}.fa\n",
    ),
    (
        "a model's own command over files",
        BatchInference,
        true,
        "resources: {accelerators: RTX4090:1}\nrun: whisperx --model large-v2 --output_dir out calls/*.wav\n",
    ),
    (
        "a desktop in a browser",
        Interactive,
        true,
        "services: {d: {image: a/nvidia-egl-desktop, ports: ['8080:8080']}}\n",
    ),
    (
        "weights in another form, without a GPU",
        EvaluationOrData,
        true,
        "tandem: 1\nname: a\nrun: python convert_hf_to_gguf.py /models/m --outfile m.gguf\n",
    ),
    (
        "a model over two cards of 80 GB",
        OnlineInference,
        false,
        "type: service\nport: 8000\ncommands: [python3 -m sglang.launch_server --model-path a/R1-Distill-Llama-70B --tp 2]\nresources: {gpu: 'H100:80GB:2'}\n",
    ),
];

#[test]
fn every_file_is_given_the_class_and_the_consumer_fit_of_an_expert() {
    for (what, class, consumer, text) in FILES {
        let found = classify(&files::look(text).unwrap_or_else(|e| panic!("{what}: {e}")));
        assert_eq!(
            (found.class, found.tiers.consumer),
            (*class, *consumer),
            "{what}: {:#?}",
            found.evidence
        );
    }
}

#[test]
fn the_table_holds_every_class() {
    for class in WorkloadClass::ALL {
        assert!(
            FILES.iter().any(|(_, of, _, _)| *of == class),
            "{}",
            class.as_str()
        );
    }
}

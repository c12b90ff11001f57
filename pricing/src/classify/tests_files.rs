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
    (
        "a miner behind a status page",
        EvaluationOrData,
        true,
        "version: '2.0'\nservices: {m: {image: a/gpu-miner-x:1, expose: [{port: 4067, to: [{global: true}]}]}}\nprofiles: {compute: {m: {resources: {gpu: {units: 1, attributes: {vendor: {nvidia: }}}}}}}\ndeployment: {m: {p: {profile: m, count: 1}}}\n",
    ),
    (
        "a trainer that shows its progress on a port",
        SingleNodeTraining,
        true,
        "version: '2.0'\nservices: {t: {image: a/trainer:1, env: ['TRAIN_CMD=python3 go.py'], expose: [{port: 3000, to: [{global: true}]}]}}\nprofiles: {compute: {t: {resources: {gpu: {units: 1, attributes: {vendor: {nvidia: }}}}}}}\ndeployment: {t: {p: {profile: t, count: 1}}}\n",
    ),
    (
        "the module, not its package, says what runs",
        OnlineInference,
        true,
        "resources: {accelerators: L4:1}\nrun: python -m acme.train.entrypoints.serve --model Qwen/Qwen2.5-1.5B\n",
    ),
    (
        "a flag of a load test names a model, not a module",
        EvaluationOrData,
        true,
        "apiVersion: v1\nkind: Pod\nmetadata: {name: client}\nspec: {restartPolicy: Never, containers: [{image: a/vllm:1, command: [sh, -c, 'genai-perf profile -m acme/m-1b-lora --url http://x:80']}]}\n",
    ),
    (
        "an indexed Job that a launcher joins trains together",
        DistributedTraining,
        false,
        "apiVersion: batch/v1\nkind: Job\nspec: {completions: 2, parallelism: 2, completionMode: Indexed, template: {spec: {containers: [{image: a, command: [bash, -c, 'accelerate launch --num_machines 2 fine_tune.py'], resources: {limits: {nvidia.com/gpu: 2}}}]}}}\n",
    ),
    (
        "a pod that only stays open",
        Interactive,
        true,
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a/cuda:12, command: [sleep, infinity], resources: {limits: {nvidia.com/gpu: 1}}}]}\n",
    ),
    (
        "a cluster of Ray that waits for jobs",
        Interactive,
        false,
        "type: task\nnodes: 2\ncommands:\n- if [ $DSTACK_NODE_RANK = 0 ]; then ray start --head; else ray start --address=$A:6379; fi\nports: [8265]\n",
    ),
    (
        "models are moved, nothing is computed",
        EvaluationOrData,
        true,
        "resources: {cpus: 2}\nrun: rclone copy hf:acme/m s3:bucket/m\n",
    ),
    (
        "the folder of a training repository does not make training of its preparation",
        EvaluationOrData,
        true,
        "#!/bin/bash\n#SBATCH -N 1\n: \"${IMAGE:=megatron-training.sqsh}\"\nsrun python3 /w/Megatron-LM/tools/preprocess_data.py --input a.jsonl\n",
    ),
    (
        "a vendor's own kind of training job with an open number of pods",
        DistributedTraining,
        false,
        "apiVersion: acme.example/v1\nkind: AcmePyTorchJob\nspec: {replicaSpecs: [{replicas: $NUM_NODES, template: {spec: {containers: [{image: a, command: [torchrun, train.py], resources: {limits: {nvidia.com/gpu: 8}}}]}}}]}\n",
    ),
    (
        "a search over settings trains",
        SingleNodeTraining,
        true,
        "run: python examples/tabular.py --mode single_hpo\n",
    ),
    (
        "a page for a person before somebody else's model",
        Interactive,
        true,
        "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: [{image: a/gradio-app:1, env: [{name: HOST, value: 'http://llm:8000'}], ports: [{containerPort: 7860}]}]}}}\n",
    ),
    (
        "settings of a fine-tuning without a command",
        SingleNodeTraining,
        true,
        "base_model: meta-llama/Llama-3.2-1B\nadapter: qlora\nload_in_4bit: true\nmicro_batch_size: 2\nnum_epochs: 3\nlearning_rate: 0.0002\noptimizer: adamw_8bit\n",
    ),
    (
        "a Compose file that asks Docker for a GPU",
        OnlineInference,
        true,
        "services:\n  llm:\n    image: ollama/ollama\n    ports: ['11434:11434']\n    deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}\n",
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

//! What commands say of training, serving and work at the keyboard. A program outweighs its
//! launcher, and what is installed weighs little.

use super::Activity::{Evaluate, Interact, Serve, Train};
use super::Where::{Program, Text};
use super::{Activity, Rule, Where};
use crate::classify::facts::Zone;

pub(super) const RUN: &[Zone] = &[Zone::Run];
pub(super) const ANY: &[Zone] = &[Zone::Run, Zone::Setup, Zone::Env];
const SETUP: &[Zone] = &[Zone::Setup, Zone::Run];

/// A rule in one line.
pub(super) const fn rule(
    zones: &'static [Zone],
    position: Where,
    needles: &'static [&'static str],
    activity: Activity,
    weight: i32,
    why: &'static str,
) -> Rule {
    Rule {
        zones,
        position,
        needles,
        activity,
        weight,
        why,
    }
}

/// Rules on commands that stay up or learn.
pub(super) const RULES: &[Rule] = &[
    // Training.
    rule(
        RUN,
        Program,
        &[
            "train*",
            "pretrain*",
            "finetun*",
            "fine_tun*",
            "sft",
            "grpo",
            "dpo",
            "ppo",
            "rlhf",
        ],
        Train,
        50,
        "a program named for training",
    ),
    rule(
        RUN,
        Text,
        &[
            "axolotl",
            "tune run",
            "torchtitan",
            "llamafactory",
            "unsloth*",
            "verl",
            "trl sft",
            "trl dpo",
            "megatron*",
            "nemo train",
            "kohya*",
        ],
        Train,
        40,
        "a training framework",
    ),
    rule(
        RUN,
        Text,
        &[
            "torchrun",
            "accelerate launch",
            "deepspeed",
            "torch.distributed.*",
            "horovodrun",
        ],
        Train,
        25,
        "a launcher that training uses, and other work too",
    ),
    rule(
        RUN,
        Text,
        &[
            "num_train_epochs",
            "learning_rate",
            "per_device_train_batch_size",
            "lora_r",
            "epochs",
            "resume_from_checkpoint",
            "checkpoint-dir",
            "optimizer",
            "lr",
        ],
        Train,
        20,
        "a setting of training",
    ),
    rule(
        SETUP,
        Text,
        &[
            "pip install trl",
            "peft",
            "bitsandbytes",
            "axolotl",
            "unsloth*",
            "torchtune",
            "deepspeed",
            "alignment-handbook",
        ],
        Train,
        12,
        "a training library is installed",
    ),
    rule(
        RUN,
        Text,
        &["skip_training", "skip-training", "no_train"],
        Train,
        -70,
        "training is skipped",
    ),
    rule(
        RUN,
        Text,
        &["skip_training", "skip-training", "no_train"],
        Evaluate,
        60,
        "the work is done without training",
    ),
    // Serving.
    rule(
        RUN,
        Text,
        &[
            "vllm serve",
            "vllm.entrypoints*",
            "sglang.launch_server",
            "text-generation-launcher",
            "text-embeddings-router",
            "ollama serve",
            "llama-server",
            "lmdeploy serve",
            "trtllm-serve",
            "tritonserver",
            "serve run",
            "bentoml serve",
            "xinference*",
            "aphrodite*",
            "tabbyapi",
        ],
        Serve,
        60,
        "a model server in the foreground",
    ),
    rule(
        RUN,
        Text,
        &[
            "uvicorn",
            "gunicorn",
            "fastapi run",
            "hypercorn",
            "launch_router",
        ],
        Serve,
        35,
        "a web server in the foreground",
    ),
    // A person.
    rule(
        RUN,
        Text,
        &["jupyter", "jupyter-lab", "jupyterlab", "notebook"],
        Interact,
        70,
        "a notebook",
    ),
    rule(
        RUN,
        Text,
        &[
            "ttyd",
            "code-server",
            "openvscode-server",
            "xrdp",
            "novnc",
            "gotty",
        ],
        Interact,
        70,
        "a terminal, editor or desktop for a person",
    ),
    rule(
        ANY,
        Text,
        &[
            "webui",
            "web-ui",
            "comfyui",
            "invokeai",
            "automatic1111",
            "fooocus",
        ],
        Interact,
        60,
        "a web page for a person",
    ),
    rule(
        RUN,
        Text,
        &["gradio", "streamlit", "studio"],
        Interact,
        45,
        "a web page for a person",
    ),
    rule(
        &[Zone::Setup],
        Text,
        &["gradio", "streamlit"],
        Interact,
        25,
        "a web page for a person is installed",
    ),
    rule(
        RUN,
        Program,
        &["chat"],
        Interact,
        30,
        "a chat at the keyboard",
    ),
];

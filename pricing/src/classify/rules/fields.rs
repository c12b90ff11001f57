//! What the names of fields say in formats without a reader: settings of training, of a server, of
//! a renderer.

use super::Activity::{Batch, Evaluate, Interact, Render, Serve, Train};
use super::Where::Text;
use super::command::rule;
use super::{Activity, Rule};
use crate::classify::facts::Zone;

const KEY: &[Zone] = &[Zone::Key];

/// Rules on names of fields; each word adds to the others of its kind.
pub(super) const RULES: &[Rule] = &[
    field(
        &["learning_rate", "lr", "learning rate", "lr_scheduler*"],
        Train,
    ),
    field(
        &[
            "num_epochs",
            "epochs",
            "max_steps",
            "num_train_epochs",
            "train_iters",
        ],
        Train,
    ),
    field(&["optimizer", "optim", "weight_decay", "warmup*"], Train),
    field(
        &[
            "adapter",
            "lora*",
            "gradient_accumulation*",
            "gradient accumulation*",
        ],
        Train,
    ),
    field(&["train*", "finetun*", "fine_tun*", "training*"], Train),
    field(
        &["serving", "serve*", "inference", "endpoint*", "model spec"],
        Serve,
    ),
    field(
        &[
            "vllm",
            "triton",
            "tgi",
            "sglang",
            "max model*",
            "max_model_len",
        ],
        Serve,
    ),
    field(&["predict*", "handler"], Serve),
    field(
        &["autoscaling", "replica count", "ingress", "readiness*"],
        Serve,
    ),
    field(&["notebook*", "jupyter*", "workspace*", "ide"], Interact),
    field(
        &["prompts*", "input_file*", "input_path", "dataset_split"],
        Batch,
    ),
    field(&["benchmark*", "eval*", "evaluation*", "metrics"], Evaluate),
    field(
        &["preprocess*", "tokenizer_name", "etl", "transform*"],
        Evaluate,
    ),
    field(&["render*", "frames", "scene*", "camera*"], Render),
];

const fn field(needles: &'static [&'static str], activity: Activity) -> Rule {
    rule(KEY, Text, needles, activity, 15, "a field named for it")
}

//! What names and comments say: little, for a name can be old and a comment can be about others.

use super::Activity::{Batch, Evaluate, Interact, Render, Serve, Train};
use super::Rule;
use super::Where::Text;
use crate::classify::facts::Zone;

const NAME: &[Zone] = &[Zone::Name];
const COMMENT: &[Zone] = &[Zone::Comment];

/// Rules on names and comments.
pub(super) const RULES: &[Rule] = &[
    Rule {
        zones: NAME,
        position: Text,
        needles: &[
            "train*",
            "finetun*",
            "sft",
            "lora",
            "qlora",
            "ddp",
            "fsdp",
            "grpo",
            "pretrain*",
        ],
        activity: Train,
        weight: 20,
        why: "named for training",
    },
    Rule {
        zones: NAME,
        position: Text,
        needles: &["serve*", "serving", "api", "endpoint", "server", "vllm"],
        activity: Serve,
        weight: 15,
        why: "named for serving",
    },
    Rule {
        zones: NAME,
        position: Text,
        needles: &[
            "jupyter*",
            "notebook",
            "dev",
            "webui",
            "studio",
            "workspace",
            "ide",
        ],
        activity: Interact,
        weight: 15,
        why: "named for a person's workplace",
    },
    Rule {
        zones: NAME,
        position: Text,
        needles: &[
            "batch",
            "inference",
            "infer",
            "embed*",
            "vectors",
            "transcri*",
            "segmentation",
            "captioning",
        ],
        activity: Batch,
        weight: 20,
        why: "named for inference over an input",
    },
    Rule {
        zones: NAME,
        position: Text,
        needles: &["render*", "blender", "frames", "transcod*", "cycles"],
        activity: Render,
        weight: 25,
        why: "named for rendering",
    },
    Rule {
        zones: NAME,
        position: Text,
        needles: &[
            "bench*",
            "eval*",
            "perf",
            "nccl*",
            "data",
            "tokeniz*",
            "preprocess*",
            "build",
            "convert",
        ],
        activity: Evaluate,
        weight: 25,
        why: "named for measuring or preparing",
    },
    Rule {
        zones: COMMENT,
        position: Text,
        needles: &["training", "fine-tun*", "finetun*"],
        activity: Train,
        weight: 6,
        why: "spoken of",
    },
    Rule {
        zones: COMMENT,
        position: Text,
        needles: &["serve", "serving", "server"],
        activity: Serve,
        weight: 5,
        why: "spoken of",
    },
    Rule {
        zones: COMMENT,
        position: Text,
        needles: &["benchmark*", "tokeniz*", "evaluat*"],
        activity: Evaluate,
        weight: 6,
        why: "spoken of",
    },
    Rule {
        zones: COMMENT,
        position: Text,
        needles: &[
            "inference mode",
            "batch inference",
            "generate video",
            "embeddings",
        ],
        activity: Batch,
        weight: 6,
        why: "spoken of",
    },
    Rule {
        zones: COMMENT,
        position: Text,
        needles: &["notebook", "web tool", "interactive*"],
        activity: Interact,
        weight: 6,
        why: "spoken of",
    },
    Rule {
        zones: COMMENT,
        position: Text,
        needles: &["render*"],
        activity: Render,
        weight: 5,
        why: "spoken of",
    },
];

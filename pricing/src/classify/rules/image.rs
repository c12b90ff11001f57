//! What images say: they carry a framework, but not what is done with it.

use super::Activity::{Evaluate, Interact, Render, Serve, Train};
use super::Rule;
use super::Where::Text;
use crate::classify::facts::Zone;

const IMAGE: &[Zone] = &[Zone::Image];

/// Rules on images.
pub(super) const RULES: &[Rule] = &[
    Rule {
        zones: IMAGE,
        position: Text,
        needles: &[
            "vllm-openai",
            "vllm",
            "sglang",
            "text-generation-inference",
            "text-embeddings-inference",
            "tritonserver",
            "ollama",
            "llama.cpp",
        ],
        activity: Serve,
        weight: 25,
        why: "the image of a model server",
    },
    Rule {
        zones: IMAGE,
        position: Text,
        needles: &[
            "jupyter*",
            "comfyui*",
            "webui",
            "code-server",
            "rstudio",
            "automatic1111",
            "invokeai",
            "studio",
            "desktop",
            "webtop",
            "kasm*",
            "selkies*",
        ],
        activity: Interact,
        weight: 60,
        why: "the image of a page or desktop for a person",
    },
    Rule {
        zones: IMAGE,
        position: Text,
        needles: &[
            "blender*", "ffmpeg*", "nvenc", "houdini*", "unreal*", "octane*",
        ],
        activity: Render,
        weight: 60,
        why: "the image of a renderer or transcoder",
    },
    Rule {
        zones: IMAGE,
        position: Text,
        needles: &[
            "namd*",
            "gromacs*",
            "lammps*",
            "openfoam*",
            "amber*",
            "nccl-tests",
            "hpcg",
            "hpl",
            "mlperf*",
        ],
        activity: Evaluate,
        weight: 60,
        why: "the image of a simulation or benchmark",
    },
    Rule {
        zones: IMAGE,
        position: Text,
        needles: &[
            "axolotl*",
            "unsloth*",
            "torchtune",
            "llamafactory*",
            "deepspeed*",
            "kohya*",
        ],
        activity: Train,
        weight: 30,
        why: "the image of a training framework",
    },
];

//! io.net recipes: a model and how it is served, or a base model and how TRL fine-tunes it.
//!
//! Fields and defaults follow `iocloud/recipes/models.py` and `iocloud/products` of io.net's own
//! SDK (PyPI ionet-cloud 0.4.1).

mod flags;
mod preset;

use tandem_model::workload::{GpuNeed, SourceFormat, Workload, WorkloadKind};

use super::cursor::Meaning::{Note, Used};
use super::cursor::{Field, Fields, Table};
use super::draft;
use super::gpu;
use super::problem::Problems;

const BOTH: Table = &[
    ("kind", Used),
    ("name", Used),
    ("variant", Used),
    ("description", Used),
    ("hardware", Used),
    ("gpus", Used),
    (
        "hours",
        Note("time is bought as it is needed; limit it in a file of our own form"),
    ),
    ("args", Used),
    ("notes", Used),
];
const SERVING: Table = &[
    ("model", Used),
    ("task", Used),
    ("preset", Used),
    ("replicas", Used),
];
const FINETUNE: Table = &[("base_model", Used), ("method", Used)];

/// Most replicas of a service.
const REPLICAS_MAX: u64 = 100;
/// Most GPUs of a container.
const GPUS_MAX: u64 = 16;
/// The variable that holds the data set, which recipes leave to the command line.
const DATASET: &str = "DATASET";
/// What fine-tuning needs beside the default image.
const TRL_SETUP: &str = "python3 -m pip install --quiet 'trl[peft]'";

/// Reads one recipe; `given` holds values of variables given beside the file.
pub(super) fn read(
    root: &Field<'_>,
    given: &std::collections::BTreeMap<String, String>,
    p: &mut Problems,
) -> Option<Workload> {
    let file = root.map(p)?;
    let mut w = draft::empty(SourceFormat::IonetRecipe, "ionet-recipe");
    let kind = file
        .get("kind")
        .and_then(|f| f.text(p))
        .unwrap_or("serving");
    let own = match kind {
        "finetune" => FINETUNE,
        _ => SERVING,
    };
    if !matches!(kind, "serving" | "finetune")
        && let Some(f) = file.get("kind")
    {
        p.unsupported(
            &f,
            &format!("recipes of kind `{kind}` are not defined in public"),
            "use `serving` or `finetune`",
        );
    }
    let table: Vec<_> = BOTH.iter().chain(own).copied().collect();
    file.check(&table, p);
    match file.get("name") {
        Some(f) => w.name = draft::name(&f, false, p).unwrap_or_default(),
        None => p.missing(root, "name", "a recipe needs a name"),
    }
    hardware(root, &file, &mut w, p);
    if kind == "finetune" {
        finetune(root, &file, given, &mut w, p);
    } else {
        serve(root, &file, &mut w, p);
    }
    draft::close(&w, root, p);
    Some(w)
}

fn hardware(root: &Field<'_>, file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    let count = file.get("gpus").and_then(|f| f.integer(1, GPUS_MAX, p));
    if file.get("gpus").is_none() {
        p.missing(root, "gpus", "the number of GPUs belongs here");
    }
    w.resources.gpus_per_node = count.and_then(|n| u16::try_from(n).ok()).unwrap_or(1);
    let choice = match file.get("hardware") {
        Some(f) => f.text(p).and_then(|name| gpu::choice(name, None, &f, p)),
        None => {
            p.missing(root, "hardware", "the GPU's name belongs here");
            None
        }
    };
    w.resources.gpu = match choice {
        Some(choice) => GpuNeed::Named {
            choices: vec![choice],
        },
        None => GpuNeed::AnyWithVram { vram_gb_min: 0 },
    };
}

/// A model's name or path without spaces.
fn model(root: &Field<'_>, file: &Fields<'_>, name: &str, p: &mut Problems) -> Option<String> {
    match file.get(name) {
        Some(f) => draft::reference(&f, p),
        None => {
            p.missing(root, name, "the model belongs here");
            None
        }
    }
}

fn serve(root: &Field<'_>, file: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    w.kind = WorkloadKind::Service;
    let model = model(root, file, "model", p).unwrap_or_default();
    if let Some(n) = file
        .get("replicas")
        .and_then(|f| f.integer(1, REPLICAS_MAX, p))
    {
        w.replicas = u16::try_from(n).unwrap_or(1);
    }
    let preset = match file.get("preset") {
        Some(f) => f.word(&preset::names(), p).and_then(preset::named),
        None => preset::named("vllm"),
    };
    let flags = flags::of(file.get("args").as_ref(), p);
    let Some(preset) = preset else { return };
    w.image = Some(preset.image.to_owned());
    w.port = Some(preset.port);
    w.readiness_path = Some(preset.readiness_path.to_owned());
    w.run = flags::shell(&preset.command(&model, w.resources.gpus_per_node, flags));
}

fn finetune(
    root: &Field<'_>,
    file: &Fields<'_>,
    given: &std::collections::BTreeMap<String, String>,
    w: &mut Workload,
    p: &mut Problems,
) {
    let model = model(root, file, "base_model", p).unwrap_or_default();
    let method = match file.get("method") {
        Some(f) => f.word(&["sft", "dpo", "grpo"], p).unwrap_or("sft"),
        None => "sft",
    };
    let args = file.get("args");
    let mut line = vec!["trl".to_owned(), method.to_owned()];
    line.extend(["--model_name_or_path".to_owned(), model]);
    let own_data = args
        .as_ref()
        .is_some_and(|f| f.node.get("dataset_name").is_some());
    let mut data = String::new();
    if !own_data {
        data = format!(" --dataset_name \"${DATASET}\"");
        match given.get(DATASET) {
            Some(value) => draft::set_env(w, DATASET, value, root, p),
            None => {
                draft::add_secret(w, DATASET, root, p);
                p.note(
                    root,
                    "the recipe names no data set; it is given at submission as DATASET",
                );
            }
        }
    }
    line.extend(["--output_dir".to_owned(), "output".to_owned()]);
    line.extend(flags::of(args.as_ref(), p));
    w.setup = Some(TRL_SETUP.to_owned());
    w.run = format!("{}{data}", flags::shell(&line));
}

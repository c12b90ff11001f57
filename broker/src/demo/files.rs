//! The workload files of the demo: ours, compiled in, and those of a folder where there is one.

use std::path::Path;

/// Our own examples, so that the demo runs from anywhere.
const OURS: &[(&str, &str)] = &[
    (
        "digest-training.yaml",
        include_str!("../../../examples/digest-training.yaml"),
    ),
    (
        "distributed-training.yaml",
        include_str!("../../../examples/distributed-training.yaml"),
    ),
    (
        "finetune-lora.yaml",
        include_str!("../../../examples/finetune-lora.yaml"),
    ),
    (
        "finetune-70b.yaml",
        include_str!("../../../examples/finetune-70b.yaml"),
    ),
    (
        "synthesize-data.yaml",
        include_str!("../../../examples/synthesize-data.yaml"),
    ),
    (
        "service-vllm.yaml",
        include_str!("../../../examples/service-vllm.yaml"),
    ),
    (
        "service-70b.yaml",
        include_str!("../../../examples/service-70b.yaml"),
    ),
    (
        "batch-inference.yaml",
        include_str!("../../../examples/batch-inference.yaml"),
    ),
    (
        "render-blender.yaml",
        include_str!("../../../examples/render-blender.yaml"),
    ),
    (
        "notebook.yaml",
        include_str!("../../../examples/notebook.yaml"),
    ),
];

/// Most files taken from a folder.
const FILES_MAX: usize = 200;
/// Largest file taken.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A file's name and text.
#[derive(Debug, Clone)]
pub struct File {
    /// Name without folder.
    pub name: String,
    /// Whether it is one of ours.
    pub ours: bool,
    /// Its text.
    pub text: String,
}

/// Our files, then those of the folder in the order of their names; a missing folder adds none.
pub fn gather(folder: &Path) -> Vec<File> {
    let ours = OURS.iter().map(|(name, text)| File {
        name: (*name).to_owned(),
        ours: true,
        text: (*text).to_owned(),
    });
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
        })
        .filter(|path| path.metadata().is_ok_and(|m| m.len() <= FILE_BYTES_MAX))
        .take(FILES_MAX)
        .collect();
    found.sort();
    let others = found.into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        Some(File {
            name: path.file_name()?.to_string_lossy().into_owned(),
            ours: false,
            text,
        })
    });
    ours.chain(others).collect()
}

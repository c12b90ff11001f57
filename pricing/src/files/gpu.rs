//! From what a file says about GPUs to a need: names, memory ranges, counts.

use tandem_model::gpu::GpuModel;
use tandem_model::workload::{GPUS_PER_NODE_MAX, GpuChoice, GpuNeed};

use super::cursor::Field;
use super::problem::Problems;
use super::units::{Bounds, count};

/// Longest GPU name.
const GPU_NAME_MAX: usize = 64;
/// Cards may report up to this much less than the memory they are sold with, in GB.
const VRAM_SLACK_GB: u32 = 1;

/// A choice by name, narrowed to cards whose memory lies in the range.
pub(super) fn choice(
    name: &str,
    memory: Option<Bounds>,
    field: &Field<'_>,
    p: &mut Problems,
) -> Option<GpuChoice> {
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ' | '.');
    if name.is_empty() || name.len() > GPU_NAME_MAX || !name.chars().all(plain) {
        p.invalid(field, format!("`{}` is not a GPU name", field.shown()));
        return None;
    }
    if name.to_ascii_lowercase().starts_with("tpu") {
        p.unsupported(field, "neither network rents TPUs", "name a GPU");
        return None;
    }
    let models: Vec<_> = GpuModel::matching(name)
        .into_iter()
        .filter(|m| memory.is_none_or(|b| in_range(*m, b)))
        .collect();
    if models.is_empty() {
        p.note(field, no_such_card(name));
    }
    Some(GpuChoice {
        name: name.to_owned(),
        models,
    })
}

/// What is said of a name that means no card.
fn no_such_card(name: &str) -> String {
    let said = format!("no card of the catalogue is meant by `{name}`, so no offer can match it");
    match GpuModel::near(name) {
        Some(near) => format!("{said}; did you mean `{near}`?"),
        None => said,
    }
}

fn in_range(model: GpuModel, bounds: Bounds) -> bool {
    let vram = u32::from(model.facts().vram_gb);
    bounds.min.is_none_or(|min| vram + VRAM_SLACK_GB > min)
        && bounds
            .max
            .is_none_or(|max| vram <= max.saturating_add(VRAM_SLACK_GB))
}

/// Any card whose memory lies in the range; with an upper end, the cards are listed.
pub(super) fn any_in_range(bounds: Bounds, written: &str) -> GpuNeed {
    match bounds {
        Bounds { min, max: None } => GpuNeed::AnyWithVram {
            vram_gb_min: u16::try_from(min.unwrap_or(0)).unwrap_or(u16::MAX),
        },
        _ => GpuNeed::Named {
            choices: vec![choice_in_range(bounds, written)],
        },
    }
}

/// The cards whose memory lies in the range, as one choice.
pub(super) fn choice_in_range(bounds: Bounds, written: &str) -> GpuChoice {
    GpuChoice {
        name: written.trim().to_owned(),
        models: GpuModel::all().filter(|m| in_range(*m, bounds)).collect(),
    }
}

/// GPUs of a node: a whole number up to the limit, or a complaint.
pub(super) fn gpus(text: &str, field: &Field<'_>, p: &mut Problems) -> Option<u16> {
    let whole = text.trim();
    let whole = whole.strip_suffix(".0").unwrap_or(whole);
    match count(whole).and_then(|n| u16::try_from(n).ok()) {
        Some(n) if n <= GPUS_PER_NODE_MAX => Some(n),
        _ => {
            p.invalid(
                field,
                format!("`{text}` GPUs per node: a whole number from 0 to {GPUS_PER_NODE_MAX}"),
            );
            None
        }
    }
}

/// The least count of a range `1..8`, with a note that more are not rented.
pub(super) fn gpus_of_range(text: &str, field: &Field<'_>, p: &mut Problems) -> Option<u16> {
    if !text.contains("..") {
        return gpus(text, field, p);
    }
    let (low, high) = text.split_once("..")?;
    let low = if low.trim().is_empty() { "1" } else { low };
    if !high.trim().is_empty() && count(high).is_none_or(|h| count(low).is_none_or(|l| h < l)) {
        p.invalid(field, format!("`{text}` is not a range of counts"));
        return None;
    }
    let least = gpus(low, field, p)?;
    p.note(
        field,
        format!("the range starts at {least}, and that many are rented per node"),
    );
    Some(least)
}

/// Joins alternatives that may differ in card but not in count.
pub(super) fn join(
    alternatives: Vec<(GpuChoice, u16)>,
    field: &Field<'_>,
    p: &mut Problems,
) -> Option<(GpuNeed, u16)> {
    let count = alternatives.first()?.1;
    if alternatives.iter().any(|(_, n)| *n != count) {
        p.unsupported(
            field,
            "alternatives with different numbers of GPUs cannot be quoted as one workload",
            "keep the alternatives with one count, or submit one file per count",
        );
    }
    if count == 0 {
        return Some((GpuNeed::None, 0));
    }
    let choices = alternatives.into_iter().map(|(choice, _)| choice).collect();
    Some((GpuNeed::Named { choices }, count))
}

/// A choice from what a cluster's label says of a card (`nvidia-tesla-t4`, `NVIDIA-L4`): the words
/// that name a maker or a way of sharing are left out.
pub(super) fn choice_of_label(field: &Field<'_>, p: &mut Problems) -> Option<GpuChoice> {
    let text = field.text(p)?;
    let name = text.to_ascii_lowercase();
    if name.contains("-mig-") || name.ends_with("-shared") {
        p.unsupported(
            field,
            "parts of a GPU are not rented",
            "name the whole card",
        );
        return None;
    }
    let name = name
        .trim_start_matches("nvidia-")
        .trim_start_matches("tesla-");
    choice(name, None, field, p)
}

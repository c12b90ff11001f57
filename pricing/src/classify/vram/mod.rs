//! Memory per GPU: what the file states, else published formulas in whole numbers.
//!
//! Each formula is cited where it stands. Figures are in megabytes of 10^6 bytes, rounded up to
//! gigabytes at the end; they are estimates for planning, not limits.

mod inference;
mod precision;
mod training;

use tandem_model::workload::WorkloadClass;

use super::Evidence;
use super::ask::Ask;
use super::facts::{Facts, Zone};
use super::sizes::Size;

const USE_WORDS: &[&str] = &[
    "consumes", "consume", "uses", "needs", "require", "requires", "takes",
];

/// What memory is needed and why.
#[derive(Debug, Clone)]
pub(super) struct Estimate {
    /// Gigabytes per GPU; none when they are shared out over GPUs whose number is not stated.
    pub(super) gb: Option<u32>,
    pub(super) evidence: Evidence,
}

impl Estimate {
    fn of(megabytes: u64, line: u32, text: String) -> Self {
        let gb = u32::try_from(megabytes.div_ceil(1_000)).unwrap_or(u32::MAX);
        let text = format!("about {gb} GB per GPU: {text}");
        Self::with(Some(gb), line, text)
    }

    /// Memory that is shared out over nobody knows how many GPUs.
    fn over_unknown(megabytes: u64, line: u32, text: &str) -> Self {
        let gb = megabytes.div_ceil(1_000);
        let text = format!("about {gb} GB over all GPUs, whose number is not stated: {text}");
        Self::with(None, line, text)
    }

    fn with(gb: Option<u32>, line: u32, text: String) -> Self {
        Self {
            gb,
            evidence: Evidence {
                line,
                source: "memory".into(),
                text,
                points_to: "needs.vram_gb_per_gpu".into(),
            },
        }
    }
}

/// A figure that the file itself gives for the memory in use, with its line.
pub(super) fn stated(facts: &Facts) -> Option<Estimate> {
    let used = |line: u32| {
        USE_WORDS
            .iter()
            .any(|w| facts.mentions(w).any(|(f, _)| f.line == line))
    };
    let speaks = ["vram", "gpu memory"];
    let of_memory = speaks.iter().flat_map(|w| facts.mentions(w));
    let (gb, line) = of_memory
        .filter(|(f, _)| f.zone == Zone::Comment && used(f.line))
        .filter_map(|(f, _)| Some((figure(&f.lower)?, f.line)))
        .min_by_key(|(_, line)| *line)?;
    let evidence = Evidence {
        line,
        source: "comment".into(),
        text: format!("the file states {gb} GB of GPU memory"),
        points_to: "needs.vram_gb_per_gpu".into(),
    };
    Some(Estimate {
        gb: Some(gb),
        evidence,
    })
}

/// The first number before `gb`, rounded up.
fn figure(text: &str) -> Option<u32> {
    let head = text[..text.find("gb")?].trim_end();
    let start = head
        .rfind(|c: char| !c.is_ascii_digit() && c != '.')
        .map_or(0, |i| {
            i + head[i..].chars().next().map_or(1, char::len_utf8)
        });
    let (whole, fraction) = head[start..]
        .split_once('.')
        .unwrap_or((&head[start..], ""));
    let whole: u32 = whole.parse().ok()?;
    let up = fraction.bytes().any(|b| b != b'0');
    (whole < 10_000).then_some(whole + u32::from(up))
}

/// An estimate from the model's size; none when no size is known or no GPU is asked.
pub(super) fn estimate(
    class: WorkloadClass,
    size: Option<&Size>,
    facts: &Facts,
    ask: &Ask,
) -> Option<Estimate> {
    let size = size?;
    if ask.gpus_per_node == Some(0) {
        return None;
    }
    Some(if is_training(class) {
        training::estimate(size, facts, ask)
    } else {
        inference::estimate(class, size, facts, ask)
    })
}

fn is_training(class: WorkloadClass) -> bool {
    matches!(
        class,
        WorkloadClass::DistributedTraining | WorkloadClass::SingleNodeTraining
    )
}

/// Gigabytes of weights, or of training state, over all GPUs.
pub(super) fn state_gb(class: WorkloadClass, size: &Size, facts: &Facts) -> u64 {
    let megabytes = if is_training(class) {
        training::state_mb(size, facts).0
    } else {
        inference::weights_mb(size, facts).0
    };
    megabytes / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_before_their_unit() {
        assert_eq!(figure("consumes ~25gb of vram"), Some(25));
        assert_eq!(figure("uses 7.5 gb vram"), Some(8));
        assert_eq!(figure("vram gb"), None);
        assert_eq!(figure("≥24gb vram"), Some(24));
    }
}

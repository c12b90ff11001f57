//! Which card an offer means: from its name, its memory and the form of its machine.

use tandem_model::gpu::GpuModel;

use super::Basis;
use super::defect::{Defect, Finding};

/// How a data-centre card is built in. Cards of one name differ by it up to a factor of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A PCI Express board.
    Pcie,
    /// A module on a board of 4 or 8 with NVLink.
    Sxm,
    /// A PCI Express board with more memory, paired by NVLink.
    Nvl,
}

impl Form {
    /// The form that a text names, such as `gpu_8x_h100_sxm5`; none when it names none.
    pub fn named_in(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        [("NVL", Self::Nvl), ("SXM", Self::Sxm), ("PCIE", Self::Pcie)]
            .into_iter()
            .find_map(|(word, form)| upper.contains(word).then_some(form))
    }

    /// The form of a card of the catalogue, where its name says so.
    pub fn of(gpu: GpuModel) -> Option<Self> {
        Self::named_in(gpu.id())
    }
}

/// A card as a price file names it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named<'a> {
    /// The name.
    pub name: &'a str,
    /// The form, when the machine type or its vendor's documentation says it.
    pub form: Option<Form>,
    /// Memory in GB of the machine type by its vendor's documentation, per GPU.
    pub documented_gb: Option<u16>,
    /// Memory as written, in MiB.
    pub memory_mib: Option<u64>,
    /// Whether the source writes one GPU's memory or the machine's, where that is known.
    pub memory_basis: Option<Basis>,
}

/// Share of the nominal memory that a driver reports, in thousandths: some is kept for ECC and
/// firmware (15,360 of 16,384 MiB on a T4), and some vendors count decimal gigabytes.
const REPORTED_PERMILLE: std::ops::RangeInclusive<u64> = 920..=1_010;

/// Largest number that is tried as GiB.
const GIB_MAX: u64 = 1_024;

/// Whether this much memory is that of the card.
fn has_memory(gpu: GpuModel, mib: u64) -> bool {
    let nominal = u64::from(gpu.facts().vram_gb) * 1_024;
    let permille = mib.saturating_mul(1_000) / nominal.max(1);
    REPORTED_PERMILLE.contains(&permille)
}

/// How a machine's memory was written, when the figure can be explained in one way alone.
///
/// For a machine of several GPUs of a known name; the source's habit follows from all of them.
pub fn memory_habit(name: &str, memory_mib: u64, gpus: u16) -> Option<Basis> {
    let cards = GpuModel::matching(name);
    let fits = |mib| cards.iter().any(|card| has_memory(*card, mib));
    let total = gpus > 1 && memory_mib.is_multiple_of(u64::from(gpus));
    match (
        fits(memory_mib),
        total && fits(memory_mib / u64::from(gpus)),
    ) {
        (true, false) if gpus > 1 => Some(Basis::Gpu),
        (false, true) => Some(Basis::Machine),
        _ => None,
    }
}

/// What is known after the name: cards that fit, and what was corrected.
struct Narrowed {
    cards: Vec<GpuModel>,
    corrections: Vec<Finding>,
    memory_mib: Option<u64>,
}

/// The card, with what had to be corrected to know it.
pub(super) fn resolve(named: &Named<'_>, gpus: u16) -> Result<(GpuModel, Vec<Finding>), Finding> {
    let all = GpuModel::matching(named.name);
    if all.is_empty() {
        return Err(Finding::new(
            Defect::UnknownGpu,
            "AcceleratorName",
            named.name,
            "not in the GPU catalogue: it is not sold",
        ));
    }
    let mut narrowed = by_memory(named, gpus, &all)?;
    if let Some(gb) = named.documented_gb {
        narrowed.cards.retain(|c| c.facts().vram_gb == gb);
    }
    if let Some(form) = named.form {
        narrowed
            .cards
            .retain(|c| Form::of(*c).is_none_or(|f| f == form));
    }
    // The exact figure of a driver tells cards apart that share their nominal memory.
    if narrowed.cards.len() > 1 {
        let reported = |c: &&GpuModel| {
            let reported = c.facts().vram_reported_mib.map(u64::from);
            reported.is_some() && reported == narrowed.memory_mib
        };
        if let Some(card) = narrowed.cards.iter().find(reported).copied() {
            narrowed.cards = vec![card];
        }
    }
    let names = |cards: &[GpuModel]| {
        let names: Vec<_> = cards.iter().map(|c| c.facts().name).collect();
        names.join(", ")
    };
    match narrowed.cards.as_slice() {
        [card] => {
            if all.len() > 1 {
                narrowed.corrections.push(Finding::new(
                    Defect::OneNameTwoCards,
                    "AcceleratorName",
                    named.name,
                    format!("is the {card} here, by its memory or its machine type"),
                ));
            }
            Ok((*card, narrowed.corrections))
        }
        [] => Err(Finding::new(
            Defect::UnknownGpu,
            "AcceleratorName",
            named.name,
            format!("in this form it is none of {}", names(&all)),
        )),
        several => Err(Finding::new(
            Defect::OneNameTwoCards,
            "AcceleratorName",
            named.name,
            format!("may be any of {}", names(several)),
        )),
    }
}

/// The cards of the name whose memory is the one that is written.
fn by_memory(named: &Named<'_>, gpus: u16, all: &[GpuModel]) -> Result<Narrowed, Finding> {
    let Some(mib) = named.memory_mib else {
        return Ok(Narrowed {
            cards: all.to_vec(),
            corrections: Vec::new(),
            memory_mib: None,
        });
    };
    let with = |mib: u64| -> Vec<GpuModel> {
        let cards = all.iter().copied();
        cards.filter(|card| has_memory(*card, mib)).collect()
    };
    let count = u64::from(gpus.max(1));
    let share = (count > 1 && mib.is_multiple_of(count)).then(|| mib / count);
    let (direct, shared) = (with(mib), share.map(with).unwrap_or_default());
    let written = mib.to_string();
    let find = |defect, reason: String| Finding::new(defect, "GpuInfo", &written, reason);
    let narrowed = |cards, memory_mib, correction: Option<Finding>| Narrowed {
        cards,
        corrections: correction.into_iter().collect(),
        memory_mib,
    };
    let per_machine = || {
        let share = mib / count;
        let reason = format!("MiB of all {count} GPUs: {share} MiB each");
        find(Defect::MemoryPerMachine, reason)
    };
    let machine = named.memory_basis == Some(Basis::Machine);
    Ok(match (direct.is_empty(), shared.is_empty()) {
        (false, true) => narrowed(direct, Some(mib), None),
        (true, false) => narrowed(shared, share, Some(per_machine())),
        (false, false) if machine => narrowed(shared, share, Some(per_machine())),
        (false, false) if named.memory_basis == Some(Basis::Gpu) => {
            narrowed(direct, Some(mib), None)
        }
        // One GPU's memory or all of theirs: the figure decides nothing.
        (false, false) => narrowed(all.to_vec(), None, None),
        (true, true) => {
            let in_gib = Some(mib).filter(|gib| *gib <= GIB_MAX);
            let in_mib = in_gib.map_or(0, |gib| gib * 1_024);
            let cards = with(in_mib);
            if cards.is_empty() {
                let card = all[0].facts();
                return Err(find(
                    Defect::MemoryMismatch,
                    format!(
                        "MiB, for {count} GPUs, is not the memory of {}: {} GB each",
                        card.name, card.vram_gb
                    ),
                ));
            }
            let reason = format!("taken as GiB: {in_mib} MiB");
            narrowed(cards, Some(in_mib), Some(find(Defect::MemoryInGib, reason)))
        }
    })
}

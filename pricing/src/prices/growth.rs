//! Whether prices grow with the number of GPUs: a file that writes one GPU's price where the
//! machine's belongs asks as much for eight as for one. The bands are too wide to tell, but the
//! file's other rows of the same card in the same region do.

use std::collections::{BTreeMap, BTreeSet};

use crate::gate::Basis;

use super::row::{Cell, GpuRow};

/// Most GPUs of a machine that is compared: of real machine types none has more.
const GPUS_MAX: u16 = 16;
/// Share by which prices may differ that are alike, in percent.
const ALIKE_PERCENT: i64 = 10;

/// Rows that are compared: card, region, whether the host is priced apart, and whether spot.
type Group<'a> = (&'a str, &'a str, bool, bool);

/// The amounts of every group, by the number of GPUs that each buys or is written beside.
pub(super) struct Growth<'a>(BTreeMap<Group<'a>, BTreeMap<u16, BTreeSet<i64>>>);

fn group(row: &GpuRow, spot: bool) -> Group<'_> {
    (&row.gpu_name, &row.region, row.instance.is_empty(), spot)
}

/// The amount of a row in micro-dollars, and its GPUs, where both can be compared.
fn figures(row: &GpuRow, spot: bool) -> Option<(u16, i64)> {
    let cell = if spot { &row.spot } else { &row.price };
    let gpus = *row.gpus.as_ref().ok()?;
    match cell {
        Cell::Amount(amount) if amount.get() > 0 && gpus <= GPUS_MAX => Some((gpus, amount.get())),
        _ => None,
    }
}

impl<'a> Growth<'a> {
    pub(super) fn of(rows: &'a [GpuRow]) -> Self {
        let mut groups: BTreeMap<Group<'a>, BTreeMap<u16, BTreeSet<i64>>> = BTreeMap::new();
        for row in rows {
            for spot in [false, true] {
                if let Some((gpus, amount)) = figures(row, spot) {
                    let of_group = groups.entry(group(row, spot)).or_default();
                    of_group.entry(gpus).or_default().insert(amount);
                }
            }
        }
        Self(groups)
    }

    /// What a row's prices are those of, by rows with other counts; both prices of a row are
    /// written alike. One row that is as dear for each GPU speaks for the machine, whatever others
    /// say; none when no row is alike in either way.
    pub(super) fn basis(&self, row: &GpuRow) -> Option<Basis> {
        let said = [false, true].map(|spot| self.basis_of(row, spot));
        let says = |basis| said.contains(&Some(basis)).then_some(basis);
        says(Basis::Machine).or_else(|| says(Basis::Gpu))
    }

    fn basis_of(&self, row: &GpuRow, spot: bool) -> Option<Basis> {
        let (gpus, amount) = figures(row, spot)?;
        let of_group = self.0.get(&group(row, spot))?;
        let others = || of_group.iter().filter(|(count, _)| **count != gpus);
        let each = |count: u16| {
            let grown = i128::from(amount) * i128::from(count) / i128::from(gpus);
            i64::try_from(grown).unwrap_or(i64::MAX)
        };
        if others().any(|(count, amounts)| has_alike(amounts, each(*count))) {
            return Some(Basis::Machine);
        }
        others()
            .any(|(_, amounts)| has_alike(amounts, amount))
            .then_some(Basis::Gpu)
    }
}

/// Whether one of the amounts is about this one.
fn has_alike(amounts: &BTreeSet<i64>, amount: i64) -> bool {
    let margin = amount / 100 * ALIKE_PERCENT;
    let range = amount.saturating_sub(margin)..=amount.saturating_add(margin);
    amounts.range(range).next().is_some()
}

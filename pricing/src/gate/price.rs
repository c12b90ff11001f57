//! Judging a price: is it plausible, and if not, which error of unit would explain it?

use tandem_model::money::MicroUsd;

use super::bands::Band;
use super::defect::{Defect, Finding};
use super::{Basis, Corrections};

/// Hours of an average month.
const HOURS_PER_MONTH: i128 = 730;

/// A price as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The amount per hour.
    pub amount: MicroUsd,
    /// What one unit of it buys.
    pub basis: Basis,
    /// GPUs of the machine.
    pub gpus: u16,
    /// What the other rows of its source say that it buys, where they say it.
    pub habit: Option<Basis>,
    /// Whether it may be taken back: such prices are lower than any rule of thumb.
    pub spot: bool,
    /// Field that it stood in.
    pub field: &'static str,
}

/// One way to read the amount that would make it plausible.
struct Reading {
    defect: Defect,
    micro_usd: i128,
    exact: bool,
}

/// The price per GPU-hour, rounded up to a micro-dollar, and what had to be corrected.
///
/// Only a mix-up of machine and GPU is ever corrected, and only when the source's other rows show
/// it, or it is the single reading that fits and the count divides it without a rest: any other error of unit is refused, because
/// a guess about money is not an offer.
pub(super) fn per_gpu(
    asked: Asked,
    band: &Band,
    corrections: Corrections,
) -> Result<(MicroUsd, Option<Finding>), Finding> {
    let amount = asked.amount.get();
    let gpus = i64::from(asked.gpus.max(1));
    let as_written = match asked.basis {
        Basis::Gpu => amount,
        Basis::Machine => divided_up(amount, gpus),
    };
    if let Some(found) = of_one_gpu(asked, as_written, band, corrections) {
        return found.map(|finding| (asked.amount, Some(finding)));
    }
    if band.holds(as_written) {
        return Ok((MicroUsd::new(as_written), None));
    }
    let mut fitting: Vec<Reading> = readings(asked, as_written)
        .into_iter()
        .filter(|r| i64::try_from(r.micro_usd).is_ok_and(|p| band.holds(p)))
        .collect();
    let middle = band.middle();
    fitting.sort_by_key(|r| distance(r.micro_usd, middle));
    let shown = asked.amount.to_string();
    let find = |defect, reason| Finding::new(defect, asked.field, &shown, reason);
    let Some(nearest) = fitting.first() else {
        let text = format!(
            "{} per GPU-hour is outside {} to {}, and no error of unit explains it",
            MicroUsd::new(as_written),
            MicroUsd::new(band.low_micro_usd),
            MicroUsd::new(band.high_micro_usd),
        );
        return Err(find(Defect::PriceOutOfBand, text));
    };
    let read = MicroUsd::new(i64::try_from(nearest.micro_usd).unwrap_or(i64::MAX));
    let is_count = matches!(
        nearest.defect,
        Defect::PricePerGpu | Defect::PricePerMachine
    );
    let only = fitting.len() == 1;
    if corrections == Corrections::Allowed && is_count && only && nearest.exact {
        let text = format!("taken as {read} per GPU-hour: {}", nearest.defect.title());
        return Ok((read, Some(find(nearest.defect, text))));
    }
    let text = format!(
        "likely {}, which would be {read} per GPU-hour; a price is not guessed",
        nearest.defect.title()
    );
    Err(find(nearest.defect, text))
}

/// Share of the band's low end up to which no card was ever seen, in percent: the bands begin at a
/// half to a third of the lowest price.
const UNSEEN_PERCENT: i64 = 150;

/// What is found when a machine's price may be that of one GPU: corrected or refused, by what the
/// source's other rows say. Where they say nothing and both readings are plausible, what is lower
/// than any price that was seen is refused.
fn of_one_gpu(
    asked: Asked,
    as_written: i64,
    band: &Band,
    corrections: Corrections,
) -> Option<Result<Finding, Finding>> {
    let amount = asked.amount.get();
    if asked.basis == Basis::Gpu || asked.gpus < 2 || !band.holds(amount) {
        return None;
    }
    let count = asked.gpus;
    let find = |reason| {
        Finding::new(
            Defect::PricePerGpu,
            asked.field,
            asked.amount.to_string(),
            reason,
        )
    };
    let unseen = band.low_micro_usd.saturating_mul(UNSEEN_PERCENT) / 100;
    match asked.habit {
        Some(Basis::Machine) => None,
        Some(Basis::Gpu) if corrections == Corrections::Allowed => Some(Ok(find(format!(
            "taken as {} per GPU-hour: other counts of the card cost as much",
            asked.amount
        )))),
        Some(Basis::Gpu) => Some(Err(find(
            "other counts of the card cost as much; a price is not guessed".to_owned(),
        ))),
        None if !asked.spot
            && band.holds(as_written)
            && as_written < unseen
            && amount >= unseen =>
        {
            Some(Err(find(format!(
                "{} for each of {count} GPUs is less than any was seen for, and no other row says whether it buys one or all",
                MicroUsd::new(as_written)
            ))))
        }
        None => None,
    }
}

/// Division rounded up, for positive amounts: a GPU's share is never below its cost.
pub(crate) fn divided_up(amount: i64, by: i64) -> i64 {
    amount.div_euclid(by) + i64::from(amount.rem_euclid(by) > 0)
}

/// How far apart two amounts are as a factor, in thousandths.
fn distance(a: i128, b: i128) -> i128 {
    let (low, high) = (a.min(b).max(1), a.max(b));
    high * 1_000 / low
}

fn readings(asked: Asked, as_written: i64) -> Vec<Reading> {
    let price = i128::from(as_written);
    let gpus = i128::from(asked.gpus.max(1));
    let read = |defect, micro_usd| Reading {
        defect,
        micro_usd,
        exact: false,
    };
    let mut all = vec![
        read(Defect::PriceInCents, price / 100),
        read(Defect::PriceInCents, price * 100),
        read(Defect::PriceInMicroUsd, price / 1_000_000),
        read(Defect::PriceInMicroUsd, price * 1_000_000),
        read(Defect::PricePerMonth, price / HOURS_PER_MONTH),
    ];
    if gpus > 1 {
        let amount = i128::from(asked.amount.get());
        all.push(match asked.basis {
            Basis::Machine => Reading {
                defect: Defect::PricePerGpu,
                micro_usd: amount,
                exact: true,
            },
            Basis::Gpu => Reading {
                defect: Defect::PricePerMachine,
                micro_usd: amount / gpus,
                exact: amount % gpus == 0,
            },
        });
    }
    all
}

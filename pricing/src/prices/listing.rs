//! From rows to offers: every on-demand and every spot price through the gate.

use serde::Serialize;
use tandem_model::gpu::GpuModel;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::Country;

use crate::gate::{self, Admitted, Basis, Card, Defect, Finding, Named, Place, Raw};

use super::growth::Growth;
use super::regions::{self, Vendor};
use super::report::Tally;
use super::row::{Cell, GpuRow};
use super::{Checks, Gathered, Hosts, machines};

/// An offer of a price file that passed the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// Line of the file.
    pub line: u64,
    /// Machine type; for an accelerator that is priced apart, the host that was added.
    pub instance: String,
    /// The card.
    pub gpu: GpuModel,
    /// The accelerator's name as the file writes it.
    pub gpu_name: String,
    /// GPUs of the machine.
    pub gpus: u16,
    /// Whether it may be taken away.
    pub spot: bool,
    /// Price of the machine for an hour, its host included.
    pub machine_micro_usd_per_hour: MicroUsd,
    /// Price of one GPU for an hour, rounded up.
    pub rate: RatePerGpuHour,
    /// Country.
    pub country: Country,
    /// Region as written.
    pub region: String,
    /// Zone as written; empty where the file has none.
    pub zone: String,
    /// Whether something had to be corrected.
    pub corrected: bool,
}

/// How a file writes its figures, by its rows.
struct Habits<'a> {
    /// What a memory counts for.
    memory: Option<Basis>,
    prices: Growth<'a>,
}

/// Every offer of the rows that passes.
pub(super) fn all(
    gathered: &Gathered,
    memory: Option<Basis>,
    checks: &Checks,
    tally: &mut Tally<'_>,
) -> Vec<Listing> {
    let habits = Habits {
        memory,
        prices: Growth::of(&gathered.rows),
    };
    let mut listings = Vec::new();
    for row in &gathered.rows {
        for spot in [false, true] {
            match of_row(row, spot, &gathered.hosts, &habits, checks, tally) {
                Some(Ok(listing)) => {
                    tally.report.offers += 1;
                    tally.report.corrected += u64::from(listing.corrected);
                    listings.push(listing);
                }
                Some(Err(())) => tally.report.refused += 1,
                None => {}
            }
        }
    }
    listings
}

/// The machine around an accelerator that is priced apart.
struct HostPrice {
    name: String,
    on_demand: Option<MicroUsd>,
    spot: Option<MicroUsd>,
}

fn host_of(row: &GpuRow, gpus: u16, hosts: &Hosts) -> Result<HostPrice, Finding> {
    let find = |reason: String| {
        Finding::new(
            Defect::HostPriceMissing,
            "InstanceType",
            &row.instance,
            reason,
        )
    };
    let Some(name) = machines::host_of(&row.gpu_name, gpus) else {
        let reason = "the accelerator alone is priced, and its host is not known".to_owned();
        return Err(find(reason));
    };
    let place = if row.zone.is_empty() {
        &row.region
    } else {
        &row.zone
    };
    let Some((price, spot)) = hosts.get(&(name.clone(), place.clone())) else {
        let reason = format!("the accelerator alone is priced; {name} has no row in {place}");
        return Err(find(reason));
    };
    let paid = |cell: &Cell| match cell {
        Cell::Amount(amount) if amount.get() > 0 => Some(*amount),
        _ => None,
    };
    Ok(HostPrice {
        on_demand: paid(price),
        spot: paid(spot),
        name,
    })
}

/// What a row costs with its host.
struct Priced {
    amount: MicroUsd,
    on_demand: Option<MicroUsd>,
    host: Option<String>,
    correction: Option<Finding>,
}

fn with_host(
    row: &GpuRow,
    amount: MicroUsd,
    spot: bool,
    gpus: u16,
    hosts: &Hosts,
) -> Result<Priced, Finding> {
    let on_demand = match row.price {
        Cell::Amount(price) => Some(price),
        _ => None,
    };
    // A price of nothing is refused for what it is, and a machine type has its host.
    if amount.get() <= 0 || !row.instance.is_empty() {
        return Ok(Priced {
            amount,
            on_demand,
            host: None,
            correction: None,
        });
    }
    let host = host_of(row, gpus, hosts)?;
    let find =
        |reason: String| Finding::new(Defect::HostPriceMissing, "InstanceType", &host.name, reason);
    let paid = if spot { host.spot } else { host.on_demand };
    let Some(paid) = paid else {
        return Err(find("the host of this accelerator has no price".into()));
    };
    let sum = |a: MicroUsd, b: Option<MicroUsd>| b.and_then(|b| a.plus(b).ok());
    let Some(total) = sum(amount, Some(paid)) else {
        return Err(find("the sum with its host leaves the range".into()));
    };
    let correction = find(format!(
        "the accelerator alone is {amount}; its host adds {paid}"
    ));
    Ok(Priced {
        amount: total,
        on_demand: on_demand.and_then(|price| sum(price, host.on_demand)),
        correction: Some(correction),
        host: Some(host.name),
    })
}

/// The amount and the count of one offer of a row; none for an empty spot price.
fn figures(row: &GpuRow, spot: bool) -> Option<Result<(MicroUsd, u16), Vec<Finding>>> {
    let (cell, field) = if spot {
        (&row.spot, "SpotPrice")
    } else {
        (&row.price, "Price")
    };
    let amount = match cell {
        Cell::Empty if spot => return None,
        Cell::Empty => Err(Finding::new(Defect::MissingPrice, field, "", "no price")),
        Cell::Unreadable(text) => Err(Finding::new(
            Defect::MalformedRow,
            field,
            text,
            "not a number of dollars",
        )),
        Cell::Amount(amount) => Ok(*amount),
    };
    let gpus = row.gpus.as_ref().copied().map_err(|text| {
        let reason = "not a whole number of GPUs from 1 up";
        Finding::new(Defect::GpuCountInvalid, "AcceleratorCount", text, reason)
    });
    Some(match (amount, gpus) {
        (Ok(amount), Ok(gpus)) => Ok((amount, gpus)),
        (amount, gpus) => Err(amount.err().into_iter().chain(gpus.err()).collect()),
    })
}

/// One offer of a row: passed, refused, or none for an empty spot price. Findings are counted.
fn of_row(
    row: &GpuRow,
    spot: bool,
    hosts: &Hosts,
    habits: &Habits<'_>,
    checks: &Checks,
    tally: &mut Tally<'_>,
) -> Option<Result<Listing, ()>> {
    let (amount, gpus) = match figures(row, spot)? {
        Ok(figures) => figures,
        Err(findings) => {
            findings.iter().for_each(|f| tally.find(row.line, f));
            return Some(Err(()));
        }
    };
    let place = regions::read(&row.region);
    let (priced, no_host) = match with_host(row, amount, spot, gpus, hosts) {
        Ok(priced) => (Some(priced), None),
        Err(finding) => (None, Some(finding)),
    };
    let documented = machines::documented(place.vendor, &row.instance, &row.gpu_name);
    let raw = Raw {
        card: Card::Named(Named {
            name: machines::market_name(&row.gpu_name),
            form: documented.form,
            documented_gb: documented.gb,
            memory_mib: row.memory_mib,
            memory_basis: habits.memory,
        }),
        gpus,
        price: priced.as_ref().map_or(amount, |p| p.amount),
        price_basis: Basis::Machine,
        price_habit: habits.prices.basis(row),
        spot,
        on_demand: priced.as_ref().and_then(|p| p.on_demand),
        place: Place {
            text: &row.region,
            country: place.country,
            city_missing: place.city_missing,
        },
        age: checks.age,
    };
    // Without its host an accelerator has no price that could be judged, but the rest can be.
    let judged = gate::admit(&raw, &checks.rules);
    let is_tpu = row.gpu_name.starts_with("tpu-") && place.vendor == Some(Vendor::Gcp);
    let no_host = no_host.filter(|_| !is_tpu);
    Some(match (judged, priced) {
        (Ok(admitted), Some(priced)) => Ok(listing(row, spot, admitted, priced, tally)),
        (Ok(admitted), None) => {
            let found = no_host.iter().chain(&admitted.corrections);
            found.for_each(|finding| tally.find(row.line, finding));
            Err(())
        }
        (Err(refused), priced) => {
            let added = priced.and_then(|p| p.correction).or(no_host);
            tally.find(row.line, &refused.reason);
            let found = refused.others.iter().chain(&added);
            found.for_each(|finding| tally.find(row.line, finding));
            Err(())
        }
    })
}

fn listing(
    row: &GpuRow,
    spot: bool,
    admitted: Admitted,
    priced: Priced,
    tally: &mut Tally<'_>,
) -> Listing {
    let corrections: Vec<&Finding> = admitted
        .corrections
        .iter()
        .chain(&priced.correction)
        .collect();
    for finding in &corrections {
        tally.find(row.line, finding);
    }
    let for_all = |finding: &&&Finding| finding.code == Defect::PricePerGpu;
    let machine = match corrections.iter().find(for_all) {
        Some(_) => {
            let one = admitted.rate.price().get();
            MicroUsd::new(one.saturating_mul(i64::from(admitted.gpus)))
        }
        None => priced.amount,
    };
    Listing {
        line: row.line,
        corrected: row.repaired || !corrections.is_empty(),
        instance: priced.host.unwrap_or_else(|| row.instance.clone()),
        gpu: admitted.gpu,
        gpu_name: row.gpu_name.clone(),
        gpus: admitted.gpus,
        spot,
        machine_micro_usd_per_hour: machine,
        rate: admitted.rate,
        country: admitted.country,
        region: row.region.clone(),
        zone: row.zone.clone(),
    }
}

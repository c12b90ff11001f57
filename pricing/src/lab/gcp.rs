//! GCP's price changes: a first list of prices, then what changed on later days.
//!
//! A row is one zone's price of a machine with so many of one card; without a price it says that the
//! row is gone. We make of it one lane a card and country: the cheapest on-demand price per GPU of
//! all its zones, and [`GPUS_PER_ZONE`] GPUs a zone, because the file says nothing of capacity.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use tandem_model::gpu::GpuModel;
use tandem_model::money::MicroUsd;
use tandem_model::network::{Country, Grade, NetworkId};

use super::cards;
use super::csv::{Row, Rows};
use super::history::{self, History, Lane, Step};
use super::problem::LabError;

/// Its first line.
pub(super) const HEADER: &str =
    "date,gpu,gpu_count,region,zone,instance_type,on_demand_usd_per_hour,spot_usd_per_hour";

/// GPUs that a zone is taken to have of a card it sells: one machine of eight. An assumption.
pub const GPUS_PER_ZONE: u32 = 8;

/// The name under which these prices stand for a network.
pub(super) const NETWORK: NetworkId = NetworkId::from_static("gcp");

/// Where regions are, by how their names begin; the first that fits counts
/// (cloud.google.com/compute/docs/regions-zones).
const REGIONS: [(&str, &str); 34] = [
    ("us-", "US"),
    ("africa-south1", "ZA"),
    ("asia-east1", "TW"),
    ("asia-east2", "HK"),
    ("asia-northeast1", "JP"),
    ("asia-northeast2", "JP"),
    ("asia-northeast3", "KR"),
    ("asia-south1", "IN"),
    ("asia-south2", "IN"),
    ("asia-southeast1", "SG"),
    ("asia-southeast2", "ID"),
    ("asia-southeast3", "TH"),
    ("australia-", "AU"),
    ("europe-central2", "PL"),
    ("europe-north1", "FI"),
    ("europe-north2", "SE"),
    ("europe-southwest1", "ES"),
    ("europe-west10", "DE"),
    ("europe-west12", "IT"),
    ("europe-west1", "BE"),
    ("europe-west2", "GB"),
    ("europe-west3", "DE"),
    ("europe-west4", "NL"),
    ("europe-west6", "CH"),
    ("europe-west8", "IT"),
    ("europe-west9", "FR"),
    ("me-central1", "QA"),
    ("me-central2", "SA"),
    ("me-west1", "IL"),
    ("northamerica-northeast1", "CA"),
    ("northamerica-northeast2", "CA"),
    ("northamerica-south1", "MX"),
    ("southamerica-east1", "BR"),
    ("southamerica-west1", "CL"),
];

/// Which card of ours a name of the file is; none where we do not sell it.
fn card(name: &str) -> Option<GpuModel> {
    let id = match name {
        "A100" => "a100-sxm4-40gb",
        "A100-80GB" => "a100-sxm4-80gb",
        "H100" => "h100-sxm5-80gb",
        "V100" => "v100-pcie-16gb",
        // Its own rows, not what stands for it in a demand.
        "P100" => return None,
        other => return cards::sold_as(other).into_iter().next(),
    };
    GpuModel::by_id(id)
}

fn country(region: &str) -> Option<Country> {
    let found = REGIONS.iter().find(|(start, _)| region.starts_with(start));
    found.and_then(|(_, code)| Country::parse(code))
}

/// The price per GPU of every machine of a lane, by zone and number of GPUs.
type Zones<'a> = BTreeMap<(&'a str, u64), MicroUsd>;

/// Reads the file; rows must stand in the order of their dates.
pub(super) fn read(rows: &Rows<'_>) -> Result<History, LabError> {
    let mut history = History::default();
    let mut index: BTreeMap<(GpuModel, Country), usize> = BTreeMap::new();
    let mut zones: Vec<Zones<'_>> = Vec::new();
    let mut changed = BTreeSet::new();
    let (mut first, mut today) = (None, 0);
    for row in rows.rows() {
        let row = row?;
        let date: Date = row.parse("date", "a date such as 2026-04-02", |t| t.parse().ok())?;
        let at_s = since(*first.get_or_insert(date), date)
            .filter(|at_s| *at_s >= today)
            .ok_or_else(|| row.refuse("date", "lies before that of the row above"))?;
        if at_s > today {
            step(&mut history, &zones, &mut changed, today);
            today = at_s;
        }
        let Some((key, machine, price)) = entry(&row)? else {
            history.left_out += 1;
            continue;
        };
        let next = zones.len();
        let lane = *index.entry(key).or_insert(next);
        if lane == next {
            zones.push(Zones::new());
            history.lanes.push(Lane {
                network: NETWORK,
                gpu: key.0,
                grade: Grade::Datacenter,
                country: key.1,
            });
        }
        match price {
            Some(price) => zones[lane].insert(machine, price),
            None => zones[lane].remove(&machine),
        };
        changed.insert(lane);
    }
    step(&mut history, &zones, &mut changed, today);
    Ok(history)
}

type Entry<'a> = ((GpuModel, Country), (&'a str, u64), Option<MicroUsd>);

/// A row about a card that we sell.
fn entry<'a>(row: &Row<'a>) -> Result<Option<Entry<'a>>, LabError> {
    let Some(gpu) = card(row.text("gpu")) else {
        return Ok(None);
    };
    let place = row.parse("region", "a region of GCP", country)?;
    let count = row.number("gpu_count", 1_024)?;
    let Ok(gpus) = i64::try_from(count.max(1)) else {
        return Ok(None);
    };
    if count == 0 {
        return Err(row.refuse("gpu_count", "must be at least 1"));
    }
    let price = match row.text("on_demand_usd_per_hour") {
        "" => None,
        _ => {
            let whole = history::price(row, "on_demand_usd_per_hour")?;
            // Rounded up: a cost is never taken too low.
            Some(MicroUsd::new((whole.get() + gpus - 1) / gpus))
        }
    };
    Ok(Some(((gpu, place), (row.text("zone"), count), price)))
}

fn since(first: Date, date: Date) -> Option<u64> {
    let days = first.until(date).ok()?.get_days();
    Some(u64::try_from(days).ok()? * 86_400)
}

/// Writes down how the lanes that changed stand now.
fn step(history: &mut History, zones: &[Zones<'_>], changed: &mut BTreeSet<usize>, at_s: u64) {
    for lane in std::mem::take(changed) {
        let names: BTreeSet<&str> = zones[lane].keys().map(|(zone, _)| *zone).collect();
        let gpus = u32::try_from(names.len()).unwrap_or(u32::MAX);
        history.steps.push(Step {
            at_s,
            lane,
            // A lane without GPUs sells nothing, so its price is never seen.
            price: zones[lane]
                .values()
                .min()
                .copied()
                .unwrap_or(MicroUsd::new(1)),
            gpus: gpus.saturating_mul(GPUS_PER_ZONE),
        });
    }
}

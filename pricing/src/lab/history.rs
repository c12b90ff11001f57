//! Supply and prices over time: what a lane costs and how many GPUs it has, from one step to the next.
//!
//! A lane is one card of one grade on one network in one country. Before its first step it has
//! nothing; after its last it stays as it is.

use std::collections::BTreeMap;

use tandem_model::gpu::GpuModel;
use tandem_model::money::MicroUsd;
use tandem_model::network::{Country, Grade, NetworkId};

use super::csv::{Row, Rows, head};
use super::demand::SECONDS_MAX;
use super::problem::LabError;
use super::{gcp, spot::Availability};
use crate::quote::PRICE_MAX;

/// Our own format. A lane is withdrawn by a step with 0 GPUs.
const OWN: &str = "time_s,network,gpu,grade,country,price_usd_per_gpu_hour,gpus";
/// Most GPUs of a lane.
pub const LANE_GPUS_MAX: u32 = 1_000_000;
/// Most lanes.
pub const LANES_MAX: usize = 10_000;
/// Most steps of all lanes.
pub const STEPS_MAX: usize = 4_000_000;

/// What is sold in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// The network.
    pub network: NetworkId,
    /// The card.
    pub gpu: GpuModel,
    /// The grade.
    pub grade: Grade,
    /// The country.
    pub country: Country,
}

impl Lane {
    /// Whether it can be sold as `enterprise`.
    pub fn is_enterprise(&self) -> bool {
        self.grade == Grade::Datacenter && self.gpu.is_a100_or_better()
    }
}

/// From a moment on, a lane costs this and has so many GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The moment, in seconds since the start.
    pub at_s: u64,
    /// Index of the lane.
    pub lane: usize,
    /// What a GPU-hour costs us.
    pub price: MicroUsd,
    /// GPUs that there are, taken or free.
    pub gpus: u32,
}

/// Lanes and their steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The lanes, each once.
    pub lanes: Vec<Lane>,
    /// Steps by time; of two at one time the later counts.
    pub steps: Vec<Step>,
    /// Rows about cards that we do not sell.
    pub left_out: usize,
}

impl History {
    /// Reads a file of our own format or GCP's price changes.
    ///
    /// Fails with the line and column of the first thing that is wrong.
    pub fn parse(name: &str, text: &str) -> Result<Self, LabError> {
        match head(text) {
            OWN => own(&Rows::new(name, OWN, text)),
            gcp::HEADER => gcp::read(&Rows::new(name, gcp::HEADER, text)),
            other => {
                let shown: String = other.chars().take(60).collect();
                let header = gcp::HEADER;
                let text = format!("the first line must be `{OWN}` or `{header}`, not {shown:?}");
                Err(LabError::new(name, 1, "", text))
            }
        }
    }

    /// This and another history as one. A lane of both takes the steps of both.
    pub fn join(mut self, other: Self) -> Self {
        let mut index: BTreeMap<Lane, usize> = self.lanes.iter().cloned().zip(0..).collect();
        let mut moved = Vec::with_capacity(other.lanes.len());
        for lane in other.lanes {
            moved.push(*index.entry(lane.clone()).or_insert_with(|| {
                self.lanes.push(lane);
                self.lanes.len() - 1
            }));
        }
        self.steps.extend(other.steps.into_iter().map(|step| Step {
            lane: moved[step.lane],
            ..step
        }));
        self.left_out += other.left_out;
        self.steps.sort_by_key(|step| step.at_s);
        self
    }

    /// The same with every lane of the trace's cards cut to the share of nodes that was there.
    ///
    /// The trace repeats until `until_s`. Fails where no lane has such a card, and where that would
    /// be more than [`STEPS_MAX`] steps.
    pub fn limited_by(self, trace: &Availability, until_s: u64) -> Result<Self, LabError> {
        let changes = trace.changes(until_s)?;
        let mut steps = Vec::new();
        let mut any = false;
        let mut of_lane: Vec<Vec<Step>> = vec![Vec::new(); self.lanes.len()];
        for step in self.steps {
            of_lane[step.lane].push(step);
        }
        for (lane, own) in self.lanes.iter().zip(of_lane) {
            if trace.gpus.contains(&lane.gpu) {
                any = true;
                steps.extend(trace.cut(&own, &changes));
            } else {
                steps.extend(own);
            }
            if steps.len() > STEPS_MAX {
                return Err(trace.refuse(format!("makes more than {STEPS_MAX} steps")));
            }
        }
        if !any {
            let text = "is about a card that no price file has".to_owned();
            return Err(trace.refuse(text));
        }
        steps.sort_by_key(|step| step.at_s);
        Ok(Self { steps, ..self })
    }

    /// The same, `seconds` later; what is first holds from the start.
    #[must_use]
    pub fn delayed(mut self, seconds: u64) -> Self {
        let first = self.steps.first().map_or(0, |step| step.at_s);
        for step in self.steps.iter_mut().filter(|step| step.at_s > first) {
            step.at_s = step.at_s.saturating_add(seconds);
        }
        self
    }
}

fn own(rows: &Rows<'_>) -> Result<History, LabError> {
    let mut history = History::default();
    let mut index = BTreeMap::new();
    for row in rows.rows() {
        let row = row?;
        let lane = lane(&row)?;
        let next = history.lanes.len();
        let at = *index.entry(lane.clone()).or_insert(next);
        if at == next {
            if next >= LANES_MAX {
                return Err(row.refuse("", format!("more than {LANES_MAX} lanes")));
            }
            history.lanes.push(lane);
        }
        let gpus = row.number("gpus", u64::from(LANE_GPUS_MAX))?;
        history.steps.push(Step {
            at_s: row.number("time_s", SECONDS_MAX)?,
            lane: at,
            price: price(&row, "price_usd_per_gpu_hour")?,
            gpus: u32::try_from(gpus).unwrap_or(LANE_GPUS_MAX),
        });
    }
    history.steps.sort_by_key(|step| step.at_s);
    Ok(history)
}

fn lane(row: &Row<'_>) -> Result<Lane, LabError> {
    let grade = |name: &str| match name {
        "consumer" => Some(Grade::Consumer),
        "datacenter" => Some(Grade::Datacenter),
        _ => None,
    };
    Ok(Lane {
        network: row.parse("network", "the name of a network", NetworkId::parse)?,
        gpu: row.parse("gpu", "a name that means one card", GpuModel::parse)?,
        grade: row.parse("grade", "consumer or datacenter", grade)?,
        country: row.parse("country", "an ISO 3166-1 alpha-2 code", Country::parse)?,
    })
}

/// A price that can be believed: nothing at 0, nothing above the highest price of an offer.
pub(super) fn price(row: &Row<'_>, column: &str) -> Result<MicroUsd, LabError> {
    let believed = |text: &str| {
        let price = MicroUsd::parse_decimal_usd(text).ok()?;
        (price > MicroUsd::ZERO && price <= PRICE_MAX.price()).then_some(price)
    };
    let expected = format!("a price above $0 and at most {}", PRICE_MAX.price());
    row.parse(column, &expected, believed)
}

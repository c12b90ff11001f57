//! What a replay plays on: demand, prices, supply and conversion, and the digests of their texts.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::accept::Conversion;
use super::demand::Demand;
use super::history::History;
use super::problem::LabError;
use super::spot::Availability;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Demand.
    Demand,
    /// Prices and supply.
    Prices,
    /// Availability.
    Supply,
    /// Conversion by price.
    Conversion,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputDigest {
    /// What it was for.
    pub role: Role,
    /// Its name as given.
    pub name: String,
    /// SHA-256 of its text, in hex.
    pub sha256: String,
}

/// Demand, prices and supply to replay on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    pub(super) demand: Demand,
    pub(super) history: History,
    pub(super) conversion: Option<Conversion>,
    pub(super) inputs: Vec<InputDigest>,
    /// Whether the demand is our synthetic set.
    pub(super) synthetic: bool,
}

/// Demand of the set that ships.
const DEMAND: (&str, &str) = (
    "examples/lab/demand.csv",
    include_str!("../../../examples/lab/demand.csv"),
);
/// Prices and supply of the set that ships.
const PRICES: (&str, &str) = (
    "examples/lab/prices.csv",
    include_str!("../../../examples/lab/prices.csv"),
);

/// Files by name and text, as given. What is missing is taken from the set that ships.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files<'a> {
    /// Demand.
    pub demand: Option<(&'a str, &'a str)>,
    /// Prices and supply.
    pub prices: &'a [(String, String)],
    /// Seconds by which the prices begin to change later than the demand.
    pub prices_delay_s: u64,
    /// Availability traces.
    pub supply: &'a [(String, String)],
    /// Conversion by price.
    pub conversion: Option<(&'a str, &'a str)>,
}

impl Scenario {
    /// Reads files. What is missing is taken from the synthetic set that ships.
    ///
    /// Fails with the first thing that is wrong with any of them.
    pub fn read(files: &Files<'_>) -> Result<Self, LabError> {
        let mut inputs = Vec::new();
        let mut note = |role, (name, text): (&str, &str)| {
            inputs.push(InputDigest {
                role,
                name: name.to_owned(),
                sha256: hex(text),
            });
        };
        let demand = files.demand.unwrap_or(DEMAND);
        note(Role::Demand, demand);
        let synthetic = demand.1 == DEMAND.1;
        let demand = Demand::parse(demand.0, demand.1)?;
        let given = files.prices.iter().map(|(name, text)| (&**name, &**text));
        let shipped = files.prices.is_empty().then_some(PRICES);
        let mut history = History::default();
        for prices in given.chain(shipped) {
            note(Role::Prices, prices);
            history = history.join(History::parse(prices.0, prices.1)?);
        }
        history = history.delayed(files.prices_delay_s);
        for (name, text) in files.supply {
            note(Role::Supply, (name, text));
            let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
            let trace = Availability::parse(file, text)?;
            history = history.limited_by(&trace, demand.last_arrival_s())?;
        }
        let conversion = match files.conversion {
            Some(table) => {
                note(Role::Conversion, table);
                Some(Conversion::parse(table.0, table.1)?)
            }
            None => None,
        };
        Ok(Self {
            demand,
            history,
            conversion,
            inputs,
            synthetic,
        })
    }
}

fn hex(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! One row: its values as amounts, counts and texts, all read as integers.

use tandem_model::money::MicroUsd;

use crate::gate::{Defect, Finding};

use super::columns::Columns;
use super::report::Tally;
use super::{Hosts, gpu_info, machines};

/// A price field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing stands there.
    Empty,
    /// A number of dollars.
    Amount(MicroUsd),
    /// Something that is no number.
    Unreadable(String),
}

impl Cell {
    fn read(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Empty;
        }
        match MicroUsd::parse_decimal_usd(text) {
            // What rounds to nothing is not nothing: it is no price either.
            Ok(MicroUsd::ZERO) if text.bytes().any(|b| matches!(b, b'1'..=b'9')) => {
                Self::Unreadable(text.to_owned())
            }
            Ok(amount) => Self::Amount(amount),
            Err(_) => Self::Unreadable(text.to_owned()),
        }
    }
}

/// A row that offers an accelerator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GpuRow {
    pub(super) line: u64,
    /// Machine type; empty for an accelerator without its host.
    pub(super) instance: String,
    pub(super) gpu_name: String,
    /// Accelerators, or the text that is no whole number from 1 to 65,535.
    pub(super) gpus: Result<u16, String>,
    pub(super) memory_mib: Option<u64>,
    pub(super) price: Cell,
    pub(super) spot: Cell,
    pub(super) region: String,
    pub(super) zone: String,
    /// Whether the row had to be put together again.
    pub(super) repaired: bool,
}

/// Micro-units in one: the count is read with the decimals of money.
const ONE: i64 = 1_000_000;

fn count(text: &str) -> Result<u16, String> {
    let read = MicroUsd::parse_decimal_usd(text).map(MicroUsd::get);
    let whole = read.ok().filter(|n| n % ONE == 0).map(|n| n / ONE);
    let count = whole.and_then(|n| u16::try_from(n).ok());
    count
        .filter(|n| *n > 0)
        .ok_or_else(|| text.trim().to_owned())
}

impl GpuRow {
    /// Reads a whole row; none when it offers no accelerator.
    pub(super) fn read(
        values: &[&str],
        line: u64,
        columns: &Columns,
        repaired: bool,
    ) -> Option<Self> {
        let text = |column: usize| values[column].trim().to_owned();
        let optional = |column: Option<usize>| column.map(text).unwrap_or_default();
        let gpu_name = text(columns.gpu_name);
        if gpu_name.is_empty() {
            return None;
        }
        Some(Self {
            line,
            instance: text(columns.instance),
            gpu_name,
            gpus: count(values[columns.gpu_count]),
            memory_mib: columns
                .info
                .and_then(|column| gpu_info::memory_mib(values[column])),
            price: Cell::read(values[columns.price]),
            spot: columns
                .spot
                .map_or(Cell::Empty, |column| Cell::read(values[column])),
            region: text(columns.region),
            zone: optional(columns.zone),
            repaired,
        })
    }
}

/// Takes in a row without an accelerator: its price may be that of a host, and is looked at.
pub(super) fn host(
    values: &[&str],
    line: u64,
    columns: &Columns,
    tally: &mut Tally<'_>,
    hosts: &mut Hosts,
) {
    let price = Cell::read(values[columns.price]);
    let spot = columns
        .spot
        .map_or(Cell::Empty, |column| Cell::read(values[column]));
    for (cell, field, zero) in [
        (&price, "Price", Defect::ZeroPrice),
        (&spot, "SpotPrice", Defect::SpotPriceZero),
    ] {
        let found = match cell {
            Cell::Empty => continue,
            Cell::Unreadable(text) => (Defect::MalformedRow, text.clone(), "not a number"),
            Cell::Amount(amount) => match amount.get() {
                0 => (zero, amount.to_string(), "a machine without a price"),
                ..0 => (
                    Defect::NegativePrice,
                    amount.to_string(),
                    "a price is above 0",
                ),
                _ => continue,
            },
        };
        let (code, value, reason) = found;
        tally.find(line, &Finding::new(code, field, value, reason));
    }
    let instance = values[columns.instance].trim();
    if machines::may_be_host(instance) {
        let zone = columns.zone.unwrap_or(columns.region);
        let key = (instance.to_owned(), values[zone].trim().to_owned());
        hosts.insert(key, (price, spot));
    }
}

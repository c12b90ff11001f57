//! The catalogue's rows, split by kind of card to keep each file readable.

mod datacenter;
mod desktop;
mod hopper;

use super::GpuFacts;

/// Every known card.
pub(super) fn rows() -> impl Iterator<Item = &'static GpuFacts> {
    [desktop::DESKTOP, datacenter::DATACENTER, hopper::HOPPER]
        .into_iter()
        .flatten()
}

//! The catalogue's rows, split by kind of card to keep each file readable.

mod datacenter;
mod desktop;

use super::GpuFacts;

/// Every known card.
pub(super) fn rows() -> impl Iterator<Item = &'static GpuFacts> {
    desktop::DESKTOP.iter().chain(datacenter::DATACENTER)
}

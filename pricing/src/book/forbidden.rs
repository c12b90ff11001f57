//! Which offers rules about places and data forbid: for the record of what was denied.

use tandem_model::gpu::GpuModel;
use tandem_model::network::{Country, Grade};

use super::survey::refusal_of_aisle;
use super::{Ask, Book};
use crate::countries::country_of;
use crate::quote::Refusal;

/// Offers of one card and grade in a country that an ask forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForbiddenStock {
    /// The card.
    pub gpu: GpuModel,
    /// Grade of the hardware.
    pub grade: Grade,
    /// Where it stands.
    pub country: Country,
    /// Offers with a free node, one aisle's.
    pub offers: usize,
}

impl Book {
    /// What an ask would accept by card and grade, and rules forbid by place or kind of data, aisle
    /// by aisle.
    pub fn forbidden(&self, ask: &Ask) -> Vec<ForbiddenStock> {
        let mut found = Vec::new();
        for (aisle, stock) in self.aisles.iter().zip(&self.stocks) {
            let places = match refusal_of_aisle(ask, stock) {
                None => stock.places.set.and(ask.forbidden.of(stock.export)),
                Some(Refusal::DataOnConsumer) => stock.places.set,
                Some(_) => continue,
            };
            for code in places.codes() {
                found.push(ForbiddenStock {
                    gpu: aisle.gpu,
                    grade: aisle.grade,
                    country: country_of(code),
                    offers: self.offers_in(stock.shelves.clone(), code),
                });
            }
        }
        found
    }

    /// Active offers of some shelves in a country.
    fn offers_in(&self, shelves: std::ops::Range<u32>, code: u16) -> usize {
        let shelves = shelves.map(|shelf| &self.summaries[shelf as usize]);
        let sections = shelves
            .filter(|s| s.places.set.contains_code(code))
            .map(|s| &self.sections[s.places.at(code) as usize]);
        sections.map(|section| section.rows.len()).sum()
    }
}

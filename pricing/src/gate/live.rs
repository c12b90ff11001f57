//! The gate for what a network's adapter delivers: offers that will be bought at their word.

use std::collections::BTreeMap;

use tandem_model::offer::Offer;
use tandem_model::time::WorldTime;

use super::{Age, Basis, Card, Defect, Finding, Place, Raw, Refused, Rules, admit};

/// Hundredths of a percent in the whole: a fee above the price itself is an error of unit.
const BASIS_POINTS: u16 = 10_000;

/// A reading of a market after the gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Screened {
    /// Offers that passed, in the order in which they came.
    pub admitted: Vec<Offer>,
    /// How many were refused, by the code of the first reason.
    pub refused: BTreeMap<&'static str, usize>,
}

/// Whether a live offer passes. It is never changed: the network charges what it wrote.
pub fn admit_live(offer: &Offer, now: WorldTime) -> Result<(), Refused> {
    let age = if offer.observed_at > now {
        Age::Future(offer.observed_at.since(now))
    } else {
        Age::Past(now.since(offer.observed_at))
    };
    let raw = Raw {
        card: Card::Known(offer.gpu),
        gpus: offer.gpus_per_node,
        price: offer.price.price(),
        price_basis: Basis::Gpu,
        price_habit: None,
        spot: false,
        on_demand: None,
        place: Place {
            text: offer.country.as_str(),
            country: Some(offer.country),
            city_missing: false,
        },
        age,
    };
    admit(&raw, &Rules::LIVE)?;
    if offer.fee_basis_points > BASIS_POINTS {
        let value = offer.fee_basis_points.to_string();
        let reason = "hundredths of a percent: a fee above the price itself";
        return Err(Refused {
            reason: Finding::new(Defect::FeeInvalid, "fee_basis_points", value, reason),
            others: Vec::new(),
        });
    }
    Ok(())
}

/// Takes the offers of one reading that pass, and counts the others by reason.
pub fn screen(offers: Vec<Offer>, now: WorldTime) -> Screened {
    let mut screened = Screened::default();
    for offer in offers {
        match admit_live(&offer, now) {
            Ok(()) => screened.admitted.push(offer),
            Err(refused) => {
                let code = refused.reason.code.code();
                *screened.refused.entry(code).or_default() += 1;
            }
        }
    }
    screened
}

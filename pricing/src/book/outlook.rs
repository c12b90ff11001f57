//! Where a search gets its prices from: the price of an aisle, and what can be said of it for much
//! less, so that most aisles are counted and passed over without one.

use std::borrow::Borrow;

use tandem_model::money::MicroUsd;
use tandem_model::network::Country;

use super::ask::AislePrice;
use super::shelf::Aisle;
use crate::cost::Line;
use crate::quote::Refusal;

/// What is known of an aisle's offers before their price is worked out, wherever they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing.
    Unknown,
    /// They are not sold: what [`AislePrice::NotSold`] will say.
    NotSold(Refusal),
    /// They are sold.
    Sold {
        /// No useful GPU-hour costs less than this line says.
        useful_min: Line,
        /// Up to this network price every amount is small enough to be multiplied by any number of
        /// GPUs.
        small_up_to: i64,
        /// That of the [`Sale`](super::Sale).
        speed_permille: u32,
        /// That of the [`Sale`](super::Sale).
        price_max: Option<MicroUsd>,
    },
}

/// Where a search gets its prices from.
pub trait Prices {
    /// A price, or a reference to one prepared before.
    type Price: Borrow<AislePrice>;

    /// The price of an aisle's offers in one of the countries that are priced apart, or in all others.
    fn price(&self, aisle: &Aisle, apart: Option<Country>) -> Self::Price;

    /// What is known of the price in all other countries before it is asked for. It must be what
    /// the price will say.
    fn outlook(&self, aisle: &Aisle) -> Outlook;
}

impl<L: Prices> Prices for &L {
    type Price = L::Price;

    fn price(&self, aisle: &Aisle, apart: Option<Country>) -> L::Price {
        (*self).price(aisle, apart)
    }

    fn outlook(&self, aisle: &Aisle) -> Outlook {
        (*self).outlook(aisle)
    }
}

/// A price function of which nothing is known before it is asked.
#[derive(Debug, Clone, Copy)]
pub struct PriceFn<F>(pub F);

impl<P: Borrow<AislePrice>, F: Fn(&Aisle, Option<Country>) -> P> Prices for PriceFn<F> {
    type Price = P;

    fn price(&self, aisle: &Aisle, apart: Option<Country>) -> P {
        (self.0)(aisle, apart)
    }

    fn outlook(&self, _: &Aisle) -> Outlook {
        Outlook::Unknown
    }
}

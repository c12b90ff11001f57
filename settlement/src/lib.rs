//! Decisions about money that was earned: charges now; ledger, rate guard and transfers stand here
//! later. Pure. Chain libraries will live in `rails` and nowhere else.
//!
//! ```
//! use tandem_model::money::{MicroUsd, RatePerGpuHour};
//! use tandem_settlement::charge::charge_step;
//! use tandem_settlement::rates::{Rates, Stretch};
//!
//! let first = RatePerGpuHour::new(MicroUsd::from_cents(200));
//! let rates = Rates { first, later: &[] };
//! let work = Stretch { from_us: 0, gpus: 1 };
//! let first = charge_step(rates, work, 1_800_000_000, MicroUsd::ZERO).unwrap();
//! assert_eq!(first, MicroUsd::from_cents(100));
//! ```

pub mod charge;
pub mod ledger;
pub mod prepaid;
pub mod rates;

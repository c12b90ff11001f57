//! The verifier: a state machine over the exchange, heavy checks as jobs of their own, and the
//! judgement of a report.
//!
//! Pure: time and entropy are arguments. A caller drives it so: [`Session::step`] for every
//! message, [`Session::take_check`] afterwards and [`Check::run`] away from its request path,
//! [`Session::checked`] with the findings, and the `report` message when no check is outstanding.
//! A stored report is judged by [`judge_stored`].

mod check;
mod draw;
mod findings;
mod floors;
mod health;
mod identity;
mod judge;
mod physics;
mod policy;
mod reference;
mod session;
mod together;
mod workload;

#[cfg(test)]
mod tests;

pub use check::{BlockCheck, Check, CheckFindings, RowCheck};
pub use health::{SoakVerdict, judge_soak};
pub use judge::{Live, LiveDevice, judge, judge_stored};
pub use policy::{Facts, MeasuredReference, Policy, Sizing, Thresholds};
pub(crate) use reference::claim_of;
pub use reference::{identify, link_mb_per_s};
pub use session::{Refused, Session};
pub use together::Window;
pub use workload::{audit, full_audit};

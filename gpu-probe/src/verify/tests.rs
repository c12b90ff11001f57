//! An honest prover passes; every forgery is refused for its own reason.

#![allow(clippy::too_many_lines, reason = "an exchange reads best in one piece")]

mod floors;
mod forgeries;
mod format;
mod health;
mod honest;
mod hostile;
mod latency;
mod machine;
mod prover;
mod session;
mod spot;
mod talk;

//! An honest prover passes; every forgery is refused for its own reason.

mod forgeries;
mod format;
mod health;
mod honest;
mod hostile;
mod machine;
mod prover;
mod session;
mod talk;

//! GPUs that are not there: what a sandbox's machines show instead of a card.
//!
//! An emulated card makes the exchange's proofs on the CPU, at sizes that no card would notice,
//! and reports what the catalogue says of its model. **It proves nothing**, and its report says so
//! ([`crate::report::Report::emulated`]): only [`crate::verify::Policy::sandbox`] lets one pass.
//! It exists so that placements, verdicts and lies can be played through on machines without GPUs.

mod card;
pub(crate) mod machine;
mod prover;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tandem_model::gpu::GpuModel;

pub(crate) use card::Card;
pub use prover::{Answer, EmulatedProver, EmulationError};

use crate::report::DEVICES_MAX;

/// The variable that gives an agent emulated cards: JSON of [`EmulatedGpu`].
pub const EMULATED_GPU_VARIABLE: &str = "TANDEM_EMULATED_GPU";
/// Longest value of it, in bytes.
const TEXT_LEN_MAX: usize = 1_024;

/// The emulated cards of a machine, all alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmulatedGpu {
    /// The silicon: its rates are measured.
    pub model: GpuModel,
    /// How many, 1 to 16.
    pub gpus: u8,
    /// The card that the driver is made to show instead of `model`; none without a lie. The bus
    /// goes on showing the real one.
    pub claims: Option<GpuModel>,
    /// Chooses UUIDs, key and noise.
    pub seed: u64,
}

/// How it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    model: String,
    gpus: u8,
    claims: Option<String>,
    seed: u64,
}

/// A text that describes no emulated card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no emulated card: {reason}")]
pub struct EmulatedGpuRefused {
    /// What is wrong with it.
    pub reason: &'static str,
}

impl EmulatedGpu {
    /// Reads `{"model": id, "gpus": n, "claims": id or null, "seed": n}`; ids are the catalogue's.
    ///
    /// # Errors
    /// No such JSON, an unknown id, a number of cards out of 1 to 16.
    pub fn parse(text: &str) -> Result<Self, EmulatedGpuRefused> {
        let refused = |reason| EmulatedGpuRefused { reason };
        if text.len() > TEXT_LEN_MAX {
            return Err(refused("it is longer than 1024 bytes"));
        }
        let written: Written = serde_json::from_str(text)
            .map_err(|_| refused("it is no JSON of `model`, `gpus`, `claims` and `seed`"))?;
        let card = |id: &str| GpuModel::by_id(id).ok_or(refused("the catalogue has no such card"));
        if !(1..=DEVICES_MAX).contains(&usize::from(written.gpus)) {
            return Err(refused("`gpus` is not 1 to 16"));
        }
        Ok(Self {
            model: card(&written.model)?,
            gpus: written.gpus,
            claims: written.claims.as_deref().map(card).transpose()?,
            seed: written.seed,
        })
    }

    /// What [`Self::parse`] reads.
    pub fn to_json(&self) -> String {
        let written = Written {
            model: self.model.id().to_owned(),
            gpus: self.gpus,
            claims: self.claims.map(|model| model.id().to_owned()),
            seed: self.seed,
        };
        serde_json::to_string(&written).unwrap_or_default()
    }
}

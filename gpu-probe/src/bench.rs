//! The benchmarks Q0 to Q10 and what full and soak probes add: one file each.
//!
//! Each works on random, non-zero data (a card runs measurably faster on zeros), takes its samples
//! by CUDA events and by the card's own timer, and keeps all of them. Sizes come from a [`Scale`].
//! What the samples mean is for the verifier to say.

mod bandwidth;
mod card;
mod census;
mod error;
mod fp32;
mod gaps;
mod identity;
mod isa_gate;
mod latency;
mod latency_map;
mod launch;
mod load;
mod loaded;
mod patterns;
mod pcie;
mod peers;
mod scale;
mod sequence;
mod signatures;
mod telemetry;
mod tensor;
mod timing;

pub use bandwidth::driver_copy;
pub use card::Card;
pub use error::{outcome_of, outcome_of_error};
pub use identity::identify;
pub use loaded::{LOAD_VARIABLE, Loaded};
pub use scale::Scale;
pub use sequence::{Progress, STEPS, measure};
pub use signatures::kernel;
pub use tensor::warm_up;
pub use timing::stamped;

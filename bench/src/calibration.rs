//! What this machine does with work that everybody knows, so that machines can be compared.

use sha2::{Digest as _, Sha256};

use crate::sheet::Section;
use crate::times::Times;

/// Rounds, and hashes of each.
const ROUNDS: usize = 1_000;
const HASHES: u32 = 100;

/// The section that stands first in every report.
pub(crate) fn measure() -> Section {
    let mut block = [7_u8; 64];
    let times = Times::of(ROUNDS, || {
        for _ in 0..HASHES {
            let digest = Sha256::digest(block);
            block[..32].copy_from_slice(&digest);
        }
    });
    let mut section = Section::new("Calibration");
    let each = times.median_us() * 1_000.0 / f64::from(HASHES);
    section.figure("SHA-256 of 64 bytes, median", each, "ns");
    section
}

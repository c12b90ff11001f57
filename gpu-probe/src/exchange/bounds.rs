//! Limits of the exchange, and reading a message that may be hostile.

use super::{ProverMessage, RowOpening, VerifierMessage};
use crate::report::{
    DEVICES_MAX, FORMAT_VERSION, FormatRefused, REPORT_BYTES_MAX, TEXT_LEN_MAX,
    check_size_and_depth,
};

/// Most bytes of a message: roots of 4096 passes on 16 devices, or the openings of one device.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Sides of a matrix that are allowed; a power of two between them.
pub const MATRIX_N_MIN: u32 = 256;
/// See [`MATRIX_N_MIN`].
pub const MATRIX_N_MAX: u32 = 8_192;
/// Fewest chained products.
pub const MATRIX_JOBS_MIN: u32 = 8;
/// Most chained products.
pub const MATRIX_JOBS_MAX: u32 = 1_024;
/// Jobs that a verifier opens.
pub const PICKED_JOBS: usize = 8;
/// Rows that a verifier opens of each picked job.
pub const PICKED_ROWS: usize = 8;
/// Most blocks of 1 MiB: 256 GiB.
pub const VRAM_BLOCKS_MAX: u64 = 262_144;
/// Fewest passes.
pub const VRAM_PASSES_MIN: u32 = 40;
/// Most passes.
pub const VRAM_PASSES_MAX: u32 = 4_096;
/// Pairs of pass and block that a verifier opens.
pub const PICKED_BLOCKS: usize = 16;
/// Longest text of an opened row: the base64 of [`MATRIX_N_MAX`] integers of 4 bytes.
pub const ROW_TEXT_LEN_MAX: usize = (MATRIX_N_MAX as usize * 4).div_ceil(3) * 4;
/// Longest Merkle path: `log2` of [`VRAM_BLOCKS_MAX`].
pub const PATH_LEN_MAX: usize = 18;

fn refuse(field: &'static str, reason: &'static str) -> FormatRefused {
    FormatRefused::Field { field, reason }
}

impl ProverMessage {
    /// Reads a message of a prover.
    ///
    /// # Errors
    /// Anything out of the limits of the format, unknown members, another version.
    pub fn parse(text: &[u8]) -> Result<Self, FormatRefused> {
        check_size_and_depth(text, MESSAGE_BYTES_MAX)?;
        let message: Self =
            serde_json::from_slice(text).map_err(|e| FormatRefused::Json(e.to_string()))?;
        message.check()?;
        Ok(message)
    }

    /// Refuses a message that is out of its limits.
    ///
    /// # Errors
    /// The field that is refused, and why.
    pub fn check(&self) -> Result<(), FormatRefused> {
        match self {
            Self::Hello(hello) => {
                if hello.format_version != FORMAT_VERSION {
                    return Err(refuse("format_version", "not a version that is read here"));
                }
                let name_len = hello.devices.iter().map(|d| d.name.len()).max();
                if hello.agent_version.len().max(name_len.unwrap_or(0)) > TEXT_LEN_MAX {
                    return Err(refuse("hello", "a text is too long"));
                }
                if hello.devices.is_empty() || hello.devices.len() > DEVICES_MAX {
                    return Err(refuse("devices", "between 1 and 16 are proven at once"));
                }
                Ok(())
            }
            Self::MatrixOpenings(openings) => {
                let rows = openings.rows.len() > PICKED_JOBS * PICKED_ROWS;
                let is_long = |r: &RowOpening| {
                    r.path.len() > PATH_LEN_MAX || r.values.len() > ROW_TEXT_LEN_MAX
                };
                if rows || openings.rows.iter().any(is_long) {
                    return Err(refuse(
                        "matrix_openings",
                        "more rows, numbers or siblings than asked",
                    ));
                }
                Ok(())
            }
            Self::VramOpenings(openings) => {
                let blocks = openings.blocks.len() > PICKED_BLOCKS;
                let paths = openings.blocks.iter().any(|b| b.path.len() > PATH_LEN_MAX);
                if blocks || paths {
                    return Err(refuse(
                        "vram_openings",
                        "more blocks or siblings than asked",
                    ));
                }
                Ok(())
            }
            Self::Report(signed) => {
                signed.report.check()?;
                // As it would lie in a file.
                let text = serde_json::to_vec(signed);
                let text = text.map_err(|e| FormatRefused::Json(e.to_string()))?;
                check_size_and_depth(&text, REPORT_BYTES_MAX)
            }
            // Their lists must match the plan, which only the session knows.
            Self::MatrixBegin
            | Self::MatrixCommit { .. }
            | Self::VramBegin
            | Self::VramFilled { .. }
            | Self::VramCommit { .. } => Ok(()),
        }
    }
}

impl VerifierMessage {
    /// Reads a message of a verifier.
    ///
    /// # Errors
    /// Anything too large, too deep or not of the format.
    pub fn parse(text: &[u8]) -> Result<Self, FormatRefused> {
        check_size_and_depth(text, MESSAGE_BYTES_MAX)?;
        serde_json::from_slice(text).map_err(|e| FormatRefused::Json(e.to_string()))
    }
}

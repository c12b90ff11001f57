//! The signature of a report: Ed25519 (RFC 8032) over one canonical spelling of it.
//!
//! The signed bytes are [`SIGNATURE_DOMAIN`], a zero byte, and the report as compact JSON: no
//! white space, members in the order of these types, integers in decimal, hex in lower case, and
//! members without a value written as `null`. A receiver reads the report into the types and
//! writes it again, so two spellings of one report have one signature and nothing outside the
//! types can ride along.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Digest, Report};
use crate::hex::HexBytes;

/// Opens what is signed, so that a signature of something else never counts.
pub const SIGNATURE_DOMAIN: &[u8] = b"tandem-probe-report/1";

/// A report and its signature: what travels and is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedReport {
    /// The report.
    pub report: Report,
    /// Ed25519 by the report's own `public_key`.
    pub signature: HexBytes<64>,
}

/// The signature is not that of the report by its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not that of this report by its own public key: sign it again, unchanged")]
pub struct SignatureRefused;

impl Report {
    /// The bytes that are signed.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = SIGNATURE_DOMAIN.to_vec();
        bytes.push(0);
        serde_json::to_writer(&mut bytes, self)
            .expect("plain structs always serialise into memory");
        bytes
    }

    /// Signs, and sets `public_key` to that of `key`.
    pub fn sign(mut self, key: &SigningKey) -> SignedReport {
        self.public_key = HexBytes(key.verifying_key().to_bytes());
        let signature = HexBytes(key.sign(&self.signed_bytes()).to_bytes());
        SignedReport {
            report: self,
            signature,
        }
    }
}

impl SignedReport {
    /// SHA-256 of the report with its signature, both as compact JSON: names what was received.
    pub fn sha256(&self) -> Digest {
        let text = serde_json::to_vec(self).expect("plain structs always serialise into memory");
        HexBytes(Sha256::digest(text).into())
    }

    /// Whether the signature is the report's own; keys of small order are refused.
    ///
    /// # Errors
    /// A key that is no point of the curve, or a signature of other bytes.
    pub fn check_signature(&self) -> Result<(), SignatureRefused> {
        let key =
            VerifyingKey::from_bytes(&self.report.public_key.0).map_err(|_| SignatureRefused)?;
        let signature = Signature::from_bytes(&self.signature.0);
        key.verify_strict(&self.report.signed_bytes(), &signature)
            .map_err(|_| SignatureRefused)
    }
}

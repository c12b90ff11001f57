//! Receipts of what was agreed, and the keys with which they are checked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vault::receipt::ReceiptKey;

/// What was agreed of a job, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptReply {
    /// A JSON Web Signature in compact form (RFC 7515) with Ed25519 (RFC 8037): three parts in
    /// base64url, the second of which is the claims in JSON.
    pub receipt: String,
}

/// The public keys of this installation's receipts, as a JSON Web Key Set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptKeys {
    /// The keys.
    pub keys: Vec<ReceiptKey>,
}

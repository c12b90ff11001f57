//! What was agreed, and what came of a probe, signed: receipts that anyone can check with the
//! installation's public key.
//!
//! A JSON Web Signature in compact form (RFC 7515) with Ed25519 (RFC 8037), so that any JOSE library
//! reads it. The signature is deterministic and everything signed is fixed when the job is accepted
//! or the node judged: a receipt that is made again is the same text.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tandem_model::id::{AccountId, InstallationId, JobId};
use tandem_model::quote::Quote;
use tandem_model::time::WorldTime;
use tandem_model::workload::WorkloadClass;
use tandem_pricing::quote::Considered;

use super::Vault;
use crate::engine::probe::ProbeReceipt;

/// The form of the claims.
const VERSION: u32 = 1;
/// Media type of the claims of [`Receipt`], as the header names it.
const TYPE: &str = "tandem-receipt+jws";
/// The same of [`ProbeReceipt`]: one kind of receipt never passes for the other.
const PROBE_TYPE: &str = "tandem-probe-receipt+jws";

/// What was agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Form of these claims, 1.
    pub version: u32,
    /// The installation that sold.
    pub installation: InstallationId,
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub account: AccountId,
    /// The price.
    pub quote: Quote,
    /// SHA-256 of the workload's text, 64 hex digits.
    pub workload_sha256: String,
    /// What the workload was taken for.
    pub class: WorkloadClass,
    /// Version of the pricing rules.
    pub policy_version: u32,
    /// What the price was chosen from.
    pub considered: Considered,
    /// When it was accepted, in the world's time.
    pub accepted_at: WorldTime,
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claims {
    /// What was agreed of a job.
    Agreed(Box<Receipt>),
    /// What came of the probe of a node.
    Probed(Box<ProbeReceipt>),
}

impl Receipt {
    /// The form that this release writes.
    pub const VERSION: u32 = VERSION;
}

/// A public key of an installation (RFC 7517, RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReceiptKey {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// Id of the key, as in a receipt's header.
    pub kid: String,
    /// The public key: 32 bytes in base64url.
    pub x: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// What every form of claims has.
#[derive(Deserialize)]
struct Form {
    version: u32,
}

/// Why a text is no receipt of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAReceipt {
    /// It has not the form of one.
    #[error("the text has not the form of a receipt")]
    Form,
    /// None of the keys given is the one that its header names.
    #[error("it is signed with a key that is not among those given")]
    UnknownKey,
    /// Its claims are of another form than this release reads.
    #[error(
        "its claims are of version {0}, which this release does not know: check it with a newer one"
    )]
    Version(u32),
    /// The signature is not that of the key.
    #[error("the signature does not fit: it was changed, or never made by this key")]
    Signature,
}

/// The key of receipts, from 32 derived bytes.
pub(super) fn key(seed: &[u8]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed of Ed25519")
}

impl Vault {
    /// Signs what was agreed.
    pub fn receipt(&self, receipt: &Receipt) -> String {
        self.signed(TYPE, &serde_json::to_vec(receipt).expect("plain JSON"))
    }

    /// Signs what came of a probe: the text of a [`ProbeReceipt`], as it is stored.
    pub fn probe_receipt(&self, claims: &str) -> String {
        self.signed(PROBE_TYPE, claims.as_bytes())
    }

    fn signed(&self, kind: &str, claims: &[u8]) -> String {
        let header = Header {
            alg: "EdDSA".into(),
            kid: self.ring.id.clone(),
            typ: kind.into(),
        };
        let header = serde_json::to_vec(&header).expect("plain JSON");
        let header = URL_SAFE_NO_PAD.encode(header);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.ring.receipt.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public key with which receipts are checked.
    pub fn receipt_key(&self) -> ReceiptKey {
        ReceiptKey {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            alg: "EdDSA".into(),
            usage: "sig".into(),
            kid: self.ring.id.clone(),
            x: URL_SAFE_NO_PAD.encode(self.ring.receipt.public_key()),
        }
    }
}

/// Checks a receipt against an installation's public keys, and reads it.
pub fn verify(text: &str, keys: &[ReceiptKey]) -> Result<Claims, NotAReceipt> {
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NotAReceipt::Form);
    let (signed, signature) = text.trim().rsplit_once('.').ok_or(NotAReceipt::Form)?;
    let (header, claims) = signed.split_once('.').ok_or(NotAReceipt::Form)?;
    let header: Header = serde_json::from_slice(&bytes(header)?).map_err(|_| NotAReceipt::Form)?;
    if header.alg != "EdDSA" || ![TYPE, PROBE_TYPE].contains(&header.typ.as_str()) {
        return Err(NotAReceipt::Form);
    }
    let key = keys.iter().find(|key| key.kid == header.kid);
    let key = bytes(&key.ok_or(NotAReceipt::UnknownKey)?.x)?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(signed.as_bytes(), &bytes(signature)?)
        .map_err(|_| NotAReceipt::Signature)?;
    let claims = bytes(claims)?;
    let is_probe = header.typ == PROBE_TYPE;
    let Form { version } = serde_json::from_slice(&claims).map_err(|_| NotAReceipt::Form)?;
    let known = match is_probe {
        true => ProbeReceipt::VERSION,
        false => Receipt::VERSION,
    };
    if version != known {
        return Err(NotAReceipt::Version(version));
    }
    let claims = match is_probe {
        true => serde_json::from_slice(&claims).map(|c| Claims::Probed(Box::new(c))),
        false => serde_json::from_slice(&claims).map(|c| Claims::Agreed(Box::new(c))),
    };
    claims.map_err(|_| NotAReceipt::Form)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use gpu_probe::hex::HexBytes;
    use gpu_probe::report::Kind;
    use gpu_probe::verdict::VerdictOutcome;
    use proptest::prelude::*;
    use tandem_model::id::ProbeId;
    use tandem_model::network::NetworkId;
    use tandem_model::placement::Epoch;
    use tandem_model::secret::Secret;

    use crate::engine::probe::ProbedDevice;

    fn vault(of: &str) -> Vault {
        Vault::new(&Secret::new(of.repeat(32))).unwrap()
    }

    fn receipt() -> Receipt {
        let promise = super::super::quote_token::tests::promise();
        Receipt {
            version: VERSION,
            installation: InstallationId::from_parts(1, &[1; 10]),
            job: JobId::from_parts(1, &[1; 10]),
            account: promise.account,
            quote: promise.quote,
            workload_sha256: promise.workload_sha256,
            class: WorkloadClass::BatchInference,
            policy_version: 1,
            considered: Considered::default(),
            accepted_at: WorldTime::default(),
        }
    }

    #[test]
    fn a_receipt_made_again_is_the_same_and_anyone_with_the_public_key_can_check_it() {
        let vault = vault("11");
        let text = vault.receipt(&receipt());
        assert_eq!(text, vault.receipt(&receipt()));
        let keys = [self::vault("22").receipt_key(), vault.receipt_key()];
        let agreed = Claims::Agreed(Box::new(receipt()));
        assert_eq!(verify(&format!("{text}\n"), &keys), Ok(agreed));
        assert_eq!(verify(&text, &keys[..1]), Err(NotAReceipt::UnknownKey));
    }

    pub(crate) fn probe_receipt() -> ProbeReceipt {
        ProbeReceipt {
            version: ProbeReceipt::VERSION,
            installation: InstallationId::from_parts(1, &[1; 10]),
            probe: ProbeId::from_parts(1, &[1; 10]),
            job: JobId::from_parts(1, &[1; 10]),
            epoch: Epoch(2),
            rank: 1,
            network: NetworkId::from_static("ionet"),
            sold_as: "rtx4090".into(),
            kind: Kind::Quick,
            outcome: VerdictOutcome::Pass,
            accepted: true,
            proof_level: 1,
            speed_permille: Some(940),
            reasons: Vec::new(),
            devices: vec![ProbedDevice {
                uuid: HexBytes([7; 16]),
                model: Some("rtx4090".into()),
                failed: false,
            }],
            challenge_id: Some(HexBytes([8; 16])),
            report_sha256: Some(HexBytes([9; 32])),
            judged_at: WorldTime::from_micros(5),
        }
    }

    #[test]
    fn no_character_of_a_receipt_can_be_changed() {
        let vault = vault("11");
        let probe = serde_json::to_string(&probe_receipt()).unwrap();
        let texts = [vault.receipt(&receipt()), vault.probe_receipt(&probe)];
        let keys = [vault.receipt_key()];
        assert_eq!(
            verify(&texts[1], &keys),
            Ok(Claims::Probed(Box::new(probe_receipt())))
        );
        // The last character of 64 bytes in base64 carries four bits that mean nothing; the decoder
        // refuses all but one form of them.
        for (text, at) in texts
            .iter()
            .flat_map(|text| (0..text.len()).map(move |at| (text, at)))
        {
            let other = if text.as_bytes()[at] == b'A' {
                'B'
            } else {
                'A'
            };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(verify(&changed, &keys).is_err(), "{at}");
        }
    }

    #[test]
    fn a_receipt_of_one_kind_does_not_pass_for_the_other() {
        let vault = vault("11");
        let probe = serde_json::to_string(&probe_receipt()).unwrap();
        let swapped = vault.signed(TYPE, probe.as_bytes());
        assert_eq!(
            verify(&swapped, &[vault.receipt_key()]),
            Err(NotAReceipt::Form)
        );
        // Two receipts that share a signature's parts.
        let (agreed, probed) = (vault.receipt(&receipt()), vault.probe_receipt(&probe));
        let (_, rest) = agreed.split_once('.').unwrap();
        let (head, _) = probed.split_once('.').unwrap();
        let mixed = format!("{head}.{rest}");
        assert_eq!(
            verify(&mixed, &[vault.receipt_key()]),
            Err(NotAReceipt::Signature)
        );
    }

    #[test]
    fn claims_of_another_version_are_refused_for_that_whatever_else_they_say() {
        let vault = vault("11");
        let keys = [vault.receipt_key()];
        let mut agreed = receipt();
        agreed.version = 2;
        let mut probed = probe_receipt();
        probed.version = 0;
        let probed = serde_json::to_string(&probed).unwrap();
        let other = r#"{"version":7,"said":"in words of its own"}"#;
        for (text, version) in [
            (vault.receipt(&agreed), 2),
            (vault.probe_receipt(&probed), 0),
            (vault.probe_receipt(other), 7),
            (vault.signed(TYPE, other.as_bytes()), 7),
        ] {
            assert_eq!(verify(&text, &keys), Err(NotAReceipt::Version(version)));
        }
        let none = vault.probe_receipt(r#"{"said":"without a version"}"#);
        assert_eq!(verify(&none, &keys), Err(NotAReceipt::Form));
        // Who did not sign it is told that first.
        let strange = self::vault("22").receipt(&agreed);
        assert_eq!(verify(&strange, &keys), Err(NotAReceipt::UnknownKey));
    }

    #[test]
    fn another_key_under_the_same_name_does_not_pass() {
        let vault = vault("11");
        let mut key = self::vault("22").receipt_key();
        key.kid = vault.receipt_key().kid;
        let text = vault.receipt(&receipt());
        assert_eq!(verify(&text, &[key]), Err(NotAReceipt::Signature));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[A-Za-z0-9._-]{0,200}") {
            prop_assert!(verify(&text, &[vault("11").receipt_key()]).is_err());
        }
    }
}

//! What is done with the installation's master key: secrets sealed, agents' tokens, quotes' MACs,
//! receipts and the hashes of API keys, each under a key of its own.
//!
//! Keys are derived with HKDF-SHA256 (RFC 5869), so that none tells of another. Every text that is
//! made carries the id of its master key, so that one of another key is told from a changed one.

pub mod api_key;
mod base62;
pub mod first_admin;
pub mod quote_token;
pub mod receipt;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::{hkdf, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;

use crate::engine::probe::moments::MomentKey;

/// Length of a master key in bytes.
pub const MASTER_KEY_BYTES: usize = 32;
/// First part of every text that a vault makes.
const FORM: &str = "v1";
/// Separates our derivations from any other use of the same key.
const SALT: &[u8] = b"tandem vault v1";
/// Length of a key's id in bytes; hexadecimal in texts.
const KEY_ID_BYTES: usize = 4;

/// The master key is not 32 bytes in hexadecimal or base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is {MASTER_KEY_BYTES} bytes, written as 64 hex digits or as base64")]
pub struct NotAMasterKey;

/// A sealed text was not made by this vault for this purpose, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not sealed by this installation's key for this purpose")]
pub struct CannotOpen;

/// The keys derived from one master key.
struct Ring {
    id: String,
    seal: RandomizedNonceKey,
    agent: hmac::Key,
    quote: hmac::Key,
    api_key: hmac::Key,
    receipt: Ed25519KeyPair,
    moments: [u8; MASTER_KEY_BYTES],
}

/// The installation's keys. Prints nothing of them.
pub struct Vault {
    ring: Ring,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.ring.id)
    }
}

/// A new random master key, as 64 hex digits.
pub fn fresh_master_key() -> Secret {
    Secret::new(hex(&random::<MASTER_KEY_BYTES>()))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let all_hex = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    all_hex.then(|| {
        let byte = |pair: &[u8]| {
            let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0);
            pair.iter().fold(0, |n, b| n << 4 | digit(*b)).to_le_bytes()[0]
        };
        pairs.map(byte).collect()
    })
}

fn master_bytes(key: &Secret) -> Result<[u8; MASTER_KEY_BYTES], NotAMasterKey> {
    let text = key.expose().trim();
    let bytes = unhex(text)
        .filter(|bytes| bytes.len() == MASTER_KEY_BYTES)
        .or_else(|| STANDARD.decode(text).ok())
        .or_else(|| URL_SAFE_NO_PAD.decode(text).ok());
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(NotAMasterKey)
}

impl Ring {
    fn new(master: &Secret) -> Result<Self, NotAMasterKey> {
        let master = master_bytes(master)?;
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(&master);
        let derive = |purpose: &str| {
            let mut key = [0; MASTER_KEY_BYTES];
            root.expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
                .and_then(|derived| derived.fill(&mut key))
                .expect("32 bytes are within what HKDF-SHA256 gives");
            key
        };
        let mac = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &derive(purpose));
        Ok(Self {
            id: hex(&derive("key id")[..KEY_ID_BYTES]),
            seal: RandomizedNonceKey::new(&AES_256_GCM, &derive("seal"))
                .expect("AES-256 takes 32 bytes"),
            agent: mac("agent token"),
            quote: mac("quote"),
            api_key: mac("api key"),
            receipt: receipt::key(&derive("receipt")),
            moments: derive("probe moments"),
        })
    }
}

/// Fields joined so that no two lists of fields give the same bytes.
fn joined(fields: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for field in fields {
        all.extend_from_slice(&(field.len() as u64).to_be_bytes());
        all.extend_from_slice(field);
    }
    all
}

fn agent_claim(job: JobId, epoch: Epoch) -> Vec<u8> {
    joined(&[job.uuid().as_bytes(), &epoch.0.to_be_bytes()])
}

impl Vault {
    /// A vault with a master key of 32 bytes, in hexadecimal or base64.
    pub fn new(master: &Secret) -> Result<Self, NotAMasterKey> {
        Ok(Self {
            ring: Ring::new(master)?,
        })
    }

    /// The rest of `v1.<key id>.<rest>` when it is of this master key.
    fn own<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (id, rest) = text
            .strip_prefix(FORM)?
            .strip_prefix('.')?
            .split_once('.')?;
        (id == self.ring.id).then_some(rest)
    }

    /// The key by which the moments of probes are drawn.
    pub fn moment_key(&self) -> MomentKey {
        MomentKey::new(self.ring.moments)
    }

    /// Seals a text for a purpose: `v1.<key id>.<base64 of nonce, ciphertext and tag>`. Only the
    /// same purpose opens it.
    fn seal_for(&self, plain: &Secret, purpose: &[&[u8]]) -> String {
        let mut sealed = plain.expose().as_bytes().to_vec();
        let nonce = self
            .ring
            .seal
            .seal_in_place_append_tag(Aad::from(joined(purpose)), &mut sealed)
            .expect("AES-GCM seals texts of this size");
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        format!("{FORM}.{}.{}", self.ring.id, URL_SAFE_NO_PAD.encode(bytes))
    }

    fn open_for(&self, sealed: &str, purpose: &[&[u8]]) -> Result<Secret, CannotOpen> {
        let rest = self.own(sealed).ok_or(CannotOpen)?;
        let mut bytes = URL_SAFE_NO_PAD.decode(rest).map_err(|_| CannotOpen)?;
        if bytes.len() < NONCE_LEN {
            return Err(CannotOpen);
        }
        let nonce =
            Nonce::try_assume_unique_for_key(&bytes[..NONCE_LEN]).map_err(|_| CannotOpen)?;
        let plain = self
            .ring
            .seal
            .open_in_place(nonce, Aad::from(joined(purpose)), &mut bytes[NONCE_LEN..])
            .map_err(|_| CannotOpen)?;
        let text = std::str::from_utf8(plain).map_err(|_| CannotOpen)?;
        Ok(Secret::new(text))
    }

    /// Seals the value of a job's secret; it opens only for the same job and name.
    pub fn seal(&self, job: JobId, name: &str, value: &Secret) -> String {
        self.seal_for(value, &[b"secret", job.uuid().as_bytes(), name.as_bytes()])
    }

    /// Opens the value of a job's secret.
    pub fn open(&self, job: JobId, name: &str, sealed: &str) -> Result<Secret, CannotOpen> {
        self.open_for(sealed, &[b"secret", job.uuid().as_bytes(), name.as_bytes()])
    }

    /// Seals an answer that holds a secret, so that it can be kept for an idempotency key.
    pub fn seal_answer(&self, whose: &[u8], answer: &Secret) -> String {
        self.seal_for(answer, &[b"answer", whose])
    }

    /// Opens an answer that was kept.
    pub fn open_answer(&self, whose: &[u8], sealed: &str) -> Result<Secret, CannotOpen> {
        self.open_for(sealed, &[b"answer", whose])
    }

    /// The token by which the agents of an attempt prove themselves. Each attempt has its own, so
    /// a machine that was left cannot speak for the next one.
    pub fn agent_token(&self, job: JobId, epoch: Epoch) -> Secret {
        let tag = hmac::sign(&self.ring.agent, &agent_claim(job, epoch));
        Secret::new(format!("{FORM}.{}.{}", self.ring.id, hex(tag.as_ref())))
    }

    /// Whether a text is the token of an attempt; compared in constant time.
    pub fn is_agent_token(&self, text: &str, job: JobId, epoch: Epoch) -> bool {
        let tag = self.own(text).and_then(unhex);
        let claim = agent_claim(job, epoch);
        tag.is_some_and(|tag| hmac::verify(&self.ring.agent, &claim, &tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn vault() -> Vault {
        Vault::new(&Secret::new(MASTER)).unwrap()
    }

    fn job(n: u64) -> JobId {
        JobId::from_parts(n, &[1; 10])
    }

    #[test]
    fn a_master_key_is_32_bytes_in_hex_or_base64_and_never_prints() {
        let base64 = STANDARD.encode(unhex(MASTER).unwrap());
        let same = Vault::new(&Secret::new(format!(" {base64}\n"))).unwrap();
        let token = vault().agent_token(job(1), Epoch(1));
        assert!(same.is_agent_token(token.expose(), job(1), Epoch(1)));
        for bad in ["", "00", &MASTER[..62], &format!("{MASTER}00"), "zz"] {
            assert!(Vault::new(&Secret::new(bad)).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", vault()).contains("0001"));
        assert_ne!(fresh_master_key(), fresh_master_key());
        assert!(Vault::new(&fresh_master_key()).is_ok());
    }

    #[test]
    fn a_sealed_secret_opens_for_its_own_job_and_name_and_nothing_else() {
        let vault = vault();
        let secret = Secret::new("hunter2");
        let sealed = vault.seal(job(1), "TOKEN", &secret);
        assert_eq!(vault.open(job(1), "TOKEN", &sealed), Ok(secret.clone()));
        assert!(!sealed.contains("hunter2"));
        assert_ne!(
            sealed,
            vault.seal(job(1), "TOKEN", &secret),
            "a fresh nonce each time"
        );
        assert!(vault.open(job(2), "TOKEN", &sealed).is_err());
        assert!(vault.open(job(1), "OTHER", &sealed).is_err());
        assert!(vault.open_answer(b"TOKEN", &sealed).is_err());
        let empty = vault.seal(job(1), "E", &Secret::new(""));
        assert_eq!(vault.open(job(1), "E", &empty), Ok(Secret::new("")));
    }

    #[test]
    fn every_changed_character_of_a_sealed_text_is_noticed() {
        let vault = vault();
        let sealed = vault.seal(job(1), "A", &Secret::new("x"));
        for (at, was) in sealed.char_indices() {
            let changed = if was == 'A' { 'B' } else { 'A' };
            let text = format!("{}{changed}{}", &sealed[..at], &sealed[at + 1..]);
            assert!(vault.open(job(1), "A", &text).is_err(), "{text}");
        }
        for bad in ["", "v1", "v1..", "v2.00.00", &sealed[..sealed.len() - 4]] {
            assert!(vault.open(job(1), "A", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_agents_token_is_that_of_its_attempt_alone() {
        let vault = vault();
        let token = vault.agent_token(job(1), Epoch(1));
        assert!(vault.is_agent_token(token.expose(), job(1), Epoch(1)));
        assert!(!vault.is_agent_token(token.expose(), job(1), Epoch(2)));
        assert!(!vault.is_agent_token(token.expose(), job(2), Epoch(1)));
        let cut = &token.expose()[..token.expose().len() - 2];
        for bad in ["", "v1", cut, &format!("{}00", token.expose()), "v1.00.ß"] {
            assert!(!vault.is_agent_token(bad, job(1), Epoch(1)), "{bad}");
        }
    }

    #[test]
    fn what_another_master_key_made_is_not_read() {
        let before = vault();
        let sealed = before.seal(job(1), "A", &Secret::new("x"));
        let token = before.agent_token(job(1), Epoch(1));
        let other = Vault::new(&fresh_master_key()).unwrap();
        assert!(other.open(job(1), "A", &sealed).is_err());
        assert!(!other.is_agent_token(token.expose(), job(1), Epoch(1)));
    }
}

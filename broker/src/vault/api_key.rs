//! API keys: `tdm_`, then the key's id (22 characters), 256 random bits (43) and a checksum (6),
//! all base62. The one underscore lets a double click select a key whole, and the checksum lets
//! scanners and this parser refuse look-alikes without asking anybody.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use tandem_model::id::ApiKeyId;
use tandem_model::secret::Secret;

use super::{Vault, base62, random};

/// Start of every key.
pub const PREFIX: &str = "tdm_";
const ID_CHARS: usize = base62::length_of(16);
const SECRET_BYTES: usize = 32;
const CHECKSUM_CHARS: usize = base62::length_of(4);
/// Characters of a key.
pub const KEY_CHARS: usize =
    PREFIX.len() + ID_CHARS + base62::length_of(SECRET_BYTES) + CHECKSUM_CHARS;

/// The text has not the form of an API key, or was mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an API key: it has {KEY_CHARS} characters, starts with `{PREFIX}` and ends with a checksum"
)]
pub struct NotAKey;

/// CRC-32 as in ISO 3309 (the one of gzip and PNG).
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let step = |crc: u32, _| crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn checksum(body: &str) -> String {
    base62::encode(&crc32(body.as_bytes()).to_be_bytes())
}

/// Makes the text of a new key with this id.
pub fn fresh(id: ApiKeyId) -> Secret {
    let mut text = PREFIX.to_owned();
    let secret = random::<SECRET_BYTES>();
    text.push_str(&base62::encode(id.uuid().as_bytes()));
    text.push_str(&base62::encode(&secret));
    let check = checksum(&text);
    text.push_str(&check);
    Secret::new(text)
}

/// The id in a key's text, when its form and checksum are right. Whether the key exists is for the
/// store to say.
pub fn id_of(text: &str) -> Result<ApiKeyId, NotAKey> {
    if text.len() != KEY_CHARS || !text.is_ascii() || !text.starts_with(PREFIX) {
        return Err(NotAKey);
    }
    let (body, check) = text.split_at(KEY_CHARS - CHECKSUM_CHARS);
    let (id, secret) = body[PREFIX.len()..].split_at(ID_CHARS);
    let id: [u8; 16] = base62::decode(id).ok_or(NotAKey)?;
    base62::decode::<SECRET_BYTES>(secret).ok_or(NotAKey)?;
    if checksum(body) != check {
        return Err(NotAKey);
    }
    let mut name = format!("{}_", ApiKeyId::PREFIX);
    for byte in id {
        let _ = write!(name, "{byte:02x}");
    }
    name.parse().map_err(|_| NotAKey)
}

impl Vault {
    /// What is stored of a key: a keyed SHA-256, 32 bytes. Keys are random, so a slow hash would
    /// protect nothing more.
    pub fn api_key_hash(&self, key: &Secret) -> Vec<u8> {
        let tag = hmac::sign(&self.ring.api_key, key.expose().as_bytes());
        tag.as_ref().to_vec()
    }

    /// Whether a key has a stored hash; compared in constant time.
    pub fn is_api_key(&self, key: &Secret, hash: &[u8]) -> bool {
        let text = key.expose().as_bytes();
        hmac::verify(&self.ring.api_key, text, hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> ApiKeyId {
        ApiKeyId::from_parts(7, &[9; 10])
    }

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_key_tells_its_id_and_a_mistyped_one_is_refused() {
        let key = fresh(id());
        let text = key.expose();
        assert_eq!((text.len(), KEY_CHARS), (75, 75));
        assert_eq!(id_of(text), Ok(id()));
        assert_eq!(text.matches('_').count(), 1);
        for at in 0..text.len() {
            let was = text.as_bytes()[at];
            let other = if was == b'x' { 'y' } else { 'x' };
            let typo = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(id_of(&typo), Err(NotAKey), "{typo}");
        }
        for bad in [
            "",
            "tdm_",
            &text[1..],
            &text[..74],
            &format!("{text}0"),
            "sk_live_x",
        ] {
            assert_eq!(id_of(bad), Err(NotAKey), "{bad}");
        }
        assert_ne!(fresh(id()), fresh(id()));
    }

    #[test]
    fn only_the_key_itself_has_its_hash() {
        let vault = Vault::new(&super::super::fresh_master_key()).unwrap();
        let key = fresh(id());
        let hash = vault.api_key_hash(&key);
        assert_eq!(hash.len(), 32);
        assert!(vault.is_api_key(&key, &hash));
        assert!(!vault.is_api_key(&fresh(id()), &hash));
        assert!(!vault.is_api_key(&key, &[]));
        let other = Vault::new(&super::super::fresh_master_key()).unwrap();
        assert!(
            !other.is_api_key(&key, &hash),
            "another installation's pepper"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,90}") {
            let _ = id_of(&text);
        }

        #[test]
        fn no_text_of_the_right_form_makes_the_parser_panic(text in "tdm_[0-9A-Za-z]{71}") {
            prop_assert_eq!(id_of(&text), Err(NotAKey));
        }
    }
}

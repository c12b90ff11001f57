//! The single-use token of the Aethir-style API: made by the client, verified by the server.
//!
//! Format: `base64url(header).base64url(payload).base64url(HMAC-SHA256("header.payload", secret
//! key))` without padding, as Aethir documents it for its licence rewards API; our own rules on
//! top of it are that `exp` lies at most 60 s ahead and that a nonce is used once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tandem_model::secret::Secret;
use tandem_model::time::WallTime;

/// Header naming the access key.
pub const ACCESS_KEY_HEADER: &str = "x-ak";
/// Header carrying the token.
pub const TOKEN_HEADER: &str = "x-op-token";
/// Furthest that `exp` may lie ahead, in milliseconds.
pub const TOKEN_LIFE_MS_MAX: u64 = 60_000;
/// How far ahead our own tokens expire, in milliseconds.
const TOKEN_LIFE_MS: u64 = 30_000;
/// Longest token in bytes.
const TOKEN_BYTES_MAX: usize = 2_048;
const ALGORITHM: &str = "HS256";
const TOKEN_TYPE: &str = "CHK_OP";

/// First part of a token.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
}

/// Second part of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Access key.
    pub ak: String,
    /// When it expires, in milliseconds since 1970.
    pub exp: u64,
    /// Single-use text.
    pub nonce: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url JSON, or another algorithm or type.
    #[error("the token is malformed")]
    Malformed,
    /// Its signature is not ours.
    #[error("the token's signature is wrong")]
    Signature,
    /// It names another access key than the header.
    #[error("the token names another access key")]
    AccessKey,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It expires too far ahead.
    #[error("the token expires more than 60 s ahead")]
    TooFarAhead,
}

fn mac(secret_key: &Secret, signed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret_key.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    mac
}

/// Makes a token for one request; the same `nonce` must never be given twice for one access key.
pub fn make(access_key: &str, secret_key: &Secret, wall: WallTime, nonce: &str) -> String {
    let header = Header {
        alg: ALGORITHM.to_owned(),
        typ: TOKEN_TYPE.to_owned(),
    };
    let claims = Claims {
        ak: access_key.to_owned(),
        exp: wall.unix_ms().saturating_add(TOKEN_LIFE_MS),
        nonce: nonce.to_owned(),
    };
    let header = serde_json::to_vec(&header).expect("two texts serialise");
    let claims = serde_json::to_vec(&claims).expect("texts and a number serialise");
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = mac(secret_key, &signed).finalize().into_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Verifies a token against the access key of the request's header.
///
/// The signature is compared in constant time, before the payload is read. That the nonce was not
/// used before is for the caller to check: keep those of tokens that have not expired.
pub fn verify(
    token: &str,
    access_key: &str,
    secret_key: &Secret,
    wall: WallTime,
) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| TokenError::Malformed)?;
    mac(secret_key, signed)
        .verify_slice(&signature)
        .map_err(|_| TokenError::Signature)?;
    let header: Header = part(header)?;
    if header.alg != ALGORITHM || header.typ != TOKEN_TYPE {
        return Err(TokenError::Malformed);
    }
    let claims: Claims = part(payload)?;
    let now = wall.unix_ms();
    match claims {
        _ if claims.ak != access_key => Err(TokenError::AccessKey),
        _ if claims.exp <= now => Err(TokenError::Expired),
        _ if claims.exp - now > TOKEN_LIFE_MS_MAX => Err(TokenError::TooFarAhead),
        claims => Ok(claims),
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const NOW: WallTime = WallTime::from_micros(1_790_000_000_000_000);

    fn secret() -> Secret {
        Secret::new("sk")
    }

    #[test]
    fn a_token_is_accepted_until_it_expires() {
        let token = make("ak", &secret(), NOW, "n1");
        let claims = verify(&token, "ak", &secret(), NOW).unwrap();
        assert_eq!((claims.ak.as_str(), claims.nonce.as_str()), ("ak", "n1"));
        let late = NOW.after(Duration::from_millis(TOKEN_LIFE_MS));
        assert_eq!(
            verify(&token, "ak", &secret(), late),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn another_key_another_caller_and_a_far_expiry_are_refused() {
        let token = make("ak", &secret(), NOW, "n1");
        let wrong = verify(&token, "ak", &Secret::new("other"), NOW);
        assert_eq!(wrong, Err(TokenError::Signature));
        assert_eq!(
            verify(&token, "b", &secret(), NOW),
            Err(TokenError::AccessKey)
        );
        let future = make("ak", &secret(), NOW.after(Duration::from_secs(90)), "n1");
        assert_eq!(
            verify(&future, "ak", &secret(), NOW),
            Err(TokenError::TooFarAhead)
        );
    }

    #[test]
    fn another_algorithm_is_refused_even_when_it_is_signed() {
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"CHK_OP"}"#);
        let payload = URL_SAFE_NO_PAD.encode(br#"{"ak":"ak","exp":1790000010000,"nonce":"n"}"#);
        let signed = format!("{header}.{payload}");
        let signature = mac(&secret(), &signed).finalize().into_bytes();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(
            verify(&token, "ak", &secret(), NOW),
            Err(TokenError::Malformed)
        );
    }

    proptest! {
        #[test]
        fn a_changed_token_is_never_accepted(at in 0usize..200, byte in 0x21u8..0x7f) {
            let token = make("ak", &secret(), NOW, "n1");
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            if changed != token {
                prop_assert!(verify(&changed, "ak", &secret(), NOW).is_err());
            }
        }

        #[test]
        fn no_text_makes_the_verifier_panic(text in ".{0,120}") {
            let _ = verify(&text, "ak", &secret(), NOW);
        }
    }
}

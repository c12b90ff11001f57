//! Quotes that nobody stores: the quote itself travels with the customer, under a MAC.
//!
//! `v1.<key id>.<day>.<base64url of JSON>.<base64url of HMAC-SHA256>`. The MAC covers everything
//! before it, so neither the price nor whose it is can be changed. Its key is another one each day,
//! that on which the quote expires, counted from 1970 in UTC: every broker with the master key derives
//! the same, and who learns the key of a day can make no quote of another.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tandem_model::id::AccountId;
use tandem_model::network::Country;
use tandem_model::quote::Quote;
use tandem_model::workload::Tier;
use tandem_pricing::quote::Considered;

use super::{FORM, Vault};

/// Longest token in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1_024;

/// What a token promises, to whom, for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The price.
    pub quote: Quote,
    /// Who asked for it; nobody else can take it.
    pub account: AccountId,
    /// SHA-256 of the workload's text, 64 hex digits.
    pub workload_sha256: String,
    /// The tier sold.
    pub tier: Tier,
    /// Where the account was established when it asked.
    #[serde(default)]
    pub customer_country: Option<Country>,
    /// Version of the pricing rules.
    pub policy_version: u32,
    /// What it was chosen from.
    pub considered: Considered,
}

/// The text is not a quote of this installation, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a quote of this broker, or was changed")]
pub struct NotAQuote;

impl Vault {
    /// Makes the token of a quote.
    pub fn quote_token(&self, promise: &Promise) -> String {
        let json = serde_json::to_vec(promise).expect("a quote is plain JSON");
        let day = day_of(promise);
        let json = URL_SAFE_NO_PAD.encode(json);
        let body = format!("{FORM}.{}.{day}.{json}", self.ring.id);
        let tag = hmac::sign(&self.quote_key(day), body.as_bytes());
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Reads a token. Whether it has expired, and whose it is, is for the caller to ask.
    pub fn promise(&self, token: &str) -> Result<Promise, NotAQuote> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(NotAQuote);
        }
        let (day, _) = self
            .own(token)
            .and_then(|t| t.split_once('.'))
            .ok_or(NotAQuote)?;
        let day: i64 = day.parse().map_err(|_| NotAQuote)?;
        let (body, tag) = token.rsplit_once('.').ok_or(NotAQuote)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| NotAQuote)?;
        hmac::verify(&self.quote_key(day), body.as_bytes(), &tag).map_err(|_| NotAQuote)?;
        let (_, payload) = body.rsplit_once('.').ok_or(NotAQuote)?;
        let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| NotAQuote)?;
        let promise: Promise = serde_json::from_slice(&json).map_err(|_| NotAQuote)?;
        (day_of(&promise) == day)
            .then_some(promise)
            .ok_or(NotAQuote)
    }

    /// The key of the quotes that expire on a day.
    fn quote_key(&self, day: i64) -> hmac::Key {
        let derived = hmac::sign(&self.ring.quote, &day.to_be_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }
}

/// The day on which a quote expires, from 1970 in UTC.
fn day_of(promise: &Promise) -> i64 {
    const DAY_US: i64 = 86_400_000_000;
    promise.quote.expires_at.micros().div_euclid(DAY_US)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use tandem_model::id::QuoteId;
    use tandem_model::money::{MicroUsd, RatePerGpuHour};
    use tandem_model::offer::OfferId;
    use tandem_model::secret::Secret;
    use tandem_model::time::WallTime;

    fn vault() -> Vault {
        Vault::new(&Secret::new("11".repeat(32))).unwrap()
    }

    pub(in crate::vault) fn promise() -> Promise {
        Promise {
            customer_country: None,
            quote: Quote {
                id: QuoteId::from_parts(1, &[1; 10]),
                tier: Tier::Consumer,
                offer: OfferId("ionet/caas/1".into()),
                rate: RatePerGpuHour::new(MicroUsd::from_cents(40)),
                gpus: 2,
                term_seconds: 86_400,
                replacement_rate_max: RatePerGpuHour::new(MicroUsd::from_cents(60)),
                renewal_rate_max: None,
                not_to_exceed: MicroUsd::from_cents(1_920),
                lines: Vec::new(),
                token_legs: Vec::new(),
                tax_country: None,
                promotion: None,
                objectives: None,
                expires_at: WallTime::from_micros(5),
            },
            account: AccountId::from_parts(1, &[2; 10]),
            workload_sha256: "ab".repeat(32),
            tier: Tier::Consumer,
            policy_version: 1,
            considered: Considered::default(),
        }
    }

    #[test]
    fn a_quote_comes_back_as_it_was_and_no_character_of_it_can_be_changed() {
        let vault = vault();
        let token = vault.quote_token(&promise());
        assert_eq!(vault.promise(&token), Ok(promise()));
        assert!(token.len() < TOKEN_BYTES_MAX / 4, "{}", token.len());
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'A' {
                'B'
            } else {
                'A'
            };
            let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            assert_eq!(vault.promise(&changed), Err(NotAQuote), "{at}");
        }
        let other = Vault::new(&Secret::new("22".repeat(32))).unwrap();
        assert_eq!(other.promise(&token), Err(NotAQuote));
        assert_eq!(
            vault.promise(&"A".repeat(TOKEN_BYTES_MAX + 1)),
            Err(NotAQuote)
        );
    }

    #[test]
    fn the_key_of_a_day_makes_no_quote_of_another() {
        let vault = vault();
        let mut later = promise();
        later.quote.expires_at = WallTime::from_micros(3 * 86_400_000_000 + 7);
        let token = vault.quote_token(&later);
        assert!(token.contains(".3."), "{token}");
        assert_eq!(vault.promise(&token), Ok(later.clone()));
        // As somebody would make it who has the key of the first day alone.
        let json = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&later).unwrap());
        for day in [0, 3] {
            let body = format!("{FORM}.{}.{day}.{json}", vault.ring.id);
            let tag = hmac::sign(&vault.quote_key(0), body.as_bytes());
            let forged = format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag));
            assert_eq!(vault.promise(&forged), Err(NotAQuote), "{day}");
        }
        let today = vault.quote_token(&promise());
        assert_eq!(
            vault.promise(&today.replacen(".0.", ".00.", 1)),
            Err(NotAQuote)
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(v1\\.[0-9a-f]{8}\\.[0-9]{1,20}\\.)?[A-Za-z0-9._-]{0,200}") {
            prop_assert_eq!(vault().promise(&text), Err(NotAQuote));
        }
    }
}

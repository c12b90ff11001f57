//! What tokens cost, and what networks are paid in them.

use serde::{Deserialize, Serialize};

use crate::money::{MicroUsd, Token};
use crate::network::NetworkId;
use crate::time::WallTime;

impl Token {
    /// The token in which a network is paid; none for a network that is not known to take one.
    pub fn of_network(network: &NetworkId) -> Option<Self> {
        match network.as_str() {
            "ionet" => Some(Self::Io),
            "aethir" => Some(Self::Ath),
            _ => None,
        }
    }

    /// Base units worth an amount at a price of one token, rounded up: what must be at hand to pay
    /// it. None when the amount is negative, the price zero, or a product beyond 128 bits.
    pub fn base_units(self, amount: MicroUsd, nano_usd_per_token: u64) -> Option<u128> {
        let nano_usd = u128::try_from(amount.get()).ok()? * 1_000;
        let units = nano_usd.checked_mul(10u128.pow(self.decimals()))?;
        let price = u128::from(nano_usd_per_token);
        (price > 0).then(|| units.div_ceil(price))
    }
}

/// What one token costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRate {
    /// Which.
    pub token: Token,
    /// Price of one in billionths of a dollar, not 0: an ATH costs a few hundredths of a dollar.
    pub nano_usd_per_token: u64,
    /// When that was so.
    pub at: WallTime,
}

/// What a network is paid in its token, at a rate that is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLeg {
    /// The network.
    pub network: NetworkId,
    /// The rate, locked while the quote can be accepted and for its term.
    pub rate: TokenRate,
    /// Base units for the whole term; as text in JSON, where numbers of 128 bits are not safe.
    #[serde(with = "as_text")]
    pub base_units: u128,
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(units: &u128, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(units)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u128, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_units_are_rounded_up_and_never_overflow() {
        let usd = MicroUsd::new;
        // $1.00 at $0.15 a token: 6.66666667 IO.
        let io = Token::Io.base_units(usd(1_000_000), 150_000_000);
        assert_eq!(io, Some(666_666_667));
        let ath = Token::Ath.base_units(usd(1_000_000), 30_000_000);
        assert_eq!(ath, Some(33_333_333_333_333_333_334));
        assert_eq!(Token::Io.base_units(usd(-1), 1), None);
        assert_eq!(Token::Io.base_units(usd(1), 0), None);
        assert_eq!(Token::Ath.base_units(usd(i64::MAX), 1), None);
    }

    #[test]
    fn a_leg_is_the_same_after_json() {
        let leg = TokenLeg {
            network: NetworkId::from_static("aethir"),
            rate: TokenRate {
                token: Token::Ath,
                nano_usd_per_token: 31_234_567,
                at: WallTime::from_micros(5),
            },
            base_units: 340_282_366_920_938_463_463,
        };
        let json = serde_json::to_string(&leg).unwrap();
        assert!(json.contains("\"340282366920938463463\""), "{json}");
        assert_eq!(serde_json::from_str::<TokenLeg>(&json).unwrap(), leg);
    }
}

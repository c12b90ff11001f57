//! ATH: the moving rate, wallets, decimal texts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tandem_adapters::aethir::wire;
use tandem_adapters::decimal::Decimal;
use tandem_adapters::wire::WireResponse;
use tandem_model::time::WorldTime;

use super::answer::{Refusal, ok};
use super::{WALLETS_MAX, Wallet};
use crate::world::{World, mix};

/// Base units of one ATH.
pub(super) const ATH: u128 = 1_000_000_000_000_000_000;
/// Dollars for one ATH in 10^-9 (assumption), about which the rate moves.
const RATE_NANO_USD: u64 = 31_000_000;
const MINUTE_US: i64 = 60_000_000;

/// The wallet of an access key; none when there is no room for it.
pub(super) fn open<'a>(world: &'a mut World, key: &str) -> Option<&'a mut Wallet> {
    let wallets = &mut world.aethir.wallets;
    if wallets.len() >= WALLETS_MAX && !wallets.contains_key(key) {
        return None;
    }
    let ath = u128::from(world.options.wallet_ath) * ATH;
    Some(wallets.entry(key.to_owned()).or_insert_with(|| Wallet {
        ath,
        bulk: BTreeMap::new(),
    }))
}

/// Puts whole ATH into a wallet; false when there is no room for it.
pub(crate) fn credit(world: &mut World, key: &str, whole_ath: u64) -> bool {
    open(world, key).is_some_and(|wallet| {
        wallet.ath = wallet.ath.saturating_add(u128::from(whole_ath) * ATH);
        true
    })
}

/// Takes base units from a wallet.
pub(super) fn pay(world: &mut World, key: &str, amount: u128) -> Result<(), Refusal> {
    let wallet = open(world, key).ok_or(Refusal::Wallet)?;
    wallet.ath = wallet.ath.checked_sub(amount).ok_or(Refusal::Wallet)?;
    Ok(())
}

/// Gives base units back.
pub(super) fn refund(world: &mut World, key: &str, amount: u128) {
    if let Some(wallet) = open(world, key) {
        wallet.ath = wallet.ath.saturating_add(amount);
    }
}

/// Wallets for the truth, in ATH.
pub(crate) fn wallets(world: &World) -> Value {
    let all = world.aethir.wallets.iter();
    let texts: Map<String, Value> = all
        .map(|(key, wallet)| (key.clone(), json!(ath(wallet.ath).as_str())))
        .collect();
    Value::Object(texts)
}

/// Dollars for one ATH in 10^-9: refreshed every minute, within 5 % by hour and 1 % by minute.
pub(super) fn rate(world: &World) -> u64 {
    let minute = u64::try_from(world.now.micros() / MINUTE_US).unwrap_or(0);
    let draw = |kind, key, width: u64| mix(world.seed, 40, kind, key) % (2 * width + 1);
    let permille = 1_000 - 60 + draw(1, minute / 60, 50) + draw(2, minute, 10);
    RATE_NANO_USD * permille / 1_000
}

/// When the present rate was taken.
pub(super) fn rate_time(world: &World) -> WorldTime {
    WorldTime::from_micros(world.now.micros() / MINUTE_US * MINUTE_US)
}

/// Base units for micro-dollars at a rate, rounded up.
pub(super) fn to_ath(micro_usd: i64, rate_nano_usd: u64) -> u128 {
    let amount = u128::from(micro_usd.max(0).unsigned_abs()) * 1_000 * ATH;
    amount.div_ceil(u128::from(rate_nano_usd.max(1)))
}

/// A number of `scale` decimals as text, without needless zeros.
fn decimal(value: u128, scale: u32) -> Decimal {
    let unit = 10_u128.pow(scale);
    let fraction = format!("{:0width$}", value % unit, width = scale as usize);
    let fraction = fraction.trim_end_matches('0');
    let whole = value / unit;
    Decimal::new(if fraction.is_empty() {
        whole.to_string()
    } else {
        format!("{whole}.{fraction}")
    })
}

/// ATH as text.
pub(super) fn ath(base_units: u128) -> Decimal {
    decimal(base_units, 18)
}

/// Dollars as text; never negative here.
pub(super) fn usd(micro_usd: i64) -> Decimal {
    decimal(u128::from(micro_usd.max(0).unsigned_abs()), 6)
}

/// A rate as text.
pub(super) fn rate_text(rate_nano_usd: u64) -> Decimal {
    decimal(u128::from(rate_nano_usd), 9)
}

/// Hundredths as text.
pub(super) fn hundredths(value: u64) -> Decimal {
    decimal(u128::from(value), 2)
}

/// `GET wallet`.
pub(super) fn wallet(world: &mut World, key: &str) -> Result<WireResponse, Refusal> {
    let held = open(world, key).ok_or(Refusal::Credentials)?.ath;
    let body = wire::Wallet {
        ath: ath(held),
        ath_usd_rate: rate_text(rate(world)),
        rate_time_ms: crate::clock::unix_ms(rate_time(world)),
    };
    ok(world.now, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_without_needless_zeros() {
        assert_eq!(ath(ATH * 3 / 2).as_str(), "1.5");
        assert_eq!(usd(2_000_000).as_str(), "2");
        assert_eq!(rate_text(31_000_001).as_str(), "0.031000001");
    }

    #[test]
    fn a_price_in_ath_is_rounded_up() {
        assert_eq!(to_ath(1_000_000, 500_000_000), 2 * ATH);
        assert_eq!(to_ath(1, 3_000_000_000), ATH / 3_000_000 + 1);
    }
}

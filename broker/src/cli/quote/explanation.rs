//! What stands beside prices in a terminal: what a hyperscaler asks, what a change would save; and,
//! when it is asked for, what a rate is made of, what is promised and why offers were refused.

use comfy_table::CellAlignment;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_pricing::quote::Refusal;

use super::super::output::{say, table};
use crate::api::{ObjectivesView, QuoteReply, QuoteView, ReferenceView, TierView, TokenLegView};

/// Lines that belong beside every price.
pub(super) fn beside(reply: &QuoteReply) -> Vec<String> {
    let quoted = reply
        .tiers
        .iter()
        .filter_map(|t| Some((t, t.quote.as_ref()?)));
    let mut lines = Vec::new();
    for (tier, quote) in quoted {
        let name = tier.tier.as_str();
        if let Some(reference) = &quote.reference {
            let rate = quote.rate_micro_usd_per_gpu_hour;
            lines.push(format!("{name}: {}", against(reference, rate)));
        }
        for found in &tier.counterfactuals {
            lines.push(format!("{name}: {}", found.text));
        }
    }
    lines
}

/// A hyperscaler's price beside ours, and plainly which of them is lower.
fn against(reference: &ReferenceView, rate: RatePerGpuHour) -> String {
    let provider = match reference.provider {
        tandem_pricing::reference::Provider::Gcp => "Google Cloud",
        tandem_pricing::reference::Provider::Azure => "Azure",
    };
    let spot = match reference.spot_micro_usd_per_gpu_hour {
        Some(spot) => format!(", spot {spot}"),
        None => String::new(),
    };
    let standing = match (reference.on_demand_is_cheaper, reference.spot_is_cheaper) {
        (true, _) => "IT IS CHEAPER on demand".to_owned(),
        (false, true) => "only its spot price is lower".to_owned(),
        (false, false) => {
            let theirs = reference.on_demand_micro_usd_per_gpu_hour;
            format!("{} % of its on-demand price", share(rate.price(), theirs))
        }
    };
    format!(
        "{provider} asks {} on demand{spot} per GPU-hour ({}, list of {}): {standing}",
        reference.on_demand_micro_usd_per_gpu_hour, reference.machine, reference.dated
    )
}

/// How many percent of another an amount is, rounded down.
fn share(own: MicroUsd, other: MicroUsd) -> i64 {
    own.get().saturating_mul(100) / other.get().max(1)
}

/// What every rate is made of, and what comes with it.
pub(super) fn print(reply: &QuoteReply) -> anyhow::Result<()> {
    for tier in &reply.tiers {
        if let Some(quote) = &tier.quote {
            say(&format!(
                "\n{}: what a GPU-hour is made of",
                tier.tier.as_str()
            ))?;
            say(&lines(quote))?;
            for told in promised(quote) {
                say(&told)?;
            }
        }
        say(&considered(tier, reply.offers))?;
    }
    Ok(())
}

fn lines(quote: &QuoteView) -> String {
    let mut rows = table(&["for", "per GPU-hour"]);
    for line in &quote.lines {
        let kind = line.kind.replace('_', " ");
        rows.add_row(vec![kind, line.micro_usd_per_gpu_hour.to_string()]);
    }
    let rate = quote.rate_micro_usd_per_gpu_hour.price();
    rows.add_row(vec!["rate".to_owned(), rate.to_string()]);
    if let Some(column) = rows.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    rows.to_string()
}

fn promised(quote: &QuoteView) -> Vec<String> {
    let mut told: Vec<String> = quote.objectives.iter().map(objectives).collect();
    told.extend(quote.token_legs.iter().map(leg));
    if let Some(country) = quote.tax_country {
        told.push(format!("net of tax; the rules of {country} hold"));
    }
    told
}

fn objectives(o: &ObjectivesView) -> String {
    let lost = match o.work_lost_seconds {
        Some(seconds) => format!("at most {seconds} s of work lost"),
        None => "work since its last own checkpoint, or all, is lost".to_owned(),
    };
    let speed = match o.speed_permille_min {
        Some(permille) => format!("; every node at {permille} of 1000 of a good card or faster"),
        None => String::new(),
    };
    format!(
        "promised: starts within {} s; a failure is certain within {} s and work goes on within {} s; {lost}{speed}",
        o.start_seconds, o.detection_seconds, o.recovery_seconds
    )
}

fn leg(leg: &TokenLegView) -> String {
    let whole = leg.base_units.len().saturating_sub(leg.decimals as usize);
    let padded = format!(
        "{:0>width$}",
        leg.base_units,
        width = leg.decimals as usize + 1
    );
    let (units, rest) = padded.split_at(whole.max(1));
    let rest = rest.get(..4).unwrap_or(rest);
    format!(
        "{} is paid {units}.{rest} {} for the term, at a locked rate of {} billionths of a dollar",
        leg.network,
        leg.token.symbol(),
        leg.nano_usd_per_token
    )
}

/// A reason by its word in JSON; none of a newer broker's.
fn word_of(why: &str) -> Option<Refusal> {
    serde_json::from_value(why.into()).ok()
}

fn considered(tier: &TierView, offers: usize) -> String {
    let counts = tier.refused.iter();
    let known = counts.filter_map(|(why, n)| Some((word_of(why)?, *n)));
    let why = match Refusal::told(&known.collect()) {
        told if told.is_empty() => told,
        told => format!("; refused: {told}"),
    };
    format!(
        "{}: {} of {offers} offers fit{why}",
        tier.tier.as_str(),
        tier.fitting
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_model::money::Token;
    use tandem_model::network::NetworkId;

    fn told(base_units: &str, token: Token) -> String {
        leg(&TokenLegView {
            network: NetworkId::from_static("ionet"),
            token,
            decimals: token.decimals(),
            base_units: base_units.to_owned(),
            nano_usd_per_token: 1,
            rate_at: tandem_model::time::WallTime::default().into(),
        })
    }

    #[test]
    fn base_units_are_shown_as_tokens() {
        for (units, token, shown) in [
            ("666666667", Token::Io, "paid 6.6666 IO"),
            ("1", Token::Io, "paid 0.0000 IO"),
            ("12345678901", Token::Io, "paid 123.4567 IO"),
            ("33333333333333333334", Token::Ath, "paid 33.3333 ATH"),
        ] {
            let text = told(units, token);
            assert!(text.contains(shown), "{text}");
        }
    }
}

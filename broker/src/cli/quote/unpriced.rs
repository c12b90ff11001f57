//! Why tiers have no price, for a person: what was refused, what in the file stands in the way, and
//! what would have one.

use std::collections::BTreeMap;

use tandem_model::workload::Tier;

use crate::api::{ClassificationReply, ProductView, QuoteReply, TierView};

/// The reason for which offers are refused on whose products the work cannot start.
const CANNOT_START: &str = "cannot_start";

/// Tiers without a price, each with its reason.
fn unpriced(reply: &QuoteReply) -> impl Iterator<Item = (&TierView, &str)> {
    let tiers = reply.tiers.iter();
    tiers.filter_map(|tier| Some((tier, tier.no_quote.as_ref()?.detail.as_str())))
}

/// One line a tier, `consumer: why`.
pub(super) fn reasons(reply: &QuoteReply) -> impl Iterator<Item = String> {
    unpriced(reply).map(|(tier, why)| format!("{}: {why}", tier.tier.as_str()))
}

/// All that is said of tiers without a price.
pub(super) fn lines(reply: &QuoteReply, file: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (tier, why) in unpriced(reply) {
        let name = tier.tier.as_str();
        lines.push(format!("no price for {name}: {why}"));
        lines.extend(need(tier.tier, &reply.classification, file));
        let others = tier.counterfactuals.iter();
        lines.extend(others.map(|found| format!("{name}: {}", found.text)));
    }
    let is_barred = |(tier, _): (&TierView, &str)| tier.refused.contains_key(CANNOT_START);
    if unpriced(reply).any(is_barred) {
        lines.extend(obstacles(&reply.products));
    }
    if !lines.is_empty() {
        let notes = reply.classification.notes.iter();
        lines.extend(notes.map(|note| {
            let (line, field, text) = (note.line, &note.field, &note.text);
            format!("note: {file}:{line}: `{field}`: {text}")
        }));
    }
    lines
}

/// What in the file says that its need does not fit a tier.
fn need(tier: Tier, found: &ClassificationReply, file: &str) -> Vec<String> {
    let fits = match tier {
        Tier::Consumer => found.tiers.consumer,
        Tier::Enterprise => found.tiers.enterprise,
        // What keeps work off consumer hardware keeps it off this tier too, and is told once.
        Tier::Assured => return Vec::new(),
    };
    if fits {
        return Vec::new();
    }
    let field = format!("tiers.{}", tier.as_str());
    let evidence = found.evidence.iter().filter(|e| e.points_to == field);
    evidence
        .map(|e| format!("  {file}:{}: {}", e.line, e.text))
        .collect()
}

/// What stands in the way of a start, with the products where it does.
fn obstacles(products: &[ProductView]) -> Vec<String> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for product in products {
        for o in &product.obstacles {
            let told = format!("`{}`: {}; {}", o.field, o.text, o.help);
            let name = format!("{} {}", product.network, product.product);
            all.entry(told).or_default().push(name);
        }
    }
    all.into_iter()
        .map(|(told, products)| match products.len() {
            1 => format!("it cannot start on {}: {told}", products[0]),
            n => format!(
                "it cannot start on {} ({n} products): {told}",
                products.join(", ")
            ),
        })
        .collect()
}

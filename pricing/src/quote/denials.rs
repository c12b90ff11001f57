//! What rules about places denied of one request: the rule behind every offer that would have been
//! looked at further.

use std::collections::BTreeMap;

use tandem_model::workload::Tier;

use super::{Desk, QuoteReport, Refusal, TierReport};
use crate::jurisdiction::{Denial, Digester, Party, Rule, Subject};

impl Desk<'_> {
    /// Denials with how many offers of an accepted card each refused, by `digester`, of which the
    /// request's places are; empty where no rule about places refused anything.
    pub fn denials(&self, report: &QuoteReport, digester: &Digester) -> Vec<(Denial, usize)> {
        if let Some(denial) = &self.pricing.places.customer {
            return vec![(denial.clone(), self.book.len())];
        }
        let rules = [Refusal::Jurisdiction, Refusal::DataOnConsumer];
        let is_denied = |tier: &TierReport| rules.iter().any(|why| tier.refused.contains_key(why));
        if !report.tiers.iter().any(is_denied) {
            return Vec::new();
        }
        let tier = self.workload.tier.unwrap_or(Tier::Consumer);
        let mut found: BTreeMap<(Rule, Party, String), (Denial, usize)> = BTreeMap::new();
        for stock in self.book.forbidden(&self.ask(tier)) {
            let subject = Subject {
                customer: self.pricing.tax_country,
                allowed: &[],
                denied: &[],
                place: Some(stock.country),
                region: None,
                gpu: stock.gpu,
                grade: stock.grade,
                data: self.workload.limits.data,
            };
            if let Err(denial) = digester.judge(&subject) {
                let key = (denial.rule, denial.party, denial.about.clone());
                found.entry(key).or_insert((denial, 0)).1 += stock.offers;
            }
        }
        found.into_values().collect()
    }
}

//! The plan for a placement: which offer next, and why. The first placement is a move from nowhere.
//!
//! The offers come ranked by `pricing`; this decides which of them may be used after what was
//! seen to fail. A provider's machine that failed is not asked again for the same job, and a
//! network in trouble is left as a whole.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_model::id::JobId;
use tandem_model::money::MicroUsd;
use tandem_model::network::NetworkId;
use tandem_model::offer::{Offer, OfferId};

/// Names kept of the offers considered.
pub const NAMED_MAX: usize = 20;

/// What was seen of offers and networks while a job was placed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Situation {
    /// Offers on which an attempt of this job failed.
    pub failed_offers: BTreeSet<OfferId>,
    /// Offers that had no room, or whose network could not serve us, when they were last asked.
    pub no_room: BTreeSet<OfferId>,
    /// Networks that are to be left or not entered now.
    pub networks_avoided: BTreeSet<NetworkId>,
}

impl Situation {
    /// Why the job may not be placed on an offer, by what was seen.
    pub fn passes_over(&self, offer: &Offer) -> Option<PassedOver> {
        if self.failed_offers.contains(&offer.id) {
            Some(PassedOver::FailedBefore)
        } else if self.networks_avoided.contains(&offer.network) {
            Some(PassedOver::NetworkAvoided)
        } else if self.no_room.contains(&offer.id) {
            Some(PassedOver::NoRoom)
        } else {
            None
        }
    }
}

/// Why an offer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PassedOver {
    /// An attempt of this job failed on it.
    FailedBefore,
    /// It had no room when it was last asked.
    NoRoom,
    /// Its network is being avoided.
    NetworkAvoided,
    /// It costs more than was agreed for a replacement.
    TooDear,
    /// A better one was taken.
    RankedLower,
}

impl PassedOver {
    /// In words, after a count.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::FailedBefore => "failed before",
            Self::NoRoom => "had no room",
            Self::NetworkAvoided => "on a network that is avoided",
            Self::TooDear => "dearer than was agreed",
            Self::RankedLower => "ranked lower",
        }
    }
}

/// The choice, and a report of what was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan<'a> {
    /// The offer to take; none when every one was passed over.
    pub choice: Option<&'a Offer>,
    /// How many were passed over, by reason.
    pub counts: BTreeMap<PassedOver, u32>,
    /// The best 20 with what became of them, best first; `None` is the one taken.
    pub named: Vec<(&'a OfferId, Option<PassedOver>)>,
}

/// Chooses the first offer of `ranked` that is not passed over.
///
/// `ranked` are the offers that fit, best first and `fitting` in all, each with why it is passed
/// over. No more of them are looked at than the choice and the names need: the rest counts as
/// ranked lower.
pub fn plan<'a>(
    ranked: impl IntoIterator<Item = (&'a Offer, Option<PassedOver>)>,
    fitting: usize,
) -> Plan<'a> {
    let mut plan = Plan {
        choice: None,
        counts: BTreeMap::new(),
        named: Vec::new(),
    };
    let mut left = fitting;
    for (offer, passed) in ranked {
        let is_taken = plan.choice.is_some();
        if is_taken && plan.named.len() >= NAMED_MAX {
            break;
        }
        left = left.saturating_sub(1);
        let passed = passed.or_else(|| is_taken.then_some(PassedOver::RankedLower));
        match passed {
            Some(reason) => *plan.counts.entry(reason).or_default() += 1,
            None => plan.choice = Some(offer),
        }
        if plan.named.len() < NAMED_MAX {
            plan.named.push((&offer.id, passed));
        }
    }
    if plan.choice.is_some() && left > 0 {
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let lower = plan.counts.entry(PassedOver::RankedLower).or_default();
        *lower = lower.saturating_add(left);
    }
    plan
}

/// When a job moves among those that are lost together: those with the most money at stake an hour
/// first, because capacity elsewhere may not do for all; ties by job, older first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence {
    stake: Reverse<MicroUsd>,
    /// The job.
    pub job: JobId,
}

impl Precedence {
    /// The place of a job with so much at stake an hour.
    pub const fn new(stake: MicroUsd, job: JobId) -> Self {
        Self {
            stake: Reverse(stake),
            job,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_model::gpu::GpuModel;
    use tandem_model::money::RatePerGpuHour;
    use tandem_model::network::{Country, Grade};
    use tandem_model::offer::{Fabric, NodeLink};
    use tandem_model::time::WorldTime;

    fn offer(network: &'static str, key: u32) -> Offer {
        Offer {
            id: OfferId(format!("{network}/{key}")),
            network: NetworkId::from_static(network),
            product: "caas".into(),
            locator: key.to_string(),
            gpu: GpuModel::by_id("rtx4090").unwrap(),
            grade: Grade::Consumer,
            gpus_per_node: 1,
            divisible: true,
            nodes_available: 1,
            country: Country::parse("DE").unwrap(),
            price: RatePerGpuHour::new(MicroUsd::from_cents(30)),
            fee_basis_points: 0,
            node_link: NodeLink::Pcie,
            fabric: Fabric::Public,
            observed_at: WorldTime::default(),
        }
    }

    fn by<'a>(ranked: &'a [Offer], situation: &Situation) -> Plan<'a> {
        let ranked = ranked.iter().map(|o| (o, situation.passes_over(o)));
        plan(ranked.clone(), ranked.len())
    }

    #[test]
    fn the_first_placement_is_a_move_from_nowhere() {
        let ranked = [offer("ionet", 1), offer("aethir", 2)];
        let plan = by(&ranked, &Situation::default());
        assert_eq!(plan.choice, Some(&ranked[0]));
        assert_eq!(plan.counts, BTreeMap::from([(PassedOver::RankedLower, 1)]));
    }

    #[test]
    fn a_failed_offer_and_a_network_in_trouble_are_not_taken_again() {
        let ranked = [offer("ionet", 1), offer("ionet", 2), offer("aethir", 3)];
        let mut situation = Situation::default();
        situation.failed_offers.insert(ranked[0].id.clone());
        assert_eq!(by(&ranked, &situation).choice, Some(&ranked[1]));
        situation
            .networks_avoided
            .insert(NetworkId::from_static("ionet"));
        assert_eq!(by(&ranked, &situation).choice, Some(&ranked[2]));
    }

    #[test]
    fn an_offer_without_room_is_passed_over_only_while_it_is_remembered() {
        let ranked = [offer("ionet", 1), offer("ionet", 2)];
        let mut situation = Situation::default();
        situation.no_room.insert(ranked[0].id.clone());
        let full = by(&ranked, &situation);
        assert_eq!(full.choice, Some(&ranked[1]));
        assert_eq!(full.counts, BTreeMap::from([(PassedOver::NoRoom, 1)]));
        situation.no_room.clear();
        assert_eq!(by(&ranked, &situation).choice, Some(&ranked[0]));
    }

    #[test]
    fn when_nothing_is_left_the_report_says_why() {
        let ranked = [offer("ionet", 1)];
        let situation = Situation {
            networks_avoided: BTreeSet::from([NetworkId::from_static("ionet")]),
            ..Situation::default()
        };
        let plan = by(&ranked, &situation);
        assert_eq!(plan.choice, None);
        assert_eq!(
            plan.counts,
            BTreeMap::from([(PassedOver::NetworkAvoided, 1)])
        );
    }

    fn job(n: u8) -> JobId {
        JobId::from_parts(u64::from(n), &[0; 10])
    }

    #[test]
    fn what_is_lost_together_moves_by_money_at_stake_and_then_by_job() {
        let at = |job_n, cents| Precedence::new(MicroUsd::from_cents(cents), job(job_n));
        let lost = BTreeSet::from([at(3, 20), at(1, 50), at(2, 20), at(4, 900)]);
        let order: Vec<_> = lost.iter().map(|p| p.job).collect();
        assert_eq!(order, [job(4), job(1), job(2), job(3)]);
    }

    #[test]
    fn a_situation_survives_being_stored() {
        let situation = Situation {
            failed_offers: BTreeSet::from([offer("ionet", 1).id]),
            no_room: BTreeSet::from([offer("aethir", 2).id]),
            networks_avoided: BTreeSet::from([NetworkId::from_static("ionet")]),
        };
        let text = serde_json::to_string(&situation).unwrap();
        assert_eq!(serde_json::from_str::<Situation>(&text).unwrap(), situation);
    }

    #[test]
    fn names_are_bounded_and_counts_are_whole() {
        let ranked: Vec<_> = (0..100).map(|k| offer("ionet", k)).collect();
        let plan = by(&ranked, &Situation::default());
        assert_eq!(plan.named.len(), NAMED_MAX);
        assert_eq!(plan.counts[&PassedOver::RankedLower], 99);
    }
}

//! The plan for a placement: which offer next, and why. The first placement is a move from nowhere.
//!
//! The offers come ranked by `pricing`; this decides which of them may be used after what was
//! seen to fail. A provider's machine that failed is not asked again for the same job, and a
//! network in trouble is left as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_model::id::JobId;
use tandem_model::money::MicroUsd;
use tandem_model::network::NetworkId;
use tandem_model::offer::{Offer, OfferId};

/// Names kept of the offers considered.
pub const NAMED_MAX: usize = 20;

/// What is known when the plan is made.
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
            Self::RankedLower => "ranked lower",
        }
    }
}

/// The choice, and a report of what was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The offer to take; none when every one was passed over.
    pub choice: Option<OfferId>,
    /// How many were passed over, by reason.
    pub counts: BTreeMap<PassedOver, u32>,
    /// The best 20 with what became of them, best first; `None` is the one taken.
    pub named: Vec<(OfferId, Option<PassedOver>)>,
}

/// Chooses the first offer of `ranked` that the situation allows.
pub fn plan<'a>(ranked: impl IntoIterator<Item = &'a Offer>, situation: &Situation) -> Plan {
    let mut plan = Plan {
        choice: None,
        counts: BTreeMap::new(),
        named: Vec::new(),
    };
    for offer in ranked {
        let passed = if situation.failed_offers.contains(&offer.id) {
            Some(PassedOver::FailedBefore)
        } else if situation.networks_avoided.contains(&offer.network) {
            Some(PassedOver::NetworkAvoided)
        } else if situation.no_room.contains(&offer.id) {
            Some(PassedOver::NoRoom)
        } else if plan.choice.is_some() {
            Some(PassedOver::RankedLower)
        } else {
            plan.choice = Some(offer.id.clone());
            None
        };
        if let Some(reason) = passed {
            *plan.counts.entry(reason).or_default() += 1;
        }
        if plan.named.len() < NAMED_MAX {
            plan.named.push((offer.id.clone(), passed));
        }
    }
    plan
}

/// Puts lost placements into the order in which they move: those with the most money at stake an
/// hour first, because capacity elsewhere may not do for all; ties by job, older first.
pub fn order_by_stake(lost: &mut [(JobId, MicroUsd)]) {
    lost.sort_unstable_by_key(|(job, stake)| (std::cmp::Reverse(*stake), *job));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
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

    #[test]
    fn the_first_placement_is_a_move_from_nowhere() {
        let ranked = [offer("ionet", 1), offer("aethir", 2)];
        let plan = plan(&ranked, &Situation::default());
        assert_eq!(plan.choice, Some(ranked[0].id.clone()));
        assert_eq!(plan.counts, BTreeMap::from([(PassedOver::RankedLower, 1)]));
    }

    #[test]
    fn a_failed_offer_and_a_network_in_trouble_are_not_taken_again() {
        let ranked = [offer("ionet", 1), offer("ionet", 2), offer("aethir", 3)];
        let mut situation = Situation::default();
        situation.failed_offers.insert(ranked[0].id.clone());
        assert_eq!(plan(&ranked, &situation).choice, Some(ranked[1].id.clone()));
        situation
            .networks_avoided
            .insert(NetworkId::from_static("ionet"));
        assert_eq!(plan(&ranked, &situation).choice, Some(ranked[2].id.clone()));
    }

    #[test]
    fn an_offer_without_room_is_passed_over_only_while_it_is_remembered() {
        let ranked = [offer("ionet", 1), offer("ionet", 2)];
        let mut situation = Situation::default();
        situation.no_room.insert(ranked[0].id.clone());
        let full = plan(&ranked, &situation);
        assert_eq!(full.choice, Some(ranked[1].id.clone()));
        assert_eq!(full.counts, BTreeMap::from([(PassedOver::NoRoom, 1)]));
        situation.no_room.clear();
        assert_eq!(plan(&ranked, &situation).choice, Some(ranked[0].id.clone()));
    }

    #[test]
    fn when_nothing_is_left_the_report_says_why() {
        let ranked = [offer("ionet", 1)];
        let situation = Situation {
            networks_avoided: BTreeSet::from([NetworkId::from_static("ionet")]),
            ..Situation::default()
        };
        let plan = plan(&ranked, &situation);
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
        let cents = |job_n, cents| (job(job_n), MicroUsd::from_cents(cents));
        let mut lost = [cents(3, 20), cents(1, 50), cents(2, 20), cents(4, 900)];
        order_by_stake(&mut lost);
        let order = [cents(4, 900), cents(1, 50), cents(2, 20), cents(3, 20)];
        assert_eq!(lost, order);
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_how_the_losses_came(
            stakes in prop::collection::btree_map(any::<u8>(), 0i32..5, 0..30),
        ) {
            let mut lost: Vec<_> = stakes
                .into_iter()
                .map(|(n, cents)| (job(n), MicroUsd::from_cents(cents)))
                .collect();
            let mut reversed: Vec<_> = lost.iter().rev().copied().collect();
            order_by_stake(&mut lost);
            order_by_stake(&mut reversed);
            prop_assert!(lost.is_sorted_by_key(|(_, stake)| std::cmp::Reverse(*stake)));
            prop_assert_eq!(lost, reversed);
        }
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
        let plan = plan(&ranked, &Situation::default());
        assert_eq!(plan.named.len(), NAMED_MAX);
        assert_eq!(plan.counts[&PassedOver::RankedLower], 99);
    }
}

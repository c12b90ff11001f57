//! The subjects on which two policies are compared: every class, tier, grade, card and network that
//! can be sold, seen from points that the policies themselves single out.
//!
//! `points.rs` finds those points.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tandem_model::gpu::GpuModel;
use tandem_model::money::MicroUsd;
use tandem_model::network::{Grade, NetworkId};
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, WorkloadClass};

use super::Policy;
use super::condition::Variable;
use super::selector::{Names, Selector};

/// A stand-in for the cost of a card per GPU-hour where no market is at hand: two cents for each GB
/// of its memory. It is no price; it only sets the scale against which floors and ceilings act.
pub const REFERENCE_COST_MICRO_USD_PER_GB: i64 = 20_000;

/// What a comparison looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The moment of the comparison; promotions that begin later are also looked at when they do.
    pub at: WallTime,
    /// The networks that sell.
    pub networks: Vec<NetworkId>,
    /// Costs per GPU-hour; a card may stand here several times, and one that does not is left out.
    pub costs: Vec<(GpuModel, MicroUsd)>,
}

impl Grid {
    /// Every card of the catalogue at [`REFERENCE_COST_MICRO_USD_PER_GB`]. With a market at hand, put
    /// its costs in.
    pub fn standard(at: WallTime, networks: &[NetworkId]) -> Self {
        let cost = |gpu: GpuModel| {
            let vram_gb = i64::from(gpu.facts().vram_gb);
            MicroUsd::new(vram_gb * REFERENCE_COST_MICRO_USD_PER_GB)
        };
        Self {
            at,
            networks: networks.to_vec(),
            costs: GpuModel::all().map(|gpu| (gpu, cost(gpu))).collect(),
        }
    }

    /// What is sold: enterprise only on data-centre hardware, A100 or better. Of those that no
    /// selector and no condition of two policies tells apart, one stands for all.
    pub(super) fn bases(&self, old: &Policy, new: &Policy) -> Vec<Base<'_>> {
        let mut costs: BTreeMap<GpuModel, Vec<MicroUsd>> = BTreeMap::new();
        for (gpu, cost) in &self.costs {
            costs.entry(*gpu).or_default().push(*cost);
        }
        let apart = Apart::of([old, new]);
        let mut bases: Vec<Base<'_>> = Vec::new();
        for (gpu, costs) in &costs {
            let mut kinds = BTreeMap::new();
            for (class, tier, grade, network) in self.sold_on(*gpu) {
                let base = Base {
                    class,
                    tier,
                    grade,
                    gpu: *gpu,
                    network,
                    costs: costs.clone(),
                    stands_for: 1,
                };
                match kinds.entry(apart.kind(&base)) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(bases.len());
                        bases.push(base);
                    }
                    Entry::Occupied(known) => bases[*known.get()].stands_for += 1,
                }
            }
        }
        bases
    }

    fn sold_on(
        &self,
        gpu: GpuModel,
    ) -> impl Iterator<Item = (WorkloadClass, Tier, Grade, &NetworkId)> {
        let grades = [Grade::Datacenter, Grade::Consumer].into_iter();
        let hardware = grades.flat_map(|grade| Tier::ALL.map(|tier| (grade, tier)));
        let sold = hardware.filter(move |(grade, tier)| {
            *tier != Tier::Enterprise || *grade == Grade::Datacenter && gpu.is_a100_or_better()
        });
        sold.flat_map(move |(grade, tier)| {
            self.networks.iter().flat_map(move |network| {
                WorkloadClass::ALL.map(|class| (class, tier, grade, network))
            })
        })
    }
}

/// Something that is sold, and what it costs.
#[derive(Debug, Clone)]
pub(super) struct Base<'a> {
    pub(super) class: WorkloadClass,
    pub(super) tier: Tier,
    pub(super) grade: Grade,
    pub(super) gpu: GpuModel,
    pub(super) network: &'a NetworkId,
    pub(super) costs: Vec<MicroUsd>,
    /// How many it stands for, itself among them.
    pub(super) stands_for: u64,
}

/// What two policies tell apart about what is sold.
struct Apart<'a> {
    selectors: Vec<(&'a Names, &'a Selector)>,
    /// A condition names the class, the tier, the grade or the network.
    by_condition: bool,
}

impl<'a> Apart<'a> {
    fn of(policies: [&'a Policy; 2]) -> Self {
        const NAMED: [Variable; 4] = [
            Variable::Class,
            Variable::Tier,
            Variable::Grade,
            Variable::Network,
        ];
        let selectors = policies.into_iter().flat_map(|policy| {
            let all = policy.selectors();
            all.map(|selector| (&policy.names, selector))
        });
        let rules = policies.into_iter().flat_map(|policy| &policy.rules);
        let mut conditions = rules.filter_map(|rule| rule.condition.as_ref());
        Self {
            selectors: selectors.collect(),
            by_condition: conditions.any(|condition| condition.names(&NAMED)),
        }
    }

    /// Two of one card and one kind are the same to both policies.
    fn kind(&self, base: &Base<'_>) -> (Vec<bool>, Option<Identity>) {
        let admitted = self.selectors.iter().map(|(names, selector)| {
            let subject = names.names_of(base.class, base.tier, base.grade, base.network);
            selector.names.admits(subject)
        });
        let network = base.network.clone();
        let identity = (base.class, base.tier, base.grade, network);
        (admitted.collect(), self.by_condition.then_some(identity))
    }
}

type Identity = (WorkloadClass, Tier, Grade, NetworkId);

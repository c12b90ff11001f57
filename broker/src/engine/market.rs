//! The market as last read: what quotes are made from and where jobs are placed. Made once by the
//! engine, shared by all who read it, never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use tandem_model::gpu::GpuModel;
use tandem_model::network::{Grade, NetworkId, Product};
use tandem_model::offer::{Offer, OfferId};
use tandem_model::time::WorldTime;
use tandem_model::workload::Tier;
use tandem_pricing::book::{Book, BookError, FreeKey, View};
use tandem_pricing::failures::Seen;
use tandem_pricing::probes::ProbedKind;
use tandem_pricing::quote::{SeenByKind, Supply, Usage};
use tandem_sla::incident::Health;

use super::attempt::Attempt;
use super::job::Job;
use super::message::JobSpec;
use super::probe::Probed;

/// The market as last read.
#[derive(Debug, Clone, Default)]
pub struct Market {
    /// Offers of every network that answered, in the order of their ids.
    pub offers: Arc<Vec<Offer>>,
    /// How many of them each network has.
    pub counts: Arc<BTreeMap<NetworkId, usize>>,
    /// The same offers, to be searched.
    pub book: Arc<Book>,
    /// How the time of the offers is bought, what of it is rented, and how often machines failed.
    pub supply: Supply,
    /// What the jobs that are over had seen of it, to be kept over a restart.
    pub settled: SeenByKind,
    /// Offers of each network that are taken as consumer grade although it says data centre.
    pub grade_lost: BTreeMap<NetworkId, Arc<BTreeSet<OfferId>>>,
    /// How each network that is configured stands, also before it was first read.
    pub networks: BTreeMap<NetworkId, NetworkReading>,
}

/// How one network stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NetworkReading {
    /// When its offers were last read.
    pub read_at: Option<WorldTime>,
    /// Why the last reading failed, when it did.
    pub failed: Option<String>,
    /// Offers that could not be read, in the last good reading.
    pub unreadable: usize,
    /// Offers that the gate refused in the last good reading, by the code of the reason.
    pub refused: BTreeMap<&'static str, usize>,
    /// Kinds of its offers that are taken as consumer grade, in the last good reading.
    pub grade_lost: Vec<GradeLost>,
    /// What its nodes and its API together say of it.
    pub health: Health,
}

/// Offers that a network lists as data-centre hardware, and that are taken as consumer grade because
/// so many probes of their kind failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GradeLost {
    /// The network's product.
    pub product: String,
    /// The card.
    pub gpu: GpuModel,
    /// How many offers.
    pub offers: usize,
    /// Verdicts that passed or failed, as far as they still count.
    pub verdicts: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Expected share of starts that fail, in thousandths.
    pub failed_permille: u32,
}

impl Market {
    /// A market of these offers, whose time is bought as `products` say; of an id that comes twice
    /// one stays.
    ///
    /// Fails on more offers than a book holds.
    pub fn of(
        mut offers: Vec<Offer>,
        products: &[Product],
        usage: Usage,
        networks: BTreeMap<NetworkId, NetworkReading>,
    ) -> Result<Self, BookError> {
        let book = Book::build(&offers)?;
        // Of an id that came twice the book says which stays.
        offers.retain(|offer| {
            book.find(&offer.id)
                .is_some_and(|view| view.to_offer() == *offer)
        });
        offers.sort_by(|a, b| a.id.cmp(&b.id));
        offers.dedup_by(|later, first| later.id == first.id);
        let mut counts = BTreeMap::new();
        for same in offers.chunk_by(|a, b| a.network == b.network) {
            *counts.entry(same[0].network.clone()).or_default() += same.len();
        }
        Ok(Self {
            counts: Arc::new(counts),
            supply: Supply::of(&book, products, usage),
            book: Arc::new(book),
            offers: Arc::new(offers),
            settled: SeenByKind::new(),
            grade_lost: BTreeMap::new(),
            networks,
        })
    }

    /// How many offers a network has.
    pub fn offers_of(&self, network: &NetworkId) -> usize {
        self.counts.get(network).copied().unwrap_or_default()
    }

    /// Whether an offer is taken as consumer grade although its network says data centre.
    pub fn has_lost_grade(&self, offer: &Offer) -> bool {
        let lost = self.grade_lost.get(&offer.network);
        lost.is_some_and(|lost| lost.contains(&offer.id))
    }

    /// An offer of its book.
    pub fn offer(&self, view: &View<'_>) -> Option<&Offer> {
        let at = self
            .offers
            .binary_search_by(|offer| view.compare(&offer.id).reverse());
        at.ok().map(|at| &self.offers[at])
    }
}

/// The kind of machines that an offer is of; `grade` is what its network says.
fn kind_of(offer: &Offer, grade: Grade) -> ProbedKind {
    ProbedKind {
        network: offer.network.clone(),
        product: offer.product.clone(),
        gpu: offer.gpu,
        grade,
    }
}

/// Takes offers as consumer grade whose kind lost its grade. Which those are, and how many by kind.
pub fn take_grades(offers: &mut [Offer], usage: &Usage) -> (BTreeSet<OfferId>, Vec<GradeLost>) {
    let mut ids = BTreeSet::new();
    let mut counts: BTreeMap<ProbedKind, usize> = BTreeMap::new();
    if usage.grade_lost.is_empty() {
        return (ids, Vec::new());
    }
    for offer in offers.iter_mut().filter(|o| o.grade == Grade::Datacenter) {
        let kind = kind_of(offer, offer.grade);
        if usage.grade_lost.contains(&kind) {
            offer.grade = Grade::Consumer;
            ids.insert(offer.id.clone());
            *counts.entry(kind).or_default() += 1;
        }
    }
    let told = counts.into_iter().map(|(kind, offers)| {
        let seen = usage.seen.probes.get(&kind).copied().unwrap_or_default();
        GradeLost {
            product: kind.product,
            gpu: kind.gpu,
            offers,
            verdicts: seen.verdicts(),
            failed: seen.failed,
            failed_permille: seen.failed_permille(),
        }
    });
    (ids, told.collect())
}

/// What the open jobs use of the supply, what was seen of it in those and in settled ones, and which
/// kinds of machines lost their grade by it.
pub fn usage<'a>(
    open: impl Iterator<Item = &'a Job>,
    settled: &SeenByKind,
    grade_failed_permille: u32,
) -> Usage {
    let mut usage = Usage {
        seen: settled.clone(),
        ..Usage::default()
    };
    for job in open {
        count_seen(job, &mut usage.seen);
        let live = job.last().filter(|a| job.is_live(a.placement.epoch));
        usage.assured_gpus += assured_gpus(&job.spec, live, job.state().is_terminal());
        let Some(live) = live else {
            continue;
        };
        let gpus = u64::from(job.spec.gpus_rented(&live.offer));
        let key = FreeKey {
            network: live.offer.network.clone(),
            gpu: live.offer.gpu,
            grade: live.offer.grade,
        };
        *usage.rented.entry(key).or_default() += gpus;
    }
    let probes = usage.seen.probes.iter();
    let lost = probes.filter(|(kind, seen)| {
        kind.grade == Grade::Datacenter && seen.belies_grade(grade_failed_permille)
    });
    usage.grade_lost = lost.map(|(kind, _)| kind.clone()).collect();
    usage
}

/// GPUs for which a job may need the backstop yet: those of an `assured` job that is not over and
/// not on enterprise hardware already.
pub fn assured_gpus(spec: &JobSpec, live: Option<&Attempt>, is_over: bool) -> u64 {
    let is_backed = live.is_some_and(|live| live.offer.is_enterprise());
    if spec.quote.tier != Tier::Assured || is_over || is_backed {
        return 0;
    }
    let resources = &spec.workload.resources;
    u64::from(resources.gpus_per_node.max(1)) * u64::from(resources.nodes.max(1))
}

/// Adds how long the attempts of a job ran, those that were left because they failed, and what came
/// of their probes. A start that its probe ended is no failure of running machines.
pub fn count_seen(job: &Job, seen: &mut SeenByKind) {
    for attempt in &job.attempts {
        for shown in attempt.probes.values().filter_map(Probed::shown) {
            let grade = match attempt.grade_lost {
                true => Grade::Datacenter,
                false => attempt.offer.grade,
            };
            seen.count_probe(kind_of(&attempt.offer, grade), shown);
        }
    }
    for attempt in job.attempts.iter().filter(|a| a.bound_at.is_some()) {
        let gpus = u64::from(job.spec.gpus_rented(&attempt.offer));
        let key = (attempt.offer.network.clone(), attempt.offer.is_enterprise());
        let entry: &mut Seen = seen.machines.entry(key).or_default();
        *entry = entry.plus(Seen {
            failures: u64::from(attempt.has_failed() && !attempt.was_refused()),
            gpu_seconds: attempt.proved.as_secs().saturating_mul(gpus),
        });
    }
}

//! What really ran, by the sandbox's own books.

use std::collections::BTreeMap;

use serde_json::Value;
use tandem::api::{JobView, Moment};
use tandem::demo::saboteur::Saboteur;
use tandem_model::placement::Epoch;
use tokio::runtime::Runtime;

/// What really ran.
pub(crate) struct Truth(tandem::demo::saboteur::Truth);

impl Truth {
    /// Read now.
    pub(crate) fn of(sandbox_url: &str) -> Self {
        let saboteur = Saboteur::at(sandbox_url).unwrap();
        Self(Runtime::new().unwrap().block_on(saboteur.truth()).unwrap())
    }

    /// Things that are rented still.
    pub(crate) fn still_rented(&self) -> usize {
        self.0.still_rented()
    }

    /// Nothing was rented twice for one attempt, nothing for an attempt that no job knows, and no
    /// attempt was bound before the one before it was fenced.
    pub(crate) fn check(&self, jobs: &[Value]) {
        let views: Vec<JobView> = jobs
            .iter()
            .map(|job| serde_json::from_value(job.clone()).unwrap())
            .collect();
        let mut rented: BTreeMap<_, usize> = BTreeMap::new();
        for deployment in &self.0.deployments {
            let of = deployment.of().expect("a broker tags all that it rents");
            *rented.entry(of).or_default() += 1;
        }
        for ((job, epoch), times) in rented {
            assert_eq!(times, 1, "epoch {epoch} of {job} was rented {times} times");
            let known = views.iter().find(|view| view.summary.id == job);
            let known = known.unwrap_or_else(|| panic!("{job} is rented for, and not known"));
            let epochs: Vec<Epoch> = known.placements.iter().map(|p| p.epoch).collect();
            assert!(epochs.contains(&epoch), "{job} has {epochs:?}, not {epoch}");
        }
        for view in &views {
            for pair in view.placements.windows(2) {
                let fenced: Option<Moment> = pair[0].fenced_at;
                let fenced = fenced.expect("only a fenced attempt has a successor");
                let bound = pair[1].bound_at;
                assert!(bound.is_none_or(|bound| bound >= fenced), "{view:#?}");
            }
            assert!(view.delivered_gpu_seconds <= self.ran(view), "{view:#?}");
        }
    }

    /// GPU-seconds that all of a job's machines really worked.
    fn ran(&self, view: &JobView) -> u64 {
        let attempts = view.placements.iter();
        let units = attempts.flat_map(|p| {
            let deployments = self.0.attempt(view.summary.id, p.epoch);
            deployments.flat_map(|deployment| &deployment.units)
        });
        let us: i64 = units
            .map(|unit| {
                let gpus = i64::try_from(unit.gpu_count).unwrap();
                let spans = unit.ran_us.iter();
                spans.map(|(start, end)| end.unwrap() - start).sum::<i64>() * gpus
            })
            .sum();
        u64::try_from(us / 1_000_000).unwrap()
    }
}

//! The engine: load, decide, perform, record. `step` decides and is pure; `driver` performs.
//!
//! Jobs live in memory here; the durable store takes the place of this map, not of the decisions.

pub mod driver;
pub mod handle;
pub mod job;
pub mod message;
pub mod plan;
pub mod step;
pub mod view;

use std::sync::{Arc, Mutex, MutexGuard};

use tandem_model::id::JobId;

use job::{Event, Job, Jobs};

/// Events kept for those who read late.
const EVENTS_MAX: usize = 10_000;

/// All jobs and what happened to them, shared by the drivers and the HTTP side.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    jobs: Jobs,
    events: Vec<Event>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is a defect; going on with the state is the lesser evil.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds an accepted job.
    pub fn add(&self, job: Job) {
        self.lock().jobs.insert(job.id, job);
    }

    /// Does something with one job; `None` when there is none of that id.
    pub fn with<R>(&self, id: JobId, act: impl FnOnce(&mut Job) -> R) -> Option<R> {
        self.lock().jobs.get_mut(&id).map(act)
    }

    /// Does something with all jobs, in the order of their ids.
    pub fn all<R>(&self, act: impl FnOnce(&Jobs) -> R) -> R {
        act(&self.lock().jobs)
    }

    /// Records what happened.
    pub fn tell(&self, event: Event) {
        let mut state = self.lock();
        if state.events.len() < EVENTS_MAX {
            state.events.push(event);
        }
    }

    /// Events from the `from`-th on.
    pub fn events_from(&self, from: usize) -> Vec<Event> {
        self.lock().events.get(from..).unwrap_or_default().to_vec()
    }
}

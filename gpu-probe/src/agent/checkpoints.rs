//! Which checkpoint to upload, and when to ask for the pointer: one at a time, highest step first.

use super::retry::Retry;
use super::{AgentTime, Uploaded};
use crate::protocol::{CheckpointReply, STEP_MAX};

/// Most tries of one step, uploads and requests each; after that only a higher step is tried.
pub(super) const TRIES_MAX: u32 = 8;

/// Where the one checkpoint under way is.
#[derive(Debug, Clone)]
enum Stage {
    Idle,
    Uploading(u64),
    /// In the store; the pointer does not name it yet.
    Stored(u64, Uploaded),
    /// The request to move the pointer is under way.
    Asking(u64, Uploaded),
}

/// What is to be done for a checkpoint.
#[derive(Debug)]
pub(super) enum Task {
    Upload(u64),
    Ask(u64, Uploaded),
}

/// Checkpoints of this instance.
#[derive(Debug, Clone)]
pub(super) struct Checkpoints {
    finished: Option<u64>,
    /// Every step up to this one is published, or was given up.
    closed: Option<u64>,
    stage: Stage,
    retry: Retry,
}

impl Checkpoints {
    pub(super) fn starting_from(restored_step: Option<u64>) -> Self {
        let closed = restored_step;
        Self {
            finished: closed,
            closed,
            stage: Stage::Idle,
            retry: Retry::default(),
        }
    }

    pub(super) fn finished(&self) -> Option<u64> {
        self.finished
    }

    /// The workload finished a checkpoint.
    pub(super) fn finish(&mut self, step: u64) {
        if step <= STEP_MAX && Some(step) > self.finished {
            self.finished = Some(step);
            self.retry_if_newer();
        }
    }

    /// A newer step does not wait for the failures of an older one.
    fn retry_if_newer(&mut self) {
        if matches!(self.stage, Stage::Idle) {
            self.retry.reset();
        }
    }

    /// Whether nothing is left to publish.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Idle) && self.finished <= self.closed
    }

    /// What to do now; to be asked only while the lease is held.
    pub(super) fn next(&mut self, now: AgentTime) -> Option<Task> {
        if !self.retry.is_due(now) {
            return None;
        }
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle => {
                let step = self.finished.filter(|_| self.finished > self.closed)?;
                self.stage = Stage::Uploading(step);
                Some(Task::Upload(step))
            }
            Stage::Stored(step, object) => {
                self.stage = Stage::Asking(step, object.clone());
                Some(Task::Ask(step, object))
            }
            busy => {
                self.stage = busy;
                None
            }
        }
    }

    /// An upload ended.
    pub(super) fn uploaded(
        &mut self,
        step: u64,
        outcome: Result<Uploaded, String>,
        now: AgentTime,
        salt: u64,
    ) {
        if !matches!(self.stage, Stage::Uploading(current) if current == step) {
            return;
        }
        match outcome {
            Ok(object) => {
                self.retry.reset();
                self.stage = Stage::Stored(step, object);
            }
            Err(_) => {
                self.stage = Stage::Idle;
                self.fail(step, now, salt);
                if self.finished > Some(step) {
                    self.retry.reset();
                }
            }
        }
    }

    /// The broker answered a request: `None` when nothing was heard.
    pub(super) fn answered(
        &mut self,
        step: u64,
        reply: Option<&CheckpointReply>,
        now: AgentTime,
        salt: u64,
    ) {
        let pointer = reply.and_then(|r| r.pointer.as_ref()).map(|p| p.step);
        let accepted = reply.filter(|r| r.accepted).map(|_| step);
        self.close(pointer.max(accepted));
        let Stage::Asking(current, object) = &self.stage else {
            return;
        };
        if *current == step {
            self.stage = Stage::Stored(step, object.clone());
            self.fail(step, now, salt);
        }
    }

    /// The pointer is known to be here.
    fn close(&mut self, step: Option<u64>) {
        self.closed = self.closed.max(step);
        let current = match &self.stage {
            Stage::Stored(step, _) | Stage::Asking(step, _) => Some(*step),
            // An upload ends before anything else begins: two never run at once.
            Stage::Uploading(_) | Stage::Idle => None,
        };
        if current.is_some() && current <= self.closed {
            self.stage = Stage::Idle;
            self.retry.reset();
        }
    }

    fn fail(&mut self, step: u64, now: AgentTime, salt: u64) {
        self.retry.fail(now, salt);
        if self.retry.failures() >= TRIES_MAX {
            self.closed = self.closed.max(Some(step));
            self.stage = Stage::Idle;
            self.retry.reset();
        }
    }
}

//! Heartbeats: taken in at once, written together, answered after the write.

use std::collections::BTreeSet;

use gpu_probe::protocol::{Directive, HeartbeatReply, HeartbeatRequest};
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use super::{Kernel, Ticket};
use crate::engine::message::{AgentReply, Refused, Reply};
use crate::engine::records::log_chunk;
use crate::store::{Liveness, LogChunk};

/// What is to be written, and answered once it is.
#[derive(Debug, Default)]
#[must_use]
pub struct Flush {
    /// The newest heartbeat of each node that was heard.
    pub beats: Vec<Liveness>,
    /// What workloads printed.
    pub logs: Vec<LogChunk>,
    replies: Vec<(Ticket, Reply)>,
}

impl Flush {
    /// It is on the disk: what may be answered.
    pub fn written(self) -> Vec<(Ticket, Reply)> {
        self.replies
    }

    /// It could not be written: nobody's lease is renewed; agents ask again.
    pub fn failed(self, why: &str) -> Vec<(Ticket, Reply)> {
        let refused = Reply::Refused(Refused::Store(why.to_owned()));
        let tickets = self.replies.into_iter();
        tickets
            .map(|(ticket, _)| (ticket, refused.clone()))
            .collect()
    }
}

/// Heartbeats that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Beats {
    heard: BTreeSet<(JobId, Epoch, u16)>,
    logs: Vec<LogChunk>,
    replies: Vec<(Ticket, Reply)>,
    flush_at: Option<WorldTime>,
}

impl Beats {
    pub(super) fn flush_at(&self) -> Option<WorldTime> {
        self.flush_at
    }
}

impl Kernel {
    /// Takes a heartbeat in. It changes the job in place: what it changes is written by the flush
    /// and can be lost with nothing but the time it proved.
    pub(super) fn beat(&mut self, ticket: Ticket, beat: &HeartbeatRequest, now: WorldTime) {
        let Some(held) = self.jobs.get_mut(&beat.job) else {
            let reply = match self.unknown(beat.job, beat.epoch) {
                Reply::Agent(_) => Reply::Agent(AgentReply::Heartbeat(over())),
                refused => refused,
            };
            return self.answers.push((ticket, reply));
        };
        if held.job.doc.session.is_news(beat) {
            self.beats.logs.extend(log_chunk(beat, now));
            self.beats.heard.insert((beat.job, beat.epoch, beat.rank));
        }
        let reply = held.job.doc.session.heartbeat(beat, now);
        let listens = held.listens();
        let reply = Reply::Agent(AgentReply::Heartbeat(reply));
        self.beats.replies.push((ticket, reply));
        let flush_at = now.after(self.terms.rounds.flush);
        self.beats.flush_at.get_or_insert(flush_at);
        if listens {
            self.make_ready(beat.job);
        }
    }

    /// What is to be written of the heartbeats, when it is time.
    pub fn flush(&mut self, now: WorldTime) -> Option<Flush> {
        self.beats.flush_at.filter(|at| *at <= now)?;
        let taken = std::mem::take(&mut self.beats);
        let beats = taken
            .heard
            .iter()
            .filter_map(|(id, epoch, rank)| {
                let job = &self.jobs.get(id)?.job;
                if job.doc.session.live_epoch() != Some(*epoch) {
                    return None;
                }
                let beat = job.doc.session.beat(*rank)?;
                let proved = beat.proved.as_micros();
                Some(Liveness {
                    job: *id,
                    epoch: *epoch,
                    rank: *rank,
                    sequence: beat.sequence,
                    last_seen: beat.heard_at,
                    lease_until: beat.lease_until,
                    proved_us: u64::try_from(proved).unwrap_or(u64::MAX),
                })
            })
            .collect();
        Some(Flush {
            beats,
            logs: taken.logs,
            replies: taken.replies,
        })
    }
}

/// What an agent of a job that ended here is told.
fn over() -> HeartbeatReply {
    HeartbeatReply {
        granted: false,
        lease_ttl_ms: 0,
        live_epoch: Epoch(u32::MAX),
        directive: Directive::Stop,
    }
}

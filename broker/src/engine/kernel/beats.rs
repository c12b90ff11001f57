//! Heartbeats: taken in at once, written together, answered after the write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gpu_probe::protocol::{Directive, HeartbeatReply, HeartbeatRequest};
use gpu_probe::session::Verdict;
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use super::{Kernel, Ticket, Waiting};
use crate::engine::message::{AgentReply, AgentRequest, Refused, Reply, Request};
use crate::engine::probe;
use crate::engine::records::log_chunk;
use crate::store::{Liveness, LogChunk};

/// Most bytes of output that wait for a flush.
const LOG_BYTES_MAX: usize = 64 << 20;
/// Most of them of one job, for each of its nodes: what two full heartbeats carry.
const LOG_BYTES_OF_NODE_MAX: usize = 2 * gpu_probe::protocol::LOG_BYTES_MAX;
/// Time between two warnings that lines of one job are left out.
const CUT_TOLD_EVERY: Duration = Duration::from_secs(60);

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
    log_bytes: usize,
    log_bytes_of: BTreeMap<JobId, usize>,
    replies: Vec<(Ticket, JobId, HeartbeatReply)>,
    flush_at: Option<WorldTime>,
    /// Jobs whose lines were left out, and when that was last told.
    cut_told: BTreeMap<JobId, WorldTime>,
}

impl Beats {
    /// Keeps what a workload printed, while there is room for its job.
    fn print(&mut self, chunk: Option<LogChunk>, nodes: u16, now: WorldTime) {
        let Some(chunk) = chunk else {
            return;
        };
        let bytes = chunk.text.len();
        let share = LOG_BYTES_OF_NODE_MAX * usize::from(nodes);
        let of_job = self.log_bytes_of.entry(chunk.job).or_default();
        if *of_job + bytes > share || self.log_bytes + bytes > LOG_BYTES_MAX {
            self.tell_cut(chunk.job, now);
            return;
        }
        *of_job += bytes;
        self.log_bytes += bytes;
        self.logs.push(chunk);
    }

    /// Warns that lines of a job are left out, now and then.
    fn tell_cut(&mut self, job: JobId, now: WorldTime) {
        let is_old = |told: &WorldTime| now.since(*told) >= CUT_TOLD_EVERY;
        if self.cut_told.get(&job).is_none_or(is_old) {
            self.cut_told.insert(job, now);
            tracing::warn!(%job, "too much was printed at once: lines are left out");
        }
    }

    /// Takes what waits to be written.
    fn take(&mut self, now: WorldTime) -> Self {
        let mut cut_told = std::mem::take(&mut self.cut_told);
        cut_told.retain(|_, told| now.since(*told) < CUT_TOLD_EVERY);
        std::mem::replace(
            self,
            Self {
                cut_told,
                ..Self::default()
            },
        )
    }

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
        let (counted, works_barred) = probe::hear(&mut held.job, beat);
        let beat = &counted;
        if held.job.doc.session.is_heard(beat) {
            let nodes = held.job.nodes();
            self.beats.print(log_chunk(beat, now), nodes, now);
        }
        if held.job.doc.session.is_news(beat) {
            self.beats.heard.insert((beat.job, beat.epoch, beat.rank));
        }
        let due = probe::running::to_order(&held.job, beat, &self.terms.probe, now);
        if due.is_some_and(|ordered| self.cohorts.admits(ordered.moment)) {
            // The order must be on the disk before it is given: this one waits for the next commit.
            let request = Request::Agent(AgentRequest::Heartbeat(beat.clone()));
            return self.wait(beat.job, Waiting::Request(ticket, Box::new(request)));
        }
        let again = probe::running::again(&held.job, beat, now);
        let mut reply = held.job.doc.session.heartbeat(beat, now);
        reply.spot_probe = again.filter(|_| reply.granted);
        // What one node says may decide whose failure it was that another one reported.
        let is_judged = held.job.doc.session.verdict(now) != Verdict::Running;
        let listens = held.listens() || is_judged || works_barred;
        self.beats.replies.push((ticket, beat.job, reply));
        let flush_at = now.after(self.terms.rounds.flush);
        self.beats.flush_at.get_or_insert(flush_at);
        if listens {
            self.make_ready(beat.job);
        }
    }

    /// What is to be written of the heartbeats, when it is time.
    pub fn flush(&mut self, now: WorldTime) -> Option<Flush> {
        self.beats.flush_at.filter(|at| *at <= now)?;
        let taken = self.beats.take(now);
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
        let answer = |(ticket, job, reply)| {
            // What is not held any more was not written, so nothing of it is renewed.
            let held = self.jobs.contains_key(&job);
            let reply = if held { reply } else { over() };
            (ticket, Reply::Agent(AgentReply::Heartbeat(reply)))
        };
        Some(Flush {
            beats,
            logs: taken.logs,
            replies: taken.replies.into_iter().map(answer).collect(),
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
        spot_probe: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::step::story::at;

    fn chunk(n: u64, bytes: usize) -> Option<LogChunk> {
        Some(LogChunk {
            job: JobId::from_parts(n, &[1; 10]),
            epoch: Epoch(1),
            rank: 0,
            sequence: 1,
            at: at(0),
            text: "x".repeat(bytes),
        })
    }

    #[test]
    fn a_job_that_prints_without_end_takes_its_own_share_and_is_told_of_once_a_minute() {
        let mut beats = Beats::default();
        for second in 0..150 {
            for _ in 0..10 {
                beats.print(chunk(1, LOG_BYTES_OF_NODE_MAX), 2, at(second));
            }
            beats.print(chunk(2, 5), 1, at(second));
            let told = JobId::from_parts(1, &[1; 10]);
            assert_eq!(beats.cut_told.get(&told), Some(&at(second / 60 * 60)));
            let taken = beats.take(at(second));
            assert_eq!(
                taken.logs.len(),
                3,
                "two chunks of the one, all of the other"
            );
        }
    }

    #[test]
    fn all_jobs_together_are_bounded_too() {
        let mut beats = Beats::default();
        for n in 0..1_000 {
            beats.print(chunk(n, LOG_BYTES_OF_NODE_MAX), 1, at(0));
        }
        assert_eq!(beats.log_bytes, LOG_BYTES_MAX);
    }
}

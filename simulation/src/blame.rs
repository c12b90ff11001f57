//! What was done to whom: no attempt is left but for a cause, and what is not proved is explained.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gpu_probe::protocol::HeartbeatRequest;
use gpu_probe::session::LEASE_TTL;
use serde_json::Value;
use tandem::engine::message::{AgentReply as Said, AgentRequest, Reply};
use tandem_model::id::JobId;
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;
use tandem_sandbox::world::AgentCall;

use crate::witness::Witness;

/// A heartbeat by what it carries.
type Beat = (JobId, Epoch, u16, u64);
/// From when to when.
pub(crate) type Span = (WorldTime, WorldTime);

/// What was done to whom.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    /// Which attempt speaks from a unit.
    units: BTreeMap<String, (JobId, Epoch)>,
    attempts: BTreeMap<(JobId, Epoch), Vec<Span>>,
    networks: BTreeMap<NetworkId, Vec<Span>>,
    /// When the broker was away.
    pub(crate) away: Vec<Span>,
    away_since: Option<WorldTime>,
    /// Heartbeats that came when their job was over.
    over: BTreeSet<Beat>,
    /// When calls under way were sent: of binds by boot, of heartbeats by what they carry.
    sent: BTreeMap<(JobId, Epoch, u16, u64), WorldTime>,
    /// Until when each agent may publish by its own count.
    leases: BTreeMap<(JobId, Epoch, u16), WorldTime>,
    /// Agents that reported their end.
    reported: BTreeSet<(JobId, Epoch, u16)>,
    /// When each agent's newest heartbeat was taken in, and how much time in all was too long to
    /// be proved.
    heard: BTreeMap<(JobId, Epoch, u16), WorldTime>,
    /// When the store failed.
    store_failed: Vec<WorldTime>,
    gaps: BTreeMap<(JobId, Epoch), Duration>,
}

fn beat(request: &HeartbeatRequest) -> Beat {
    (request.job, request.epoch, request.rank, request.sequence)
}

fn key(request: &AgentRequest) -> Option<Beat> {
    match request {
        AgentRequest::Heartbeat(request) => Some(beat(request)),
        AgentRequest::Bind(r) => Some((r.job, r.epoch, r.rank, 0)),
        _ => None,
    }
}

impl Blame {
    /// Whether a heartbeat came when its job was over already.
    pub(crate) fn was_over_when_asked(&self, request: &AgentRequest) -> bool {
        key(request).is_some_and(|beat| self.over.contains(&beat))
    }

    /// Takes over the leases that an answer grants or ends.
    pub(crate) fn leases(&mut self, request: &AgentRequest, reply: &Reply) {
        let (job, epoch) = request.names();
        match (request, reply) {
            (AgentRequest::Heartbeat(r), Reply::Agent(Said::Heartbeat(told))) if told.granted => {
                self.grant((job, epoch, r.rank), &beat(r));
            }
            (AgentRequest::Bind(r), Reply::Agent(Said::Bound { .. })) => {
                self.grant((job, epoch, r.rank), &(job, epoch, r.rank, 0));
            }
            _ => {}
        }
    }

    fn grant(&mut self, agent: (JobId, Epoch, u16), asked: &Beat) {
        // Who has reported its end has ended, whatever it is still told.
        if let Some(sent) = self
            .sent
            .get(asked)
            .filter(|_| !self.reported.contains(&agent))
        {
            let until = sent.after(LEASE_TTL);
            let lease = self.leases.entry(agent).or_insert(until);
            *lease = until.max(*lease);
        }
    }

    /// Until when some agent of an attempt may publish by its own count.
    pub(crate) fn lease_until(&self, job: JobId, epoch: Epoch) -> Option<WorldTime> {
        let all = self.leases.range((job, epoch, 0)..=(job, epoch, u16::MAX));
        all.map(|(_, until)| *until).max()
    }

    /// Everything done to an attempt: to itself, its network, its broker.
    pub(crate) fn of(&self, job: JobId, epoch: Epoch, network: &NetworkId) -> Vec<Span> {
        let own = self.attempts.get(&(job, epoch)).into_iter().flatten();
        let around = self.networks.get(network).into_iter().flatten();
        own.chain(around).chain(&self.away).copied().collect()
    }

    /// Which attempt speaks from a unit.
    pub(crate) fn speaks_from(&self, unit: &str) -> Option<(JobId, Epoch)> {
        self.units.get(unit).copied()
    }

    /// Whether something was done to an attempt within a time, its broker's absence aside.
    pub(crate) fn explains(
        &self,
        who: (JobId, Epoch),
        network: &NetworkId,
        (from, until): Span,
    ) -> bool {
        let own = self.attempts.get(&who).into_iter().flatten();
        let around = self.networks.get(network).into_iter().flatten();
        let mut done = own.chain(around);
        done.any(|(began, ended)| *began <= until && *ended >= from)
            || self.store_failed_within((from, until))
    }

    /// Whether the store failed within a time: what was asked of the broker then had no answer.
    pub(crate) fn store_failed_within(&self, (from, until): Span) -> bool {
        let mut failed = self.store_failed.iter();
        failed.any(|at| (from..=until).contains(at))
    }

    /// Time of an attempt between heartbeats that were too far apart for it to be proved.
    pub(crate) fn unproved(&self, job: JobId, epoch: Epoch) -> Duration {
        self.gaps.get(&(job, epoch)).copied().unwrap_or_default()
    }

    /// Entries of the books: they are forgotten with the run.
    fn disturb(&mut self, who: (JobId, Epoch), span: Span) {
        self.attempts.entry(who).or_default().push(span);
    }
}

/// Whose call it is.
fn whose(call: &AgentCall) -> Option<(JobId, Epoch)> {
    let body: Value = serde_json::from_slice(&call.body).ok()?;
    let job = body.get("job")?.as_str()?.parse().ok()?;
    let epoch = u32::try_from(body.get("epoch")?.as_u64()?).ok()?;
    Some((job, Epoch(epoch)))
}

impl Witness {
    /// An agent sends a call.
    pub(crate) fn call_is_sent(&mut self, call: &AgentCall, now: WorldTime) {
        let Some((job, epoch)) = whose(call) else {
            return;
        };
        self.blame.units.insert(call.node.clone(), (job, epoch));
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        let rank = number("rank").and_then(|r| u16::try_from(r).ok());
        let is_bind = call.path.ends_with("bind");
        let sequence = if is_bind { Some(0) } else { number("sequence") };
        if let (Some(rank), Some(sequence)) = (rank, sequence) {
            self.blame.sent.insert((job, epoch, rank, sequence), now);
        }
    }

    /// A call is lost or late on its way.
    pub(crate) fn call_is_troubled(&mut self, call: &AgentCall, now: WorldTime) {
        if let Some(who) = whose(call) {
            self.blame
                .disturb(who, (now, now.after(Duration::from_secs(30))));
        }
    }

    /// A call is taken in by the broker.
    pub(crate) fn call_arrives(&mut self, request: &AgentRequest, now: WorldTime) {
        let (job, epoch) = request.names();
        if let AgentRequest::Probed(r) = request
            && let Some(moment) = r.moment
        {
            self.moment_is_judged((job, epoch, r.rank, moment), &r.verdict);
        }
        if let AgentRequest::Result(r) = request {
            self.blame.leases.remove(&(job, epoch, r.rank));
            self.blame.reported.insert((job, epoch, r.rank));
        }
        let is_over = self
            .jobs
            .get(&job)
            .is_some_and(|seen| seen.state.is_terminal());
        let Some(beat) = key(request) else {
            return;
        };
        if is_over {
            self.blame.over.insert(beat);
        }
        let before = self.blame.heard.insert((job, epoch, beat.2), now);
        let gap = before.map(|before| now.since(before)).unwrap_or_default();
        if gap > LEASE_TTL {
            *self.blame.gaps.entry((job, epoch)).or_default() += gap;
        }
    }

    /// The machine under a node of an attempt does what its placement may be left for.
    pub(crate) fn machine_is_bad(&mut self, who: (JobId, Epoch), now: WorldTime) {
        self.blame.disturb(who, (now, now));
    }

    /// The same of the machine under a unit, where its attempt is known.
    pub(crate) fn unit_is_bad(&mut self, unit: &str, now: WorldTime) {
        if let Some(who) = self.blame.units.get(unit).copied() {
            self.machine_is_bad(who, now);
        }
    }

    /// The store fails to write.
    pub(crate) fn store_fails(&mut self, now: WorldTime) {
        self.blame.store_failed.push(now);
    }

    /// A network fails for a moment.
    pub(crate) fn network_fails(&mut self, network: &NetworkId, now: WorldTime) {
        self.network_is_bad(network, now, now.after(Duration::from_secs(60)));
    }

    /// A network fails for a while.
    pub(crate) fn network_is_bad(&mut self, network: &NetworkId, from: WorldTime, to: WorldTime) {
        let spans = self.blame.networks.entry(network.clone()).or_default();
        spans.push((from, to));
    }

    /// A node fails: its attempt when it is known, else anything on its network may be meant.
    pub(crate) fn node_fails(
        &mut self,
        unit: &str,
        network: &NetworkId,
        now: WorldTime,
        lasts: Duration,
    ) {
        let span = (now, now.after(lasts));
        match self.blame.units.get(unit).copied() {
            Some(who) => self.blame.disturb(who, span),
            None => self.network_is_bad(network, span.0, span.1),
        }
    }

    pub(crate) fn broker_is_away(&mut self, now: WorldTime) {
        self.blame.away_since = Some(now);
    }

    pub(crate) fn broker_is_back(&mut self, now: WorldTime) {
        if let Some(since) = self.blame.away_since.take() {
            self.blame.away.push((since, now));
        }
    }
}

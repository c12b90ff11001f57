//! The kernel with a store that says what a test wants it to say.

use gpu_probe::protocol::{BindRequest, EndCause, HeartbeatRequest, Phase, ResultReport};
use tandem_adapters::command::{FailureKind, Outcome};
use tandem_model::id::{AccountId, BootId, PlacementId};
use tandem_model::job::JobState;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::NetworkId;
use tandem_model::placement::{Epoch, PlacementTag, RemoteState};

use super::*;
use crate::engine::message::Refused;
use crate::engine::step::story::{FILE, at, offer, spec, terms, thing, two};
use crate::store::{Changes, Rule, StoreError};

mod market;
mod measured;
mod probes;
mod running_probes;
mod supply;

/// A kernel whose commits succeed unless a test says otherwise.
struct Rig {
    kernel: Kernel,
    tickets: u64,
    placements: u64,
}

fn job(n: u64) -> JobId {
    JobId::from_parts(n, &[1; 10])
}

fn used_before() -> StoreError {
    StoreError::Refused {
        rule: Rule::QuoteTaken,
        detail: "a quote".into(),
    }
}

fn ionet() -> NetworkId {
    NetworkId::from_static("ionet")
}

fn bind(job: JobId, rank: u16) -> Request {
    Request::Agent(AgentRequest::Bind(BindRequest {
        job,
        epoch: Epoch(1),
        rank,
        boot_id: BootId::from_parts(1, &[5; 10]),
        container: "c".into(),
        agent_version: "0".into(),
    }))
}

fn beat(job: JobId, rank: u16, sequence: u64, line: String) -> Request {
    Request::Agent(AgentRequest::Heartbeat(HeartbeatRequest {
        job,
        epoch: Epoch(1),
        rank,
        boot_id: BootId::from_parts(1, &[5; 10]),
        sequence,
        phase: Phase::Running,
        progress: None,
        uptime_ms: 0,
        worked_ms: 0,
        log_tail: vec![line],
    }))
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self {
            kernel: Kernel::new(terms(), at(0)),
            tickets: 0,
            placements: 0,
        };
        rig.read(two());
        rig
    }

    /// The market of every network, with room for many.
    fn read(&mut self, offers: Vec<tandem_model::offer::Offer>) {
        for network in ["ionet", "aethir"] {
            let of_it = offers.iter().filter(|o| o.network.as_str() == network);
            let mut of_it: Vec<_> = of_it.cloned().collect();
            of_it.iter_mut().for_each(|o| o.nodes_available = 1_000);
            let read = NetworkAnswer::Offers(Ok((of_it, 0)));
            let network = NetworkId::from_static(network);
            self.kernel.network_answered(&network, read, at(0));
        }
    }

    fn ask(&mut self, second: u64, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.kernel.receive(ticket, request, at(second));
        ticket
    }

    fn accept(&mut self, n: u64) -> Ticket {
        self.accept_gang(n, 1)
    }

    /// A job whose node was just bound, as the next broker claims it.
    fn leaves_a_bound_job(&mut self) -> Claimed {
        self.accept(1);
        let born = self.turn(0).unwrap();
        let written = born.changes.clone();
        self.kernel.committed(born);
        let remote_id = "remote-1".to_owned();
        let created = Input::Created(Epoch(1), Outcome::Started { remote_id });
        self.kernel.landed(job(1), Order::Create(Epoch(1)), created);
        self.ask(1, bind(job(1), 0));
        claimed(written, self.turn(1).unwrap().changes)
    }

    /// A job of so many nodes.
    fn accept_gang(&mut self, n: u64, nodes: u16) -> Ticket {
        let mut spec = Box::new(spec(FILE, &offer("ionet", "1")));
        spec.workload.resources.nodes = nodes;
        spec.quote.gpus = nodes.into();
        let request = Request::Accept {
            job: job(n),
            spec,
            reply: None,
        };
        self.ask(0, request)
    }

    fn cancel(&mut self, second: u64, n: u64) -> Ticket {
        let account = AccountId::from_parts(1, &[6; 10]);
        self.ask(
            second,
            Request::Cancel {
                job: job(n),
                account,
            },
        )
    }

    fn turn(&mut self, second: u64) -> Option<Turn> {
        let placements = &mut self.placements;
        let mut fresh = || {
            *placements += 1;
            PlacementId::from_parts(*placements, &[4; 10])
        };
        self.kernel.turn(at(second), &mut fresh)
    }

    /// Commits everything that is ready.
    fn work(&mut self, second: u64) -> After {
        let mut all = After::default();
        while let Some(turn) = self.turn(second) {
            let after = self.kernel.committed(turn);
            all.replies.extend(after.replies);
            all.orders.extend(after.orders);
        }
        all
    }

    /// A job that runs since second 1.
    fn running(&mut self, n: u64, nodes: u16) {
        self.accept_gang(n, nodes);
        self.starts(n, nodes);
    }

    /// An accepted job starts in second 1.
    fn starts(&mut self, n: u64, nodes: u16) {
        self.work(0);
        let remote_id = format!("remote-{n}");
        let created = Input::Created(Epoch(1), Outcome::Started { remote_id });
        self.kernel.landed(job(n), Order::Create(Epoch(1)), created);
        for rank in 0..nodes {
            self.ask(1, bind(job(n), rank));
        }
        self.work(1);
        let state = self.kernel.job(job(n)).unwrap().state();
        assert_eq!(state, JobState::Running);
    }

    fn swept(&mut self, second: u64, not_open: &[JobId]) -> Vec<(NetworkId, NetworkOrder)> {
        let tag = PlacementTag {
            installation: self.kernel.terms().installation,
            job: job(99),
            epoch: Epoch(1),
        };
        let thing = thing("remote-99", Some(tag.to_string()), RemoteState::Running);
        let swept = NetworkAnswer::Swept(Ok((vec![thing], not_open.iter().copied().collect())));
        self.kernel.network_answered(&ionet(), swept, at(second))
    }
}

#[test]
fn a_used_quote_has_only_new_jobs_decided_alone() {
    let mut rig = Rig::new();
    for n in 1..=3 {
        rig.accept(n);
    }
    rig.work(0);
    for n in 1..=3 {
        rig.cancel(1, n);
    }
    let used = rig.accept(4);
    let turn = rig.turn(1).unwrap();
    assert_eq!(turn.changes.jobs.len(), 4);
    let after = rig.kernel.refused(turn, &used_before(), at(1));
    assert!(after.replies.is_empty(), "everybody is asked again");
    let turn = rig.turn(1).unwrap();
    assert_eq!(turn.changes.jobs.len(), 3, "the others go on together");
    assert_eq!(rig.kernel.committed(turn).replies.len(), 3);
    let turn = rig.turn(1).unwrap();
    assert_eq!(turn.changes.jobs.len(), 1);
    let after = rig.kernel.refused(turn, &used_before(), at(1));
    let refused = Reply::Refused(Refused::UsedBefore);
    assert_eq!(after.replies, [(used, refused)]);
    assert!(rig.turn(1).is_none() && rig.kernel.alone.is_empty());
}

#[test]
fn who_asks_for_a_stop_is_told_the_state_after_it() {
    let mut rig = Rig::new();
    rig.accept(1);
    rig.work(0);
    let ticket = rig.cancel(1, 1);
    let replies = rig.work(1).replies;
    assert_eq!(replies, [(ticket, Reply::Cancelling(JobState::Cancelled))]);
}

#[test]
fn what_was_left_while_it_waited_for_its_turn_is_never_asked_for() {
    let mut rig = Rig::new();
    rig.accept(1);
    let orders = rig.work(0).orders;
    assert_eq!(orders, [(job(1), Order::Create(Epoch(1)))]);
    rig.cancel(1, 1);
    rig.work(1);
    let order = Order::Create(Epoch(1));
    let not_sent = rig.kernel.performance(job(1), order).unwrap_err();
    let Input::Created(_, Outcome::Failed(failure)) = &not_sent else {
        panic!("{not_sent:?}");
    };
    assert_eq!(failure.kind, FailureKind::Refused);
    rig.kernel.landed(job(1), order, not_sent);
    rig.work(2);
    assert!(rig.kernel.is_empty(), "nothing of it is left");
}

#[test]
fn a_heartbeat_of_a_job_that_another_broker_took_over_renews_nothing() {
    let mut rig = Rig::new();
    rig.running(1, 1);
    let ticket = rig.ask(5, beat(job(1), 0, 5, "line".into()));
    rig.cancel(5, 1);
    let turn = rig.turn(5).unwrap();
    let conflict = StoreError::Conflict(job(1));
    let _ = rig.kernel.refused(turn, &conflict, at(5));
    let flush = rig.kernel.flush(at(6)).unwrap();
    assert!(flush.beats.is_empty());
    match flush.written().as_slice() {
        [(answered, Reply::Agent(AgentReply::Heartbeat(reply)))] => {
            assert_eq!((*answered, reply.granted), (ticket, false));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_of_a_heartbeat_that_another_overtook_are_kept() {
    let mut rig = Rig::new();
    rig.running(1, 1);
    rig.ask(5, beat(job(1), 0, 7, String::new()));
    rig.ask(5, beat(job(1), 0, 6, "the last line".into()));
    let flush = rig.kernel.flush(at(6)).unwrap();
    let of_job: Vec<_> = flush.beats.iter().map(|b| b.sequence).collect();
    assert_eq!(of_job, [7], "it says nothing else any more");
    let printed: String = flush.logs.iter().map(|c| c.text.as_str()).collect();
    assert!(printed.contains("the last line\n"), "{printed:?}");
}

#[test]
fn a_job_that_prints_too_much_is_answered_all_the_same() {
    let mut rig = Rig::new();
    rig.running(1, 1);
    let line = "x".repeat(1 << 16);
    for sequence in 1..=100 {
        rig.ask(5, beat(job(1), 0, sequence, line.clone()));
    }
    let flush = rig.kernel.flush(at(6)).unwrap();
    let bytes: usize = flush.logs.iter().map(|chunk| chunk.text.len()).sum();
    assert!(bytes <= 1 << 17, "{bytes}");
    assert_eq!(flush.written().len(), 100, "everybody is answered");
}

#[test]
fn an_offer_that_left_the_market_is_forgotten() {
    let mut rig = Rig::new();
    rig.accept(1);
    rig.work(0);
    assert_eq!(rig.kernel.taken.len(), 1);
    rig.read(vec![offer("ionet", "other"), two().remove(1)]);
    assert!(rig.kernel.taken.is_empty());
}

#[test]
fn what_nobody_claims_is_stopped_when_a_second_sweep_finds_it_too() {
    let mut rig = Rig::new();
    assert!(rig.swept(120, &[]).is_empty(), "its job is another's");
    assert!(rig.swept(720, &[job(99)]).is_empty());
    assert!(rig.swept(780, &[]).is_empty(), "it was not its own");
    assert!(rig.swept(1_380, &[job(99)]).is_empty());
    let asks = rig.kernel.network_orders(at(1_440));
    assert!(asks.contains(&(ionet(), NetworkOrder::Sweep)), "{asks:?}");
    let remote_id = "remote-99".to_owned();
    let stop = (ionet(), NetworkOrder::StopOrphan { remote_id });
    assert_eq!(rig.swept(1_441, &[job(99)]), [stop]);
}

#[test]
fn the_next_heartbeat_of_the_other_node_says_that_the_failure_was_the_customers() {
    let mut rig = Rig::new();
    rig.running(1, 2);
    let failed = ResultReport {
        job: job(1),
        epoch: Epoch(1),
        rank: 1,
        boot_id: BootId::from_parts(1, &[5; 10]),
        exit_code: Some(3),
        signal: None,
        step: 0,
        worked_ms: 0,
        output_sha256: None,
        output_tail: String::new(),
        cause: EndCause::Workload,
        detail: None,
    };
    rig.ask(6, Request::Agent(AgentRequest::Result(failed)));
    rig.work(6);
    assert_eq!(rig.kernel.job(job(1)).unwrap().state(), JobState::Running);
    rig.ask(9, beat(job(1), 0, 9, "line".into()));
    rig.work(9);
    assert_eq!(rig.kernel.job(job(1)).unwrap().state(), JobState::Failed);
}

/// What a broker that takes the first job over reads of it: how it was born and last written.
fn claimed(born: Changes, mut last: Changes) -> Claimed {
    let owner = terms().broker;
    let mut job = last.jobs.remove(0).job;
    job.spec = born.jobs[0].job.spec.clone();
    Claimed {
        job,
        claim: Claim {
            owner,
            generation: 2,
        },
        placements: last.placements,
        liveness: Vec::new(),
        outbox: Vec::new(),
    }
}

#[test]
fn agents_have_time_to_ask_again_after_the_broker_was_away_and_not_for_ever() {
    let mut rig = Rig::new();
    let claimed = rig.leaves_a_bound_job();

    // Away for so long that the lease ran out; agents ask again after up to 40 s.
    rig.kernel = Kernel::new(terms(), at(1_000));
    rig.read(two());
    rig.kernel.adopt(&claimed, at(1_000)).unwrap();
    let mut left_at = None;
    for second in 1_000..1_200 {
        rig.kernel.network_orders(at(second));
        rig.work(second);
        if rig.kernel.job(job(1)).unwrap().epoch() == Epoch(2) {
            left_at.get_or_insert(second);
        }
    }
    let left_at = left_at.expect("its agent is never heard again");
    assert!((1_045..1_100).contains(&left_at), "{left_at}");
}

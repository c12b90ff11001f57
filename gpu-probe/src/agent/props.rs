//! Whatever the agent is told, in whatever order, it keeps its promises.

use proptest::prelude::*;

use super::fixtures::{identity, store, terms};
use super::*;
use crate::exchange::VerifierMessage;
use crate::hex::HexBytes;
use crate::protocol::{Directive, Phase, ProbeSaid, SpotOrder};

fn live_epochs() -> impl Strategy<Value = Epoch> {
    prop_oneof![6 => Just(Epoch(3)), 1 => Just(Epoch(4)), 1 => Just(Epoch(2))]
}

fn call_errors() -> impl Strategy<Value = CallError> {
    prop_oneof![
        4 => Just(CallError::Unreachable),
        1 => proptest::option::of(live_epochs())
            .prop_map(|live_epoch| CallError::Refused { live_epoch }),
    ]
}

fn outcomes<T: std::fmt::Debug + Clone + 'static>(
    reply: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Result<T, CallError>> {
    prop_oneof![4 => reply.prop_map(Ok), 1 => call_errors().prop_map(Err)].boxed()
}

fn references() -> impl Strategy<Value = CheckpointRef> {
    (live_epochs(), 0u64..12).prop_map(|(epoch, step)| CheckpointRef {
        epoch,
        step,
        key: "k".to_owned(),
        sha256: Sha256::of(b""),
        bytes: 0,
    })
}

fn probe_orders() -> impl Strategy<Value = Option<Kind>> {
    prop_oneof![2 => Just(None), 2 => Just(Some(Kind::Quick)), 1 => Just(Some(Kind::Soak))]
}

fn probe_ends() -> impl Strategy<Value = ProbeEnd> {
    prop_oneof![
        2 => Just(ProbeEnd::MayStart),
        1 => Just(ProbeEnd::MayNotStart("fail".to_owned())),
        2 => Just(ProbeEnd::CouldNotRun("no driver".to_owned())),
    ]
}

fn probe_replies() -> impl Strategy<Value = ProbeReply> {
    proptest::option::of(any::<bool>()).prop_map(|may_start| ProbeReply {
        message: VerifierMessage::Ok,
        may_start,
    })
}

fn bind_replies() -> impl Strategy<Value = BindReply> {
    (
        any::<bool>(),
        proptest::option::of(references()),
        any::<bool>(),
        0u64..40,
        probe_orders(),
    )
        .prop_map(
            |(exclusive, restore, has_store, lease_s, probe)| BindReply {
                lease_ttl_ms: lease_s * 1_000,
                heartbeat_interval_ms: 5_000,
                orphan_ttl_ms: 120_000,
                exclusive,
                secrets: Default::default(),
                restore,
                checkpoint_store: has_store.then(store),
                probe,
            },
        )
}

fn moments() -> impl Strategy<Value = MomentId> {
    (0u8..3).prop_map(|n| HexBytes([n; 16]))
}

fn spot_orders() -> impl Strategy<Value = SpotOrder> {
    (moments(), 0u64..20_000).prop_map(|(moment, in_ms)| SpotOrder { moment, in_ms })
}

fn heartbeat_replies() -> impl Strategy<Value = HeartbeatReply> {
    let directives = prop_oneof![
        8 => Just(Directive::Continue),
        1 => Just(Directive::Stop),
        1 => Just(Directive::CheckpointAndStop),
    ];
    let spots = proptest::option::weighted(0.7, spot_orders());
    (prop::bool::weighted(0.8), live_epochs(), directives, spots).prop_map(
        |(granted, live_epoch, directive, spot_probe)| HeartbeatReply {
            granted,
            lease_ttl_ms: 30_000,
            live_epoch,
            directive,
            spot_probe,
        },
    )
}

fn ends() -> impl Strategy<Value = Input> {
    (0i32..3).prop_map(|code| {
        Input::WorkloadEnded(Box::new(Ended {
            exit_code: Some(code),
            ..Ended::unstarted(EndCause::Workload, None)
        }))
    })
}

fn inputs() -> impl Strategy<Value = Input> {
    let pointers = (any::<bool>(), proptest::option::of(references()))
        .prop_map(|(accepted, pointer)| CheckpointReply { accepted, pointer });
    let uploads = prop_oneof![
        3 => Just(Ok(Uploaded { key: "k".to_owned(), sha256: Sha256::of(b""), bytes: 1 })),
        1 => Just(Err("full".to_owned())),
    ];
    let recorded = any::<bool>().prop_map(|recorded| ResultReply { recorded });
    prop_oneof![
        6 => Just(Input::Tick),
        2 => (1u64..4, outcomes(bind_replies())).prop_map(|(n, r)| Input::BindReplied(n, r)),
        6 => (1u64..20, outcomes(heartbeat_replies()))
            .prop_map(|(n, r)| Input::HeartbeatReplied(n, r)),
        2 => probe_ends().prop_map(Input::Probed),
        2 => outcomes(probe_replies()).prop_map(Input::ProbeReplied),
        1 => moments().prop_map(Input::SpotMeasured),
        1 => (moments(), prop_oneof![Just(Ok(())), Just(Err("no memory".to_owned()))])
            .prop_map(|(moment, end)| Input::SpotProbed(moment, end)),
        2 => prop_oneof![Just(Ok(())), Just(Err("bad".to_owned()))].prop_map(Input::Restored),
        2 => Just(Input::Started),
        1 => ends(),
        1 => (0u64..12).prop_map(|step| Input::Progress(Progress { step, total_steps: None })),
        4 => (0u64..12).prop_map(Input::CheckpointFinished),
        4 => (0u64..12, uploads).prop_map(|(step, r)| Input::Uploaded(step, r)),
        4 => (0u64..12, outcomes(pointers)).prop_map(|(s, r)| Input::CheckpointReplied(s, r)),
        1 => outcomes(recorded).prop_map(Input::ResultReplied),
        1 => Just(Input::Printed(vec!["line".to_owned()])),
        1 => Just(Input::Terminate),
    ]
}

/// What must hold over a whole life.
#[derive(Default)]
struct Witness {
    /// A probe was ordered and nobody has allowed a start yet.
    awaits_leave: bool,
    /// The broker was asked for it and has not answered yet: what nobody asked for is no answer.
    asks_leave: bool,
    probing: bool,
    started: bool,
    killed: bool,
    exited: bool,
    asked_step: Option<u64>,
    finished_step: Option<u64>,
    worked_ms: u64,
    /// Since when the workload stands still.
    paused_at: Option<AgentTime>,
    /// How long it stood still before that.
    paused: Duration,
    /// The probe of running work under way.
    spot: Option<MomentId>,
    /// Moments that were probed.
    spots: Vec<MomentId>,
}

impl Witness {
    /// Notes an input that allows the start, as a reader of the inputs alone would understand it.
    fn hears(&mut self, input: &Input, was: Phase) {
        if let Input::SpotProbed(moment, _) = input
            && self.spot == Some(*moment)
        {
            self.spot = None;
        }
        let leave = match input {
            Input::Probed(ProbeEnd::MayStart) => self.probing,
            Input::ProbeReplied(Ok(reply)) => self.asks_leave && reply.may_start == Some(true),
            _ => false,
        };
        if matches!(input, Input::ProbeReplied(_)) {
            self.asks_leave = false;
        }
        if leave && was == Phase::Probing {
            self.awaits_leave = false;
        }
        if matches!(input, Input::Probed(_)) {
            self.probing = false;
        }
    }

    fn claims(&mut self, worked_ms: u64, state: &AgentState) -> Result<(), TestCaseError> {
        prop_assert!(self.worked_ms <= worked_ms, "claimed work fell");
        prop_assert!(worked_ms == 0 || self.started, "worked before the start");
        let lived = state.now.since(state.booted_at).as_millis();
        prop_assert!(
            u128::from(worked_ms) <= lived,
            "worked longer than it lived"
        );
        let stood = self
            .paused_at
            .map_or(Duration::ZERO, |at| state.now.since(at));
        let most = state.now.since(state.booted_at) - self.paused - stood;
        prop_assert!(
            u128::from(worked_ms) <= most.as_millis(),
            "worked while it stood still"
        );
        self.worked_ms = worked_ms;
        Ok(())
    }

    /// A workload stands still only under a running probe, no longer than is allowed, and with the
    /// lease.
    fn stands_still_for_a_reason(&self, state: &AgentState) -> Result<(), TestCaseError> {
        let Some(since) = self.paused_at else {
            return Ok(());
        };
        prop_assert!(self.spot.is_some() && state.phase() == Phase::Running);
        prop_assert!(state.holds_lease(state.now));
        let stood = state.now.since(since).as_millis();
        prop_assert!(
            stood < u128::from(PAUSE_MS_MAX),
            "stands still for {stood} ms"
        );
        Ok(())
    }

    /// What an action does of a probe.
    fn sees_probe(&mut self, action: &Action, state: &AgentState) -> Result<(), TestCaseError> {
        match action {
            Action::Probe(_) => {
                prop_assert!(!self.started && !self.awaits_leave, "probed twice or late");
                (self.awaits_leave, self.probing) = (true, true);
            }
            Action::AbortProbe => {
                prop_assert!(self.probing || self.spot.is_some(), "nothing to abort");
                (self.probing, self.spot) = (false, None);
            }
            Action::Pause => {
                prop_assert!(self.started && !self.killed && self.paused_at.is_none());
                prop_assert!(state.phase() == Phase::Running && state.holds_lease(state.now));
                self.paused_at = Some(state.now);
            }
            Action::ProbeSpot(moment) => {
                prop_assert!(self.paused_at.is_some(), "probed beside the work");
                prop_assert!(self.spot.is_none() && !self.probing, "two at once");
                prop_assert!(!self.spots.contains(moment), "the same moment twice");
                self.spots.push(*moment);
                self.spot = Some(*moment);
            }
            Action::Resume => {
                let since = self.paused_at.take();
                prop_assert!(since.is_some(), "nothing stands still");
                self.paused += state.now.since(since.unwrap_or_default());
            }
            Action::SendProbe(request) if request.moment.is_some() => {
                let is_done = self.spots.iter().any(|done| request.moment == Some(*done));
                prop_assert!(is_done && self.paused_at.is_none());
                let says_so = matches!(request.said, ProbeSaid::CouldNotRun { .. });
                prop_assert!(says_so, "a message of the exchange from the core");
            }
            Action::SendProbe(request) => {
                prop_assert!(self.awaits_leave && !self.probing, "told without a cause");
                self.asks_leave = true;
                let says_so = matches!(request.said, ProbeSaid::CouldNotRun { .. });
                prop_assert!(says_so, "a message of the exchange from the core");
            }
            _ => {}
        }
        Ok(())
    }

    fn see(&mut self, action: &Action, state: &AgentState) -> Result<(), TestCaseError> {
        prop_assert!(!self.exited, "{action:?} after the exit");
        self.sees_probe(action, state)?;
        match action {
            Action::Start { .. } => {
                prop_assert!(!self.awaits_leave, "started before the probe allowed it");
                prop_assert!(
                    !self.started && !self.killed,
                    "started twice or after a kill"
                );
                prop_assert!(state.holds_lease(state.now), "started without the lease");
                self.started = true;
            }
            Action::Upload(step, _) => {
                prop_assert!(state.holds_lease(state.now), "uploaded without the lease");
                prop_assert!(Some(*step) == self.finished_step, "not the highest step");
            }
            Action::SendCheckpoint(request) => {
                prop_assert!(state.holds_lease(state.now), "published without the lease");
                prop_assert!(
                    Some(request.step) >= self.asked_step,
                    "the pointer would go back"
                );
                self.asked_step = Some(request.step);
            }
            Action::SendResult(report) => {
                prop_assert!(!self.killed, "reported after a kill");
                self.claims(report.worked_ms, state)?;
            }
            Action::SendHeartbeat(request) => self.claims(request.worked_ms, state)?,
            Action::Kill(_) => {
                prop_assert!(self.paused_at.is_none(), "killed where it stands");
                prop_assert!(self.started && !self.killed);
                self.killed = true;
            }
            Action::Stop(_) => {
                prop_assert!(self.paused_at.is_none(), "a stopped one hears no SIGTERM");
                prop_assert!(self.started && !self.killed);
            }
            Action::Exit(_) => {
                prop_assert!(!self.probing, "exits and leaves the probe going");
                prop_assert!(self.paused_at.is_none(), "exits and leaves it standing");
                self.exited = true;
            }
            Action::Restore(..) => {
                prop_assert!(!self.awaits_leave, "restored before the probe allowed it");
            }
            _ => {}
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_order_of_inputs_breaks_a_promise(
        steps in prop::collection::vec((inputs(), 0u64..8_000_000), 1..200),
        is_job: bool,
        early in prop::bool::weighted(0.8),
        probe in probe_orders(),
    ) {
        let kind = if is_job { WorkloadKind::Job } else { WorkloadKind::Service };
        let mut now = AgentTime(0);
        let mut state = AgentState::new(identity(kind), now);
        let mut witness = Witness::default();
        let opening = early.then(|| {
            let terms = BindReply { probe, ..terms() };
            [(Input::Tick, 0), (Input::BindReplied(1, Ok(terms)), 0), (Input::Started, 0)]
        });
        for (input, wait_us) in opening.into_iter().flatten().chain(steps) {
            now = AgentTime(now.0 + wait_us);
            if let Input::CheckpointFinished(step) = &input
                && state.terms.store.is_some()
            {
                witness.finished_step = witness.finished_step.max(Some(*step));
            }
            let was_bound = state.stage.is_bound();
            witness.hears(&input, state.phase());
            let actions = step(&mut state, input, now);
            if !was_bound && state.stage.is_bound() {
                witness.finished_step = state.checkpoints.finished();
            }
            prop_assert!(actions.len() <= 8, "{} actions at once", actions.len());
            for action in &actions {
                witness.see(action, &state)?;
            }
            witness.stands_still_for_a_reason(&state)?;
        }
    }

    #[test]
    fn an_agent_of_a_job_that_hears_nothing_more_always_ends(
        steps in prop::collection::vec((inputs(), 0u64..8_000_000), 1..60),
    ) {
        let mut now = AgentTime(0);
        let mut state = AgentState::new(identity(WorkloadKind::Job), now);
        for (input, wait_us) in steps {
            now = AgentTime(now.0 + wait_us);
            step(&mut state, input, now);
        }
        for _ in 0..2_000 {
            now = now.after(Duration::from_secs(1));
            step(&mut state, Input::Tick, now);
        }
        prop_assert!(state.is_done(), "{:?}", state.stage);
    }
}

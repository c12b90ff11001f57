//! Simulated agents that are probed, by a real session of the verifier that may break off.

use gpu_probe::exchange::VerifierMessage;
use gpu_probe::hex::HexBytes;
use gpu_probe::protocol::{EndCause, MomentId, ProbeReply, ProbeRequest, ProbeSaid};
use gpu_probe::report::Kind;
use gpu_probe::verdict::{ReasonCode, Verdict, VerdictOutcome};
use gpu_probe::verify::{Facts, Policy, Session};
use serde_json::json;
use tandem_model::workload::WorkloadKind;
use tandem_sandbox::world::AgentReply;

use crate::{Desk, assert_claims_the_truth};

/// What a broker orders and sees of one probe.
pub(crate) struct Prober {
    pub(crate) kind: Kind,
    /// The moment at which running work is probed, instead of a probe at the start.
    pub(crate) moment: Option<MomentId>,
    /// The message, from 1, that is not answered.
    pub(crate) breaks_at: usize,
    pub(crate) messages: usize,
    /// How often it was told that the probe could not run.
    pub(crate) told: usize,
    began_ms: Option<u64>,
    session: Session,
}

impl Prober {
    pub(crate) fn new() -> Self {
        Self::of(Kind::Quick, None)
    }

    /// Of work that runs.
    pub(crate) fn of_running_work() -> Self {
        Self::of(Kind::Spot, Some(HexBytes([6; 16])))
    }

    fn of(kind: Kind, moment: Option<MomentId>) -> Self {
        let (policy, facts) = (Policy::sandbox(), Facts::default());
        Self {
            kind,
            moment,
            breaks_at: usize::MAX,
            messages: 0,
            told: 0,
            began_ms: None,
            session: Session::new(policy, facts, kind, [3; 32], 0),
        }
    }

    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.session.verdict()
    }

    pub(crate) fn answer(&mut self, body: &[u8], now_ms: u64) -> AgentReply {
        let request: ProbeRequest = serde_json::from_slice(body).unwrap();
        request.check().unwrap();
        assert_eq!(request.moment, self.moment);
        let reply = match request.said {
            ProbeSaid::CouldNotRun { .. } => {
                self.told += 1;
                ProbeReply {
                    message: VerifierMessage::Ok,
                    may_start: Some(true),
                }
            }
            ProbeSaid::Message(message) => {
                self.messages += 1;
                if self.messages == self.breaks_at {
                    return AgentReply::Unreachable;
                }
                message.check().unwrap();
                // The session's clock starts with the world's at this exchange.
                let began_ms = *self.began_ms.get_or_insert(now_ms);
                let message = self.session.step(message, now_ms - began_ms).unwrap();
                while let Some(check) = self.session.take_check() {
                    self.session.checked(check.run());
                }
                let verdict = self.session.verdict();
                ProbeReply {
                    may_start: verdict.map(|v| v.outcome == VerdictOutcome::Pass),
                    message,
                }
            }
        };
        AgentReply::Answered {
            status: 200,
            body: serde_json::to_vec(&reply).unwrap(),
        }
    }
}

#[test]
fn a_simulated_agent_is_probed_before_it_starts_and_an_honest_card_passes() {
    let mut desk = Desk::new(WorkloadKind::Job);
    desk.prober = Some(Prober::new());
    desk.place(1);
    desk.pass(90);
    assert!(desk.is_done(), "{:?}", desk.session.outcome());
    let prober = desk.prober.as_ref().unwrap();
    let verdict = prober.verdict().expect("the exchange is over");
    assert_eq!(verdict.evidence[0].model.as_deref(), Some("rtx4090"));
    assert_claims_the_truth(&mut desk);
}

#[test]
fn running_work_stands_still_for_its_probe_and_goes_on_where_it_was() {
    let mut desk = Desk::new(WorkloadKind::Job);
    desk.place(1);
    desk.pass(30);
    desk.prober = Some(Prober::of_running_work());
    desk.pass(60);
    assert!(desk.is_done(), "{:?}", desk.session.outcome());
    let prober = desk.prober.as_ref().unwrap();
    let verdict = prober.verdict().expect("the exchange is over");
    assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
    assert_eq!(prober.messages, 5, "a moment is probed once");
    assert_claims_the_truth(&mut desk);
}

#[test]
fn a_card_that_is_swapped_under_running_work_is_found() {
    let mut desk = Desk::new(WorkloadKind::Job);
    desk.place(1);
    desk.pass(30);
    let unit = desk.units().remove(0)["id"].clone();
    let swap = json!({"network": "ionet", "scope": "node", "kind": "lying_gpu", "target": unit});
    desk.table.fault(&swap);
    desk.prober = Some(Prober::of_running_work());
    desk.pass(60);
    let prober = desk.prober.as_ref().unwrap();
    let verdict = prober.verdict().expect("the exchange is over");
    assert!(verdict.has(ReasonCode::CensusMismatch), "{verdict:?}");
    assert_eq!(verdict.outcome, VerdictOutcome::Fail);
}

#[test]
fn a_node_that_lies_fails_its_probe_and_nothing_starts_there() {
    let mut desk = Desk::new(WorkloadKind::Job);
    desk.prober = Some(Prober::new());
    let lie = json!({"network": "ionet", "scope": "network", "kind": "lying_gpu", "count": 1});
    desk.table.fault(&lie);
    desk.place(1);
    desk.pass(90);
    let failed = desk.reports.first().map(|report| report.cause);
    assert_eq!(failed, Some(EndCause::ProbeFailed));
    let unit = desk.units().remove(0);
    assert_eq!(
        (&unit["steps"], &unit["gpu_seconds"]),
        (&json!(0), &json!(0))
    );
    let prober = desk.prober.as_ref().unwrap();
    let verdict = prober.verdict().expect("the exchange is over");
    assert_eq!(verdict.evidence[0].model.as_deref(), Some("rtx4090"));
}

#[test]
fn a_simulated_agent_whose_exchange_breaks_off_asks_whether_to_start() {
    let mut desk = Desk::new(WorkloadKind::Job);
    desk.prober = Some(Prober {
        breaks_at: 4,
        ..Prober::new()
    });
    desk.place(1);
    desk.pass(90);
    assert!(desk.is_done(), "{:?}", desk.session.outcome());
    let prober = desk.prober.as_ref().unwrap();
    assert_eq!((prober.messages, prober.told), (4, 1));
    assert!(prober.verdict().is_none());
}

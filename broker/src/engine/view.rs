//! What a session says of its live epoch, reduced to what the engine decides on.
//!
//! A placement of several nodes is as silent as its quietest node, and may publish until its last
//! lease is over.

use gpu_probe::protocol::ResultReport;
use gpu_probe::session::{Session, Verdict};
use tandem_model::time::WorldTime;

/// The durable result, as the engine needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultView {
    /// Exit code 0 on every node.
    pub success: bool,
    /// In words.
    pub words: String,
    /// Digest of the output file, when there is one.
    pub output_sha256: Option<String>,
}

/// The live epoch's agents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentView {
    /// Every node's agent is bound.
    pub bound: bool,
    /// When the quietest node that still runs was heard.
    pub heard_at: Option<WorldTime>,
    /// When the lease of that node runs out.
    pub quiet_lease_until: Option<WorldTime>,
    /// When the last lease of all nodes runs out.
    pub lease_until: Option<WorldTime>,
    /// Step of the checkpoint pointer.
    pub pointer_step: Option<u64>,
    /// The job's own outcome.
    pub result: Option<ResultView>,
    /// Why an agent ended this placement without an outcome of the job.
    pub placement_end: Option<String>,
    /// A node failed, and whether that is the customer's failure is known by then.
    pub undecided_until: Option<WorldTime>,
}

impl AgentView {
    /// Reads a session whose live epoch has `nodes` nodes.
    pub fn of(session: &Session, nodes: u16, now: WorldTime) -> Self {
        let ranks: Vec<_> = (0..nodes).filter_map(|rank| session.bound(rank)).collect();
        let quietest = ranks
            .iter()
            .filter(|b| b.end.is_none())
            .min_by_key(|b| b.heard_at);
        let ended = ranks.iter().map(|b| b.heard_at).max();
        let own_end = ranks
            .iter()
            .filter_map(|b| b.end.as_ref())
            .find(|end| !end.cause.is_outcome())
            .map(|end| {
                end.detail
                    .clone()
                    .unwrap_or_else(|| format!("{:?}", end.cause))
            });
        let (result, peer_lost, undecided_until) = match session.verdict(now) {
            Verdict::Running => (None, None, None),
            Verdict::Succeeded(report) => (Some(result(true, report)), None, None),
            Verdict::Failed(report) => (Some(result(false, report)), None, None),
            Verdict::PeerLost { rank } => (None, Some(format!("node {rank} was lost")), None),
            Verdict::Undecided { until } => (None, None, Some(until)),
        };
        Self {
            bound: ranks.len() == usize::from(nodes),
            heard_at: quietest.map(|b| b.heard_at).or(ended),
            quiet_lease_until: quietest.and_then(|b| b.lease_until),
            lease_until: ranks.iter().filter_map(|b| b.lease_until).max(),
            pointer_step: session.pointer().map(|pointer| pointer.step),
            result,
            placement_end: own_end.or(peer_lost),
            undecided_until,
        }
    }
}

fn result(success: bool, report: &ResultReport) -> ResultView {
    let words = match (report.exit_code, report.signal, &report.detail) {
        (_, _, Some(detail)) if !success => format!("failed: {detail}"),
        (Some(0), _, _) => format!("done after {} steps", report.step),
        (Some(code), _, _) => format!("failed with exit code {code}"),
        (None, Some(signal), _) => format!("died by signal {signal}"),
        (None, None, _) => "ended without saying how".to_owned(),
    };
    let output_sha256 = report.output_sha256.as_ref().map(ToString::to_string);
    ResultView {
        success,
        words,
        output_sha256,
    }
}

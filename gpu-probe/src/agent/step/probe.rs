//! The probe of a placement: nothing of the workload begins before the broker allows it.

use std::time::Duration;

use super::super::state::Stage;
use super::super::{Action, AgentState, CallError, ProbeEnd};
use super::begin::{bind_again, end_unstarted, shortened};
use super::{fence_if_newer, heard};
use crate::protocol::{EndCause, ProbeReply, ProbeRequest, ProbeSaid};
use crate::report::Kind;

/// Longest quick probe, in world milliseconds. Only a sandbox's world runs faster than the wall
/// clock, and its emulated cards take seconds at most.
pub const QUICK_PROBE_MS_MAX: u64 = 300_000;
/// Longest full probe, in world milliseconds.
pub const FULL_PROBE_MS_MAX: u64 = 600_000;
/// Longest soak, in world milliseconds.
pub const SOAK_PROBE_MS_MAX: u64 = 3_600_000;

fn longest(kind: Kind) -> Duration {
    Duration::from_millis(match kind {
        Kind::Spot | Kind::Quick => QUICK_PROBE_MS_MAX,
        Kind::Full => FULL_PROBE_MS_MAX,
        Kind::Soak => SOAK_PROBE_MS_MAX,
    })
}

/// Orders the probe that the binding asks for.
pub(super) fn begin(state: &mut AgentState, kind: Kind, actions: &mut Vec<Action>) {
    state.stage = Stage::Probing(state.now, kind);
    actions.push(Action::Probe(kind));
}

/// Takes what came of the probe, unless the agent has gone on without it.
pub(super) fn probed(state: &mut AgentState, end: ProbeEnd) {
    if !matches!(state.stage, Stage::Probing(..)) {
        return;
    }
    match end {
        ProbeEnd::MayStart => bind_again(state),
        ProbeEnd::MayNotStart(detail) => {
            end_unstarted(state, EndCause::ProbeFailed, Some(detail));
        }
        ProbeEnd::CouldNotRun(detail) => undecided(state, detail),
    }
}

fn undecided(state: &mut AgentState, detail: String) {
    state.could_not_run = shortened(detail);
    state.stage = Stage::Undecided(state.now);
}

/// Takes what the broker makes of a probe that could not run.
pub(super) fn replied(
    state: &mut AgentState,
    outcome: Result<ProbeReply, CallError>,
    actions: &mut Vec<Action>,
) {
    let is_of_running_work = !matches!(state.stage, Stage::Undecided(_));
    if let (true, Err(CallError::Refused { live_epoch })) = (is_of_running_work, &outcome) {
        // Its moment is over; that says nothing of the lease.
        state.heard_at = state.now;
        if let Some(live) = *live_epoch {
            fence_if_newer(state, live, actions);
        }
        return;
    }
    let decision = heard(state, outcome, actions).and_then(|reply| reply.may_start);
    if !matches!(state.stage, Stage::Undecided(_)) || !state.asks_to_start {
        return;
    }
    state.asks_to_start = false;
    match decision {
        Some(true) => bind_again(state),
        Some(false) => {
            let detail = std::mem::take(&mut state.could_not_run);
            end_unstarted(state, EndCause::ProbeFailed, Some(detail));
        }
        None => state.probe_retry.fail(state.now, state.salt()),
    }
}

/// Ends what the shell still does for a probe; its answer counts no more.
pub(super) fn abort(state: &AgentState, actions: &mut Vec<Action>) {
    if matches!(state.stage, Stage::Probing(..)) {
        actions.push(Action::AbortProbe);
    }
}

/// Ends a probe that takes too long; tells the broker of one that could not run until it decides.
/// Without a decision for `orphan_ttl` nothing is started.
pub(super) fn advance(state: &mut AgentState, actions: &mut Vec<Action>) {
    if let Stage::Probing(since, kind) = state.stage
        && state.now.since(since) >= longest(kind)
    {
        abort(state, actions);
        let limit_s = longest(kind).as_secs();
        undecided(
            state,
            format!("TDM-8008: the probe did not end within {limit_s} s"),
        );
    }
    let Stage::Undecided(since) = state.stage else {
        return;
    };
    if state.now.since(since) >= state.terms.orphan_ttl {
        let detail = format!("no decision of the broker after: {}", state.could_not_run);
        end_unstarted(state, EndCause::ProbeFailed, Some(detail));
    } else if !state.asks_to_start && state.probe_retry.is_due(state.now) {
        state.asks_to_start = true;
        actions.push(Action::SendProbe(ProbeRequest {
            job: state.identity.job,
            epoch: state.identity.epoch,
            rank: state.identity.rank,
            boot_id: state.identity.boot_id,
            moment: None,
            said: ProbeSaid::CouldNotRun {
                detail: state.could_not_run.clone(),
            },
        }));
    }
}

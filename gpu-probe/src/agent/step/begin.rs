//! From the binding to the start: the probe, then the checkpoint, then the lease.

use super::super::checkpoints::Checkpoints;
use super::super::retry::Retry;
use super::super::state::{Stage, Terms};
use super::super::{Action, AgentState, CallError, Ended, ExitReason};
use super::{exit, probe};
use crate::protocol::{BindReply, DETAIL_LEN_MAX, EndCause};

pub(super) fn bind_replied(
    state: &mut AgentState,
    number: u64,
    outcome: Result<BindReply, CallError>,
    actions: &mut Vec<Action>,
) {
    let Some((_, sent_at)) = state.bind.filter(|(current, _)| *current == number) else {
        return;
    };
    state.bind = None;
    let is_allowed = state.stage == Stage::Allowed;
    if !state.stage.asks_to_bind() {
        return;
    }
    match outcome {
        Ok(reply) if reply.check().is_ok() => {
            state.heard_at = state.now;
            state.terms = Terms::of(&reply);
            state.heartbeats.grant(sent_at, state.terms.lease_ttl);
            state.checkpoints = Checkpoints::starting_from(reply.restore.as_ref().map(|r| r.step));
            match reply.probe.filter(|_| !is_allowed) {
                Some(kind) => probe::begin(state, kind, actions),
                None => restore_or_wait(state, actions),
            }
        }
        Err(CallError::Refused { .. }) => exit(state, ExitReason::Fenced, actions),
        Ok(_) | Err(CallError::Unreachable) => state.bind_retry.fail(state.now, state.salt()),
    }
}

/// Asks for what the first binding kept back from a machine that was not probed yet.
pub(super) fn bind_again(state: &mut AgentState) {
    state.stage = Stage::Allowed;
    state.bind_retry = Retry::default();
}

fn restore_or_wait(state: &mut AgentState, actions: &mut Vec<Action>) {
    match (state.terms.restored.clone(), state.terms.store.clone()) {
        (None, _) => state.stage = Stage::Ready,
        (Some(checkpoint), Some(store)) => {
            state.stage = Stage::Restoring;
            actions.push(Action::Restore(checkpoint, store));
        }
        (Some(_), None) => {
            let detail = "a checkpoint is to be restored and no checkpoint store was given";
            end_unstarted(state, EndCause::RestoreFailed, Some(detail.to_owned()));
        }
    }
}

pub(super) fn restored(state: &mut AgentState, outcome: Result<(), String>) {
    if state.stage != Stage::Restoring {
        return;
    }
    match outcome {
        Ok(()) => state.stage = Stage::Ready,
        Err(detail) => end_unstarted(state, EndCause::RestoreFailed, Some(detail)),
    }
}

/// The end of a life in which nothing was started.
pub(super) fn end_unstarted(state: &mut AgentState, cause: EndCause, detail: Option<String>) {
    let detail = detail.map(shortened);
    state.ended = Some(Box::new(Ended::unstarted(cause, detail)));
    state.stage = Stage::Reporting(state.now);
}

/// As much of a detail as a report may carry.
pub(super) fn shortened(mut detail: String) -> String {
    detail.truncate(detail.floor_char_boundary(DETAIL_LEN_MAX));
    detail
}

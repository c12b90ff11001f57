//! The step: take the input, then do what the time asks for.

mod begin;
mod probe;
mod spot;

use tandem_model::workload::WorkloadKind;

use super::checkpoints::Task;
use super::state::Stage;
use super::{
    Action, AgentState, AgentTime, CallError, Ended, ExitReason, Input, KillReason, StopReason,
};
use crate::protocol::{CheckpointRequest, Directive, EndCause, HeartbeatReply, STEP_MAX};

use begin::end_unstarted;
pub use probe::{FULL_PROBE_MS_MAX, QUICK_PROBE_MS_MAX, SOAK_PROBE_MS_MAX};
pub use spot::{PAUSE_MS_MAX, SPOT_LEAD_MS_MAX, SPOT_PROBE_MS_MAX};

/// Longest wait for a killed workload to be gone, in world milliseconds; a process that hangs in
/// a driver cannot be killed, and the agent leaves it.
pub const KILL_WAIT_MS_MAX: u64 = 10_000;

/// Takes one input at a time; returns what to do, in order.
///
/// After [`Action::Exit`] it returns nothing, whatever it is given. A `now` before an earlier one
/// counts as that earlier one.
pub fn step(state: &mut AgentState, input: Input, now: AgentTime) -> Vec<Action> {
    let mut actions = Vec::new();
    if state.is_done() {
        return actions;
    }
    state.now = state.now.max(now);
    take(state, input, &mut actions);
    if !state.is_done() {
        advance(state, &mut actions);
    }
    actions
}

fn take(state: &mut AgentState, input: Input, actions: &mut Vec<Action>) {
    let now = state.now;
    let salt = state.salt();
    match input {
        Input::Tick => {}
        Input::BindReplied(number, outcome) => begin::bind_replied(state, number, outcome, actions),
        Input::HeartbeatReplied(sequence, outcome) => {
            heartbeat_replied(state, sequence, outcome, actions);
        }
        Input::Probed(end) => probe::probed(state, end),
        Input::SpotMeasured(moment) => spot::measured(state, moment, actions),
        Input::SpotProbed(moment, end) => spot::probed(state, moment, end, actions),
        Input::ProbeReplied(outcome) => probe::replied(state, outcome, actions),
        Input::Restored(outcome) => begin::restored(state, outcome),
        Input::Started => started(state),
        Input::WorkloadEnded(ended) => workload_ended(state, ended, actions),
        Input::Progress(progress) => {
            if progress.step.max(progress.total_steps.unwrap_or(0)) <= STEP_MAX {
                state.progress = Some(progress);
            }
        }
        Input::CheckpointFinished(step) => {
            if state.identity.rank == 0 && state.terms.store.is_some() {
                state.checkpoints.finish(step);
            }
        }
        Input::Uploaded(step, outcome) => state.checkpoints.uploaded(step, outcome, now, salt),
        Input::CheckpointReplied(step, outcome) => {
            let reply = heard(state, outcome, actions);
            if let Some(pointer) = reply.as_ref().and_then(|r| r.pointer.as_ref()) {
                fence_if_newer(state, pointer.epoch, actions);
            }
            state.checkpoints.answered(step, reply.as_ref(), now, salt);
        }
        Input::ResultReplied(outcome) => result_replied(state, outcome, actions),
        Input::Printed(lines) => lines.into_iter().for_each(|line| state.log.push(line)),
        Input::Terminate => terminate(state, actions),
    }
}

/// Notes that the broker answered; a refusal takes the lease, and a newer attempt ends everything.
fn heard<T>(
    state: &mut AgentState,
    outcome: Result<T, CallError>,
    actions: &mut Vec<Action>,
) -> Option<T> {
    match outcome {
        Ok(reply) => {
            state.heard_at = state.now;
            Some(reply)
        }
        Err(CallError::Refused { live_epoch }) => {
            state.heard_at = state.now;
            state.heartbeats.revoke();
            if let Some(live) = live_epoch {
                fence_if_newer(state, live, actions);
            }
            None
        }
        Err(CallError::Unreachable) => None,
    }
}

fn fence_if_newer(
    state: &mut AgentState,
    live: tandem_model::placement::Epoch,
    actions: &mut Vec<Action>,
) {
    if live > state.identity.epoch {
        kill(state, KillReason::Fenced, actions);
    }
}

fn heartbeat_replied(
    state: &mut AgentState,
    sequence: u64,
    outcome: Result<HeartbeatReply, CallError>,
    actions: &mut Vec<Action>,
) {
    match &outcome {
        Ok(_) => {
            state.log.told(sequence);
            if state.ended.is_some() && !state.log.is_empty() {
                state.heartbeats.hurry();
            }
        }
        Err(_) => state.log.lost(sequence),
    }
    let Some(reply) = heard(state, outcome, actions) else {
        state.heartbeats.lose(sequence);
        return;
    };
    fence_if_newer(state, reply.live_epoch, actions);
    // The reply may grant a shorter lease than the binding did, never one without end.
    let ttl_ms = reply.lease_ttl_ms.min(crate::protocol::REPLY_MS_MAX);
    let ttl = std::time::Duration::from_millis(ttl_ms);
    if state.heartbeats.answer(sequence, &reply, ttl) {
        match reply.directive {
            Directive::Continue => {
                if let Some(order) = reply.spot_probe {
                    spot::ordered(state, order);
                }
            }
            Directive::Stop => stop(state, StopReason::Directed, actions),
            Directive::CheckpointAndStop => {
                stop(state, StopReason::DirectedAfterCheckpoint, actions);
            }
        }
    }
}

/// The workload itself runs; it may be so late that its stop was asked for already.
fn started(state: &mut AgentState) {
    if state.stage.has_workload() && state.worked_from.is_none() {
        state.worked_from = Some(state.now);
    }
    if state.stage == Stage::Starting {
        state.stage = Stage::Running;
        state.heartbeats.hurry();
    }
}

fn workload_ended(state: &mut AgentState, mut ended: Box<Ended>, actions: &mut Vec<Action>) {
    spot::cancel(state, actions);
    match state.stage {
        Stage::Killing(_, reason) => return exit(state, exit_reason(reason), actions),
        Stage::Starting | Stage::Running => {
            state.stage = Stage::Settling(state.now);
        }
        Stage::Stopping(reason) => {
            ended.cause = end_cause(reason);
            state.stage = match reason {
                StopReason::Directed => Stage::Reporting(state.now),
                _ => Stage::Settling(state.now),
            };
        }
        _ => return,
    }
    state.ended = Some(ended);
    state.worked_until = Some(state.now);
    state.heartbeats.hurry();
}

fn result_replied(
    state: &mut AgentState,
    outcome: Result<crate::protocol::ResultReply, CallError>,
    actions: &mut Vec<Action>,
) {
    if !matches!(state.stage, Stage::Reporting(_)) {
        return;
    }
    state.result_under_way = false;
    match outcome {
        Ok(reply) if reply.recorded => exit(state, ExitReason::Recorded, actions),
        Ok(_) | Err(CallError::Refused { .. }) => exit(state, ExitReason::Fenced, actions),
        Err(CallError::Unreachable) => state.result_retry.fail(state.now, state.salt()),
    }
}

fn terminate(state: &mut AgentState, actions: &mut Vec<Action>) {
    match state.stage {
        // Asked twice: whoever asks does not wait for the report.
        Stage::Binding | Stage::Settling(_) | Stage::Reporting(_) => {
            exit(state, ExitReason::Terminated, actions);
        }
        _ => stop(state, StopReason::Terminated, actions),
    }
}

fn stop(state: &mut AgentState, reason: StopReason, actions: &mut Vec<Action>) {
    probe::abort(state, actions);
    match state.stage {
        Stage::Probing(..)
        | Stage::Undecided(_)
        | Stage::Allowed
        | Stage::Restoring
        | Stage::Ready => {
            end_unstarted(state, end_cause(reason), None);
        }
        Stage::Starting | Stage::Running => {
            spot::cancel(state, actions);
            state.stage = Stage::Stopping(reason);
            actions.push(Action::Stop(reason));
        }
        _ => {}
    }
}

fn kill(state: &mut AgentState, reason: KillReason, actions: &mut Vec<Action>) {
    if state.stage.has_workload() {
        spot::cancel(state, actions);
        state.stage = Stage::Killing(state.now, reason);
        actions.push(Action::Kill(reason));
    } else if !matches!(state.stage, Stage::Killing(..)) {
        exit(state, exit_reason(reason), actions);
    }
}

fn exit(state: &mut AgentState, reason: ExitReason, actions: &mut Vec<Action>) {
    probe::abort(state, actions);
    if !state.is_done() {
        state.stage = Stage::Done;
        actions.push(Action::Exit(reason));
    }
}

fn exit_reason(reason: KillReason) -> ExitReason {
    match reason {
        KillReason::Fenced => ExitReason::Fenced,
        KillReason::Orphaned => ExitReason::Orphaned,
        KillReason::LeaseLost => ExitReason::LeaseLost,
    }
}

fn end_cause(reason: StopReason) -> EndCause {
    match reason {
        StopReason::Directed | StopReason::DirectedAfterCheckpoint => EndCause::StopDirected,
        StopReason::Terminated => EndCause::Terminated,
    }
}

/// Does what the time asks for; each kind of action is given at most once.
fn advance(state: &mut AgentState, actions: &mut Vec<Action>) {
    guard(state, actions);
    probe::advance(state, actions);
    spot::advance(state, actions);
    let asks = state.stage.asks_to_bind() && state.bind.is_none();
    if asks && state.bind_retry.is_due(state.now) {
        state.binds_sent += 1;
        state.bind = Some((state.binds_sent, state.now));
        actions.push(Action::SendBind(state.binds_sent, state.bind_request()));
    }
    if state.stage.is_bound() && state.heartbeats.is_due(state.now) {
        let sequence = state
            .heartbeats
            .send(state.now, state.terms.heartbeat_interval);
        actions.push(Action::SendHeartbeat(state.heartbeat_request(sequence)));
    }
    if state.stage == Stage::Ready && state.holds_lease(state.now) {
        state.stage = Stage::Starting;
        let restored_step = state.terms.restored.as_ref().map(|r| r.step);
        actions.push(Action::Start { restored_step });
    }
    publish(state, actions);
    settle(state, actions);
}

/// Ends what must not go on: a lost lease of an exclusive job, a job that no broker watches.
fn guard(state: &mut AgentState, actions: &mut Vec<Action>) {
    let now = state.now;
    let is_job = state.identity.kind == WorkloadKind::Job;
    if let Stage::Killing(since, reason) = state.stage {
        if now.since(since).as_millis() >= u128::from(KILL_WAIT_MS_MAX) {
            exit(state, exit_reason(reason), actions);
        }
        return;
    }
    let lease_lost = state.stage.is_bound()
        && !state.heartbeats.holds_lease(now)
        && (is_job || state.heartbeats.was_denied());
    let computes = !matches!(state.stage, Stage::Settling(_) | Stage::Reporting(_));
    if lease_lost && state.terms.exclusive && computes {
        return kill(state, KillReason::LeaseLost, actions);
    }
    if is_job && computes && now.since(state.heard_at) >= state.terms.orphan_ttl {
        kill(state, KillReason::Orphaned, actions);
    }
}

fn publish(state: &mut AgentState, actions: &mut Vec<Action>) {
    let directed = matches!(state.stage, Stage::Stopping(StopReason::Directed));
    let open = state.stage.has_workload() || matches!(state.stage, Stage::Settling(_));
    if !open || directed || !state.holds_lease(state.now) {
        return;
    }
    let Some(store) = &state.terms.store else {
        return;
    };
    match state.checkpoints.next(state.now) {
        None => {}
        Some(Task::Upload(step)) => actions.push(Action::Upload(step, store.clone())),
        Some(Task::Ask(step, object)) => actions.push(Action::SendCheckpoint(CheckpointRequest {
            job: state.identity.job,
            epoch: state.identity.epoch,
            rank: state.identity.rank,
            boot_id: state.identity.boot_id,
            step,
            key: object.key,
            sha256: object.sha256,
            bytes: object.bytes,
        })),
    }
}

/// Reports the end once the last checkpoint is published, or has had its time.
fn settle(state: &mut AgentState, actions: &mut Vec<Action>) {
    let orphan_ttl = state.terms.orphan_ttl;
    if let Stage::Settling(since) = state.stage
        && (state.checkpoints.is_settled() || state.now.since(since) >= orphan_ttl / 2)
    {
        state.stage = Stage::Reporting(state.now);
    }
    let Stage::Reporting(since) = state.stage else {
        return;
    };
    if state.now.since(since) >= orphan_ttl {
        return exit(state, ExitReason::Orphaned, actions);
    }
    // After the result nobody listens any more, so the last lines go first. A broker that is away
    // for them is away for the result, too.
    if !state.log.is_empty() && state.now.since(since) < orphan_ttl / 2 {
        return;
    }
    if !state.result_under_way
        && state.result_retry.is_due(state.now)
        && let Some(report) = state.result_report()
    {
        state.result_under_way = true;
        actions.push(Action::SendResult(report));
    }
}

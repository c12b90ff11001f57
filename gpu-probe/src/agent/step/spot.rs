//! The probe inside running work: at the ordered moment the workload is paused and its GPUs are
//! probed. Whatever becomes of the probe, the workload goes on.

use std::time::Duration;

use super::super::spot::UnderWay;
use super::super::state::Stage;
use super::super::{Action, AgentState};
use super::begin::shortened;
use crate::protocol::{MomentId, ProbeRequest, ProbeSaid, SpotOrder};

/// Furthest ahead that a probe inside running work is ordered, in world milliseconds; an order for
/// later is not taken.
pub const SPOT_LEAD_MS_MAX: u64 = 120_000;
/// Longest that a workload stands still for a probe, in world milliseconds: its kernels that were
/// queued end, the driver is opened, the broker holds the challenge until its moment, and the work
/// takes about a second.
pub const PAUSE_MS_MAX: u64 = 30_000;
/// Longest probe inside running work, in world milliseconds, its messages included: while they are
/// checked the workload runs again.
pub const SPOT_PROBE_MS_MAX: u64 = 120_000;

/// Takes an order, when the work runs and no other one is under way.
pub(super) fn ordered(state: &mut AgentState, order: SpotOrder) {
    let may = state.stage == Stage::Running && order.in_ms <= SPOT_LEAD_MS_MAX;
    if may && state.spot.is_free_for(order.moment) {
        let at = state.now.after(Duration::from_millis(order.in_ms));
        state.spot.ordered = Some((order.moment, at));
    }
}

/// The probe needs the cards no more: the workload goes on while the broker checks.
pub(super) fn measured(state: &mut AgentState, moment: MomentId, actions: &mut Vec<Action>) {
    if under_way(state, moment).is_some() {
        resume(state, actions);
    }
}

/// The probe is over. The broker knows its verdict, or is told why there is none.
pub(super) fn probed(
    state: &mut AgentState,
    moment: MomentId,
    end: Result<(), String>,
    actions: &mut Vec<Action>,
) {
    if under_way(state, moment).is_none() {
        return;
    }
    resume(state, actions);
    state.spot.under_way = None;
    if let Err(why) = end {
        state.spot.untold = Some((moment, shortened(why)));
    }
}

fn under_way(state: &AgentState, moment: MomentId) -> Option<UnderWay> {
    state.spot.under_way.filter(|probe| probe.moment == moment)
}

fn resume(state: &mut AgentState, actions: &mut Vec<Action>) {
    if state.spot.resume(state.now) {
        actions.push(Action::Resume);
    }
}

/// Gives up what is ordered or under way: the workload is to end, or has, or may not go on for
/// want of the lease. A paused one goes on first, or no signal but the last would reach it.
pub(super) fn cancel(state: &mut AgentState, actions: &mut Vec<Action>) {
    state.spot.ordered = None;
    state.spot.untold = None;
    abort(state, actions);
}

fn abort(state: &mut AgentState, actions: &mut Vec<Action>) {
    if state.spot.under_way.is_some() {
        actions.push(Action::AbortProbe);
        resume(state, actions);
        state.spot.under_way = None;
    }
}

/// Begins what is due, gives up what takes too long, and tells the broker what could not run, once:
/// a moment without an answer counts the same there.
pub(super) fn advance(state: &mut AgentState, actions: &mut Vec<Action>) {
    if state.stage != Stage::Running {
        return;
    }
    if !state.holds_lease(state.now) {
        return cancel(state, actions);
    }
    if let Some(probe) = state.spot.under_way {
        let limit_ms = match probe.is_paused {
            true => PAUSE_MS_MAX,
            false => SPOT_PROBE_MS_MAX,
        };
        if state.now.since(probe.since) >= Duration::from_millis(limit_ms) {
            abort(state, actions);
            let why = format!("TDM-8008: the probe did not end within {limit_ms} ms");
            state.spot.untold = Some((probe.moment, why));
        }
    }
    if let Some((moment, detail)) = state.spot.untold.take() {
        actions.push(Action::SendProbe(ProbeRequest {
            job: state.identity.job,
            epoch: state.identity.epoch,
            rank: state.identity.rank,
            boot_id: state.identity.boot_id,
            moment: Some(moment),
            said: ProbeSaid::CouldNotRun { detail },
        }));
    }
    if let Some((moment, _)) = state.spot.ordered.filter(|(_, at)| *at <= state.now) {
        state.spot.begin(moment, state.now);
        actions.push(Action::Pause);
        actions.push(Action::ProbeSpot(moment));
    }
}

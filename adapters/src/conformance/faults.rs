//! Checks with a network that misbehaves.

use tandem_model::placement::RemoteState;

use super::run::{Run, ensure};
use super::{Fault, Peer};
use crate::command::{Command, Outcome};

/// A fault of the whole network that hits the next request.
fn once<P: Peer>(run: &Run<'_, P>, kind: &'static str) -> Fault {
    Fault {
        network: run.adapter.network().to_string(),
        scope: "network",
        kind,
        target: None,
        count: 1,
        answer: None,
        duration_seconds: None,
    }
}

/// A fault of one rented thing.
fn on<P: Peer>(run: &Run<'_, P>, kind: &'static str, target: &str) -> Fault {
    Fault {
        scope: "node",
        target: Some(target.to_owned()),
        ..once(run, kind)
    }
}

pub(super) async fn an_error_is_never_a_wrong_certainty<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let kinds = ["error_before", "error_after"];
    for (kind, answer) in kinds.into_iter().flat_map(|k| [(k, "error"), (k, "cut")]) {
        let order = run.order();
        let fault = Fault {
            answer: Some(answer),
            ..once(run, kind)
        };
        run.peer.inject(&fault).await;
        let outcome = run.perform(&Command::Start(Box::new(order.clone()))).await;
        run.peer.heal().await;
        let found = run.found(order.tag).await?;
        let right = match (&outcome, kind) {
            (Outcome::Started { .. }, "error_before") => false,
            (Outcome::Started { .. } | Outcome::Unknown { .. }, "error_after") => found.len() == 1,
            (Outcome::Failed(_) | Outcome::Unknown { .. }, "error_before") => found.is_empty(),
            _ => false,
        };
        ensure(right, || {
            format!("{kind}, {answer}: the start gave {outcome:?}, the listing has {found:?}")
        })?;
        for seen in found {
            run.clean_up(&seen.remote_id).await;
        }
    }
    Ok(())
}

pub(super) async fn phantom_capacity_never_runs<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let order = run.order();
    let fault = once(run, "phantom_capacity");
    run.peer.inject(&fault).await;
    let outcome = run.perform(&Command::Start(Box::new(order.clone()))).await;
    run.peer.heal().await;
    match &outcome {
        Outcome::Failed(_) => {
            let found = run.found(order.tag).await?;
            let live = found.iter().find(|seen| !seen.state.is_ended());
            ensure(live.is_none(), || format!("a refused start left {live:?}"))
        }
        Outcome::Started { remote_id } => run
            .wait_for(remote_id, "ended", |seen| seen.state.is_ended())
            .await
            .map(|_| ()),
        other => Err(format!("the start gave {other:?}")),
    }
}

pub(super) async fn a_broken_node_is_still_a_status<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    for kind in ["silent", "slow", "crash"] {
        let (_, seen) = run.running().await?;
        let fault = on(run, kind, &seen.remote_id);
        run.peer.inject(&fault).await;
        for _ in 0..3 {
            run.peer.advance(std::time::Duration::from_secs(60)).await;
            let now = run
                .status(&seen.remote_id)
                .await
                .map_err(|e| format!("{kind}: {e}"))?;
            let given_back = matches!(now.state, RemoteState::Completed | RemoteState::Stopped);
            ensure(!given_back, || {
                format!("{kind}: nobody stopped it, yet: {now:?}")
            })?;
        }
        run.peer.heal().await;
        run.clean_up(&seen.remote_id).await;
    }
    Ok(())
}

pub(super) async fn a_stale_status_heals<P: Peer>(run: &mut Run<'_, P>) -> Result<(), String> {
    let (_, seen) = run.running().await?;
    let fault = on(run, "stale_status", &seen.remote_id);
    run.peer.inject(&fault).await;
    let stop = run.about(&seen.remote_id).1;
    let outcome = run.perform(&stop).await;
    ensure(outcome == Outcome::Stopping, || {
        format!("the stop gave {outcome:?}")
    })?;
    run.status(&seen.remote_id).await?;
    run.peer.heal().await;
    run.wait_for(&seen.remote_id, "ended", |seen| seen.state.is_ended())
        .await?;
    Ok(())
}

pub(super) async fn a_reallocated_node_shows_another_device<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let (_, seen) = run.running().await?;
    let fault = on(run, "reallocate", &seen.remote_id);
    run.peer.inject(&fault).await;
    let moved = run
        .wait_for(&seen.remote_id, "running on another device", |now| {
            now.state == RemoteState::Running && now.device.is_some() && now.device != seen.device
        })
        .await;
    run.clean_up(&seen.remote_id).await;
    moved.map(|_| ())
}

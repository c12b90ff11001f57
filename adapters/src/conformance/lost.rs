//! Checks of answers that are lost, before or after their effect.

use tandem_model::placement::RemoteState;

use super::Peer;
use super::run::{Loss, Run, ensure, minutes};
use crate::adapter::Step;
use crate::command::{Command, FailureKind, Outcome};
use crate::exchange::Exchange;
use crate::wire::Repeat;

const LOSSES: [Loss; 2] = [Loss::Before, Loss::After];
/// Requests of the longest start (create, pay), and one more.
const START_REQUESTS: usize = 3;

pub(super) async fn a_lost_start_is_unknown_and_found_by_its_tag<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    for loss in LOSSES {
        for at in 0..START_REQUESTS {
            let order = run.order();
            let command = Command::Start(Box::new(order.clone()));
            let outcome = run.perform_losing(&command, at, loss).await;
            if let Outcome::Started { remote_id } = &outcome {
                // A start with fewer requests: nothing was lost.
                run.clean_up(remote_id).await;
                break;
            }
            let what = format!("losing request {at} {loss:?}");
            ensure(matches!(outcome, Outcome::Unknown { .. }), || {
                format!("{what} gave {outcome:?}")
            })?;
            let found = run.found(order.tag).await?;
            let expected = usize::from(loss == Loss::After || at > 0);
            ensure(found.len() == expected, || {
                format!("{what}: the listing has {found:?}")
            })?;
            let unpaid = found
                .iter()
                .all(|seen| seen.state == RemoteState::AwaitingPayment);
            let paid_later = at == 0 || loss == Loss::Before;
            let is_safe = matches!(
                Exchange::new(run.adapter, &command).step(run.peer.context()),
                Step::Send(request) if request.repeat == Repeat::Safe
            );
            if is_safe {
                ensure(found.is_empty() || unpaid == paid_later, || {
                    format!("{what}: the listing has {found:?}")
                })?;
                let id = run.start(&order).await?;
                let found = run.found(order.tag).await?;
                ensure(found.len() == 1 && found[0].remote_id == id, || {
                    format!("{what}: after asking again the listing has {found:?}")
                })?;
            }
            for seen in run.found(order.tag).await? {
                run.clean_up(&seen.remote_id).await;
            }
        }
    }
    Ok(())
}

pub(super) async fn a_lost_extension_is_unknown_and_shows_in_the_minutes<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let (_, seen) = run.running().await?;
    let id = seen.remote_id.clone();
    let step = run.sold().0.extension_step_hours * 60;
    for loss in LOSSES {
        let before = minutes(&run.status(&id).await?)?;
        let command = run.extension(&id, before);
        let outcome = run.perform_losing(&command, 0, loss).await;
        ensure(matches!(outcome, Outcome::Unknown { .. }), || {
            format!("an extension lost {loss:?} gave {outcome:?}")
        })?;
        let after = minutes(&run.status(&id).await?)?;
        let expected = if loss == Loss::After {
            before + step
        } else {
            before
        };
        ensure(after == expected, || {
            format!("lost {loss:?}: {before} minutes became {after}")
        })?;
        let is_safe = matches!(
            Exchange::new(run.adapter, &command).step(run.peer.context()),
            Step::Send(request) if request.repeat == Repeat::Safe
        );
        if is_safe {
            let outcome = run.perform(&command).await;
            ensure(matches!(outcome, Outcome::Extended(_)), || {
                format!("the same extension again gave {outcome:?}")
            })?;
            let again = minutes(&run.status(&id).await?)?;
            ensure(again == before + step, || {
                format!("the same extension twice: {before} minutes became {again}")
            })?;
        }
    }
    run.clean_up(&id).await;
    Ok(())
}

pub(super) async fn a_lost_stop_is_unknown_and_can_be_asked_again<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let (_, seen) = run.running().await?;
    let id = seen.remote_id.clone();
    let stop = run.about(&id).1;
    let outcome = run.perform_losing(&stop, 0, Loss::Before).await;
    ensure(matches!(outcome, Outcome::Unknown { .. }), || {
        format!("a stop lost before gave {outcome:?}")
    })?;
    let seen = run.status(&id).await?;
    ensure(seen.state == RemoteState::Running, || {
        format!("it did not go on running: {seen:?}")
    })?;
    let outcome = run.perform_losing(&stop, 0, Loss::After).await;
    ensure(matches!(outcome, Outcome::Unknown { .. }), || {
        format!("a stop lost after gave {outcome:?}")
    })?;
    let outcome = run.perform(&stop).await;
    let settled = match &outcome {
        Outcome::Stopping => true,
        Outcome::Failed(f) => matches!(f.kind, FailureKind::Conflict | FailureKind::NotFound),
        _ => false,
    };
    ensure(settled, || format!("a second stop gave {outcome:?}"))?;
    run.wait_for(&id, "ended", |seen| seen.state.is_ended())
        .await?;
    Ok(())
}

pub(super) async fn a_lost_reading_is_never_an_answer<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let (status, _, _) = run.about("any");
    let list = Command::List {
        tag_prefix: "tandem-".to_owned(),
    };
    for command in [Command::Offers, list, status] {
        let outcome = run.perform_losing(&command, 0, Loss::After).await;
        let no_answer = match &outcome {
            Outcome::Failed(failure) => failure.kind == FailureKind::NetworkFault,
            Outcome::Unknown { .. } => true,
            _ => false,
        };
        ensure(no_answer, || format!("{command:?} gave {outcome:?}"))?;
    }
    Ok(())
}

//! Checks of what works and of what is a certain no.

use tandem_model::money::MicroUsd;
use tandem_model::offer::Offer;

use super::Peer;
use super::run::{Run, ensure, minutes};
use crate::adapter::{Adapter, Step};
use crate::command::{Command, FailureKind, Outcome};
use crate::exchange::Exchange;
use crate::wire::Repeat;

pub(super) async fn wrong_credentials_are_named<P: Peer>(
    run: &mut Run<'_, P>,
    stranger: &dyn Adapter,
) -> Result<(), String> {
    let command = Command::List {
        tag_prefix: "tandem-".to_owned(),
    };
    let outcome = Run::new(&mut *run.peer, stranger).perform(&command).await;
    let named = matches!(&outcome, Outcome::Failed(f) if f.kind == FailureKind::Credentials);
    ensure(named, || format!("a stranger's listing gave {outcome:?}"))
}

pub(super) async fn the_market_is_sold_and_priced<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<Vec<Offer>, String> {
    let outcome = run.perform(&Command::Offers).await;
    let Outcome::Offers { offers, unreadable } = outcome else {
        return Err(format!("the market gave {outcome:?}"));
    };
    ensure(unreadable.is_empty(), || {
        format!("offers that cannot be read: {unreadable:?}")
    })?;
    let mut ids: Vec<_> = offers.iter().map(|offer| &offer.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ensure(ids.len() == offers.len(), || {
        "two offers share an id".to_owned()
    })?;
    let for_sale: Vec<_> = offers
        .into_iter()
        .filter(|offer| offer.nodes_available > 0)
        .collect();
    ensure(!for_sale.is_empty(), || "nothing is for sale".to_owned())?;
    let free = for_sale
        .iter()
        .find(|offer| offer.price.price() <= MicroUsd::ZERO);
    ensure(free.is_none(), || format!("an offer for nothing: {free:?}"))?;
    Ok(for_sale)
}

pub(super) async fn a_placement_lives_its_whole_life<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let (order, seen) = run.running().await?;
    let id = seen.remote_id.clone();
    let found = run.found(order.tag).await?;
    ensure(found.len() == 1 && found[0].remote_id == id, || {
        format!("the listing has {found:?}")
    })?;
    ensure(seen.device.is_some(), || format!("no device in {seen:?}"))?;

    let before = minutes(&seen)?;
    let outcome = run.perform(&run.extension(&id, before)).await;
    let Outcome::Extended(extended) = outcome else {
        return Err(format!("the extension gave {outcome:?}"));
    };
    let step = run.sold().0.extension_step_hours * 60;
    let after = minutes(&extended)?;
    ensure(after == before + step, || {
        format!("{before} minutes became {after}, not +{step}")
    })?;

    let (_, stop, logs) = run.about(&id);
    let outcome = run.perform(&logs).await;
    let read = match &outcome {
        Outcome::Logs { .. } => true,
        Outcome::Failed(failure) => failure.kind == FailureKind::Unsupported,
        _ => false,
    };
    ensure(read, || format!("the log gave {outcome:?}"))?;

    let outcome = run.perform(&stop).await;
    ensure(outcome == Outcome::Stopping, || {
        format!("the stop gave {outcome:?}")
    })?;
    run.wait_for(&id, "ended", |seen| seen.state.is_ended())
        .await?;
    Ok(())
}

pub(super) async fn asking_again_makes_no_second_placement<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let order = run.order();
    let id = run.start(&order).await?;
    let command = Command::Start(Box::new(order.clone()));
    let adapter = run.adapter;
    // Where the network knows our key, the same start is simply sent again; elsewhere the broker
    // asks the listing, and never sends a second one.
    let first = Exchange::new(adapter, &command).step(run.peer.context());
    if matches!(first, Step::Send(request) if request.repeat == Repeat::Safe) {
        let again = run.start(&order).await?;
        ensure(again == id, || {
            format!("the same order became {id} and {again}")
        })?;
    }
    let found = run.found(order.tag).await?;
    run.clean_up(&id).await;
    ensure(found.len() == 1 && found[0].remote_id == id, || {
        format!("the listing has {found:?}")
    })
}

pub(super) async fn things_that_do_not_exist_are_not_found<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let nobody = "00000000-0000-4000-8000-000000000000";
    let (status, stop, _) = run.about(nobody);
    for command in [status, stop, run.extension(nobody, 60)] {
        let outcome = run.perform(&command).await;
        let not_found = matches!(&outcome, Outcome::Failed(f) if f.kind == FailureKind::NotFound);
        ensure(not_found, || format!("{command:?} gave {outcome:?}"))?;
    }
    Ok(())
}

pub(super) async fn an_offer_that_does_not_exist_is_a_certain_no<P: Peer>(
    run: &mut Run<'_, P>,
) -> Result<(), String> {
    let mut order = run.order();
    order.offer.locator = "no-such-hardware@US".to_owned();
    let outcome = run.perform(&Command::Start(Box::new(order.clone()))).await;
    let certain = matches!(&outcome, Outcome::Failed(_));
    ensure(certain, || format!("the start gave {outcome:?}"))?;
    let found = run.found(order.tag).await?;
    ensure(found.is_empty(), || {
        format!("a refused start left {found:?}")
    })
}

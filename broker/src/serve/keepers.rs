//! Tasks beside the engine: the world's time marked in the store and in step with a sandbox's,
//! answers ahead of the customers, and what was kept long enough forgotten.

use std::sync::Arc;
use std::time::Duration;

use tandem_model::time::{Clock, WallTime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::rented::Sandbox;
use super::{Disk, ahead, seen, world};
use crate::clock::SystemClock;
use crate::engine::handle::EngineHandle;
use crate::sales::Sales;
use crate::store::tenants::Tenants;
use crate::store::{PAGE_MAX, StoreError};

/// Between two looks for what was kept long enough, on the wall.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// Between two writes of the counts of quotes, on the wall.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Between two writes of what was seen of the supply, on the wall.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// Starts them.
pub(super) fn start(
    disk: &Disk,
    engine: &EngineHandle,
    sandbox: Option<&Sandbox>,
    clock: &Arc<SystemClock>,
    denials_kept: Duration,
    stop: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let task = || (disk.store.clone(), Arc::clone(clock), stop.clone());
    let (store, time, until) = task();
    let marking = world::keep_marking(store, time, until);
    let (store, time, until) = task();
    let forgetting = keep_forgetting(store, time, denials_kept, until);
    let (store, _, until) = task();
    let counting = keep_counting(store, Arc::clone(&disk.sales), until);
    let (store, _, until) = task();
    let observing = keep_seen(store, engine.clone(), until);
    let following = sandbox.map(|sandbox| {
        let (_, time, until) = task();
        world::keep_following(sandbox.clock.clone(), time, until)
    });
    let parts = ahead::Parts {
        policies: Arc::clone(&disk.policies),
        sales: Arc::clone(&disk.sales),
        clock: Arc::clone(clock),
    };
    let answering = ahead::keep_ahead(engine.markets(), parts, stop.clone());
    [marking, forgetting, counting, observing, answering]
        .into_iter()
        .chain(following)
        .collect()
}

/// A moment so long before another.
fn before(now: WallTime, kept: Duration) -> WallTime {
    let kept = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
    WallTime::from_micros(now.micros().saturating_sub(kept))
}

/// Forgets answers and denials that were kept long enough, a page at a time so that other writers
/// have their turn.
async fn forget(
    tenants: &dyn Tenants,
    now: WallTime,
    denials_kept: Duration,
) -> Result<(), StoreError> {
    let page = u64::from(PAGE_MAX);
    while tenants.forget_replies(now).await? == page {}
    let oldest = before(now, denials_kept);
    while tenants.forget_denials(oldest).await? == page {}
    Ok(())
}

fn keep_forgetting(
    tenants: Arc<dyn Tenants>,
    clock: Arc<SystemClock>,
    denials_kept: Duration,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            if let Err(error) = forget(&*tenants, clock.wall(), denials_kept).await {
                tracing::warn!(%error, "what was kept long enough was not forgotten");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(FORGET_EVERY) => {}
            }
        }
    })
}

/// Writes the counts of quotes now and then, and once more at the end.
fn keep_counting(
    tenants: Arc<dyn Tenants>,
    sales: Arc<Sales>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(COUNT_EVERY) => {}
            }
            if let Err(error) = sales.flush(&*tenants).await {
                tracing::warn!(%error, "the counts of quotes were not written");
            }
        }
    })
}

/// Keeps what was seen of the supply now and then, and once more at the end.
fn keep_seen(
    tenants: Arc<dyn Tenants>,
    engine: EngineHandle,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut kept = engine.market().settled.clone();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(SEEN_EVERY) => {}
            }
            let seen = engine.market().settled.clone();
            if seen == kept {
                continue;
            }
            match seen::save(&*tenants, &seen).await {
                Ok(()) => kept = seen,
                Err(error) => tracing::warn!(%error, "the failures seen were not kept"),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use tandem_model::id::AccountId;
    use tandem_pricing::jurisdiction::{Denial, Party, Rule};

    use super::*;
    use crate::denials;
    use crate::store::sqlite::SqliteStore;
    use crate::store::tenants::{AccountRecord, REPLY_TTL, ReplyRecord};

    const DAY: Duration = Duration::from_secs(86_400);

    fn denial(about: usize) -> Denial {
        Denial {
            rule: Rule::DataPlace,
            party: Party::Machine,
            about: format!("{about}"),
            reason: "not there".into(),
            change: "elsewhere".into(),
            lists_dated: "2026-07-31".into(),
        }
    }

    #[tokio::test]
    async fn answers_and_denials_are_forgotten_however_many_once_they_are_old() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db")).unwrap();
        let (id, then) = (AccountId::from_parts(1, &[1; 10]), WallTime::from_micros(0));
        let tenant = AccountRecord {
            id,
            name: "a".into(),
            country: None,
            created_at: then,
        };
        let reply = ReplyRecord {
            account: id,
            key: "k".into(),
            route: "POST /".into(),
            body_sha256: vec![7; 32],
            status: 201,
            body: "{}".into(),
            at: then,
        };
        store.add_account(tenant, Some(reply)).await.unwrap();
        let many = (0..PAGE_MAX as usize + 1).map(|n| (denial(n), 1));
        let sha256 = "0".repeat(64);
        denials::record(&store, id, &sha256, many.collect(), then)
            .await
            .unwrap();
        let kept = 400 * DAY;
        let rows = || {
            let rows = store.rows().unwrap();
            (rows["replies"], rows["denials"])
        };
        let all = u64::from(PAGE_MAX) + 1;
        forget(&store, then.after(REPLY_TTL), kept).await.unwrap();
        assert_eq!(rows(), (1, all));
        forget(&store, then.after(kept), kept).await.unwrap();
        assert_eq!(rows(), (0, all), "the day itself is kept");
        forget(&store, then.after(kept + DAY), kept).await.unwrap();
        assert_eq!(rows(), (0, 0));
    }
}

//! What every store must do, one story a function; each gets an empty store. First the list, then
//! the stories of a commit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tandem::store::{COMMIT_JOBS_MAX, Changes, PAGE_MAX, Rule, Store, StoreError};
use tandem_model::job::JobState;

use crate::rows::*;
use crate::{devices, live, money, sharing};

type Told = Pin<Box<dyn Future<Output = ()> + Send>>;
type Story = fn(Arc<dyn Store>) -> Told;

/// Lists stories with their names.
macro_rules! stories {
    ($($name:literal: $story:path,)*) => { &[$(($name, |store| Box::pin($story(store)))),*] };
}
pub(crate) use stories;

/// Every story with its name.
pub(crate) const STORIES: &[(&str, Story)] = stories![
    "a commit is whole or nothing": whole_or_nothing,
    "a job that was changed since it was read is not overwritten": versions,
    "what was accepted is never written again": specs,
    "a job stands once in a commit": once_a_commit,
    "one live placement a job, also in a move": one_live_placement,
    "the key of an effect is used once": keys_once,
    "events come in the order of their writing": events_in_order,
    "effects come when they are due and not after they are settled": outbox,
    "a tenant finds nothing of another": tenants,
    "pages are bounded": pages,
    "jobs that hold nothing open are told apart": not_open,
    "the queue is counted up to a job": queued_before,
    "any text comes back as it was": any_text,
    "a refused commit leaves those beside it alone": sharing::neighbours,
    "many writers of one job: exactly one wins each version": sharing::version_race,
    "a claim is held by one, renewed, and taken over when it ran out": sharing::claims,
    "the job due first is claimed first, one without a time last": sharing::order,
    "a claimed job comes with everything that belongs to it": sharing::luggage,
    "an old holder of a claim can write nothing": sharing::old_holder,
    "a new job is held by who accepted it, while that broker lives": sharing::held_from_birth,
    "brokers that claim at once share without overlap": sharing::claim_race,
    "a device is counted, and banned after its failures": devices::counted_and_banned,
    "a lifted ban begins to count anew": devices::lifted_bans,
    "a device is spotless since its last failure or lifted ban": devices::spotless_since,
    "operators ban once, whatever is asked at once": devices::bans_by_operators,
    "pages of devices and histories stay while rows are added": devices::pages_while_lines_are_added,
    "latencies stand beside the last ones of the same device": devices::latencies_beside_the_last_ones,
    "the first record of a verdict stands": devices::verdicts_of_a_job,
    "a device is in use while the attempt that showed it is live": devices::in_use_while_live,
    "a device has one live user, and none by a verdict that fails it": devices::in_use_by_one_live_node,
    "late and repeated heartbeats change nothing": live::heartbeats,
    "ten thousand heartbeats at once": live::many,
    "a heartbeat that makes no sense spoils no other": live::nonsense,
    "log comes in order, once, and page by page": live::logs,
    "the newest log of an epoch is kept, the oldest goes": live::log_limit,
    "a charge only grows": money::charges,
    "a quote is taken once, however many try": money::quotes,
    "a key of the ledger is posted once": money::ledger_keys,
    "balances are exact to 128 bits and never overflow": money::balances,
    "a balance is refused on the side that overflows": money::balance_limit,
    "postings of many writers are all in the balance": money::ledger_race,
    "an answer is kept with what it answers": money::replies,
];

async fn whole_or_nothing(store: Arc<dyn Store>) {
    let changes = Changes {
        jobs: vec![new_job(1)],
        placements: vec![placement(1, 1, true)],
        events: vec![event(1, 5)],
        outbox: vec![effect(1, "a", 0)],
        charges: vec![charge(1, 1, 5, 5)],
        ledger: vec![owed("a", 5)],
        quotes_taken: vec![quote(1, 1)],
        replies: vec![reply("a", 1)],
        ..Changes::default()
    };
    let twice = Changes {
        ledger: vec![owed("a", 5), owed("a", 5)],
        ..changes.clone()
    };
    assert_refused(store.commit(twice).await, Rule::LedgerKey);
    assert_eq!(store.job(account(1), job_id(1)).await.unwrap(), None);
    assert!(store.placements(job_id(1)).await.unwrap().is_empty());
    assert!(store.events(job_id(1), 0, 9).await.unwrap().is_empty());
    assert!(store.outbox_due(at(9), 9).await.unwrap().is_empty());
    assert!(store.charges(job_id(1)).await.unwrap().is_empty());
    assert!(store.balances().await.unwrap().is_empty());

    // Had anything stayed, this would be refused.
    store.commit(changes).await.unwrap();
    let stored = store.job(account(1), job_id(1)).await.unwrap();
    assert_eq!(stored, Some(job(1)));
    let placements = store.placements(job_id(1)).await.unwrap();
    assert_eq!(placements, [placement(1, 1, true)]);
    let (taken, other) = (quote(1, 1).quote, quote(2, 1).quote);
    for (owner, quote, found) in [
        (1, taken, Some(job_id(1))),
        (2, taken, None),
        (1, other, None),
    ] {
        let job = store.job_of_quote(account(owner), quote).await.unwrap();
        assert_eq!(job, found);
    }

    let many = (0..=COMMIT_JOBS_MAX as u64).map(|n| new_job(100 + n));
    let refused = store.commit(jobs(many.collect())).await;
    let jobs = COMMIT_JOBS_MAX + 1;
    assert_eq!(refused, Err(StoreError::TooLarge { jobs }));
}

async fn versions(store: Arc<dyn Store>) {
    let both = jobs(vec![new_job(1), new_job(2)]);
    store.commit(both).await.unwrap();
    assert_refused(store.commit(jobs(vec![new_job(1)])).await, Rule::Other);
    let first = next(&job(1), JobState::Placing);
    store.commit(jobs(vec![first])).await.unwrap();
    // The other job of the same commit must not be changed either.
    let both = vec![
        next(&job(2), JobState::Placing),
        next(&job(1), JobState::Failed),
    ];
    assert_conflict(store.commit(jobs(both)).await, 1);
    let second = store.job(account(1), job_id(2)).await.unwrap().unwrap();
    assert_eq!(second, job(2));
    let missing = next(&job(3), JobState::Placing);
    assert_conflict(store.commit(jobs(vec![missing])).await, 3);
    // A version cannot be skipped, and the first is 1.
    let mut skip = next(&job(2), JobState::Placing);
    skip.job.version = 7;
    assert_conflict(store.commit(jobs(vec![skip])).await, 2);
    let mut born_late = new_job(4);
    born_late.job.version = 2;
    assert_conflict(store.commit(jobs(vec![born_late])).await, 4);
}

async fn specs(store: Arc<dyn Store>) {
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    for spec in ["", "another"] {
        let before = store.job(account(1), job_id(1)).await.unwrap().unwrap();
        let mut write = next(&before, JobState::Failed);
        write.job.spec = spec.into();
        // A job can be terminal and open: something of it is still rented.
        write.job.open = true;
        write.job.wake_at = None;
        write.job.document = format!("after {spec}");
        store.commit(jobs(vec![write.clone()])).await.unwrap();
        let after = store.job(account(1), job_id(1)).await.unwrap().unwrap();
        write.job.spec = job(1).spec;
        assert_eq!(after, write.job);
        let all = store.jobs(account(1), None, 9).await.unwrap();
        assert_eq!(all, [write.job]);
    }
}

async fn once_a_commit(store: Arc<dyn Store>) {
    let born_and_moved = vec![new_job(1), next(&job(1), JobState::Placing)];
    assert_refused(store.commit(jobs(born_and_moved)).await, Rule::Other);
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let twice = vec![
        next(&job(1), JobState::Placing),
        next(&job(1), JobState::Failed),
    ];
    assert_refused(store.commit(jobs(twice)).await, Rule::Other);
    let stored = store.job(account(1), job_id(1)).await.unwrap().unwrap();
    assert_eq!(stored, job(1));
}

async fn one_live_placement(store: Arc<dyn Store>) {
    let placed = |placements| Changes {
        placements,
        ..Changes::default()
    };
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let first = placed(vec![placement(1, 1, true)]);
    store.commit(first).await.unwrap();
    let second = placed(vec![placement(1, 2, true)]);
    assert_refused(store.commit(second).await, Rule::OneLivePlacement);
    // A move in one commit, in whatever order the rows come.
    let moved = placed(vec![placement(1, 2, true), placement(1, 1, false)]);
    store.commit(moved).await.unwrap();
    let all = [placement(1, 1, false), placement(1, 2, true)];
    assert_eq!(store.placements(job_id(1)).await.unwrap(), all);
    // Neither an epoch nor a tag is given twice.
    let mut twin = placement(1, 3, false);
    twin.epoch = all[1].epoch;
    assert_refused(store.commit(placed(vec![twin])).await, Rule::Other);
    let mut twin = placement(1, 3, false);
    twin.tag = all[0].tag.clone();
    assert_refused(store.commit(placed(vec![twin])).await, Rule::Other);
    assert_eq!(store.placements(job_id(1)).await.unwrap(), all);
}

async fn keys_once(store: Arc<dyn Store>) {
    let owed = || vec![effect(1, "k", 0)];
    let changes = Changes {
        outbox: owed(),
        ..jobs(vec![new_job(1)])
    };
    store.commit(changes).await.unwrap();
    let settled = Changes {
        outbox_settled: vec!["k".into()],
        ..Changes::default()
    };
    store.commit(settled).await.unwrap();
    let again = Changes {
        outbox: owed(),
        ..Changes::default()
    };
    assert_refused(store.commit(again).await, Rule::OutboxKey);
}

async fn events_in_order(store: Arc<dyn Store>) {
    let told = |events| Changes {
        events,
        ..Changes::default()
    };
    store.commit(jobs(vec![new_job(1)])).await.unwrap();
    let two = told(vec![event(1, 5), event(1, 3)]);
    store.commit(two).await.unwrap();
    store.commit(told(vec![event(1, 4)])).await.unwrap();
    let all = store.events(job_id(1), 0, 10).await.unwrap();
    let seconds: Vec<_> = all.iter().map(|e| e.document.clone()).collect();
    assert_eq!(seconds, ["5", "3", "4"]);
    assert!(all.windows(2).all(|e| e[0].sequence < e[1].sequence));
    let rest = store.events(job_id(1), all[0].sequence, 1).await.unwrap();
    assert_eq!(rest, [all[1].clone()]);
    let end = store.events(job_id(1), u64::MAX, 9).await.unwrap();
    assert!(end.is_empty());
    let of_nobody = told(vec![event(2, 1)]);
    assert_refused(store.commit(of_nobody).await, Rule::Other);
}

async fn outbox(store: Arc<dyn Store>) {
    let outbox = vec![effect(1, "late", 9), effect(1, "b", 2), effect(1, "a", 2)];
    let changes = Changes {
        outbox,
        ..jobs(vec![new_job(1)])
    };
    store.commit(changes).await.unwrap();
    let keys = |rows: Vec<tandem::store::OutboxRecord>| {
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert!(store.outbox_due(at(1), 9).await.unwrap().is_empty());
    assert_eq!(keys(store.outbox_due(at(2), 9).await.unwrap()), ["a", "b"]);
    let settled = Changes {
        outbox_settled: vec!["a".into()],
        ..Changes::default()
    };
    store.commit(settled).await.unwrap();
    let due = store.outbox_due(at(9), 9).await.unwrap();
    assert_eq!(keys(due), ["b", "late"]);
    assert_eq!(keys(store.outbox_due(at(9), 1).await.unwrap()), ["b"]);
}

async fn tenants(store: Arc<dyn Store>) {
    let mut other = new_job(2);
    other.job.account = account(2);
    let both = jobs(vec![new_job(1), other.clone()]);
    store.commit(both).await.unwrap();
    assert_eq!(store.job(account(2), job_id(1)).await.unwrap(), None);
    let theirs = store.jobs(account(2), None, 9).await.unwrap();
    assert_eq!(theirs, [other.job.clone()]);
    // Nor can a write move a job to another tenant.
    let mut stolen = next(&other.job, JobState::Placing);
    stolen.job.account = account(1);
    assert_conflict(store.commit(jobs(vec![stolen])).await, 2);
}

async fn pages(store: Arc<dyn Store>) {
    let total = u64::from(PAGE_MAX) + 20;
    for part in 0..2 {
        let half = (0..total / 2).map(|n| new_job(1 + part * (total / 2) + n));
        store.commit(jobs(half.collect())).await.unwrap();
    }
    let first = store.jobs(account(1), None, u32::MAX).await.unwrap();
    assert_eq!(first.len(), PAGE_MAX as usize);
    let last = first.last().unwrap().id;
    let rest = store.jobs(account(1), Some(last), u32::MAX).await.unwrap();
    assert_eq!(first.len() + rest.len(), total as usize);
    assert!(rest.iter().all(|job| job.id > last));
}

async fn not_open(store: Arc<dyn Store>) {
    let mut closed = new_job(2);
    closed.job.open = false;
    let mut ended = new_job(3);
    ended.job.state = JobState::Failed;
    let three = jobs(vec![new_job(1), closed, ended]);
    store.commit(three).await.unwrap();
    let asked = [4, 3, 2, 1, 4].map(job_id).to_vec();
    let found = store.not_open(asked).await.unwrap();
    assert_eq!(found, [4, 2, 4].map(job_id), "in the order asked");
    assert!(store.not_open(Vec::new()).await.unwrap().is_empty());
}

async fn queued_before(store: Arc<dyn Store>) {
    let mut other = new_job(2);
    other.job.account = account(2);
    let mut placing = new_job(3);
    placing.job.state = JobState::Placing;
    let all = vec![new_job(1), other, placing, new_job(4), new_job(5)];
    store.commit(jobs(all)).await.unwrap();
    let mut counts = Vec::new();
    for n in [1, 4, 5, 9] {
        counts.push(store.queued_before(job_id(n)).await.unwrap());
    }
    assert_eq!(counts, [0, 2, 3, 4]);
    let moved = next(&job(1), JobState::Placing);
    store.commit(jobs(vec![moved])).await.unwrap();
    assert_eq!(store.queued_before(job_id(5)).await.unwrap(), 2);
}

async fn any_text(store: Arc<dyn Store>) {
    let text = "\0 '\"\\ \u{1}\u{7f}\u{2028}\u{fffd}\u{10ffff} {}[] é\r\n%s $1 ?1";
    let mut write = new_job(1);
    write.job.spec = text.into();
    write.job.document = text.into();
    let mut event = event(1, 1);
    event.document = text.into();
    let effect = effect(1, text, 0);
    let changes = Changes {
        events: vec![event],
        outbox: vec![effect.clone()],
        ..jobs(vec![write.clone()])
    };
    store.commit(changes).await.unwrap();
    let beat = chunk(1, 1, 1, text);
    let log = vec![beat.clone()];
    store.flush_liveness(Vec::new(), log).await.unwrap();
    let stored = store.job(account(1), job_id(1)).await.unwrap();
    assert_eq!(stored, Some(write.job));
    let events = store.events(job_id(1), 0, 9).await.unwrap();
    assert_eq!(events[0].document, text);
    assert_eq!(store.outbox_due(at(0), 9).await.unwrap(), [effect]);
    assert_eq!(store.logs(job_id(1), None, 9).await.unwrap(), [beat]);
    let settled = Changes {
        outbox_settled: vec![text.into()],
        ..Changes::default()
    };
    store.commit(settled).await.unwrap();
    assert!(store.outbox_due(at(0), 9).await.unwrap().is_empty());
}

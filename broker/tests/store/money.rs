//! What every store must do with money, and with what may happen once.

use std::sync::Arc;

use tandem::store::tenants::REPLY_TTL;
use tandem::store::{Changes, ChargeRecord, Rule, Store, StoreError};
use tandem_settlement::ledger::{Balance, Currency, Transaction};

use crate::rows::*;

fn charged(charges: Vec<ChargeRecord>) -> Changes {
    Changes {
        charges,
        ..Changes::default()
    }
}

fn posted(ledger: Vec<Transaction>) -> Changes {
    Changes {
        ledger,
        ..Changes::default()
    }
}

fn balance(account: &str, currency: Currency, debit: u128, credit: u128) -> Balance {
    Balance {
        account: account.into(),
        currency,
        debit,
        credit,
    }
}

pub(crate) async fn charges(store: Arc<dyn Store>) {
    let two = jobs(vec![new_job(1), new_job(2)]);
    store.commit(two).await.unwrap();
    let first = vec![charge(1, 2, 5, 50), charge(1, 1, 9, 90), charge(2, 1, 1, 1)];
    store.commit(charged(first)).await.unwrap();
    // The same again, GPU time that costs nothing more, and both grown twice.
    let grown = vec![
        charge(1, 1, 9, 90),
        charge(1, 1, 10, 90),
        charge(1, 1, 11, 91),
    ];
    store.commit(charged(grown)).await.unwrap();
    let kept = [charge(1, 1, 11, 91), charge(1, 2, 5, 50)];
    assert_eq!(store.charges(job_id(1)).await.unwrap(), kept);
    for shrunk in [charge(1, 1, 10, 92), charge(1, 1, 12, 90)] {
        let beside = vec![charge(1, 2, 6, 60), shrunk, charge(1, 3, 1, 1)];
        assert_refused(store.commit(charged(beside)).await, Rule::ChargeShrinks);
    }
    let in_one = vec![charge(1, 4, 2, 2), charge(1, 4, 1, 1)];
    assert_refused(store.commit(charged(in_one)).await, Rule::ChargeShrinks);
    let negative = vec![charge(1, 5, 0, -1)];
    assert_refused(store.commit(charged(negative)).await, Rule::Other);
    let of_nobody = vec![charge(9, 1, 1, 1)];
    assert_refused(store.commit(charged(of_nobody)).await, Rule::Other);
    assert_eq!(store.charges(job_id(1)).await.unwrap(), kept);
}

pub(crate) async fn quotes(store: Arc<dyn Store>) {
    let accept = |n| Changes {
        quotes_taken: vec![quote(1, n)],
        ..jobs(vec![new_job(n)])
    };
    let takers = (1..=16).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(accept(n)).await })
    });
    let mut won = 0;
    for taker in takers.collect::<Vec<_>>() {
        match taker.await.unwrap() {
            Ok(()) => won += 1,
            refused => assert_refused(refused, Rule::QuoteTaken),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(store.jobs(account(1), None, 99).await.unwrap().len(), 1);
    let of_nobody = Changes {
        quotes_taken: vec![quote(2, 99)],
        ..Changes::default()
    };
    assert_refused(store.commit(of_nobody).await, Rule::Other);
}

pub(crate) async fn ledger_keys(store: Arc<dyn Store>) {
    store.commit(posted(vec![owed("a", 5)])).await.unwrap();
    let again = posted(vec![owed("b", 7), owed("a", 5)]);
    assert_refused(store.commit(again).await, Rule::LedgerKey);
    let twice = posted(vec![owed("b", 7), owed("b", 7)]);
    assert_refused(store.commit(twice).await, Rule::LedgerKey);
    let kept = [
        balance("receivable:1", Currency::MicroUsd, 5, 0),
        balance("revenue:compute", Currency::MicroUsd, 0, 5),
    ];
    assert_eq!(store.balances().await.unwrap(), kept);
}

pub(crate) async fn balances(store: Arc<dyn Store>) {
    const BIG: u128 = (1 << 127) + 1;
    let move_in = |key, currency, amount| {
        let sides = ("b".to_owned(), "a".to_owned());
        Transaction::transfer(key, at(1), sides, currency, amount).unwrap()
    };
    let first = vec![
        move_in("1", Currency::Ath, BIG),
        move_in("2", Currency::Io, 1 << 64),
        move_in("3", Currency::Ath, u64::MAX.into()),
    ];
    store.commit(posted(first)).await.unwrap();
    let sum = BIG + u128::from(u64::MAX);
    let kept = [
        balance("a", Currency::Ath, 0, sum),
        balance("a", Currency::Io, 0, 1 << 64),
        balance("b", Currency::Ath, sum, 0),
        balance("b", Currency::Io, 1 << 64, 0),
    ];
    assert_eq!(store.balances().await.unwrap(), kept);
    // What does not fit is refused with all that came with it; to the last unit it fits.
    let too_much = vec![
        move_in("4", Currency::Io, 1),
        move_in("5", Currency::Ath, BIG),
    ];
    assert_refused(store.commit(posted(too_much)).await, Rule::Other);
    assert_eq!(store.balances().await.unwrap(), kept);
    let last = vec![move_in("5", Currency::Ath, u128::MAX - sum)];
    store.commit(posted(last)).await.unwrap();
    let all = store.balances().await.unwrap();
    assert_eq!(all[0], balance("a", Currency::Ath, 0, u128::MAX));
    let one_more = posted(vec![move_in("6", Currency::Ath, 1)]);
    assert_refused(store.commit(one_more).await, Rule::Other);
}

pub(crate) async fn balance_limit(store: Arc<dyn Store>) {
    let move_in = |key: &str, into: &str, from: &str| {
        let sides = (into.to_owned(), from.to_owned());
        Transaction::transfer(key, at(1), sides, Currency::Ath, 1 << 127).unwrap()
    };
    // One debit too many of an account whose creditors have room, and the other way round.
    for (first, second) in [(("a", "b"), ("a", "c")), (("d", "e"), ("f", "e"))] {
        let name = format!("{first:?}");
        let fits = posted(vec![move_in(&name, first.0, first.1)]);
        store.commit(fits).await.unwrap();
        let too_much = posted(vec![move_in("more", second.0, second.1)]);
        assert_refused(store.commit(too_much).await, Rule::Other);
    }
    assert_eq!(store.balances().await.unwrap().len(), 4);
}

pub(crate) async fn ledger_race(store: Arc<dyn Store>) {
    let writers = (0..16u128).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for k in 0..20u128 {
                let amount = writer * 20 + k + 1;
                // Every fourth is refused after its postings were written, and must leave none.
                let repeated = k % 4 == 3;
                let mut ledger = vec![owed(&format!("{amount}"), amount)];
                ledger.extend(repeated.then(|| owed(&format!("{amount}"), 1)));
                let result = store.commit(posted(ledger)).await;
                assert_eq!(result.is_err(), repeated, "{result:?}");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let wanted = (1..=320u128).filter(|amount| amount % 4 != 0).sum();
    let kept = [
        balance("receivable:1", Currency::MicroUsd, wanted, 0),
        balance("revenue:compute", Currency::MicroUsd, 0, wanted),
    ];
    assert_eq!(store.balances().await.unwrap(), kept);
}

pub(crate) async fn replies(store: Arc<dyn Store>) {
    let ttl = i64::try_from(REPLY_TTL.as_secs()).unwrap();
    let accept = |n, second| Changes {
        replies: vec![reply("k", second)],
        quotes_taken: vec![quote(n, n)],
        ..jobs(vec![new_job(n)])
    };
    store.commit(accept(1, 0)).await.unwrap();
    // A request that came twice breaks many rules; the one that it must be told of is its key.
    let again = store.commit(accept(1, 0)).await;
    assert_refused(again, Rule::ReplyKept);
    assert_refused(store.commit(accept(2, ttl)).await, Rule::ReplyKept);
    let other = store.job(account(1), job_id(2)).await.unwrap();
    assert_eq!(other, None);
    // Other routes and accounts have keys of their own, and an answer that is too old is none.
    let mut route = accept(3, 0);
    route.replies[0].route = "POST /v1/keys".into();
    store.commit(route).await.unwrap();
    let mut tenant = accept(4, 0);
    tenant.replies[0].account = account(2);
    store.commit(tenant).await.unwrap();
    store.commit(accept(5, ttl + 1)).await.unwrap();
    let twice = Changes {
        replies: vec![reply("l", 0), reply("l", 0)],
        ..Changes::default()
    };
    let refused: Result<(), StoreError> = store.commit(twice).await;
    assert_refused(refused, Rule::ReplyKept);
}

//! Stories of denials that are kept.

use std::sync::Arc;

use tandem::store::tenants::{
    AccountRecord, DENIAL_TEXT_BYTES_MAX, DENIALS_PER_DAY_MAX, DenialRecord, Tenants,
};
use tandem::store::{PAGE_MAX, Rule};
use tandem_pricing::jurisdiction::{self, Denial, Party};

use crate::rows::*;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A denial to the n-th account at a second, once.
fn denied(n: u64, about: &str, second: i64) -> DenialRecord {
    DenialRecord {
        sequence: 0,
        account: account(n),
        denial: Denial {
            rule: jurisdiction::Rule::ExportClass,
            party: Party::Machine,
            about: about.into(),
            reason: "the card is controlled".into(),
            change: "choose another card".into(),
            lists_dated: jurisdiction::DATED.into(),
        },
        workload_sha256: "0a".repeat(32),
        offers: 5,
        count: 1,
        first_at: wall(second),
        last_at: wall(second),
    }
}

async fn with_accounts(store: &Arc<dyn Tenants>, accounts: u64) {
    for n in 1..=accounts {
        let tenant = AccountRecord {
            id: account(n),
            name: format!("tenant {n}"),
            country: None,
            created_at: wall(0),
        };
        store.add_account(tenant, None).await.unwrap();
    }
}

pub(crate) async fn joined(store: Arc<dyn Tenants>) {
    with_accounts(&store, 2).await;
    let add = |one: DenialRecord| store.add_denials(vec![one]);
    assert_eq!(add(denied(1, "CN", DAY)).await.unwrap(), 0);
    // What comes late tells no earlier end, and the last to come says the rest.
    add(denied(1, "CN", 2 * DAY - 1)).await.unwrap();
    let late = DenialRecord {
        workload_sha256: "0b".repeat(32),
        offers: 2,
        ..denied(1, "CN", DAY + 5)
    };
    add(late.clone()).await.unwrap();
    let kept = store.denials(None, None, 9).await.unwrap();
    let whole = DenialRecord {
        sequence: kept[0].sequence,
        count: 3,
        first_at: wall(DAY),
        last_at: wall(2 * DAY - 1),
        ..late
    };
    assert_eq!(kept, [whole]);
    // Another day, account, subject, party or rule is another row.
    let (mut customer, mut rule) = (denied(1, "CN", DAY), denied(1, "CN", DAY));
    customer.denial.party = Party::Customer;
    rule.denial.rule = jurisdiction::Rule::DataPlace;
    let others = vec![
        denied(1, "CN", 2 * DAY),
        denied(1, "CN", DAY - 1),
        denied(2, "CN", DAY),
        denied(1, "VN", DAY),
        customer,
        rule,
    ];
    assert_eq!(store.add_denials(others).await.unwrap(), 0);
    let kept = store.denials(None, None, 9).await.unwrap();
    let counts: Vec<_> = kept.iter().map(|k| k.count).collect();
    assert_eq!(counts, [1, 1, 1, 1, 1, 1, 3]);
}

pub(crate) async fn whose(store: Arc<dyn Tenants>) {
    with_accounts(&store, 2).await;
    let all = (0..6).map(|n| denied(1 + n % 2, &format!("about {n}"), DAY));
    store.add_denials(all.collect()).await.unwrap();
    let about = |page: &[DenialRecord]| -> Vec<String> {
        page.iter().map(|k| k.denial.about.clone()).collect()
    };
    let first = store.denials(Some(account(1)), None, 2).await.unwrap();
    assert_eq!(about(&first), ["about 4", "about 2"]);
    let last = Some(first[1].sequence);
    let rest = store.denials(Some(account(1)), last, 9).await.unwrap();
    assert_eq!(about(&rest), ["about 0"]);
    let everyone = store.denials(None, last, u32::MAX).await.unwrap();
    assert_eq!(about(&everyone), ["about 1", "about 0"]);
    let nothing = store.denials(None, Some(0), 9).await.unwrap();
    assert!(nothing.is_empty());
    let beyond = store.denials(None, Some(u64::MAX), 9).await.unwrap();
    assert_eq!(beyond.len(), 6);
    let nobody = store.denials(Some(account(3)), None, 9).await.unwrap();
    assert!(nobody.is_empty());
}

pub(crate) async fn bounded(store: Arc<dyn Tenants>) {
    with_accounts(&store, 2).await;
    let max = u64::from(DENIALS_PER_DAY_MAX);
    let many = |from, to| (from..to).map(|n| denied(1, &format!("{n}"), DAY));
    let add = |all: Vec<DenialRecord>| store.add_denials(all);
    assert_eq!(add(many(0, max - 1).collect()).await.unwrap(), 0);
    assert_eq!(add(many(max - 2, max + 3).collect()).await.unwrap(), 3);
    assert_eq!(add(many(max, max + 1).collect()).await.unwrap(), 1);
    // What is there is counted on, and other days and accounts have room of their own.
    let others = vec![denied(1, "0", DAY), denied(2, "a", DAY), denied(1, "a", 0)];
    assert_eq!(add(others).await.unwrap(), 0);
    let mut rows: Vec<DenialRecord> = Vec::new();
    loop {
        let below = rows.last().map(|row| row.sequence);
        let page = store.denials(Some(account(1)), below, u32::MAX).await;
        let page = page.unwrap();
        assert!(page.len() <= PAGE_MAX as usize);
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    assert_eq!(rows.len() as u64, max + 1);
    let first = rows.iter().find(|row| row.denial.about == "0").unwrap();
    assert_eq!(first.count, 2);
}

pub(crate) async fn refused(store: Arc<dyn Tenants>) {
    with_accounts(&store, 1).await;
    let mut long = denied(1, "CN", DAY);
    long.denial.reason = "x".repeat(DENIAL_TEXT_BYTES_MAX + 1);
    let sha256 = |text: String| DenialRecord {
        workload_sha256: text,
        ..denied(1, "CN", DAY)
    };
    for wrong in [
        long,
        denied(9, "CN", DAY),
        sha256("0a".repeat(31)),
        sha256("0A".repeat(32)),
        sha256("é".repeat(64)),
    ] {
        let both = vec![denied(1, "VN", DAY), wrong];
        assert_refused(store.add_denials(both).await, Rule::Other);
    }
    let kept = store.denials(None, None, 9).await.unwrap();
    assert!(kept.is_empty(), "none of a refused call is kept: {kept:?}");
}

pub(crate) async fn forgotten(store: Arc<dyn Tenants>) {
    with_accounts(&store, 1).await;
    let max = u64::from(PAGE_MAX);
    let old = (0..max + 2).map(|n| denied(1, &format!("{n}"), DAY));
    let day_after = denied(1, "kept", 2 * DAY);
    let all = old.chain([day_after]).collect();
    store.add_denials(all).await.unwrap();
    let forget = |second| store.forget_denials(wall(second));
    assert_eq!(forget(2 * DAY - 1).await.unwrap(), 0, "the day itself");
    assert_eq!(forget(2 * DAY).await.unwrap(), max);
    assert_eq!(forget(3 * DAY - 1).await.unwrap(), 2);
    let kept = store.denials(None, None, 9).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].denial.about, "kept");
}

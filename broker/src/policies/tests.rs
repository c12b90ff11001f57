//! The live policy and its shadow, on a real store.

use tandem_pricing::policy::{Change, apply};

use super::*;
use crate::store::sqlite::SqliteStore;

const AT: WallTime = WallTime::from_micros(5);

fn store() -> (tempfile::TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tandem.db")).unwrap();
    (folder, Arc::new(store))
}

fn with_margin(basis_points: u32) -> String {
    let standard = Live::standard(AT).version.text;
    standard.replace(
        "margin_basis_points: 1_200",
        &format!("margin_basis_points: {basis_points}"),
    )
}

fn next(live: &Live, text: &str) -> Live {
    let change = Change {
        author: "ada",
        note: "less",
        now: AT,
        waived_because: None,
        grid: &grid(&[], std::iter::empty(), AT),
    };
    apply(live, text, &change).unwrap().live
}

#[tokio::test]
async fn the_first_start_stores_the_standard_policy_and_later_ones_take_up_the_newest() {
    let (_folder, store) = store();
    let first = Arc::new(Policies::open(&*store, AT).await.unwrap());
    assert_eq!(first.current().version.number, 1);
    let taken = first.current();
    let second = next(&taken, &with_margin(1_100));
    Arc::clone(&first)
        .adopt(store.clone(), second, None)
        .await
        .unwrap();
    assert_eq!(first.current().version.number, 2);
    assert_eq!(taken.version.number, 1, "what a request holds stays");
    let again = Policies::open(&*store, AT).await.unwrap();
    assert_eq!(again.current().version, first.current().version);
    assert_eq!(store.policies(None, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn of_two_versions_made_at_once_one_is_stored_and_in_force() {
    let (_folder, store) = store();
    let policies = Arc::new(Policies::open(&*store, AT).await.unwrap());
    let live = policies.current();
    let versions = [1_100, 1_150].map(|margin| next(&live, &with_margin(margin)));
    let digests = versions.each_ref().map(|v| v.version.digest);
    let [one, other] = versions.map(|v| Arc::clone(&policies).adopt(store.clone(), v, None));
    let (one, other) = tokio::join!(one, other);
    let stored = store.policy(None).await.unwrap().unwrap();
    let (won, lost) = if one.is_ok() { (0, other) } else { (1, one) };
    let refused = lost.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Refused {
                rule: Rule::PolicyNumber,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!((stored.number, stored.digest), (2, digests[won]));
    assert_eq!(policies.current().version, stored);
}

#[tokio::test]
async fn a_version_that_another_broker_stored_is_taken_up_when_it_is_in_the_way() {
    let (_folder, store) = store();
    let ours = Arc::new(Policies::open(&*store, AT).await.unwrap());
    let theirs = next(&ours.current(), &with_margin(1_100));
    store
        .add_policy(theirs.version.clone(), None)
        .await
        .unwrap();
    let late = next(&ours.current(), &with_margin(1_150));
    let refused = Arc::clone(&ours).adopt(store.clone(), late, None).await;
    assert!(refused.is_err());
    assert_eq!(ours.current().version, theirs.version);
}

#[tokio::test]
async fn a_stored_text_that_was_changed_by_hand_is_not_put_into_force() {
    let (_folder, store) = store();
    let mut version = Live::standard(AT).version;
    version.text.push_str("# a word more\n");
    store.add_policy(version, None).await.unwrap();
    let error = Policies::open(&*store, AT).await.unwrap_err();
    assert!(error.to_string().contains("digest"), "{error}");
}

#[test]
fn the_shadow_counts_every_difference_and_keeps_the_newest() {
    let live = Live::standard(AT);
    let dearer = Policy::parse(&with_margin(1_300)).unwrap();
    let beside = Shadow::new(dearer, "ada".into(), AT);
    let network = NetworkId::from_static("ionet");
    let basis = |cost: i64| Basis {
        subject: tandem_pricing::policy::Subject {
            class: tandem_model::workload::WorkloadClass::Rendering,
            tier: tandem_model::workload::Tier::Consumer,
            grade: tandem_model::network::Grade::Consumer,
            account: None,
            gpu: GpuModel::by_id("rtx4090").unwrap(),
            network: &network,
            country: tandem_model::network::Country::parse("DE").unwrap(),
            gpu_hours: 1,
            term_seconds: 3_600,
            utilisation_permille: 0,
        }
        .to_record(),
        cost: MicroUsd::new(cost),
    };
    let count = i64::try_from(DIFFERENCES_MAX).unwrap() + 5;
    for cost in 0..=count {
        beside.observe(&live, &basis(1_000 * cost), AT);
    }
    let seen = beside.seen();
    let asked = u64::try_from(count).unwrap();
    // Without a cost neither sells, which is no difference.
    assert_eq!(
        (seen.quotes, seen.dearer, seen.cheaper),
        (asked + 1, asked, 0)
    );
    assert_eq!(seen.differences.len(), DIFFERENCES_MAX);
    let newest = &seen.differences[0];
    assert_eq!(newest.cost.get(), 1_000 * count);
}

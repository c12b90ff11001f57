//! Keeping what rules about places denied, so that operators and customers can see it later.
//!
//! One row of the store is one rule about one subject, and its count rises by one a quote, however
//! many offers it refused.

use tandem_model::id::AccountId;
use tandem_model::time::WallTime;
use tandem_pricing::jurisdiction::Denial;

use crate::store::StoreError;
use crate::store::tenants::{DENIALS_PER_DAY_MAX, DenialRecord, Tenants};

/// Keeps the denials of one quote, one a rule and subject, each with how many offers it refused.
///
/// # Errors
/// The store's, and nothing is kept then.
pub async fn record(
    tenants: &dyn Tenants,
    account: AccountId,
    workload_sha256: &str,
    denials: Vec<(Denial, usize)>,
    now: WallTime,
) -> Result<(), StoreError> {
    if denials.is_empty() {
        return Ok(());
    }
    let records = denials.into_iter().map(|(denial, offers)| DenialRecord {
        sequence: 0,
        account,
        denial,
        workload_sha256: workload_sha256.to_owned(),
        offers: offers as u64,
        count: 1,
        first_at: now,
        last_at: now,
    });
    let left_out = tenants.add_denials(records.collect()).await?;
    if left_out > 0 {
        tracing::warn!(%account, left_out, "an account has {DENIALS_PER_DAY_MAX} denials of this day: further ones are not kept");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tandem_pricing::jurisdiction::{Party, Rule};

    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::store::tenants::AccountRecord;

    fn denial(about: &str) -> Denial {
        Denial {
            rule: Rule::CountrySanctioned,
            party: Party::Machine,
            about: about.into(),
            reason: "a programme names it".into(),
            change: "with a licence".into(),
            lists_dated: "2026-07-31".into(),
        }
    }

    #[tokio::test]
    async fn a_quote_counts_once_for_each_subject_however_many_offers_it_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db")).unwrap();
        let (account, now) = (AccountId::from_parts(1, &[1; 10]), WallTime::from_micros(9));
        let tenant = AccountRecord {
            id: account,
            name: "a".into(),
            country: None,
            created_at: now,
        };
        store.add_account(tenant, None).await.unwrap();
        let sha256 = "ab".repeat(32);
        record(&store, account, &sha256, Vec::new(), now)
            .await
            .unwrap();
        assert!(store.denials(None, None, 9).await.unwrap().is_empty());
        for times in 1..=2 {
            let denied = vec![(denial("CU"), 2), (denial("IR"), 7)];
            record(&store, account, &sha256, denied, now).await.unwrap();
            let kept = store.denials(Some(account), None, 9).await.unwrap();
            let shown: Vec<_> = kept
                .iter()
                .map(|k| (k.denial.about.as_str(), k.offers, k.count))
                .collect();
            assert_eq!(shown, [("IR", 7, times), ("CU", 2, times)]);
        }
    }
}

//! `/v1/denials`.

use serde::{Deserialize, Serialize};
use tandem_model::id::AccountId;
use utoipa::ToSchema;

use super::Moment;
use crate::store::tenants::DenialRecord;

/// What a rule about places denied to an account on one day (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DenialView {
    /// To whom.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// The rule: `country_unknown`, `country_sanctioned`, `region_sanctioned`, `region_unknown`,
    /// `operator_denies`, `customer_denies`, `customer_allows_others`, `export_class`, `data_place`
    /// or `data_grade`.
    #[schema(example = "export_class")]
    pub rule: String,
    /// Whose country it is about: `machine` or `customer`.
    #[schema(example = "machine")]
    pub party: String,
    /// What was judged: a country, a region, a card and a country.
    pub about: String,
    /// Why, with the public source where there is one.
    pub reason: String,
    /// How the rule is changed, by whom it can be.
    pub change: String,
    /// The day of the public lists that were applied.
    pub lists_dated: String,
    /// SHA-256 of the workload file, the last time.
    pub workload_sha256: String,
    /// Offers that it refused, the last time.
    pub offers: u64,
    /// Quotes that met it on that day.
    pub count: u64,
    /// The first time on that day (wall time).
    pub first_at: Moment,
    /// The last time on that day (wall time).
    pub last_at: Moment,
}

impl From<DenialRecord> for DenialView {
    fn from(record: DenialRecord) -> Self {
        let denial = record.denial;
        Self {
            account: record.account,
            rule: denial.rule.as_str().to_owned(),
            party: denial.party.as_str().to_owned(),
            about: denial.about,
            reason: denial.reason,
            change: denial.change,
            lists_dated: denial.lists_dated,
            workload_sha256: record.workload_sha256,
            offers: record.offers,
            count: record.count,
            first_at: record.first_at.into(),
            last_at: record.last_at.into(),
        }
    }
}

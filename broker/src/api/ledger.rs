//! `GET /v1/ledger/balances`.

use serde::{Deserialize, Serialize};
use tandem_settlement::ledger::{Balance, Currency};
use utoipa::ToSchema;

/// What was posted to every ledger account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BalancesReply {
    /// By account and currency.
    pub items: Vec<BalanceView>,
}

/// What was posted to a ledger account in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BalanceView {
    /// Ledger account (`receivable:acc_…`, `revenue:compute`).
    pub account: String,
    /// Of what: `micro_usd`, `io` or `ath`, in the currency's smallest unit.
    #[schema(value_type = String)]
    pub currency: Currency,
    /// All debits, as a decimal text: amounts have up to 39 digits.
    pub debit: String,
    /// All credits, as a decimal text.
    pub credit: String,
}

impl From<&Balance> for BalanceView {
    fn from(balance: &Balance) -> Self {
        Self {
            account: balance.account.clone(),
            currency: balance.currency,
            debit: balance.debit.to_string(),
            credit: balance.credit.to_string(),
        }
    }
}

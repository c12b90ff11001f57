//! What of a request a policy tells apart: two requests that agree in it get the same terms, so one
//! answer can serve both.

use tandem_model::id::AccountId;
use tandem_model::time::WallTime;

use super::condition::Variable;
use super::{Exhausted, Policy, PromotionIndex};

/// The accounts that a policy tells from those that it does not know.
#[derive(Debug, Default)]
pub(super) enum Accounts {
    /// A condition may look at any.
    #[default]
    All,
    /// Those that its selectors name, sorted.
    Named(Vec<AccountId>),
}

impl Accounts {
    /// Those of a policy.
    pub(super) fn of(policy: &Policy) -> Self {
        let mut conditions = policy.rules.iter().filter_map(|r| r.condition.as_ref());
        if conditions.any(|condition| condition.names(&[Variable::Account])) {
            return Self::All;
        }
        let lists = policy.selectors().filter_map(|s| s.accounts.as_ref());
        let mut named: Vec<AccountId> = lists.flatten().copied().collect();
        named.sort_unstable();
        named.dedup();
        Self::Named(named)
    }
}

impl Policy {
    /// The account, where the terms may be others for it than for nobody.
    pub(crate) fn account_apart(&self, account: Option<&AccountId>) -> Option<AccountId> {
        account.copied().filter(|account| match &self.accounts {
            Accounts::All => true,
            Accounts::Named(named) => named.binary_search(account).is_ok(),
        })
    }

    /// A bit for each promotion that gives something at a moment: all of a moment that terms
    /// depend on.
    pub(crate) fn promotions_on(&self, now: WallTime, exhausted: Exhausted) -> u64 {
        let on = (0u16..).zip(&self.promotions).filter(|(index, promotion)| {
            promotion.is_on(now) && !exhausted.contains(PromotionIndex(*index))
        });
        on.fold(0, |all, (index, _)| all | 1 << index)
    }
}

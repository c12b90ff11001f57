//! Tests of policies, and what they share: a policy's head, subjects, documents from rules.

mod changes;
mod documents;
mod fuzz;
mod naive;
mod prices;
mod promotions;
mod rules;

use tandem_model::gpu::GpuModel;
use tandem_model::id::AccountId;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, WorkloadClass};

use super::*;

pub(super) static IONET: NetworkId = NetworkId::from_static("ionet");
pub(super) static AETHIR: NetworkId = NetworkId::from_static("aethir");

/// Everything but rules and promotions, with wide guard rails.
pub(super) const HEAD: &str = "tandem_policy: 1
name: test
defaults:
  margin_basis_points: 1000
  rate_risk_basis_points: 100
  term_seconds: 86400
  valid_seconds: 120
  assured_share_permille: 250
  replacement_rate_max_basis_points: 15000
guard_rails:
  price_change_max_permille: 100000
  margin_min_basis_points: 0
";

/// Lines of the head: the first line of what follows.
pub(super) const NEXT_LINE: u32 = 13;

pub(super) fn with(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

pub(super) fn policy(rest: &str) -> Policy {
    Policy::parse(&with(rest)).unwrap_or_else(|e| panic!("{e}"))
}

pub(super) fn problems(rest: &str) -> Vec<Problem> {
    match Policy::parse(&with(rest)) {
        Ok(_) => panic!("accepted: {rest}"),
        Err(PolicyProblems(problems)) => problems,
    }
}

pub(super) fn account(n: u8) -> AccountId {
    AccountId::from_parts(1, &[n; 10])
}

pub(super) fn gpu(id: &str) -> GpuModel {
    GpuModel::by_id(id).unwrap()
}

pub(super) fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

pub(super) fn subject() -> Subject<'static> {
    Subject {
        class: WorkloadClass::SingleNodeTraining,
        tier: Tier::Enterprise,
        grade: Grade::Datacenter,
        account: None,
        gpu: gpu("h100-sxm5-80gb"),
        network: &IONET,
        country: country("DE"),
        gpu_hours: 100,
        term_seconds: 86_400,
        utilisation_permille: 500,
    }
}

pub(super) fn at(text: &str) -> WallTime {
    let moment: jiff::Timestamp = text.parse().unwrap();
    WallTime::from_micros(moment.as_microsecond())
}

//! Who asks for what: the subject that a policy's rules are matched against.

use serde::Serialize;
use tandem_model::gpu::GpuModel;
use tandem_model::id::AccountId;
use tandem_model::network::{Country, Grade, NetworkId};
use tandem_model::workload::{Tier, WorkloadClass};

/// What is priced. It borrows; [`SubjectRecord`] is the same to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Class of the workload.
    pub class: WorkloadClass,
    /// Tier that is sold.
    pub tier: Tier,
    /// Grade of the hardware.
    pub grade: Grade,
    /// Who asks; none when nobody is known yet.
    pub account: Option<&'a AccountId>,
    /// The card.
    pub gpu: GpuModel,
    /// Network of the offer.
    pub network: &'a NetworkId,
    /// Where the offer stands.
    pub country: Country,
    /// GPU-hours asked for.
    pub gpu_hours: u64,
    /// How long the work is to run, in seconds.
    pub term_seconds: u32,
    /// How much of this capacity is taken, 0 to 1,000; more counts as 1,000.
    pub utilisation_permille: u16,
}

/// A [`Subject`] that owns what it names, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubjectRecord {
    /// Class of the workload.
    pub class: WorkloadClass,
    /// Tier that is sold.
    pub tier: Tier,
    /// Grade of the hardware.
    pub grade: Grade,
    /// Who asks.
    pub account: Option<AccountId>,
    /// The card.
    pub gpu: GpuModel,
    /// Network of the offer.
    pub network: NetworkId,
    /// Where the offer stands.
    pub country: Country,
    /// GPU-hours asked for.
    pub gpu_hours: u64,
    /// How long the work is to run, in seconds.
    pub term_seconds: u32,
    /// How much of this capacity is taken.
    pub utilisation_permille: u16,
}

impl Subject<'_> {
    /// The same, owned.
    pub fn to_record(&self) -> SubjectRecord {
        SubjectRecord {
            class: self.class,
            tier: self.tier,
            grade: self.grade,
            account: self.account.copied(),
            gpu: self.gpu,
            network: self.network.clone(),
            country: self.country,
            gpu_hours: self.gpu_hours,
            term_seconds: self.term_seconds,
            utilisation_permille: self.utilisation_permille,
        }
    }
}

impl SubjectRecord {
    /// The same, borrowed.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            class: self.class,
            tier: self.tier,
            grade: self.grade,
            account: self.account.as_ref(),
            gpu: self.gpu,
            network: &self.network,
            country: self.country,
            gpu_hours: self.gpu_hours,
            term_seconds: self.term_seconds,
            utilisation_permille: self.utilisation_permille,
        }
    }
}

impl std::fmt::Display for SubjectRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let grade = grade_name(self.grade);
        write!(
            f,
            "{} on {} ({}, {grade}, {}, {}), {} GPU-hours over {} s at {} permille",
            self.class.as_str(),
            self.gpu.id(),
            self.tier.as_str(),
            self.network,
            self.country,
            self.gpu_hours,
            self.term_seconds,
            self.utilisation_permille,
        )?;
        match &self.account {
            Some(account) => write!(f, " for {account}"),
            None => Ok(()),
        }
    }
}

/// Every grade with its name in files and JSON.
pub(super) const GRADES: [(Grade, &str); 2] = [
    (Grade::Consumer, "consumer"),
    (Grade::Datacenter, "datacenter"),
];

pub(super) fn grade_name(grade: Grade) -> &'static str {
    match grade {
        Grade::Consumer => GRADES[0].1,
        Grade::Datacenter => GRADES[1].1,
    }
}

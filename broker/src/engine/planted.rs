//! Known bugs that can be planted, one at a time, to show that the simulation finds them. Without
//! the feature `planted-bugs`, which no default build has, none can be planted.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A new epoch is placed without waiting for the lease of the one before.
    FenceNotWaited,
    /// The lease is counted one window of silence short.
    LeaseShort,
    /// A late answer to a stop changes a terminal job.
    TerminalLeft,
    /// A creation that had no answer when the broker died is taken as never made.
    CreationForgotten,
    /// A creation without an answer is asked for again.
    CreationRepeated,
    /// One empty listing is proof enough.
    ListedOnce,
    /// Charged time is rounded up to the second.
    ChargeRounded,
    /// Work that is done again is charged.
    RedoneCharged,
    /// A new epoch starts without the checkpoint pointer.
    PointerForgotten,
    /// Orphans are left running.
    OrphansLeft,
    /// More time is never bought.
    NeverExtended,
    /// What was decided is answered and performed although the store failed.
    AnsweredUnwritten,
    /// A broker that starts again forgets which nodes were told to probe.
    BarForgotten,
    /// A verdict is told before it is in the store.
    VerdictToldEarly,
    /// A later verdict takes the place of the first.
    LastVerdictStands,
    /// A placement whose probe failed is not left.
    RefusedStays,
    /// Time before the verdict counts when it is claimed after it.
    ProbeTimeCounted,
    /// A moment of running work is told before its order is in the store.
    OrderToldEarly,
    /// A moment that outlived its broker counts as the node's silence.
    RestartIsSilence,
    /// Running work that could not be probed is left as if it had failed.
    RefusalLeaves,
    /// More is charged than the file's own limits leave.
    LimitOvercharged,
    /// A node that was not probed yet gets secrets and the checkpoint store.
    SecretsGivenEarly,
    /// A new rate holds without notice.
    RateChangedAtOnce,
    /// Work that is told that it stops is stopped at once.
    StopsUnannounced,
    /// What follows a term is never asked for.
    NeverRenewed,
    /// Work of later terms is charged at the first rate.
    OldRateCharged,
}

impl Planted {
    /// Every bug.
    pub const ALL: [Self; 26] = [
        Self::FenceNotWaited,
        Self::LeaseShort,
        Self::TerminalLeft,
        Self::CreationForgotten,
        Self::CreationRepeated,
        Self::ListedOnce,
        Self::ChargeRounded,
        Self::RedoneCharged,
        Self::PointerForgotten,
        Self::OrphansLeft,
        Self::NeverExtended,
        Self::AnsweredUnwritten,
        Self::BarForgotten,
        Self::VerdictToldEarly,
        Self::LastVerdictStands,
        Self::RefusedStays,
        Self::ProbeTimeCounted,
        Self::OrderToldEarly,
        Self::RestartIsSilence,
        Self::RefusalLeaves,
        Self::LimitOvercharged,
        Self::SecretsGivenEarly,
        Self::RateChangedAtOnce,
        Self::StopsUnannounced,
        Self::NeverRenewed,
        Self::OldRateCharged,
    ];

    /// Whether it is planted in this thread.
    #[cfg(not(feature = "planted-bugs"))]
    pub(super) const fn is_here(self) -> bool {
        false
    }

    /// Whether it is planted in this thread.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn is_here(self) -> bool {
        PLANTED.get() == Some(self)
    }

    /// Plants a bug in this thread, or takes it out.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(bug: Option<Self>) {
        PLANTED.set(bug);
    }
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

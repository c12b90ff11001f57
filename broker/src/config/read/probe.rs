//! The section `[probe]`.

use std::time::Duration;

use super::Reader;
use crate::config::ProbeConfig;
use crate::engine::probe::OnCouldNotRun;
use crate::engine::probe::moments::PER_DAY_MAX;

impl Reader<'_> {
    pub(super) fn probe(&mut self) -> ProbeConfig {
        let read = ProbeConfig {
            at_start: self.truth("probe.at_start"),
            on_could_not_run: self.one_of(
                "probe.could_not_run",
                &[
                    ("go_on", OnCouldNotRun::GoOn),
                    ("leave", OnCouldNotRun::Leave),
                ],
            ),
            fails_of_offer: self.number("probe.fails_of_offer", 1..=12),
            ban_after_fails: self.number("probe.ban_after_fails", 1..=1_000),
            grade_failed_permille: self.number("probe.grade_failed_permille", 1..=1_000),
            pass_permille: self.number("probe.pass_permille", 1..=1_000),
            fail_permille: self.number("probe.fail_permille", 1..=1_000),
            exchange: Duration::from_secs(self.number("probe.exchange_seconds", 30..=900).into()),
            while_running_per_day: self.number("probe.while_running_per_day", 0..=PER_DAY_MAX),
            continuity_days: self.number("probe.continuity_days", 1..=90),
        };
        if read.fail_permille > read.pass_permille {
            let text = "must not be more than probe.pass_permille";
            self.problem("probe.fail_permille", text);
        }
        read
    }
}

//! What the store must know of devices: the sum of every verdict that is in it, no more and no less.

use std::collections::BTreeMap;

use gpu_probe::report::DeviceUuid;
use gpu_probe::verdict::VerdictOutcome;
use tandem::engine::probe::Probed;
use tandem::store::sqlite::SqliteStore;
use tandem::store::{DEVICES_MAX, DeviceRecord, PAGE_MAX, Store};
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use crate::disk::wait;
use crate::moments::Moments;
use crate::sim::{Done, broken};
use crate::witness::{Seen, Witness, unreadable};

/// The node of an attempt.
type Node = (JobId, Epoch, u16);

/// What all verdicts together say of a device.
#[derive(Debug, Default)]
struct Device {
    passed: u64,
    could_not_run: u64,
    failed: u64,
    first: WorldTime,
    last: WorldTime,
    /// Who showed it and was not failed for it.
    shown_by: Vec<Showing>,
}

/// A node that showed a device.
#[derive(Debug, Clone, Copy)]
struct Showing {
    node: Node,
    at: WorldTime,
    /// By when its attempt was surely over, once that is known.
    over_by: Option<WorldTime>,
}

/// Devices by what was seen.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    by_uuid: BTreeMap<DeviceUuid, Device>,
    /// Verdicts that name them, and those that name none.
    pub(crate) verdicts: u64,
    /// How often a verdict named one.
    pub(crate) shown: u64,
}

impl Devices {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        (self.by_uuid.len() as u64).min(DEVICES_MAX)
    }

    /// How many failed so often that they are banned; nobody lifts a ban here.
    pub(crate) fn banned(&self, ban_after_fails: u32) -> u64 {
        let devices = self.by_uuid.values();
        let banned = devices.filter(|device| device.is_banned(ban_after_fails));
        banned.count() as u64
    }

    fn of(jobs: &BTreeMap<JobId, Seen>, moments: &Moments) -> Self {
        let mut all = Self::default();
        for (id, seen) in jobs {
            let next = seen.attempts.iter().skip(1).map(|a| Some(a.decided_at));
            let overs = next.chain([seen.document.ended_at]);
            for (attempt, over_by) in seen.attempts.iter().zip(overs) {
                let epoch = attempt.placement.epoch;
                for (rank, probed) in &attempt.probes {
                    all.judged(probed, (*id, epoch, *rank), over_by);
                }
                for rank in attempt.running_probes.keys() {
                    let node = (*id, epoch, *rank);
                    for probed in moments.verdicts_on(node) {
                        all.judged(probed, node, over_by);
                    }
                }
            }
        }
        all
    }

    fn judged(&mut self, probed: &Probed, node: Node, over_by: Option<WorldTime>) {
        self.verdicts += 1;
        let showing = Showing {
            node,
            at: probed.at,
            over_by,
        };
        for device in &probed.devices {
            // A machine's verdict is each of its devices', but that another one failed.
            let outcome = if device.failed {
                VerdictOutcome::Fail
            } else {
                probed.outcome.min(VerdictOutcome::CouldNotRun)
            };
            self.see(device.uuid, outcome, showing);
        }
    }

    fn see(&mut self, uuid: DeviceUuid, outcome: VerdictOutcome, showing: Showing) {
        self.shown += 1;
        let at = showing.at;
        let is_new = !self.by_uuid.contains_key(&uuid);
        let device = self.by_uuid.entry(uuid).or_default();
        match outcome {
            VerdictOutcome::Pass => device.passed += 1,
            VerdictOutcome::CouldNotRun => device.could_not_run += 1,
            VerdictOutcome::Fail => device.failed += 1,
        }
        if is_new || at < device.first {
            device.first = at;
        }
        if is_new || at > device.last {
            device.last = at;
        }
        if outcome != VerdictOutcome::Fail {
            device.shown_by.push(showing);
        }
    }
}

impl Device {
    fn is_banned(&self, ban_after_fails: u32) -> bool {
        self.failed >= u64::from(ban_after_fails)
    }

    fn fits(
        &self,
        record: &DeviceRecord,
        ban_after_fails: u32,
        live: impl Fn(&Node) -> bool,
    ) -> bool {
        (record.passed, record.could_not_run, record.failed)
            == (self.passed, self.could_not_run, self.failed)
            && (record.first_seen, record.last_seen) == (Some(self.first), self.last)
            && record.ban.is_some() == self.is_banned(ban_after_fails)
            && self.is_used_by(record.in_use_by, live)
    }

    /// Nobody works on a card who failed for it or is gone; and who does work on it is passed over
    /// only for another one that may still have worked on it by then.
    fn is_used_by(&self, user: Option<Node>, live: impl Fn(&Node) -> bool) -> bool {
        let mut working = self.shown_by.iter().filter(|showing| live(&showing.node));
        let is_second = |to: &Showing| {
            let mut others = self.shown_by.iter().filter(|s| s.node != to.node);
            others.any(|s| s.at <= to.at && s.over_by.is_none_or(|over| over >= to.at))
        };
        match user {
            Some(user) => working.any(|showing| showing.node == user),
            None => working.all(is_second),
        }
    }
}

impl Witness {
    /// Counts the verdicts that are in the store anew.
    pub(crate) fn devices_are_counted(&mut self) {
        self.verdicts.devices = Devices::of(&self.jobs, &self.moments);
    }

    /// The store knows of every device what all verdicts in it say, and of no other.
    pub(crate) fn devices_fit(&self, store: &SqliteStore) -> Done {
        let all = &self.verdicts.devices.by_uuid;
        let uuids: Vec<_> = all.keys().copied().collect();
        let live = |(job, epoch, _): &Node| {
            self.jobs.get(job).is_some_and(|seen| {
                let last = seen.attempts.last().map(|a| a.placement.epoch);
                seen.state.may_hold_lease() && last == Some(*epoch)
            })
        };
        for page in uuids.chunks(PAGE_MAX as usize) {
            let records = wait(store.devices(page.to_vec())).map_err(unreadable)?;
            if records.len() != page.len() {
                return broken(format!(
                    "{} of {} devices are known",
                    records.len(),
                    page.len()
                ));
            }
            for record in &records {
                let seen = all.get(&record.uuid);
                let bans = self.verdicts.terms.ban_after_fails;
                if !seen.is_some_and(|seen| seen.fits(record, bans, live)) {
                    return broken(format!("{record:?} is stored, and {seen:?} was seen"));
                }
            }
        }
        Ok(())
    }
}

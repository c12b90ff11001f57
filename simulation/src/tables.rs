//! Every table of the store has a bound: rows belong to jobs and attempts that were seen, and
//! nothing else makes any.

use std::collections::BTreeMap;

use tandem::store::sqlite::SqliteStore;

use crate::sim::{Done, broken};
use crate::witness::{Witness, unreadable};

/// Most events that one attempt tells of, or the job around its attempts.
const EVENTS_EACH: u64 = 40;
/// Most chunks of output that one machine of an attempt brings in a run's time, one a heartbeat.
const CHUNKS_EACH: u64 = 500;
/// Accounts of the books: what each of two customers' accounts owes, and what is earned.
const BALANCES_MAX: u64 = 8;

/// What the store may hold by what was seen.
#[derive(Debug, Default)]
struct Seen {
    jobs: u64,
    attempts: u64,
    /// Machines of all attempts.
    nodes: u64,
    /// Effects that are owed once: a creation and every purchase of more time.
    effects: u64,
    postings: u64,
    /// Devices that verdicts named.
    devices: u64,
    verdicts: u64,
    /// Lines of their histories: a device of a verdict each time that it was named, and each ban.
    lines: u64,
}

impl Seen {
    /// Fewest and most rows of a table; none for a table that is not known here.
    fn bounds(&self, table: &str) -> Option<(u64, u64)> {
        let exactly = |n| Some((n, n));
        let at_most = |n| Some((0, n));
        match table {
            "jobs" | "specs" | "quotes_taken" => exactly(self.jobs),
            "placements" => exactly(self.attempts),
            "outbox" => exactly(self.effects),
            "ledger_transactions" => exactly(self.postings),
            "ledger_postings" => exactly(2 * self.postings),
            "brokers" => at_most(1),
            "liveness" => at_most(self.nodes),
            "charges" | "log_sizes" => at_most(self.attempts),
            "logs" => at_most(CHUNKS_EACH * self.nodes),
            "events" => at_most(EVENTS_EACH * (self.jobs + self.attempts) + self.verdicts),
            "ledger_balances" => at_most(BALANCES_MAX),
            "devices" => exactly(self.devices),
            "probes" => exactly(self.verdicts),
            "device_history" => exactly(self.lines),
            // What HTTP writes; nobody speaks HTTP here.
            "accounts" | "api_keys" | "replies" | "settings" | "policies" | "denials"
            | "quote_log" | "promotions_given" => exactly(0),
            _ => None,
        }
    }
}

impl Witness {
    fn rows_seen(&self) -> Seen {
        let mut all = Seen {
            jobs: self.jobs.len() as u64,
            devices: self.verdicts.devices.count(),
            verdicts: self.verdicts.devices.verdicts,
            lines: self.verdicts.devices.shown
                + self
                    .verdicts
                    .devices
                    .banned(self.verdicts.terms.ban_after_fails),
            ..Seen::default()
        };
        for (id, seen) in &self.jobs {
            let nodes = self
                .ordered
                .get(id)
                .map_or(0, |s| s.workload.resources.nodes);
            for attempt in &seen.attempts {
                all.attempts += 1;
                all.nodes += u64::from(nodes);
                all.effects += 1 + u64::from(attempt.extensions);
                all.postings += u64::from(attempt.postings);
            }
        }
        all
    }

    /// No table holds more than what was seen accounts for.
    pub(crate) fn tables_are_bounded(&self, store: &SqliteStore) -> Done {
        let rows: BTreeMap<String, u64> = store.rows().map_err(unreadable)?;
        let seen = self.rows_seen();
        for (table, rows) in rows {
            let Some((least, most)) = seen.bounds(&table) else {
                return broken(format!("nobody bounds the table `{table}`"));
            };
            if !(least..=most).contains(&rows) {
                return broken(format!("`{table}` has {rows} rows, not {least} to {most}"));
            }
        }
        Ok(())
    }
}

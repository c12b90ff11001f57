//! What is rented: a rental (deployment or order), its units (containers or machines), their logs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tandem_model::time::WorldTime;

use super::agents::Guest;
use super::options::Network;

/// Lines kept of a unit's log; older ones are dropped.
pub const LOG_LINES_MAX: usize = 2_000;
/// Bytes kept of one log line.
const LOG_LINE_BYTES_MAX: usize = 4_096;
/// Events kept of a unit.
const EVENTS_MAX: usize = 50;

/// How it was rented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// io.net containers.
    Caas,
    /// io.net virtual machines.
    Vmaas,
    /// Servers of the Aethir-style network.
    Server,
}

impl Product {
    pub(crate) const fn network(self) -> Network {
        match self {
            Self::Caas | Self::Vmaas => Network::Ionet,
            Self::Server => Network::Aethir,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Caas => "caas",
            Self::Vmaas => "vmaas",
            Self::Server => "server",
        }
    }
}

/// Where a rental stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// An order waiting for payment.
    Unpaid,
    /// Asked for.
    Requested,
    /// Being started.
    Deploying,
    /// At least one unit was up.
    Running,
    /// A stop was asked for.
    Stopping,
    /// Its time was used up.
    Completed,
    /// Every unit failed.
    Failed,
    /// It was stopped.
    Destroyed,
    /// Never paid.
    Cancelled,
}

impl Status {
    pub(crate) const fn is_ended(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Destroyed | Self::Cancelled
        )
    }
}

/// What a container is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ContainerSpec {
    pub(crate) image: String,
    pub(crate) registry_username: Option<String>,
    pub(crate) registry_secret: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) secret_env: BTreeMap<String, String>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) args: Option<Vec<String>>,
    pub(crate) command: Option<String>,
    pub(crate) port: u16,
    pub(crate) ingress: Option<bool>,
    pub(crate) tls: Option<bool>,
}

/// A port opened on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortService {
    pub(crate) port: u16,
    pub(crate) protocol: String,
    pub(crate) whitelist: Vec<String>,
}

/// What a machine is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MachineSpec {
    /// Public keys in OpenSSH form, by name.
    pub(crate) ssh_keys: BTreeMap<String, String>,
    pub(crate) github_ids: Vec<String>,
    pub(crate) services: BTreeMap<String, PortService>,
}

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Launch {
    Container(ContainerSpec),
    Machine(MachineSpec),
}

/// There is not enough free capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct NewRental {
    pub(crate) product: Product,
    pub(crate) account: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) card: u8,
    pub(crate) gpus_per_unit: u8,
    pub(crate) booked_minutes: u32,
    pub(crate) hourly_micro_usd: i64,
    pub(crate) paid_micro_usd: i64,
    pub(crate) launch: Launch,
}

/// A deployment or an order.
#[derive(Debug)]
pub(crate) struct Rental {
    pub(crate) product: Product,
    /// The key's account.
    pub(crate) account: String,
    /// The network's id.
    pub(crate) id: String,
    /// The renter's name or number for it.
    pub(crate) name: String,
    /// Index into `CARDS`.
    pub(crate) card: u8,
    pub(crate) gpus_per_unit: u8,
    pub(crate) status: Status,
    /// What the API goes on saying while it is stale.
    pub(crate) stale: Option<Status>,
    pub(crate) created: WorldTime,
    pub(crate) started: Option<WorldTime>,
    pub(crate) ended: Option<WorldTime>,
    pub(crate) booked_minutes: u32,
    /// Price of one hour of all units in millionths of a dollar, without fees.
    pub(crate) hourly_micro_usd: i64,
    pub(crate) paid_micro_usd: i64,
    pub(crate) refunded_micro_usd: i64,
    /// Units of each slot, the current one last.
    pub(crate) slots: Vec<Vec<u32>>,
    pub(crate) launch: Launch,
}

impl Rental {
    /// What the API says.
    pub(crate) fn shown_status(&self) -> Status {
        self.stale.unwrap_or(self.status)
    }

    /// When the prepaid time is used up; none before it started.
    pub(crate) fn ends(&self) -> Option<WorldTime> {
        let booked = Duration::from_secs(u64::from(self.booked_minutes) * 60);
        self.started.map(|started| started.after(booked))
    }

    /// Whole minutes used of the booked ones.
    pub(crate) fn minutes_served(&self, now: WorldTime) -> u32 {
        let Some(started) = self.started else {
            return 0;
        };
        let until = self.ended.unwrap_or(now);
        let minutes = until.since(started).as_secs() / 60;
        u32::try_from(minutes)
            .unwrap_or(u32::MAX)
            .min(self.booked_minutes)
    }

    /// Whole minutes left; none once it ended.
    pub(crate) fn minutes_remaining(&self, now: WorldTime) -> u32 {
        if self.status.is_ended() {
            return 0;
        }
        self.booked_minutes - self.minutes_served(now)
    }

    /// The current unit of each slot.
    pub(crate) fn current(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().filter_map(|slot| slot.last().copied())
    }
}

/// Where a unit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitState {
    /// Not up yet.
    Booting,
    /// Up.
    Running,
    /// Its own process ended; the place is still rented.
    Exited(i32),
    /// The machine died.
    Crashed,
    /// Stopped by the renter, the end of its time, or a redeploy.
    Stopped,
}

impl UnitState {
    /// Whether it still occupies its GPUs.
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Booting | Self::Running | Self::Exited(_))
    }
}

/// Standard output or standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The last lines of a unit's output.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<(Stream, String)>,
    dropped: u64,
}

impl Log {
    pub(crate) fn push(&mut self, stream: Stream, text: &str) {
        for line in text.lines() {
            let mut end = line.len().min(LOG_LINE_BYTES_MAX);
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            if self.lines.len() == LOG_LINES_MAX {
                self.lines.pop_front();
                self.dropped += 1;
            }
            self.lines.push_back((stream, line[..end].to_owned()));
        }
    }

    /// Lines of a stream from an absolute position on, and the position after them.
    pub(crate) fn read(&self, stream: Option<Stream>, from: u64) -> (Vec<&str>, u64) {
        let skip = usize::try_from(from.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        let lines = self
            .lines
            .iter()
            .skip(skip)
            .filter(|(s, _)| stream.is_none_or(|wanted| wanted == *s))
            .map(|(_, text)| text.as_str())
            .collect();
        (lines, self.dropped + self.lines.len() as u64)
    }
}

/// One incarnation of a container, virtual machine or server.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) id: String,
    pub(crate) allocation: String,
    /// Index into `World::rentals`.
    pub(crate) rental: u32,
    pub(crate) slot: u16,
    /// Index into `Market::nodes`.
    pub(crate) node: u32,
    pub(crate) gpus: u8,
    pub(crate) state: UnitState,
    pub(crate) created: WorldTime,
    /// When it came up.
    pub(crate) started: Option<WorldTime>,
    /// When it went down.
    pub(crate) ended: Option<WorldTime>,
    /// When its own work ran: start, and end unless it still runs.
    pub(crate) work: Vec<(WorldTime, Option<WorldTime>)>,
    pub(crate) url_is_up: bool,
    /// Nothing from it reaches anyone.
    pub(crate) silent_since: Option<WorldTime>,
    pub(crate) silent_seconds: u64,
    /// Works at a quarter of its speed.
    pub(crate) slow: bool,
    pub(crate) steps_done: u64,
    pub(crate) guest: Guest,
    pub(crate) log: Log,
    pub(crate) events: VecDeque<(WorldTime, String)>,
}

impl Unit {
    pub(crate) fn event(&mut self, now: WorldTime, message: impl Into<String>) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back((now, message.into()));
    }

    /// Marks the start of its own work.
    pub(crate) fn work_starts(&mut self, now: WorldTime) {
        self.work.push((now, None));
    }

    /// Marks the end of its own work.
    pub(crate) fn work_ends(&mut self, now: WorldTime) {
        if let Some((_, end @ None)) = self.work.last_mut() {
            *end = Some(now);
        }
    }

    /// Whole percent of its time in which it was up and heard.
    pub(crate) fn uptime_percent(&self, now: WorldTime) -> u8 {
        let total = now.since(self.created).as_secs().max(1);
        let Some(started) = self.started else {
            return 0;
        };
        let up = self.ended.unwrap_or(now).since(started).as_secs();
        let silent = self.silent_seconds
            + self
                .silent_since
                .map_or(0, |since| now.since(since).as_secs());
        let booting = started.since(self.created).as_secs();
        let base = total.saturating_sub(booting).max(1);
        u8::try_from((up.saturating_sub(silent) * 100 / base).min(100)).unwrap_or(100)
    }
}

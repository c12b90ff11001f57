//! What a run is made of: its world, its customers, and how often what goes wrong. Drawn from the
//! seed, each rate by itself, so that some runs are calm and some are hell.

use std::time::Duration;

use tandem::engine::probe::moments::MomentKey;
use tandem::engine::probe::{OnCouldNotRun, ProbeTerms};

use crate::dice::Dice;

/// What kind of run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Nothing goes wrong.
    Calm,
    /// The broker alone fails; nothing may be stopped or left because of it.
    BrokerAlone,
    /// A bit of everything.
    Mixed,
    /// Much of everything.
    Hell,
    /// Few jobs that outlive what was paid for them, with an API that fails when more is bought.
    Long,
}

/// The policy that is in force when terms end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// The one that quotes were made by.
    AsQuoted,
    /// One of lower prices.
    Cheaper,
    /// One of higher prices.
    Dearer,
    /// One that goes on at none of the rates that customers have.
    NotAtAll,
}

/// How often what goes wrong; rates are in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    /// An agent's call, or its answer, is lost.
    pub(crate) call_lost: u64,
    /// It is delivered twice.
    pub(crate) call_twice: u64,
    /// It takes seconds, and is overtaken.
    pub(crate) call_slow: u64,
    /// A request to a network is lost before it arrives.
    pub(crate) request_lost: u64,
    /// Its answer is lost.
    pub(crate) answer_lost: u64,
    /// It arrives after it was given up.
    pub(crate) request_late: u64,
    /// A creation arrives minutes after it was given up.
    pub(crate) start_very_late: u64,
    /// It is answered with a server's error, with or without its effect.
    pub(crate) request_error: u64,
    /// Requests take seconds.
    pub(crate) request_slow: u64,
    /// The store fails before a commit.
    pub(crate) store_error: u64,
    /// The broker dies at a point of its work, in a hundred thousand.
    pub(crate) crash: u64,
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) flavour: Flavour,
    /// Nodes of both networks.
    pub(crate) nodes: u32,
    /// Whether the networks' rate limits hold.
    pub(crate) rate_limits: bool,
    /// Until when things go wrong and customers come.
    pub(crate) lasts: Duration,
    pub(crate) jobs: u64,
    pub(crate) rates: Rates,
    /// Faults of nodes and networks.
    pub(crate) faults: u64,
    /// Longest time that a dead broker stays away.
    pub(crate) away_max: Duration,
    /// Between two readings of a market.
    pub(crate) market_every: Duration,
    pub(crate) sweep_every: Duration,
    /// How placements are probed.
    pub(crate) probe: ProbeTerms,
    /// Machines that lie or are patched, in a thousand.
    pub(crate) bad_machines: u64,
    /// Longest time that cards compute for a probe.
    pub(crate) probe_max: Duration,
    /// Length of the days for which moments of running work are drawn.
    pub(crate) day_us: i64,
    /// Jobs that agree to be probed while they run, in a thousand.
    pub(crate) agreeing: u64,
    /// Machines that do wrong at moments, in a thousand.
    pub(crate) bad_conducts: u64,
    /// Orders whose quotes are of short terms, in a thousand.
    pub(crate) short_terms: u64,
    /// The policy by which their terms are renewed.
    pub(crate) renewed_by: Renewed,
    /// How often an agent says a message of its probe again, or begins anew: one of these.
    pub(crate) patience: &'static [u64],
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let flavour = match dice.below(20) {
            0..=1 => Flavour::Calm,
            2..=5 => Flavour::BrokerAlone,
            6..=13 => Flavour::Mixed,
            14..=18 => Flavour::Hell,
            _ => Flavour::Long,
        };
        let mut plan = Self::of(flavour, &mut dice);
        plan.draw_probes(&mut Dice::new(seed, 8));
        plan.draw_moments(&mut Dice::new(seed, 11));
        plan.draw_terms(&mut Dice::new(seed, 13));
        plan
    }

    /// Draws how placements are probed, and how many machines are not what they were sold as. A
    /// broker that fails alone may leave nothing, so there nobody is bad.
    fn draw_probes(&mut self, dice: &mut Dice) {
        let leaves = dice.permille(400) && !self.spares_networks();
        self.probe = ProbeTerms {
            at_start: dice.permille(850),
            on_could_not_run: if leaves {
                OnCouldNotRun::Leave
            } else {
                OnCouldNotRun::GoOn
            },
            fails_of_offer: u32::try_from(dice.between(1, 2)).unwrap_or(1),
            ban_after_fails: u32::try_from(dice.between(1, 3)).unwrap_or(1),
            within: Duration::from_secs(*dice.pick(&[60, 180, 540])),
            ..ProbeTerms::OFF
        };
        let most = match self.flavour {
            Flavour::Calm | Flavour::BrokerAlone => 0,
            Flavour::Mixed | Flavour::Long => 250,
            Flavour::Hell => 600,
        };
        self.bad_machines = if most == 0 { 0 } else { draw(dice, most) };
        self.probe_max = Duration::from_secs(*dice.pick(&[2, 5, 15, 45]));
    }

    /// Draws how often running work is probed, and how many jobs agree to it. A run is over within
    /// minutes, so its days are short.
    fn draw_moments(&mut self, dice: &mut Dice) {
        let days: [u64; 4] = match self.flavour {
            Flavour::Long => [300, 600, 1_200, 2_400],
            _ => [80, 120, 240, 600],
        };
        let day = Duration::from_secs(*dice.pick(&days));
        let per_day = u32::try_from(dice.between(1, 4)).unwrap_or(1);
        self.agreeing = *dice.pick(&[0, 500, 1_000]);
        let bad = *dice.pick(&[0, 400, 1_000]);
        self.bad_conducts = if self.spares_networks() { 0 } else { bad };
        // Three moments without an answer are as many times this long.
        if self.agreeing > 0 {
            self.probe.within = self.probe.within.min(Duration::from_secs(180));
        }
        self.probes_running_work(day, per_day, dice);
    }

    /// Draws how many orders outlive their terms, and by which policy they go on.
    fn draw_terms(&mut self, dice: &mut Dice) {
        use Renewed::{AsQuoted, Cheaper, Dearer, NotAtAll};
        self.short_terms = *dice.pick(&[0, 500, 1_000]);
        self.renewed_by = *dice.pick(&[AsQuoted, Cheaper, Dearer, NotAtAll]);
    }

    /// Probes running work so many times in days of such a length.
    pub(crate) fn probes_running_work(&mut self, day: Duration, per_day: u32, dice: &mut Dice) {
        let mut key = [0; 32];
        for part in key.chunks_mut(8) {
            part.copy_from_slice(&dice.bits().to_le_bytes());
        }
        self.day_us = i64::try_from(day.as_micros()).unwrap_or(i64::MAX);
        self.probe.while_running_per_day = per_day;
        self.probe.moments = MomentKey::new(key).with_day_us(self.day_us);
    }

    /// A told story: nothing goes wrong by chance.
    pub(crate) fn told(lasts: Duration) -> Self {
        Self {
            flavour: Flavour::Mixed,
            nodes: 300,
            rate_limits: false,
            lasts,
            jobs: 0,
            rates: Rates::default(),
            faults: 0,
            away_max: Duration::from_secs(20),
            market_every: Duration::from_secs(280),
            sweep_every: Duration::from_secs(600),
            probe: ProbeTerms {
                at_start: true,
                ..ProbeTerms::OFF
            },
            bad_machines: 0,
            probe_max: Duration::from_secs(2),
            day_us: 0,
            agreeing: 0,
            bad_conducts: 0,
            short_terms: 0,
            renewed_by: Renewed::AsQuoted,
            patience: &[20],
        }
    }

    fn of(flavour: Flavour, dice: &mut Dice) -> Self {
        let is_long = flavour == Flavour::Long;
        let mut plan = Self {
            flavour,
            nodes: *dice.pick(&[200, 300, 600]),
            rate_limits: dice.permille(100) && flavour == Flavour::Hell,
            lasts: if is_long {
                dice.seconds(3_400, 4_200)
            } else {
                dice.seconds(120, 420)
            },
            jobs: if is_long { 1 } else { dice.between(1, 5) },
            rates: Rates::default(),
            faults: 0,
            away_max: Duration::from_secs(*dice.pick(&[1, 20, 90, 300])),
            market_every: dice.seconds(120, 280),
            sweep_every: dice.seconds(200, 600),
            probe: ProbeTerms::OFF,
            bad_machines: 0,
            probe_max: Duration::ZERO,
            day_us: 0,
            agreeing: 0,
            bad_conducts: 0,
            short_terms: 0,
            renewed_by: Renewed::AsQuoted,
            patience: &[0, 1, 3, 20],
        };
        let worst = match flavour {
            Flavour::Calm => return plan,
            Flavour::BrokerAlone => {
                plan.rates.crash = dice.between(300, 3_000);
                plan.rates.store_error = draw(dice, 40);
                return plan;
            }
            Flavour::Mixed => 1,
            Flavour::Hell | Flavour::Long => 4,
        };
        plan.rates = Rates {
            call_lost: draw(dice, 30 * worst),
            call_twice: draw(dice, 30 * worst),
            call_slow: draw(dice, 30 * worst),
            request_lost: draw(dice, 25 * worst),
            answer_lost: draw(dice, 40 * worst),
            request_late: draw(dice, 15 * worst),
            start_very_late: draw(dice, 20 * worst),
            request_error: draw(dice, 25 * worst),
            request_slow: draw(dice, 50 * worst),
            store_error: draw(dice, 10 * worst),
            crash: draw(dice, if is_long { 100 } else { 400 * worst }),
        };
        plan.faults = dice.below(3 * worst + 1);
        plan
    }
}

/// A rate up to `most`; none in one of three.
fn draw(dice: &mut Dice, most: u64) -> u64 {
    if dice.below(3) == 0 {
        0
    } else {
        dice.between(1, most)
    }
}

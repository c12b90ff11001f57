//! How rentals and units live: asked for, booted, run, extended, redeployed, stopped, crashed.

use tandem_model::time::WorldTime;

use super::agents::Guest;
use super::cards::CARDS;
use super::effects::ProcessOrder;
use super::options::{Moment, Timing};
use super::rental::{Launch, Log, NewRental, Product, Rental, Status, Stream, Unit, UnitState};
use super::{Named, RENTALS_MAX, World};

/// How long a machine that broke stays broken.
const REPAIR: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Something that happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A request was accepted.
    Accepted(u32),
    /// A unit is up.
    UnitUp(u32),
    /// Its public URL answers.
    UrlUp(u32),
    /// The prepaid time is used up.
    TimeUp(u32),
    /// A stop is done.
    TornDown(u32),
    /// The network notices that a unit died.
    Notice(u32),
    /// A node is repaired.
    Repaired(u32),
    /// A simulated agent has something to do.
    Agent(u32),
    /// An order was not paid in time.
    PayBy(u32),
    /// A fault ends.
    FaultEnds(u64),
    /// The next step of the spot trace.
    Spot(usize),
    /// Draw random faults.
    RandomFaults,
    /// A settlement day closes.
    Midnight,
}

impl World {
    /// Lets everything happen that is due.
    pub(crate) fn catch_up(&mut self, now: Moment) {
        self.wall = self.wall.max(now.wall);
        if self.now == WorldTime::default() {
            self.now = now.world;
            if self.options.prices_from_start {
                self.market.begin_prices(now.world);
            }
            crate::control::begin(self);
            crate::aethir::begin(self);
        }
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now.world {
                break;
            }
            let ((at, _), timer) = entry.remove_entry();
            self.now = self.now.max(at);
            self.fire(timer);
        }
        self.now = self.now.max(now.world);
    }

    /// Arms a timer.
    pub(crate) fn arm(&mut self, at: WorldTime, timer: Timer) {
        self.timers_made += 1;
        self.timers.insert((at, self.timers_made), timer);
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Accepted(rental) => self.accepted(rental),
            Timer::UnitUp(unit) => self.unit_up(unit),
            Timer::UrlUp(unit) => self.url_up(unit),
            Timer::TimeUp(rental) => self.time_up(rental),
            Timer::TornDown(rental) => self.torn_down(rental),
            Timer::Notice(unit) => self.notice(unit),
            Timer::Repaired(node) => self.market.nodes[node as usize].down = false,
            Timer::Agent(unit) => self.agent_wakes(unit),
            Timer::PayBy(rental) => crate::aethir::pay_by(self, rental),
            Timer::FaultEnds(fault) => crate::control::fault_ends(self, fault),
            Timer::Spot(step) => crate::control::spot_step(self, step),
            Timer::RandomFaults => crate::control::random_faults(self),
            Timer::Midnight => crate::aethir::midnight(self),
        }
    }

    pub(crate) fn timing(&self) -> Timing {
        self.options.profile.timing()
    }

    /// Whether another rental fits into the world.
    pub(crate) fn is_full(&self) -> bool {
        self.rentals.len() >= RENTALS_MAX
    }

    /// Records a rental, without units.
    pub(crate) fn add_rental(&mut self, new: NewRental, status: Status) -> u32 {
        let index = u32::try_from(self.rentals.len()).expect("RENTALS_MAX is below 2^32");
        self.ids.insert(new.id.clone(), Named::Rental(index));
        self.rentals.push(Rental {
            product: new.product,
            account: new.account,
            id: new.id,
            name: new.name,
            card: new.card,
            gpus_per_unit: new.gpus_per_unit,
            status,
            stale: None,
            created: self.now,
            started: None,
            ended: None,
            booked_minutes: new.booked_minutes,
            hourly_micro_usd: new.hourly_micro_usd,
            paid_micro_usd: new.paid_micro_usd,
            refunded_micro_usd: 0,
            slots: Vec::new(),
            launch: new.launch,
        });
        index
    }

    /// Boots one unit of a rental on each of the nodes taken for it.
    pub(crate) fn boot(&mut self, rental: u32, nodes: &[u32]) {
        for node in nodes {
            self.rentals[rental as usize].slots.push(Vec::new());
            let slot = self.rentals[rental as usize].slots.len() - 1;
            self.boot_unit(rental, slot, *node);
        }
        let at = self.now.after(self.timing().accept);
        self.arm(at, Timer::Accepted(rental));
    }

    /// Boots a new unit in a slot; its GPUs are already taken.
    pub(crate) fn boot_unit(&mut self, rental: u32, slot: usize, node: u32) -> u32 {
        let index = u32::try_from(self.units.len()).expect("units are bounded by rentals");
        let timing = self.timing();
        let product = self.rentals[rental as usize].product;
        let (id, boot) = match product {
            Product::Caas => (
                self.dice.uuid().simple().to_string(),
                self.dice
                    .between(timing.container_min, timing.container_max),
            ),
            Product::Vmaas | Product::Server => (
                format!("{}-{:012x}", vm_prefix(product), self.dice.bits() >> 16),
                self.dice.between(timing.machine_min, timing.machine_max),
            ),
        };
        let mut unit = Unit {
            id: id.clone(),
            allocation: self.dice.uuid().to_string(),
            rental,
            slot: u16::try_from(slot).unwrap_or(u16::MAX),
            node,
            gpus: self.rentals[rental as usize].gpus_per_unit,
            state: UnitState::Booting,
            created: self.now,
            started: None,
            ended: None,
            work: Vec::new(),
            url_is_up: false,
            silent_since: None,
            silent_seconds: 0,
            slow: false,
            steps_done: 0,
            guest: Guest::Idle,
            log: Log::default(),
            events: std::collections::VecDeque::new(),
        };
        unit.event(self.now, "scheduled");
        self.units.push(unit);
        self.ids.insert(id, Named::Unit(index));
        self.rentals[rental as usize].slots[slot].push(index);
        crate::control::unit_made(self, index);
        self.arm(self.now.after(boot), Timer::UnitUp(index));
        index
    }

    fn accepted(&mut self, rental: u32) {
        let rental = &mut self.rentals[rental as usize];
        if rental.status == Status::Requested {
            rental.status = Status::Deploying;
        }
    }

    fn unit_up(&mut self, index: u32) {
        let now = self.now;
        let unit = &mut self.units[index as usize];
        if unit.state != UnitState::Booting {
            return;
        }
        unit.state = UnitState::Running;
        unit.started = Some(now);
        unit.event(now, "started");
        let rental_index = unit.rental;
        let rental = &mut self.rentals[rental_index as usize];
        if matches!(rental.status, Status::Requested | Status::Deploying) {
            rental.status = Status::Running;
        }
        if rental.started.is_none() {
            rental.started = Some(now);
            let ends = rental.ends().unwrap_or(now);
            self.arm(ends, Timer::TimeUp(rental_index));
        }
        if let Launch::Container(spec) = &self.rentals[rental_index as usize].launch {
            let mut env = spec.env.clone();
            env.extend(spec.secret_env.clone());
            let argv = argv(spec);
            self.start_guest(index, env, argv);
            self.arm(now.after(self.timing().url), Timer::UrlUp(index));
        }
    }

    fn url_up(&mut self, index: u32) {
        let now = self.now;
        let unit = &mut self.units[index as usize];
        if unit.state == UnitState::Running {
            unit.url_is_up = true;
            unit.event(now, "health check passed");
        }
    }

    /// Ends a unit for good and gives its GPUs back.
    pub(crate) fn end_unit(&mut self, index: u32, state: UnitState, message: &str) {
        let now = self.now;
        let unit = &mut self.units[index as usize];
        if !unit.state.is_live() {
            return;
        }
        unit.state = state;
        unit.ended = Some(now);
        unit.url_is_up = false;
        unit.work_ends(now);
        unit.event(now, message);
        let guest = std::mem::replace(&mut unit.guest, Guest::Idle);
        let (id, node, gpus) = (unit.id.clone(), unit.node, unit.gpus);
        if matches!(guest, Guest::Process) {
            self.effects.processes.push(ProcessOrder::Kill { unit: id });
        }
        self.market.give_back(node, gpus);
    }

    /// Ends a rental and all its units.
    pub(crate) fn end_rental(&mut self, index: u32, status: Status, message: &str) {
        let units: Vec<u32> = self.rentals[index as usize].current().collect();
        for unit in units {
            self.end_unit(unit, UnitState::Stopped, message);
        }
        let now = self.now;
        let rental = &mut self.rentals[index as usize];
        rental.status = status;
        rental.ended = Some(now);
    }

    fn time_up(&mut self, index: u32) {
        let rental = &self.rentals[index as usize];
        let ends = rental.ends().unwrap_or(self.now);
        if !matches!(rental.status, Status::Running | Status::Deploying) {
            return;
        }
        if ends > self.now {
            self.arm(ends, Timer::TimeUp(index));
        } else if crate::aethir::renew(self, index) {
            let ends = self.rentals[index as usize].ends().unwrap_or(self.now);
            self.arm(ends, Timer::TimeUp(index));
        } else {
            self.end_rental(index, Status::Completed, "the booked time is used up");
            crate::aethir::order_ended(self, index);
        }
    }

    /// Asks a rental to stop; the teardown takes a while, during which it goes on running.
    pub(crate) fn stop_rental(&mut self, index: u32) {
        let rental = &mut self.rentals[index as usize];
        if rental.status.is_ended() || rental.status == Status::Stopping {
            return;
        }
        rental.status = Status::Stopping;
        let at = self.now.after(self.timing().teardown);
        self.arm(at, Timer::TornDown(index));
    }

    fn torn_down(&mut self, index: u32) {
        if self.rentals[index as usize].status == Status::Stopping {
            self.end_rental(index, Status::Destroyed, "stopped");
            crate::ionet::refund(self, index);
            crate::aethir::order_ended(self, index);
        }
    }

    /// Starts every unit of a rental again on the same nodes, with its present launch.
    pub(crate) fn redeploy(&mut self, index: u32) {
        let units: Vec<u32> = self.rentals[index as usize].current().collect();
        for unit in units {
            let (slot, node) = {
                let unit = &self.units[unit as usize];
                (usize::from(unit.slot), unit.node)
            };
            if self.units[unit as usize].state.is_live() {
                self.end_unit(unit, UnitState::Stopped, "redeployed");
                let gpus = self.rentals[index as usize].gpus_per_unit;
                let node = &mut self.market.nodes[node as usize];
                node.free = node.free.saturating_sub(gpus);
                let node = self.units[unit as usize].node;
                self.boot_unit(index, slot, node);
            }
        }
        self.rentals[index as usize].status = Status::Deploying;
    }

    /// Kills the machine under a unit. The network notices later.
    pub(crate) fn crash(&mut self, index: u32) {
        if !self.units[index as usize].state.is_live() {
            return;
        }
        self.end_unit(index, UnitState::Crashed, "node lost");
        let node = self.units[index as usize].node;
        self.market.nodes[node as usize].down = true;
        self.arm(self.now.after(REPAIR), Timer::Repaired(node));
        self.arm(self.now.after(self.timing().notice), Timer::Notice(index));
    }

    fn notice(&mut self, index: u32) {
        let rental_index = self.units[index as usize].rental;
        crate::aethir::server_lost(self, index);
        let rental = &self.rentals[rental_index as usize];
        let is_open = matches!(
            rental.status,
            Status::Requested | Status::Deploying | Status::Running
        );
        let alive = rental
            .current()
            .any(|u| self.units[u as usize].state.is_live());
        if is_open && !alive {
            self.end_rental(rental_index, Status::Failed, "node lost");
            crate::aethir::order_ended(self, rental_index);
        }
    }

    /// Moves a container to another device under a new id, which restarts it; none when no other
    /// device is free.
    pub(crate) fn reallocate(&mut self, index: u32) -> Option<u32> {
        let (rental, slot, node) = {
            let unit = &self.units[index as usize];
            (unit.rental, usize::from(unit.slot), unit.node)
        };
        let stock = self.market.nodes[node as usize].stock;
        let gpus = self.rentals[rental as usize].gpus_per_unit;
        let taken = self.market.take(&[stock], gpus, 1, &mut self.dice);
        let other = taken.first().copied()?;
        self.end_unit(index, UnitState::Stopped, "moved to another device");
        Some(self.boot_unit(rental, slot, other))
    }

    /// Writes to a unit's log.
    pub(crate) fn say(&mut self, index: u32, text: &str) {
        self.units[index as usize].log.push(Stream::Stdout, text);
    }

    /// The card that is really inside the node of a unit.
    pub(crate) fn real_card(&self, node: u32) -> &'static super::Card {
        &CARDS[usize::from(self.market.nodes[node as usize].real_card)]
    }
}

const fn vm_prefix(product: Product) -> &'static str {
    match product {
        Product::Server => "srv",
        Product::Caas | Product::Vmaas => "vm",
    }
}

/// Program and arguments of a container; io.net doubles `$` against its own template language.
fn argv(spec: &super::rental::ContainerSpec) -> Vec<String> {
    let undouble = |text: &String| text.replace("$$", "$");
    let mut argv: Vec<String> = spec.entrypoint.iter().flatten().map(undouble).collect();
    argv.extend(spec.command.iter().map(undouble));
    argv.extend(spec.args.iter().flatten().map(undouble));
    argv
}

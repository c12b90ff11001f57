//! The broker as its runner drives it, with the simulation's time, store and networks: decides,
//! commits, answers, performs, and dies at the points where it is told to.

use std::collections::BTreeMap;
use std::time::Duration;

use tandem::engine::kernel::{After, Kernel, Ticket, Turn};
use tandem::engine::message::{Reply, Request};
use tandem::store::sqlite::SqliteStore;
use tandem::store::{BrokerId, Changes, PAGE_MAX, Store, StoreError};
use tandem_model::id::{JobId, PlacementId};
use tandem_model::time::WorldTime;
use tandem_sandbox::world::AgentReply;
use uuid::Uuid;

use crate::disk::wait;
use crate::exchanges::Exchanges;
use crate::installation;
use crate::points::Point;
use crate::queue::Event;
use crate::sim::{Done, Halt, Sim, broken};

/// A claim lasts this many rounds of its renewal, as the runner has it.
const CLAIM_ROUNDS: u32 = 6;

/// Most decisions of one moment.
const TURNS_MAX: u32 = 1_000;

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) enum Asker {
    /// An agent, with its call; whether the answer gets lost.
    Agent { call: u64, is_lost: bool },
    /// A customer who orders a job.
    Accept { customer: usize, job: JobId },
    /// A customer who cancels one.
    Cancel { customer: usize },
}

/// A broker that runs.
pub(crate) struct Broker {
    pub(crate) kernel: Kernel,
    pub(crate) store: SqliteStore,
    pub(crate) asked: BTreeMap<Ticket, (Asker, Request)>,
    /// Open exchanges of probes: a broker that starts has none.
    pub(crate) exchanges: Exchanges,
    /// Calls that wait for the challenge of a moment.
    pub(crate) held: Vec<u64>,
    tickets: u64,
    claim_at: WorldTime,
}

impl Broker {
    /// When it has something to do by itself.
    pub(crate) fn next_wake(&self) -> WorldTime {
        let wake = self.kernel.next_wake().unwrap_or(self.claim_at);
        wake.min(self.claim_at)
    }
}

impl Sim {
    /// Starts the broker on what is on the disk.
    pub(crate) fn broker_starts(&mut self) {
        if self.broker.is_some() {
            return;
        }
        let started = self.try_start();
        self.settle(started);
    }

    fn try_start(&mut self) -> Done {
        let store = self.disk.open()?;
        let mut id = [0; 16];
        id[..10].copy_from_slice(&self.chance.ids.ten());
        let id = BrokerId(Uuid::from_bytes(id));
        let rounds = (self.plan.market_every, self.plan.sweep_every);
        let terms = installation::terms(&self.adapters, id, rounds, self.plan.probe);
        self.witness.all_is_there(&store)?;
        let mut kernel = Kernel::new(terms, self.now);
        kernel.price_by(installation::policy(self.plan.renewed_by));
        self.broker = Some(Broker {
            kernel,
            store,
            asked: BTreeMap::new(),
            exchanges: Exchanges::new(),
            held: Vec::new(),
            tickets: 0,
            claim_at: self.now,
        });
        self.witness.broker_is_back(self.now);
        self.note(format_args!("the broker starts"));
        Ok(())
    }

    /// What became of the broker's work: it goes on, it died, or something is broken, which is kept
    /// for the end of the step.
    pub(crate) fn settle(&mut self, done: Done) {
        match done {
            Ok(()) => {}
            Err(Halt::Crashed) => {
                if let Err(Halt::Broken(why)) = self.crash() {
                    self.witness.breaks(why);
                }
            }
            Err(Halt::Broken(why)) => self.witness.breaks(why),
        }
    }

    /// Lets the broker work until nothing is ready.
    pub(crate) fn work(&mut self) -> Done {
        if self.broker.is_some() {
            let done = self.work_on();
            self.settle(done);
        }
        self.witness.holds()
    }

    fn work_on(&mut self) -> Done {
        for _ in 0..TURNS_MAX {
            self.claim()?;
            let now = self.now;
            let broker = self.running()?;
            for (network, order) in broker.kernel.network_orders(now) {
                self.ask_network(network, order)?;
            }
            self.flush()?;
            let ids = &mut self.chance.ids;
            let unix_ms = u64::try_from(now.micros() / 1_000).unwrap_or(0);
            let mut fresh = || PlacementId::from_parts(unix_ms, &ids.ten());
            let Some(broker) = &mut self.broker else {
                return broken("no broker at work");
            };
            let turn = broker.kernel.turn(now, &mut fresh);
            let answers = broker.kernel.answers();
            self.answer(answers)?;
            let Some(turn) = turn else {
                return self.post_losses();
            };
            let after = self.commit(turn)?;
            self.answer(after.replies)?;
            for (job, order) in after.orders {
                self.perform(job, order)?;
            }
        }
        let wake = self.running()?.kernel.next_wake();
        broken(format!(
            "the engine never rests; it wants to wake at {wake:?}"
        ))
    }

    pub(crate) fn running(&mut self) -> Done<&mut Broker> {
        match &mut self.broker {
            Some(broker) => Ok(broker),
            None => broken("no broker at work"),
        }
    }

    /// Passes a point of the broker's work.
    pub(crate) fn point(&mut self, point: Point) -> Done {
        let draw = self.chance.broker.below(100_000);
        if self.points.pass(point, self.now, draw) {
            self.note(format_args!("the broker dies: {point:?}"));
            return Err(Halt::Crashed);
        }
        Ok(())
    }

    fn commit(&mut self, mut turn: Turn) -> Done<After> {
        let changes = std::mem::take(&mut turn.changes);
        let now = self.now;
        if changes == Changes::default() {
            return Ok(self.running()?.kernel.committed(turn));
        }
        self.journal.add(format_args!("{changes:?}"));
        let written = changes.jobs.iter().map(|w| (w.job.account, w.job.id));
        let written: Vec<_> = written.collect();
        let states: Vec<_> = changes.jobs.iter().map(|w| w.job.state).collect();
        self.note(format_args!("commit {states:?}"));
        self.point(Point::BeforeCommit)?;
        if self.store_fails() {
            let why = StoreError::Database("the disk is full".into());
            return Ok(self.running()?.kernel.refused(turn, &why, now));
        }
        match self.write(|store| wait(store.commit(changes)))? {
            Ok(()) => {
                self.witness_commit(&written)?;
                self.point(Point::AfterCommit)?;
                Ok(self.running()?.kernel.committed(turn))
            }
            Err(why) => {
                self.witness.refused(&why)?;
                self.note(format_args!("refused: {why}"));
                Ok(self.running()?.kernel.refused(turn, &why, now))
            }
        }
    }

    /// Writes, unless the broker dies inside it.
    fn write<T>(&mut self, act: impl FnOnce(&SqliteStore) -> T) -> Done<T> {
        let dies = self.point(Point::InsideCommit);
        let before = match dies {
            Ok(()) => None,
            Err(_) => Some(self.disk.image()?),
        };
        let share = self.points.passed * 371 % 1_001;
        let result = act(&self.running()?.store);
        if let Some(before) = before {
            let after = self.disk.image()?;
            self.torn = Some(before.torn(&after, share));
            return Err(Halt::Crashed);
        }
        Ok(result)
    }

    fn store_fails(&mut self) -> bool {
        let rate = if self.at_peace {
            0
        } else {
            self.plan.rates.store_error
        };
        let fails = self.chance.broker.permille(rate);
        if fails {
            self.note(format_args!("the store fails"));
            self.witness.store_fails(self.now);
        }
        fails
    }

    fn flush(&mut self) -> Done {
        let now = self.now;
        let Some(mut flush) = self.running()?.kernel.flush(now) else {
            return Ok(());
        };
        let beats = std::mem::take(&mut flush.beats);
        let logs = std::mem::take(&mut flush.logs);
        self.journal.add(format_args!("{beats:?} {logs:?}"));
        self.point(Point::BeforeFlush)?;
        if self.store_fails() {
            return self.answer(flush.failed("the disk is full"));
        }
        let replies = match self.write(|store| wait(store.flush_liveness(beats, logs)))? {
            Ok(()) => flush.written(),
            Err(why) => return broken(format!("heartbeats were refused: {why}")),
        };
        self.point(Point::AfterFlush)?;
        self.answer(replies)
    }

    fn claim(&mut self) -> Done {
        let now = self.now;
        let broker = self.running()?;
        if now < broker.claim_at {
            return Ok(());
        }
        let terms = broker.kernel.terms().clone();
        broker.claim_at = now.after(terms.rounds.claim);
        let ttl = terms.rounds.claim * CLAIM_ROUNDS;
        if self.store_fails() {
            return Ok(());
        }
        let claimed = self.write(|store| wait(store.claim(terms.broker, now, ttl, PAGE_MAX)))?;
        let claimed = claimed.map_err(|why| Halt::Broken(format!("no claim: {why}")))?;
        if claimed.is_empty() {
            return Ok(());
        }
        self.point(Point::AfterClaim)?;
        self.note(format_args!("takes {} jobs over", claimed.len()));
        for job in &claimed {
            if let Err(why) = self.running()?.kernel.adopt(job, now) {
                return broken(format!("a job cannot be taken over: {why}"));
            }
        }
        Ok(())
    }

    fn post_losses(&mut self) -> Done {
        for loss in self.running()?.kernel.losses() {
            let changes = Changes {
                ledger: vec![loss],
                ..Changes::default()
            };
            let posted = self.write(|store| wait(store.commit(changes)))?;
            if let Err(StoreError::Database(why)) = posted {
                return broken(format!("a loss was not posted: {why}"));
            }
        }
        Ok(())
    }

    /// Asks the broker something.
    pub(crate) fn ask(&mut self, asker: Asker, request: Request) -> Done {
        let now = self.now;
        let broker = self.running()?;
        broker.tickets += 1;
        let ticket = Ticket(broker.tickets);
        broker.asked.insert(ticket, (asker, request.clone()));
        broker.kernel.receive(ticket, request, now);
        Ok(())
    }

    fn answer(&mut self, replies: Vec<(Ticket, Reply)>) -> Done {
        for (ticket, reply) in replies {
            let Some((asker, request)) = self.running()?.asked.remove(&ticket) else {
                return broken("an answer to nobody, or a second one");
            };
            match asker {
                Asker::Agent { call, is_lost } => {
                    self.agent_answered(call, is_lost, &request, reply)?;
                }
                Asker::Accept { customer, job } => self.accept_answered(customer, job, &reply)?,
                Asker::Cancel { customer } => self.cancel_answered(customer, &reply)?,
            }
        }
        Ok(())
    }

    /// The broker is gone; its files are what it left.
    fn crash(&mut self) -> Done {
        let image = match self.torn.take() {
            Some(torn) => torn,
            None => self.disk.image()?,
        };
        let Some(broker) = self.broker.take() else {
            return Ok(());
        };
        drop(broker.store);
        self.disk.restore(&image)?;
        for (asker, _) in broker.asked.into_values() {
            self.left_alone(asker);
        }
        for call in broker.held {
            self.answer_agent(call, false, AgentReply::Unreachable);
        }
        self.flights_are_cut();
        let away = self.chance.broker.ms(0, 1_000);
        let longest = u64::try_from(self.plan.away_max.as_millis()).unwrap_or(0);
        let away = if self.chance.broker.permille(300) {
            self.chance.broker.ms(0, longest)
        } else {
            away
        };
        let away = if self.at_peace { Duration::ZERO } else { away };
        self.witness.broker_is_away(self.now);
        self.queue.put(self.after(away), Event::BrokerBack);
        Ok(())
    }
}

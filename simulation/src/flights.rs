//! Commands under way at networks: the adapters' real bytes against the world, with delays, losses
//! and errors on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tandem::engine::commands::{Performance, Performed, input, tag_of};
use tandem::engine::kernel::{NetworkAnswer, NetworkOrder};
use tandem::engine::step::Order;
use tandem::store::Store;
use tandem_adapters::Exchange;
use tandem_adapters::adapter::{Answer, Context, Step, TransportFault};
use tandem_adapters::command::{Command, FailureKind, Outcome};
use tandem_adapters::wire::{Method, WireRequest, WireResponse};
use tandem_model::id::JobId;
use tandem_model::network::NetworkId;
use tandem_model::placement::PlacementTag;

use crate::disk::wait;
use crate::installation;
use crate::machines::Scripts;
use crate::points::Point;
use crate::queue::{Event, Fate};
use crate::sim::{Done, Fare, Halt, Sim, Told};

/// When the transport gives up a request without an answer.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// A request that is later than this proves nothing wrong with two empty listings.
const VERY_LATE: Duration = Duration::from_secs(200);

/// What a command is for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    Job(JobId, Order),
    Offers,
    Sweep,
    /// An orphan, and which product is tried.
    Orphan(String, usize),
}

/// A command under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) network: NetworkId,
    pub(crate) purpose: Purpose,
    command: Command,
    answers: Vec<Answer>,
}

/// Everything under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    commands: BTreeMap<u64, Flight>,
    pub(crate) scripts: BTreeMap<u64, Scripts>,
    made: u64,
}

impl Flights {
    pub(crate) fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }
}

impl Sim {
    /// Performs an order of a job.
    pub(crate) fn perform(&mut self, job: JobId, order: Order) -> Done {
        let kernel = &mut self.running()?.kernel;
        match kernel.performance(job, order) {
            Err(nothing_sent) => kernel.landed(job, order, nothing_sent),
            Ok(Performance::Command(network, command)) => {
                self.note(format_args!("{job} {order:?} at {}", network.as_str()));
                if let Command::Start(start) = &command {
                    self.witness.create_is_sent(start.tag)?;
                }
                self.fly(network, Purpose::Job(job, order), command)?;
            }
            Ok(Performance::Ssh(starts)) => {
                self.note(format_args!("{job} {order:?} over SSH"));
                self.start_over_ssh(job, order, starts);
            }
        }
        Ok(())
    }

    /// Asks a network what the engine itself wants to know.
    pub(crate) fn ask_network(&mut self, network: NetworkId, order: NetworkOrder) -> Done {
        let (purpose, command) = match order {
            NetworkOrder::Offers => (Purpose::Offers, Command::Offers),
            NetworkOrder::Sweep => {
                let tag_prefix = PlacementTag::prefix_of(installation::id());
                (Purpose::Sweep, Command::List { tag_prefix })
            }
            NetworkOrder::StopOrphan { remote_id } => {
                self.note(format_args!("an orphan is stopped: {remote_id}"));
                self.witness.orphans += 1;
                return self.stop_orphan(network, remote_id, 0);
            }
        };
        self.fly(network, purpose, command)
    }

    fn stop_orphan(&mut self, network: NetworkId, remote_id: String, product: usize) -> Done {
        let products = self.adapters.get(&network).map(|a| a.products());
        let Some(name) = products.and_then(|all| all.get(product)).map(|p| p.name) else {
            return Ok(());
        };
        let command = Command::Stop {
            product: name.to_owned(),
            remote_id: remote_id.clone(),
        };
        self.fly(network, Purpose::Orphan(remote_id, product), command)
    }

    fn fly(&mut self, network: NetworkId, purpose: Purpose, command: Command) -> Done {
        let number = self.flights.number();
        let flight = Flight {
            network,
            purpose,
            command,
            answers: Vec::new(),
        };
        self.flights.commands.insert(number, flight);
        self.go_on(number)
    }

    /// Sends what comes next of a command, or lands it.
    fn go_on(&mut self, number: u64) -> Done {
        let context = Context {
            wall: self.moment().wall,
            world: self.now,
            nonce: self.flights.number(),
        };
        let Some(flight) = self.flights.commands.get(&number) else {
            return Ok(());
        };
        let Some(adapter) = self.adapters.get(&flight.network) else {
            return Ok(());
        };
        let mut exchange = Exchange::new(&**adapter, &flight.command);
        for answer in &flight.answers {
            exchange.answered(answer.clone());
        }
        match exchange.step(context) {
            Step::Send(request) => {
                let network = flight.network.clone();
                self.send(number, network, request)
            }
            Step::Done(outcome) => self.land(number, outcome),
        }
    }

    fn send(&mut self, number: u64, network: NetworkId, request: WireRequest) -> Done {
        self.journal.bytes(request.path.as_bytes());
        self.journal.bytes(&request.body);
        let fare = self.fare(number, &network, &request);
        let dice = &mut self.chance.networks;
        let slow = dice.permille(if self.at_peace {
            0
        } else {
            self.plan.rates.request_slow
        });
        let there = if slow {
            dice.ms(1_000, 9_000)
        } else {
            dice.ms(5, 150)
        };
        let late = dice.seconds(10, 70);
        let done = dice.permille(500);
        if fare.is_some() {
            self.witness.network_fails(&network, self.now);
        }
        if matches!(
            fare,
            Some(Fare::Lost | Fare::AnswerLost | Fare::Late | Fare::VeryLate)
        ) {
            let unknown = Event::Answer(number, Box::new(Err(TransportFault::MaybeSent)));
            self.queue.put(self.after(GIVEN_UP), unknown);
        }
        let arrives = match fare {
            None => Some((there, Fate::Answered)),
            Some(Fare::Lost) => None,
            Some(Fare::AnswerLost) => Some((there, Fate::AnswerLost)),
            Some(Fare::Late) => Some((late, Fate::AnswerLost)),
            Some(Fare::VeryLate) => {
                self.is_very_late(number);
                Some((late + VERY_LATE, Fate::AnswerLost))
            }
            Some(Fare::Error) if done => Some((there, Fate::ErrorAfter)),
            Some(Fare::Error) => Some((there, Fate::ErrorBefore)),
        };
        let died_before = self.point(Point::Sent);
        if died_before.is_ok()
            && let Some((pause, fate)) = arrives
        {
            let at = self.after(pause);
            let event = Event::Request(number, network, Box::new(request), fate);
            self.queue.put(at, event);
        }
        died_before?;
        self.point(Point::SentOn)
    }

    /// Notes a creation that arrives when it counts as never made.
    fn is_very_late(&mut self, number: u64) {
        let flight = self.flights.commands.get(&number);
        if let Some(Command::Start(start)) = flight.map(|f| &f.command) {
            self.witness.very_late.insert(start.tag);
        }
    }

    /// How a request fares: as the story says, or by chance.
    fn fare(&mut self, number: u64, network: &NetworkId, request: &WireRequest) -> Option<Fare> {
        let told = match self.flights.commands.get(&number).map(|f| &f.command) {
            Some(Command::Start(_)) => Some(Told::Start),
            Some(Command::Extend { .. }) => Some(Told::Extend),
            _ => None,
        };
        let is_change = request.method != Method::Get;
        let starts = is_change && told == Some(Told::Start);
        let of_it = |(what, _): &(Told, Fare)| is_change && Some(*what) == told;
        if let Some(at) = self.told.iter().position(of_it) {
            return Some(self.told.remove(at).1);
        }
        let draw = self.chance.networks.below(1_000);
        if self.at_peace {
            return None;
        }
        if self
            .api_down
            .get(network)
            .is_some_and(|until| self.now < *until)
        {
            return Some(Fare::Lost);
        }
        let rates = self.plan.rates;
        let fares = [
            (rates.request_lost, Fare::Lost),
            (rates.answer_lost, Fare::AnswerLost),
            (rates.request_late, Fare::Late),
            (rates.start_very_late * u64::from(starts), Fare::VeryLate),
            (rates.request_error, Fare::Error),
        ];
        let mut below = 0;
        fares.into_iter().find_map(|(rate, fare)| {
            below += rate;
            (draw < below).then_some(fare)
        })
    }

    /// A request is at its network; the broker that sent it may be gone.
    pub(crate) fn request_arrives(
        &mut self,
        number: u64,
        network: &NetworkId,
        mut request: WireRequest,
        fate: Fate,
    ) -> Done {
        if network.as_str() == "aethir" {
            request.path = format!("/aethir{}", request.path);
        }
        let failed = Ok(WireResponse {
            status: 500,
            ..WireResponse::default()
        });
        let answer = if fate == Fate::ErrorBefore {
            failed
        } else {
            let answer = self.world.handle(&request, self.moment());
            self.collect();
            if fate == Fate::ErrorAfter {
                failed
            } else {
                answer
            }
        };
        if let Ok(response) = &answer {
            self.journal.add(format_args!("{}", response.status));
            self.journal.bytes(&response.body);
        }
        if !self.flights.commands.contains_key(&number) {
            return Ok(());
        }
        if fate != Fate::AnswerLost {
            let back = self.chance.networks.ms(5, 150);
            let event = Event::Answer(number, Box::new(answer));
            self.queue.put(self.after(back), event);
        }
        self.point(Point::Effect)
    }

    /// An answer is at the broker.
    pub(crate) fn answer_arrives(&mut self, number: u64, answer: Answer) -> Done {
        let Some(flight) = self.flights.commands.get_mut(&number) else {
            return Ok(());
        };
        flight.answers.push(answer);
        self.go_on(number)
    }

    fn land(&mut self, number: u64, outcome: Outcome) -> Done {
        let Some(flight) = self.flights.commands.remove(&number) else {
            return Ok(());
        };
        let now = self.now;
        let network = flight.network;
        let answer = match flight.purpose {
            Purpose::Job(job, order) => {
                self.note(format_args!("{job} {order:?}: {}", in_short(&outcome)));
                self.point(Point::Landed)?;
                let input = input(order, Performed::Outcome(outcome));
                self.running()?.kernel.landed(job, order, input);
                return Ok(());
            }
            Purpose::Orphan(remote_id, product) => {
                let unknown =
                    matches!(&outcome, Outcome::Failed(f) if f.kind == FailureKind::NotFound);
                return if unknown {
                    self.stop_orphan(network, remote_id, product + 1)
                } else {
                    Ok(())
                };
            }
            Purpose::Offers => NetworkAnswer::Offers(match outcome {
                Outcome::Offers { offers, unreadable } => Ok((offers, unreadable.len())),
                other => Err(in_short(&other)),
            }),
            Purpose::Sweep => self.swept(outcome)?,
        };
        let kernel = &mut self.running()?.kernel;
        for (network, order) in kernel.network_answered(&network, answer, now) {
            self.ask_network(network, order)?;
        }
        Ok(())
    }

    fn swept(&mut self, outcome: Outcome) -> Done<NetworkAnswer> {
        let Outcome::Listed(listed) = outcome else {
            return Ok(NetworkAnswer::Swept(Err(in_short(&outcome))));
        };
        let open = listed.iter().filter(|thing| !thing.state.is_ended());
        let jobs: BTreeSet<JobId> = open
            .filter_map(|thing| Some(tag_of(thing.tag.as_deref())?.0))
            .collect();
        let store = &self.running()?.store;
        let not_open = wait(store.not_open(jobs.into_iter().collect()));
        let not_open = not_open.map_err(|why| Halt::Broken(why.to_string()))?;
        Ok(NetworkAnswer::Swept(Ok((
            listed,
            not_open.into_iter().collect(),
        ))))
    }

    /// The broker died: nobody waits for its commands any more, and of the requests that did not
    /// arrive yet some never do.
    pub(crate) fn flights_are_cut(&mut self) {
        let dice = &mut self.chance.networks;
        self.flights.commands.clear();
        self.flights.scripts.clear();
        self.queue.retain(|event| match event {
            Event::Request(..) => dice.permille(500),
            Event::Answer(..) | Event::Script(_) | Event::Scripted(..) => false,
            _ => true,
        });
    }
}

/// An outcome in a word.
fn in_short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(failure) => format!("{:?}: {}", failure.kind, failure.detail),
        Outcome::Unknown { detail, .. } => format!("unknown: {detail}"),
        Outcome::Started { remote_id } => format!("started as {remote_id}"),
        Outcome::Listed(all) => format!("{} things", all.len()),
        Outcome::Status(seen) | Outcome::Extended(seen) => format!("`{}`", seen.remote_word),
        Outcome::Stopping => "stopping".to_owned(),
        Outcome::Offers { .. } | Outcome::Logs { .. } | Outcome::Balance { .. } => {
            "read".to_owned()
        }
    }
}

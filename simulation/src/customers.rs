//! Customers: they have a file read, classified and quoted on the market as the broker knows it,
//! order a job, order it again when they got no answer, and cancel.

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use tandem::engine::message::{JobSpec, QuoteTerms, Refused, Reply, Request};
use tandem::store::Store;
use tandem_model::id::{AccountId, JobId, QuoteId};
use tandem_model::network::NetworkId;
use tandem_model::quote::Quote;
use tandem_model::time::WorldTime;
use tandem_pricing::policy::{Exhausted, Policy};
use tandem_pricing::quote::{Desk, PRICE_MAX, Pricing};
use tandem_pricing::{classify, files, launch};

use crate::broker::Asker;
use crate::dice::Dice;
use crate::disk::wait;
use crate::installation;
use crate::queue::Event;
use crate::sim::{Done, Halt, Sim, broken};

/// By which every customer is quoted.
static POLICY: LazyLock<Policy> = LazyLock::new(Policy::standard);

/// What a customer has run.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// A workload file.
    pub(crate) text: String,
    /// Variables that the simulated workload reads.
    pub(crate) env: Vec<(&'static str, String)>,
}

/// One customer with one job.
#[derive(Debug)]
pub(crate) struct Customer {
    account: AccountId,
    wish: Wish,
    /// The order, once it was quoted.
    spec: Option<Box<JobSpec>>,
    /// The job, once it is known to be accepted.
    pub(crate) job: Option<JobId>,
    cancel_at: Option<WorldTime>,
    /// Orders the same quote once more after it was accepted.
    repeats: bool,
    /// Wants nothing any more.
    pub(crate) is_content: bool,
}

impl Wish {
    /// A file of our own form.
    pub(crate) fn new(kind: &str, steps: u64, more: &str) -> Self {
        let head = format!("tandem: 1\nname: work\nkind: {kind}\n");
        let tail = if more.contains("run:") {
            ""
        } else {
            "run: work\n"
        };
        Self {
            text: format!("{head}{more}{tail}"),
            env: vec![("TANDEM_SIM_STEPS", steps.to_string())],
        }
    }

    fn draw(dice: &mut Dice, is_long: bool) -> Self {
        let steps = if is_long {
            dice.between(2_900, 4_500)
        } else {
            dice.between(15, 120)
        };
        let every = dice.between(10, 30);
        let one = "resources: {gpu: any, gpus_per_node: 1}\n";
        let kept = format!("checkpoints: {{interval_seconds: {every}}}\n");
        let start_by = dice.between(300, 1_200);
        let limits = format!("limits: {{start_by_seconds: {start_by}}}\n");
        match dice.below(if is_long { 2 } else { 10 }) {
            0 => Self::new("job", steps, &format!("{one}{kept}{limits}")),
            1 => Self::new("service", steps, &format!("{one}{limits}port: 8080\n")),
            2 => Self::new("job", steps, &format!("{one}{limits}")),
            3 | 4 => {
                let nodes = dice.between(2, 3);
                let gang = format!(
                    "resources: {{gpu: [H100, A100, H200], gpus_per_node: 8, nodes: {nodes}}}\n"
                );
                Self::new("job", steps, &format!("{gang}{kept}{limits}"))
            }
            5 => {
                let exclusive = "exclusive: true\n";
                Self::new("job", steps, &format!("{one}{kept}{limits}{exclusive}"))
            }
            6 => Self::new(
                "job",
                steps,
                &format!("{one}{limits}checkpoints: customer\n"),
            ),
            7 => {
                let most = dice.between(10, 60);
                let both = format!(
                    "limits: {{start_by_seconds: {start_by}, max_duration_seconds: {most}}}\n"
                );
                Self::new("job", steps, &format!("{one}{kept}{both}"))
            }
            8 => {
                let mut wish = Self::new("job", steps, &format!("{one}{kept}{limits}"));
                wish.env.push(("TANDEM_SIM_EXIT_CODE", "3".to_owned()));
                wish
            }
            _ => {
                let big = "resources: {gpu: [H100, H200], gpus_per_node: 8}\ntier: enterprise\n";
                Self::new("job", steps, &format!("{big}{kept}{limits}"))
            }
        }
    }
}

impl Wish {
    /// Has its work probed while it runs, which lasts long enough for some moments.
    fn agrees(&mut self, dice: &mut Dice, is_long: bool) {
        self.text.push_str("probe_while_running: true\n");
        if !is_long {
            let steps = dice.between(60, 480);
            self.env.retain(|(name, _)| *name != "TANDEM_SIM_STEPS");
            self.env.push(("TANDEM_SIM_STEPS", steps.to_string()));
        }
    }
}

impl Sim {
    /// Draws the customers of a run.
    pub(crate) fn customers_come(&mut self) {
        let is_long = self.plan.flavour == crate::plan::Flavour::Long;
        let until = self.plan.lasts.as_secs();
        for _ in 0..self.plan.jobs {
            let dice = &mut self.chance.customers;
            let mut wish = Wish::draw(dice, is_long);
            if self.chance.moments.permille(self.plan.agreeing) {
                wish.agrees(&mut self.chance.moments, is_long);
            }
            let latest = if is_long { 60 } else { until * 2 / 3 };
            let at = dice.seconds(1, latest);
            let is_service = wish.text.contains("kind: service");
            let cancels = is_service || dice.permille(120);
            let cancel = dice.seconds(5, until);
            let cancel_at = cancels.then(|| self.start.after(at.max(cancel)));
            let repeats = dice.permille(200);
            self.customer_comes(at, wish, cancel_at, repeats);
        }
    }

    /// Lets one customer come.
    pub(crate) fn customer_comes(
        &mut self,
        at: Duration,
        wish: Wish,
        cancel_at: Option<WorldTime>,
        repeats: bool,
    ) {
        let number = self.customers.len();
        self.customers.push(Customer {
            account: installation::account(u8::try_from(number % 2).unwrap_or(0)),
            wish,
            spec: None,
            job: None,
            cancel_at,
            repeats,
            is_content: false,
        });
        self.queue
            .put(self.start.after(at), Event::Customer(number));
    }

    /// A customer does what is next.
    pub(crate) fn customer_acts(&mut self, number: usize) -> Done {
        let again = self.after(Duration::from_secs(4));
        if self.broker.is_none() {
            self.queue.put(again, Event::Customer(number));
            return Ok(());
        }
        let customer = &self.customers[number];
        let Some(job) = customer.job else {
            return self.order(number);
        };
        if customer.repeats {
            self.customers[number].repeats = false;
            return self.order(number);
        }
        let Some(at) = customer.cancel_at else {
            self.customers[number].is_content = true;
            return Ok(());
        };
        if self.now < at {
            self.queue.put(at, Event::Customer(number));
            return Ok(());
        }
        let account = customer.account;
        self.note(format_args!("{job} is to be cancelled"));
        self.witness.is_cancelled(job);
        self.ask(
            Asker::Cancel { customer: number },
            Request::Cancel { job, account },
        )
    }

    fn order(&mut self, number: usize) -> Done {
        if self.customers[number].spec.is_none() {
            let spec = self.quoted(number)?;
            self.customers[number].spec = spec;
        }
        let Some(spec) = self.customers[number].spec.clone() else {
            // Nothing on the market fits: it comes back later, and not for ever.
            self.customers[number].is_content = self.at_peace;
            if !self.at_peace {
                let later = self.after(Duration::from_secs(10));
                self.queue.put(later, Event::Customer(number));
            }
            return Ok(());
        };
        let unix_ms = u64::try_from(self.now.micros() / 1_000).unwrap_or(0);
        let job = JobId::from_parts(unix_ms, &self.chance.ids.ten());
        self.witness.is_ordered(job, &spec);
        self.note(format_args!("{job} is ordered by customer {number}"));
        let asker = Asker::Accept {
            customer: number,
            job,
        };
        let reply = None;
        self.ask(asker, Request::Accept { job, spec, reply })
    }

    /// The customer's file with a quote, on the market as the broker knows it.
    fn quoted(&mut self, number: usize) -> Done<Option<Box<JobSpec>>> {
        let wish = self.customers[number].wish.clone();
        let account = self.customers[number].account;
        let document = files::read(&wish.text);
        let document = document.map_err(|why| Halt::Broken(format!("{why}\n{}", wish.text)))?;
        let classification = classify::classify(&document);
        let Some(mut workload) = document.workload else {
            return broken("a file of our own form gives no workload");
        };
        let more = wish.env.iter().map(|(n, v)| ((*n).to_owned(), v.clone()));
        workload.env.extend(more);
        let (now, wall) = (self.now, self.moment().wall);
        let kernel = &self.running()?.kernel;
        let products = kernel.terms().products.clone();
        let can_start = |network: &NetworkId, name: &str| {
            let product = products
                .iter()
                .find(|p| p.network == *network && p.name == name);
            product.is_some_and(|p| launch::obstacles(&workload, p).is_empty())
        };
        let market = Arc::clone(kernel.market());
        let places = kernel.terms().places.digest(None, workload.limits.data);
        let unix_ms = u64::try_from(now.micros() / 1_000).unwrap_or(0);
        let ids = &mut self.chance.ids;
        let fresh = || QuoteId::from_parts(unix_ms, &ids.ten());
        let pricing = Pricing {
            policy: &POLICY,
            policy_version: 1,
            exhausted: Exhausted::NONE,
            account: Some(&account),
            supply: &market.supply,
            tax_country: None,
            token_rates: &[],
            places: &places,
            can_start: &can_start,
            age_max: None,
            now: wall,
            world_now: now,
        };
        let desk = Desk::new(&workload, &classification, &market.book, pricing);
        let report = desk.quote(fresh);
        let quotes: Vec<_> = report.quoted().map(|(quote, _)| quote.clone()).collect();
        if quotes.is_empty() {
            return Ok(None);
        }
        let mut quote = self.chance.customers.pick(&quotes).clone();
        self.shorten(&mut quote);
        Ok(Some(Box::new(JobSpec {
            account,
            workload,
            classification,
            quote,
            secrets: std::collections::BTreeMap::new(),
            terms: QuoteTerms::default(),
            accepted_at: now,
        })))
    }

    /// Makes some quotes end within a run, and some of their customers pay more for longer.
    fn shorten(&mut self, quote: &mut Quote) {
        let dice = &mut self.chance.terms;
        let has_end = quote.renewal_rate_max.is_none();
        if has_end || !dice.permille(self.plan.short_terms) {
            return;
        }
        let is_long = self.plan.flavour == crate::plan::Flavour::Long;
        let most = if is_long { 1_200 } else { 90 };
        quote.term_seconds = u32::try_from(dice.between(8, most)).unwrap_or(8);
        if dice.permille(500) {
            quote.renewal_rate_max = Some(PRICE_MAX);
        }
    }

    /// The answer to an order.
    pub(crate) fn accept_answered(&mut self, number: usize, job: JobId, reply: &Reply) -> Done {
        let again = self.chance.customers.seconds(1, 5);
        self.queue.put(self.after(again), Event::Customer(number));
        match reply {
            Reply::Accepted(id) if *id == job => {
                if self.customers[number].job.is_some() {
                    return broken(format!("{job}: one quote was taken twice"));
                }
                self.customers[number].job = Some(job);
                self.witness.is_accepted(job)
            }
            Reply::Refused(why @ (Refused::UsedBefore | Refused::NotBacked)) => {
                if self.customers[number].job.is_some() {
                    return Ok(());
                }
                // The order before it may have been taken, and its answer was lost.
                match self.job_of_quote(number)? {
                    Some(found) => {
                        self.customers[number].job = Some(found);
                        self.witness.is_accepted(found)
                    }
                    None if *why == Refused::NotBacked => {
                        self.customers[number].spec = None;
                        Ok(())
                    }
                    None => broken(format!("{job}: its quote was used before, for no job")),
                }
            }
            Reply::Refused(_) => Ok(()),
            other => broken(format!("not an answer to an order: {other:?}")),
        }
    }

    fn job_of_quote(&mut self, number: usize) -> Done<Option<JobId>> {
        let customer = &self.customers[number];
        let (account, spec) = (customer.account, customer.spec.as_ref());
        let Some(quote) = spec.map(|spec| spec.quote.id) else {
            return Ok(None);
        };
        let found = wait(self.running()?.store.job_of_quote(account, quote));
        found.map_err(|why| Halt::Broken(why.to_string()))
    }

    /// The answer to a cancellation.
    pub(crate) fn cancel_answered(&mut self, number: usize, reply: &Reply) -> Done {
        let job = self.customers[number].job;
        let has_ended = job.is_some_and(|job| self.witness.has_ended(job));
        match reply {
            Reply::Cancelling(_) => {
                self.customers[number].is_content = true;
            }
            Reply::Refused(_) if has_ended => self.customers[number].is_content = true,
            Reply::Refused(_) => {
                let again = self.after(Duration::from_secs(5));
                self.queue.put(again, Event::Customer(number));
            }
            other => return broken(format!("not an answer to a cancellation: {other:?}")),
        }
        Ok(())
    }
}

impl Customer {
    /// A service is cancelled by then at the latest.
    pub(crate) fn ends_by(&mut self, now: WorldTime) {
        self.cancel_at = self.cancel_at.map(|at| at.min(now));
    }
}

//! Starts over SSH: the script goes to the world's machines as it would through a connection, node
//! by node, and each connection can be lost on the way or back.

use tandem::engine::commands::{Performed, SshStart, input};
use tandem::engine::job::HostKeys;
use tandem::engine::step::Order;
use tandem_adapters::ssh;
use tandem_model::id::JobId;
use tandem_sandbox::world::SshReply;

use crate::installation::PUBLIC_KEY;
use crate::points::Point;
use crate::queue::Event;
use crate::sim::{Done, Sim};

/// The starts of one attempt, one machine after the other.
#[derive(Debug)]
pub(crate) struct Scripts {
    job: JobId,
    order: Order,
    starts: Vec<SshStart>,
    next: usize,
    shown: HostKeys,
}

impl Sim {
    pub(crate) fn start_over_ssh(&mut self, job: JobId, order: Order, starts: Vec<SshStart>) {
        let number = self.flights.number();
        let scripts = Scripts {
            job,
            order,
            starts,
            next: 0,
            shown: HostKeys::new(),
        };
        self.flights.scripts.insert(number, scripts);
        self.connect(number);
    }

    fn connect(&mut self, number: u64) {
        let connecting = self.chance.networks.ms(50, 900);
        self.queue
            .put(self.after(connecting), Event::Script(number));
    }

    /// A connection is there: the key is checked, the script runs.
    pub(crate) fn script_arrives(&mut self, number: u64) -> Done {
        let Some(scripts) = self.flights.scripts.get(&number) else {
            return Ok(());
        };
        let start = &scripts.starts[scripts.next];
        let shown = self.world.endpoints().1.host_key.clone();
        let pinned = start.address.host_key.as_ref().or(start.host_key.as_ref());
        let machine = start.address.user.clone();
        let lost = if self.at_peace {
            0
        } else {
            self.plan.rates.request_lost
        };
        let (before, after) = (
            self.chance.networks.permille(lost),
            self.chance.networks.permille(lost),
        );
        let end = if pinned.is_some_and(|key| *key != shown) {
            Err("another host key than before".to_owned())
        } else if before || !self.world.ssh_accepts(&machine, PUBLIC_KEY) {
            Err("no connection".to_owned())
        } else {
            let script = ssh::standard_input(&start.launch).unwrap_or_default();
            let script = String::from_utf8_lossy(&script);
            match self.world.ssh(&machine, &script, self.moment()) {
                SshReply::Done { exit: 0, .. } if after => Err("the connection broke".to_owned()),
                SshReply::Done { exit: 0, .. } => Ok(shown),
                other => Err(format!("not started: {other:?}")),
            }
        };
        self.collect();
        let back = self.chance.networks.ms(5, 150);
        self.queue
            .put(self.after(back), Event::Scripted(number, end));
        self.point(Point::Effect)
    }

    /// A script's end is at the broker.
    pub(crate) fn script_ends(&mut self, number: u64, end: Result<String, String>) -> Done {
        let Some(scripts) = self.flights.scripts.get_mut(&number) else {
            return Ok(());
        };
        let done = match end {
            Ok(key) => {
                let rank = scripts.starts[scripts.next].rank;
                scripts.shown.insert(rank, key);
                scripts.next += 1;
                if scripts.next < scripts.starts.len() {
                    self.connect(number);
                    return Ok(());
                }
                Ok(())
            }
            Err(why) => Err(why),
        };
        let Some(scripts) = self.flights.scripts.remove(&number) else {
            return Ok(());
        };
        self.note(format_args!("{} over SSH: {done:?}", scripts.job));
        self.point(Point::Landed)?;
        let performed = Performed::Ssh(done, scripts.shown);
        let input = input(scripts.order, performed);
        self.running()?
            .kernel
            .landed(scripts.job, scripts.order, input);
        Ok(())
    }
}

//! A job as it is being decided on: what was asked of it, taken in on a copy, with the answers for
//! after the commit.

use std::sync::Arc;

use gpu_probe::protocol::Problem;
use gpu_probe::session::Grants;
use tandem_model::id::{InstallationId, JobId};
use tandem_model::job::JobState;
use tandem_model::time::WorldTime;

use super::Ticket;
use crate::engine::job::Job;
use crate::engine::message::{AgentReply, AgentRequest, JobSpec, Refused, Reply, Request};
use crate::engine::planted::Planted;
use crate::engine::probe;
use crate::engine::step::Input;
use crate::engine::terms::Terms;
use crate::store::PromotionGiven;
use crate::store::tenants::ReplyRecord;
use crate::store::{Changes, QuoteTaken};

/// A job as it is being decided on.
pub(super) struct Draft {
    pub(super) job: Option<Job>,
    pub(super) changes: Changes,
    pub(super) must_write: bool,
    pub(super) replies: Vec<(Ticket, Reply)>,
    pub(super) outcomes: Vec<Input>,
    pub(super) requests: Vec<(Ticket, Box<Request>)>,
}

impl Draft {
    pub(super) fn new(job: Option<Job>) -> Self {
        Self {
            job,
            changes: Changes::default(),
            must_write: false,
            replies: Vec::new(),
            outcomes: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Has the answers to who asked for a stop name the state that was decided.
    pub(super) fn show_state(&mut self, decided: JobState) {
        for (_, reply) in &mut self.replies {
            if let Reply::Cancelling(state) = reply {
                *state = decided;
            }
        }
    }

    /// Takes out the answers that a planted bug gives before the commit.
    pub(super) fn told_early(&mut self) -> Vec<(Ticket, Reply)> {
        let is_early = |(_, reply): &mut (Ticket, Reply)| match reply {
            Reply::Agent(AgentReply::Probed { .. }) => Planted::VerdictToldEarly.is_here(),
            Reply::Agent(AgentReply::Heartbeat(told)) => {
                told.spot_probe.is_some() && Planted::OrderToldEarly.is_here()
            }
            _ => false,
        };
        self.replies.extract_if(.., is_early).collect()
    }

    /// Takes a request into the job and notes the answer for after the commit.
    pub(super) fn take(
        &mut self,
        terms: &Terms,
        ticket: Ticket,
        request: &Request,
        now: WorldTime,
    ) {
        let reply = match request {
            Request::Accept { job, spec, reply } => {
                self.accept(terms.installation, *job, spec, reply.as_ref())
            }
            Request::Cancel { .. } => match &mut self.job {
                Some(job) => {
                    job.doc.cancel_asked = true;
                    self.must_write = true;
                    Reply::Cancelling(job.doc.state)
                }
                None => Reply::Refused(Refused::NotFound),
            },
            Request::Agent(request) => match &mut self.job {
                Some(job) => {
                    self.must_write = true;
                    Reply::Agent(agent(job, request, terms, &mut self.changes, now))
                }
                None => Reply::Refused(Refused::NotFound),
            },
        };
        self.replies.push((ticket, reply));
    }

    fn accept(
        &mut self,
        installation: InstallationId,
        id: JobId,
        spec: &JobSpec,
        reply: Option<&ReplyRecord>,
    ) -> Reply {
        if self.job.is_some() {
            return Reply::Refused(Refused::UsedBefore);
        }
        self.changes.quotes_taken.push(QuoteTaken {
            quote: spec.quote.id,
            policy_version: spec.terms.policy_version,
            job: id,
        });
        let given = spec.quote.given();
        let given = given.map(|(promotion, amount)| PromotionGiven {
            promotion: promotion.to_owned(),
            amount,
        });
        self.changes.promotions_given.extend(given);
        self.changes.replies.extend(reply.cloned());
        self.job = Some(Job::new(id, installation, Arc::new(spec.clone())));
        Reply::Accepted(id)
    }
}

/// What an agent asks, decided by the session.
fn agent(
    job: &mut Job,
    request: &AgentRequest,
    terms: &Terms,
    changes: &mut Changes,
    now: WorldTime,
) -> AgentReply {
    let answered: Result<AgentReply, Problem> = match request {
        AgentRequest::Bind(bind) => {
            let reply = job.doc.session.bind(bind, &Grants::default(), now);
            reply.map(|mut reply| {
                reply.probe = probe::order(job, bind.rank, &terms.probe, now);
                // A machine that may not be what it says gets nothing that is worth having.
                let is_barred = probe::is_barred(job, bind.epoch, bind.rank);
                let is_barred = is_barred && !Planted::SecretsGivenEarly.is_here();
                let trusted = (!is_barred).then(|| job.spec.secrets.clone());
                AgentReply::Bound { reply, trusted }
            })
        }
        AgentRequest::Heartbeat(beat) => {
            // One that is to be told of a probe: the order is durable before it is given.
            let (beat, _) = probe::hear(job, beat);
            let due = probe::running::to_order(job, &beat, &terms.probe, now);
            let again = probe::running::again(job, &beat, now);
            let mut reply = job.doc.session.heartbeat(&beat, now);
            reply.spot_probe = again.filter(|_| reply.granted);
            if let Some(ordered) = due.filter(|_| reply.granted) {
                reply.spot_probe = probe::running::order(job, &beat, ordered, now);
            }
            Ok(AgentReply::Heartbeat(reply))
        }
        AgentRequest::Checkpoint(checkpoint) => {
            let node = (checkpoint.epoch, checkpoint.rank);
            let may = probe::may_publish(job, node, checkpoint.boot_id);
            let before = job.doc.session.pointer().map(|p| p.step);
            let session = &mut job.doc.session;
            let reply = may.and_then(|()| session.checkpoint(checkpoint, now));
            let after = job.doc.session.pointer().map(|p| p.step);
            job.doc.pointer_went_back += u32::from(after < before);
            job.prove(after > before);
            reply.map(AgentReply::Checkpoint)
        }
        AgentRequest::Result(report) => {
            let counted = probe::ends(job, report);
            let reply = counted.and_then(|report| job.doc.session.result(&report, now));
            job.prove(false);
            reply.map(AgentReply::Result)
        }
        AgentRequest::ProbeOpens(said) => probe::open(job, said, now),
        AgentRequest::Probed(said) => probe::take(job, said, &terms.probe, now, changes),
    };
    answered.unwrap_or_else(AgentReply::Refused)
}

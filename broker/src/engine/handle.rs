//! How the rest of the broker speaks with the engine.

use std::sync::Arc;

use tandem_model::id::{AccountId, JobId};
use tandem_model::job::JobState;
use tokio::sync::{mpsc, oneshot, watch};

use super::market::Market;
use super::message::{AgentReply, AgentRequest, JobSpec, Refused, Reply, Request};
use crate::store::tenants::ReplyRecord;

/// Requests that may wait for the engine.
pub const REQUESTS_MAX: usize = 65_536;

/// A request with where its answer goes.
pub(super) type Asked = (Request, oneshot::Sender<Reply>);

/// A handle of a running engine; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    pub(super) requests: mpsc::Sender<Asked>,
    pub(super) market: watch::Receiver<Arc<Market>>,
    pub(super) changed: watch::Receiver<u64>,
}

impl EngineHandle {
    async fn ask(&self, request: Request) -> Reply {
        let (reply, answered) = oneshot::channel();
        match self.requests.try_send((request, reply)) {
            Ok(()) => answered.await.unwrap_or(Reply::Refused(Refused::Stopped)),
            Err(mpsc::error::TrySendError::Full(_)) => Reply::Refused(Refused::Busy(REQUESTS_MAX)),
            Err(mpsc::error::TrySendError::Closed(_)) => Reply::Refused(Refused::Stopped),
        }
    }

    /// Has a job run; it is durable when this returns.
    pub async fn accept(
        &self,
        job: JobId,
        spec: JobSpec,
        reply: Option<ReplyRecord>,
    ) -> Result<JobId, Refused> {
        let spec = Box::new(spec);
        match self.ask(Request::Accept { job, spec, reply }).await {
            Reply::Accepted(id) => Ok(id),
            Reply::Refused(why) => Err(why),
            other => unexpected(&other),
        }
    }

    /// Asks for a job to be stopped; the state after it.
    pub async fn cancel(&self, account: AccountId, job: JobId) -> Result<JobState, Refused> {
        match self.ask(Request::Cancel { job, account }).await {
            Reply::Cancelling(state) => Ok(state),
            Reply::Refused(why) => Err(why),
            other => unexpected(&other),
        }
    }

    /// Passes on what an agent says.
    pub async fn agent(&self, request: AgentRequest) -> Result<AgentReply, Refused> {
        match self.ask(Request::Agent(request)).await {
            Reply::Agent(reply) => Ok(reply),
            Reply::Refused(why) => Err(why),
            other => unexpected(&other),
        }
    }

    /// The market as last read.
    pub fn market(&self) -> Arc<Market> {
        Arc::clone(&self.market.borrow())
    }

    /// The market, and when it changes.
    pub fn markets(&self) -> watch::Receiver<Arc<Market>> {
        self.market.clone()
    }

    /// Changes with every commit: whoever follows events reads the store again.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }
}

fn unexpected<T>(_: &Reply) -> Result<T, Refused> {
    // The reply itself may hold what must not be logged.
    tracing::error!("defect: the engine answered another question");
    Err(Refused::Store("an answer to another question".into()))
}

//! The API as a customer uses it, patient with a broker that is away.

use std::thread::JoinHandle;

use serde_json::Value;
use tandem::api::{
    BalancesReply, CancelReply, JobRequest, JobView, LogChunkView, LogPage, QuoteReply,
    QuoteRequest,
};
use tandem::cli::quote::cheapest;
use tandem::client::{Answer, Client, ClientError};
use tandem_model::secret::Secret;
use tokio::runtime::Runtime;

use crate::process::Processes;
use crate::until;

/// A client with a runtime of its own.
pub(crate) struct Api {
    client: Client,
    runtime: Runtime,
}

impl Api {
    /// The API of the broker, with the admin key.
    pub(crate) fn of(processes: &Processes) -> Self {
        let key = Some(Secret::new(processes.key()));
        Self {
            client: Client::new(&processes.broker_url(), key).unwrap(),
            runtime: Runtime::new().unwrap(),
        }
    }

    /// Does it until the broker answers; a refusal fails the test.
    fn patiently<T>(&self, work: impl AsyncFn() -> Result<T, ClientError>) -> T {
        until("an answer", || match self.runtime.block_on(work()) {
            Ok(found) => Some(found),
            Err(error) if error.may_pass() => None,
            Err(error) => panic!("{error:?}"),
        })
    }

    fn get(&self, path: &str) -> Value {
        self.patiently(async || {
            let answer: Answer<Value> = self.client.get(path).await?;
            Ok(answer.document)
        })
    }

    /// A job's document.
    pub(crate) fn job(&self, id: &str) -> Value {
        self.get(&format!("/v1/jobs/{id}"))
    }

    /// Every job as the list shows it.
    pub(crate) fn jobs(&self) -> Vec<Value> {
        let page = self.get("/v1/jobs?limit=200");
        page["items"].as_array().unwrap().clone()
    }

    /// Ids of all jobs.
    pub(crate) fn ids(&self) -> Vec<String> {
        let jobs = self.jobs().into_iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Asks for a stop.
    pub(crate) fn cancel(&self, id: &str) {
        let path = format!("/v1/jobs/{id}/cancel");
        self.patiently(async || {
            let _: Answer<CancelReply> = self.client.settle(reqwest::Method::POST, &path).await?;
            Ok(())
        });
    }

    /// Quotes a work, once the market is read.
    fn quote(&self, work: &str) -> JobRequest {
        let request = QuoteRequest {
            workload: work.to_owned(),
            tier: None,
        };
        until("a quote", || {
            let reply: QuoteReply = self.patiently(async || {
                let answer = self.client.ask("/v1/quotes", &request).await?;
                Ok(answer.view)
            });
            let token = cheapest(&reply)?.1.quote_token.clone()?;
            Some(JobRequest {
                quote_token: token,
                workload: request.workload.clone(),
                secrets: std::collections::BTreeMap::new(),
            })
        })
    }

    /// Quotes and accepts a work; its id.
    pub(crate) fn submit(&self, work: &str) -> String {
        let request = self.quote(work);
        self.patiently(async || {
            let made: Answer<JobView> = self.client.create("/v1/jobs", &request).await?;
            Ok(made.view.summary.id.to_string())
        })
    }

    /// Quotes a work now and accepts it in a thread of its own: one request that is repeated with
    /// the same idempotency key until it is answered.
    pub(crate) fn submit_in_background(&self, work: &str) -> JoinHandle<String> {
        let request = self.quote(work);
        let client = self.client.clone();
        std::thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            let made = runtime.block_on(client.create::<JobView>("/v1/jobs", &request));
            made.unwrap().view.summary.id.to_string()
        })
    }

    /// What all customers owe by the books.
    pub(crate) fn ledger_micro_usd(&self) -> i64 {
        let books: BalancesReply = self.patiently(async || {
            let answer = self.client.get("/v1/ledger/balances").await?;
            Ok(answer.view)
        });
        let owed = books.items.iter();
        let owed = owed.filter(|b| b.account.starts_with("receivable:"));
        let number = |text: &str| text.parse::<i64>().unwrap();
        owed.map(|b| number(&b.debit) - number(&b.credit)).sum()
    }

    /// Everything that a job printed, as it is kept.
    pub(crate) fn chunks(&self, id: &str) -> Vec<LogChunkView> {
        let mut chunks = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/jobs/{id}/logs?limit=200{after}");
            let page: LogPage = serde_json::from_value(self.get(&path)).unwrap();
            chunks.extend(page.items);
            match page.next.filter(|_| page.more) {
                Some(next) => after = format!("&after={next}"),
                None => return chunks,
            }
        }
    }

    /// Its lines.
    pub(crate) fn log(&self, id: &str) -> Vec<String> {
        let chunks = self.chunks(id);
        let lines = chunks.iter().flat_map(|chunk| chunk.text.lines());
        lines.map(str::to_owned).collect()
    }

    /// Reads something of the sandbox's control.
    pub(crate) fn sandbox(&self, processes: &Processes, what: &str) -> Value {
        let url = format!("{}/sandbox/{what}", processes.sandbox_url());
        let read = async { reqwest::get(url).await?.json().await };
        self.runtime.block_on(read).unwrap()
    }

    /// Breaks something in the sandbox; the fault's id.
    pub(crate) fn fault(&self, processes: &Processes, fault: &Value) -> String {
        let request = reqwest::Client::new().post(faults(processes)).json(fault);
        let made = self.controlled(request);
        made["faults"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Ends a fault.
    pub(crate) fn heal(&self, processes: &Processes, id: &str) {
        let url = format!("{}/{id}", faults(processes));
        self.controlled(reqwest::Client::new().delete(url));
    }

    /// Changes something in the sandbox; its answer.
    fn controlled(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = async { request.send().await?.error_for_status()?.json().await };
        self.runtime.block_on(answer).unwrap()
    }
}

fn faults(processes: &Processes) -> String {
    format!("{}/sandbox/faults", processes.sandbox_url())
}

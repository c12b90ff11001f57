//! From files to jobs, as a customer does it: classify, ask for quotes, accept the cheapest.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::Table;
use tandem_model::error::ErrorCode;
use tandem_model::id::JobId;
use tandem_model::money::RatePerGpuHour;
use tandem_model::network::NetworkId;
use tandem_model::secret::Secret;
use tandem_model::workload::{Tier, WorkloadKind};

use super::environment;
use super::files::File;
use super::{REAL_JOB, REAL_STEPS, SIMULATED_STEPS};
use crate::api::{
    ClassificationReply, ClassificationRequest, JobRequest, JobView, QuoteReply, QuoteRequest,
    SecretText,
};
use crate::cli::failure::Failure;
use crate::cli::output::table;
use crate::cli::quote::cheapest;
use crate::cli::words::word;
use crate::client::{Client, ClientError};

/// Columns of the table of files; prices are per GPU-hour.
const COLUMNS: [&str; 7] = [
    "file",
    "format",
    "class",
    "GPUs",
    "consumer",
    "enterprise",
    "taken",
];

/// A quote that is to be accepted.
#[derive(Debug)]
pub struct Chosen {
    request: JobRequest,
    networks: BTreeSet<NetworkId>,
}

/// What was considered.
pub struct Considered {
    /// A row a file.
    pub table: Table,
    /// To be accepted.
    pub chosen: Vec<Chosen>,
    /// Why the others are not, counted.
    pub not_placed: BTreeMap<String, usize>,
}

/// A job that was accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Whether it is a job or a service.
    pub kind: WorkloadKind,
    /// Networks among the best offers of its quote.
    pub networks: BTreeSet<NetworkId>,
}

impl Accepted {
    /// Whether it runs as a real process.
    pub fn is_real(&self) -> bool {
        self.name == REAL_JOB
    }
}

/// Has every file classified and priced.
pub async fn consider(customer: &Client, files: &[File]) -> Result<Considered, Failure> {
    let mut rows = table(&COLUMNS);
    let mut chosen = Vec::new();
    let mut not_placed = BTreeMap::new();
    for file in files {
        let mut row = vec![file.name.clone()];
        match one(customer, file, &mut row).await? {
            Ok(taken) => chosen.push(taken),
            Err(reason) => *not_placed.entry(reason).or_default() += 1,
        }
        row.resize(COLUMNS.len(), "-".to_owned());
        rows.add_row(row);
    }
    Ok(Considered {
        table: rows,
        chosen,
        not_placed,
    })
}

/// Fills the row as far as the file gets; the quote taken, or why none is.
async fn one(
    customer: &Client,
    file: &File,
    row: &mut Vec<String>,
) -> Result<Result<Chosen, String>, Failure> {
    let request = ClassificationRequest {
        workload: file.text.clone(),
    };
    let asked = customer.ask("/v1/classifications", &request).await;
    let found: ClassificationReply = match refusal(asked)? {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason)),
    };
    row.extend([found.format.clone(), word(&found.class)]);
    if let Some(problem) = found.problems.first() {
        return Ok(Err(title(problem.code.as_deref())));
    }
    let Some(workload) = prepared(&found.format, &file.text) else {
        return Ok(Err("no environment can be added to it".to_owned()));
    };
    let request = QuoteRequest {
        workload,
        tier: None,
    };
    let asked = customer.ask("/v1/quotes", &request).await;
    let reply: QuoteReply = match refusal(asked)? {
        Ok(reply) => reply,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(choose(&reply, request.workload, row))
}

/// The document, or why the broker refused; anything else ends the demo.
fn refusal<T>(
    asked: Result<crate::client::Answer<T>, ClientError>,
) -> Result<Result<T, String>, Failure> {
    match asked {
        Ok(answer) => Ok(Ok(answer.view)),
        Err(ClientError::Refused(problem)) if problem.status < 429 => {
            let field = problem.errors.first();
            let why = field.map_or(&problem.detail, |field| &field.detail);
            Ok(Err(why.clone()))
        }
        Err(other) => Err(other.into()),
    }
}

fn title(code: Option<&str>) -> String {
    let known = code.and_then(ErrorCode::parse);
    known
        .map_or("it cannot be submitted", ErrorCode::title)
        .to_owned()
}

fn choose(reply: &QuoteReply, workload: String, row: &mut Vec<String>) -> Result<Chosen, String> {
    if reply.products.iter().all(|product| !product.can_start) {
        return Err("it can start on no product".to_owned());
    }
    let of_tier = |tier| reply.tiers.iter().find(|t| t.tier == tier)?.quote.as_ref();
    let price = |tier| {
        let rate = of_tier(tier).map(|quote| quote.rate_micro_usd_per_gpu_hour);
        rate.map_or("-".to_owned(), |rate: RatePerGpuHour| {
            rate.price().to_string()
        })
    };
    let (tier, quote) = cheapest(reply).ok_or("no offer fits")?;
    row.extend([
        quote.gpus.to_string(),
        price(Tier::Consumer),
        price(Tier::Enterprise),
        word(&tier.tier),
    ]);
    let value = || SecretText(Secret::new("of the demo"));
    let networks = tier.ranked.iter().map(|c| c.offer.network.clone());
    Ok(Chosen {
        networks: networks.collect(),
        request: JobRequest {
            quote_token: quote.quote_token.clone().unwrap_or_default(),
            workload,
            secrets: reply.secrets.iter().map(|n| (n.clone(), value())).collect(),
        },
    })
}

/// Tells the sandbox what runs for real and how long the rest pretends to work.
fn prepared(format: &str, text: &str) -> Option<String> {
    let set =
        |text: &str, name, value: u64| environment::with(format, text, name, &value.to_string());
    if text.lines().any(|line| line == format!("name: {REAL_JOB}")) {
        set(&set(text, "STEPS", REAL_STEPS)?, "TANDEM_EXEC", 1)
    } else {
        set(text, "TANDEM_SIM_STEPS", SIMULATED_STEPS)
    }
}

/// Accepts every quote.
pub async fn accept(customer: &Client, chosen: Vec<Chosen>) -> Result<Vec<Accepted>, Failure> {
    let mut accepted = Vec::new();
    for taken in chosen {
        let job: JobView = customer.create("/v1/jobs", &taken.request).await?.view;
        accepted.push(Accepted {
            id: job.summary.id,
            name: job.summary.name,
            kind: job.summary.kind,
            networks: taken.networks,
        });
    }
    Ok(accepted)
}

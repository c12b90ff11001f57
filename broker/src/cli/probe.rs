//! `tandem probe`: what came of the probes of a job's GPUs, and their receipts.

use tandem_model::error::ErrorCode;
use tandem_model::id::{JobId, ProbeId};

use super::connection::Connection;
use super::failure::Failure;
use super::jobs::reasons;
use super::output::{say, table, tell};
use super::words::{moment, word};
use crate::api::{JobProbeView, ProbedDeviceView};
use crate::client::Answer;

/// Arguments of `tandem probe`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The job.
    job: JobId,
    /// Print the signed receipt of this verdict alone.
    #[arg(long, value_name = "PROBE")]
    receipt: Option<ProbeId>,
    #[command(flatten)]
    connection: Connection,
}

/// Shows verdicts, oldest first, or one receipt.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let job = arguments.job;
    let path = format!("/v1/jobs/{job}/probes");
    let probes: Answer<Vec<JobProbeView>> = arguments.connection.client()?.all(&path).await?;
    if let Some(wanted) = arguments.receipt {
        return receipt(&probes.view, job, wanted, json);
    }
    if json {
        return say(&serde_json::to_string_pretty(&probes.document)?);
    }
    let Some(newest) = probes.view.last() else {
        tell("no node of the job was judged so far; `tandem job` shows where it stands");
        return Ok(());
    };
    say(&rendered(&probes.view))?;
    tell(&format!(
        "level 0 is the machine's own word, 1 timed proofs of work and memory; none below 3 is verified hardware\n\
         keep a receipt: tandem probe {job} --receipt {}",
        newest.id
    ));
    Ok(())
}

fn receipt(probes: &[JobProbeView], job: JobId, wanted: ProbeId, json: bool) -> anyhow::Result<()> {
    let found = probes.iter().find(|probe| probe.id == wanted);
    let found = found.ok_or_else(|| {
        let message = format!("{job} has no verdict {wanted}");
        Failure::new(ErrorCode::API_NOT_FOUND, message)
            .hint(format!("`tandem probe {job}` lists its verdicts"))
    })?;
    if json {
        let document = serde_json::json!({ "receipt": found.receipt });
        return say(&serde_json::to_string_pretty(&document)?);
    }
    say(&found.receipt)?;
    tell(
        "check it with `tandem receipt --file FILE`, in years to come with the keys of `/.well-known/jwks.json` kept beside it",
    );
    Ok(())
}

/// The table of verdicts.
fn rendered(probes: &[JobProbeView]) -> String {
    let mut rows = table(&[
        "probe", "judged", "attempt", "node", "sold as", "outcome", "level", "speed", "devices",
        "reasons",
    ]);
    for probe in probes {
        let said = &probe.probe;
        rows.add_row([
            probe.id.to_string(),
            moment(said.at),
            probe.epoch.0.to_string(),
            said.rank.to_string(),
            format!("{} on {}", probe.sold_as, probe.network),
            word(&said.outcome),
            said.proof_level.to_string(),
            said.speed_permille
                .map_or_else(String::new, |speed| format!("{speed} of 1000")),
            lines(probe.devices.iter().map(device)),
            lines(reasons(said)),
        ]);
    }
    rows.to_string()
}

fn device(device: &ProbedDeviceView) -> String {
    let model = device.model.as_deref().unwrap_or("no known card");
    let failed = if device.failed { ", failed" } else { "" };
    format!("{} {model}{failed}", device.uuid)
}

fn lines(all: impl IntoIterator<Item = String>) -> String {
    all.into_iter().collect::<Vec<_>>().join("\n")
}

//! `tandem probe`: what came of the probes of a job's GPUs, and their receipts.

use tandem_model::error::ErrorCode;
use tandem_model::id::{JobId, ProbeId};

use super::connection::Connection;
use super::failure::Failure;
use super::output::{listing, say, table, tell};
use super::words::{device, made, moment, tell_clock, word};
use crate::api::JobProbeView;
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
    let client = arguments.connection.client()?;
    let probes: Answer<Vec<JobProbeView>> = client.all(&path).await?;
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
    tell_clock(&client);
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

/// The table of verdicts, and below it the devices and reasons of each.
fn rendered(probes: &[JobProbeView]) -> String {
    let mut rows = table(&[
        "probe", "judged", "attempt", "node", "made", "sold as", "outcome", "level", "speed",
    ]);
    let mut lines = Vec::new();
    for probe in probes {
        let said = &probe.probe;
        let speed = said.speed_permille;
        rows.add_row([
            probe.id.to_string(),
            moment(said.at),
            probe.epoch.0.to_string(),
            said.rank.to_string(),
            made(said.while_running).to_owned(),
            format!("{} on {}", probe.sold_as, probe.network),
            word(&said.outcome),
            said.proof_level.to_string(),
            speed.map_or_else(String::new, |speed| format!("{speed} of 1000")),
        ]);
        lines.push(probe.id.to_string());
        for shown in &probe.devices {
            let shown = device(shown.uuid, shown.model.as_deref(), shown.failed);
            lines.push(format!("  {:<13} {shown}", "device"));
        }
        for reason in &said.reasons {
            let (effect, code) = (word(&reason.effect), reason.code);
            lines.push(format!("  {effect:<13} {code} ({})", reason.detail));
        }
    }
    let rows = listing(&rows);
    format!("{rows}\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use gpu_probe::report::Kind;
    use gpu_probe::verdict::VerdictOutcome;
    use tandem_model::network::NetworkId;
    use tandem_model::placement::Epoch;
    use tandem_model::time::WorldTime;

    use super::*;
    use crate::api::ProbeView;

    fn view(kind: Kind) -> JobProbeView {
        JobProbeView {
            id: ProbeId::from_parts(1, &[1; 10]),
            epoch: Epoch(1),
            network: NetworkId::from_static("ionet"),
            sold_as: "rtx4090".to_owned(),
            kind,
            probe: ProbeView {
                rank: 0,
                outcome: VerdictOutcome::Pass,
                while_running: kind == Kind::Spot,
                accepted: true,
                proof_level: 1,
                speed_permille: None,
                reasons: Vec::new(),
                at: WorldTime::default().into(),
            },
            devices: Vec::new(),
            challenge_id: None,
            report_sha256: None,
            receipt: String::new(),
        }
    }

    #[test]
    fn the_table_tells_probes_of_running_work_from_those_of_a_start() {
        let shown = rendered(&[view(Kind::Quick), view(Kind::Spot)]);
        let rows: Vec<&str> = shown
            .lines()
            .filter(|line| line.contains("ionet"))
            .collect();
        assert!(rows[0].contains("at the start"), "{shown}");
        assert!(rows[1].contains("while running"), "{shown}");
    }
}

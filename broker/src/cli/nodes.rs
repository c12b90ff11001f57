//! `tandem nodes`: the GPUs that probes saw, their histories, and bans.

use gpu_probe::hex::HexBytes;
use gpu_probe::report::DeviceUuid;

use super::connection::Connection;
use super::output::{listing, say, table, tell};
use super::words::{moment, tell_clock, word};
use crate::api::{
    BanRequest, DeviceDetailView, DeviceEventView, DeviceVerdictView, DeviceView, LatencyView,
};
use crate::client::{Answer, encoded};

/// Lines of a history that are shown; `--json` and the API have all.
const HISTORY_SHOWN: u32 = 50;

/// Arguments of `tandem nodes`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    change: Option<Change>,
    #[command(flatten)]
    look: Look,
}

/// Which devices are shown.
#[derive(Debug, clap::Args)]
pub struct Look {
    /// One device with its history, as 32 hex digits or as `nvidia-smi -L` shows it.
    #[arg(value_parser = device, conflicts_with_all = ["network", "gpu", "banned"])]
    uuid: Option<DeviceUuid>,
    /// Rented last on this network.
    #[arg(long)]
    network: Option<String>,
    /// A card by any of its names.
    #[arg(long)]
    gpu: Option<String>,
    /// Only banned ones.
    #[arg(long)]
    banned: bool,
    #[command(flatten)]
    connection: Connection,
}

/// What changes a ban.
#[derive(Debug, clap::Subcommand)]
pub enum Change {
    /// Ban a device: it fails the probe of every start from now on; work that runs on it goes on.
    Ban(BanArguments),
    /// Lift a ban; what failed until now no longer counts towards one.
    Unban(BanArguments),
}

/// Arguments of `tandem nodes ban` and `unban`.
#[derive(Debug, clap::Args)]
pub struct BanArguments {
    /// The device, as 32 hex digits or as `nvidia-smi -L` shows it.
    #[arg(value_parser = device)]
    uuid: DeviceUuid,
    /// Why; stands in the device's history.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

/// Reads a UUID: 32 hex digits, or `GPU-` and the same with dashes.
fn device(text: &str) -> Result<DeviceUuid, String> {
    let digits = text.trim_start_matches("GPU-").replace('-', "");
    HexBytes::parse(&digits.to_lowercase()).map_err(|error| error.to_string())
}

/// Lists devices, shows one, or changes a ban.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    match arguments.change {
        Some(Change::Ban(ban)) => change(ban, "ban", json).await,
        Some(Change::Unban(ban)) => change(ban, "unban", json).await,
        None => match arguments.look.uuid {
            Some(uuid) => show(arguments.look.connection, uuid, json).await,
            None => list(arguments.look, json).await,
        },
    }
}

async fn change(arguments: BanArguments, how: &str, json: bool) -> anyhow::Result<()> {
    let path = format!("/v1/nodes/{}/{how}", arguments.uuid);
    let request = BanRequest {
        reason: arguments.reason,
    };
    let client = arguments.connection.client()?;
    let device: Answer<DeviceView> = client.ask(&path, &request).await?;
    if json {
        return say(&serde_json::to_string_pretty(&device.document)?);
    }
    say(&standing(&device.view))
}

async fn list(look: Look, json: bool) -> anyhow::Result<()> {
    let wanted = [("network", &look.network), ("gpu", &look.gpu)];
    let wanted = wanted.into_iter().filter_map(|(name, value)| {
        let value = encoded(value.as_deref()?);
        Some(format!("{name}={value}"))
    });
    let banned = look.banned.then(|| "banned=true".to_owned());
    let query: Vec<String> = wanted.chain(banned).collect();
    let path = match query.is_empty() {
        true => "/v1/nodes".to_owned(),
        false => format!("/v1/nodes?{}", query.join("&")),
    };
    let client = look.connection.client()?;
    let devices: Answer<Vec<DeviceView>> = client.all(&path).await?;
    if json {
        return say(&serde_json::to_string_pretty(&devices.document)?);
    }
    match devices.view.first() {
        Some(first) => {
            say(&listed(&devices.view))?;
            tell(&format!("its history: tandem nodes {}", first.uuid));
            tell_clock(&client);
        }
        None => tell("no such device was seen; placements are probed where `probe.at_start` is on"),
    }
    Ok(())
}

/// The table of devices.
fn listed(devices: &[DeviceView]) -> String {
    let mut rows = table(&[
        "device",
        "card",
        "network",
        "seen last",
        "passed",
        "not judged",
        "failed",
        "used by",
        "ban",
    ]);
    for device in devices {
        let used = device.in_use_by;
        rows.add_row([
            device.uuid.to_string(),
            device.model.clone().unwrap_or_default(),
            device
                .network
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            device
                .first_seen
                .map_or_else(|| "never".to_owned(), |_| moment(device.last_seen)),
            device.passed.to_string(),
            device.could_not_run.to_string(),
            device.failed.to_string(),
            used.map_or_else(String::new, |by| by.job.to_string()),
            device
                .ban
                .as_ref()
                .map_or_else(String::new, |ban| ban.reason.clone()),
        ]);
    }
    listing(&rows)
}

async fn show(connection: Connection, uuid: DeviceUuid, json: bool) -> anyhow::Result<()> {
    let path = format!("/v1/nodes/{uuid}?limit={HISTORY_SHOWN}");
    let client = connection.client()?;
    let device: Answer<DeviceDetailView> = client.get(&path).await?;
    if json {
        return say(&serde_json::to_string_pretty(&device.document)?);
    }
    let view = &device.view;
    say(&standing(&view.device))?;
    say(&history(&view.history.items))?;
    if view.history.next.is_some() {
        tell(&format!(
            "the newest {HISTORY_SHOWN} of its history; the API has the rest"
        ));
    }
    let next = match view.device.ban {
        Some(_) => "lift its ban: tandem nodes unban",
        None => "ban it: tandem nodes ban",
    };
    tell(&format!(
        "UUID, card and latencies are the machine's own word\n{next} {uuid} --reason TEXT"
    ));
    tell_clock(&client);
    Ok(())
}

/// What is known of a device, in a few lines.
fn standing(device: &DeviceView) -> String {
    let card = device.model.as_deref().unwrap_or("of no known card");
    let place = match &device.network {
        Some(network) => format!("on {network}"),
        None => "that no probe saw".to_owned(),
    };
    let mut lines = vec![format!("{} {card} {place}", device.uuid)];
    if let Some(first) = device.first_seen {
        let (first, last) = (moment(first), moment(device.last_seen));
        lines.push(format!("  seen      {first} to {last}"));
    }
    lines.push(format!(
        "  verdicts  {} passed, {} not judged, {} failed, of which {} count towards a ban",
        device.passed, device.could_not_run, device.failed, device.failed_since_lifted
    ));
    if let Some(by) = device.in_use_by {
        let (job, epoch, rank) = (by.job, by.epoch.0, by.rank);
        lines.push(format!("  used by   {job}, attempt {epoch}, node {rank}"));
    }
    lines.push(match &device.ban {
        Some(ban) => {
            let by = ban.by.as_deref().unwrap_or("failed verdicts");
            format!("  banned    {} by {by}: {}", moment(ban.at), ban.reason)
        }
        None => "  banned    no".to_owned(),
    });
    lines.join("\n")
}

/// The table of a history.
fn history(lines: &[DeviceEventView]) -> String {
    let mut rows = table(&["when", "what", "level", "speed", "latency", "of"]);
    for line in lines {
        let (what, level, speed, of) = match &line.verdict {
            Some(verdict) => verdict_cells(verdict),
            None => {
                let reason = line.reason.clone().unwrap_or_default();
                let by = line.by.clone();
                let by = by.unwrap_or_else(|| "failed verdicts".to_owned());
                let what = format!("{}: {reason}", line.what);
                (what, String::new(), String::new(), by)
            }
        };
        let latency = line.latency.as_ref().map_or_else(String::new, latency);
        rows.add_row([moment(line.at), what, level, speed, latency, of]);
    }
    rows.to_string()
}

fn verdict_cells(verdict: &DeviceVerdictView) -> (String, String, String, String) {
    let speed = verdict.speed_permille;
    (
        word(&verdict.outcome),
        verdict.proof_level.to_string(),
        speed.map_or_else(String::new, |speed| format!("{speed} of 1000")),
        format!(
            "{}, attempt {}, node {}",
            verdict.job, verdict.epoch.0, verdict.rank
        ),
    )
}

/// Latencies in a few words.
fn latency(latency: &LatencyView) -> String {
    let memory = latency.memory_ns.map(|ns| format!("{ns} ns"));
    let knee = latency
        .l2_knee_bytes
        .map(|bytes| format!("L2 {} MiB", bytes >> 20));
    let map = latency.map_sha256.as_ref().map(|_| "map".to_owned());
    let continuity = latency.continuity.as_ref().map(word);
    let all = [memory, knee, map, continuity];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_read_as_both_tools_write_it() {
        let plain = "5f0e1c9a7b3d4e2f8a6b1c2d3e4f5061";
        let of_nvidia = "GPU-5F0E1C9A-7b3d-4e2f-8a6b-1c2d3e4f5061";
        assert_eq!(device(plain), device(of_nvidia));
        assert_eq!(device(plain).unwrap().to_string(), plain);
        assert!(device("GPU-5f").is_err());
        assert!(device(&format!("{plain}00")).is_err());
    }
}

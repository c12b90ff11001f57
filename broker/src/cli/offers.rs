//! `tandem offers`: the market as it was last read; `tandem offers check`: price files.

mod check;

use comfy_table::CellAlignment;
use tandem_model::error::ErrorCode;
use tandem_model::near::nearest;
use tandem_model::network::NetworkId;

use super::connection::Connection;
use super::failure::Failure;
use super::output::{say, table, tell};
use super::words::word;
use crate::api::{GradeLostView, NetworkView, OfferPage, OfferView, PAGE_ITEMS_MAX};
use crate::client::{Answer, Client, encoded};

/// Most pages that are read.
const PAGES_MAX: usize = 100;
/// Most letters in which a network's name may differ from the one that was probably meant.
const NETWORK_EDITS_MAX: usize = 2;
/// Most rows of the table; `--json` has all.
const ROWS_MAX: usize = 60;

/// Arguments of `tandem offers`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this card, by any of its names, such as h100 or "RTX 4090".
    #[arg(long)]
    gpu: Option<String>,
    /// Only this network: ionet or aethir.
    #[arg(long, value_parser = network)]
    network: Option<NetworkId>,
    /// Show what decides where a workload fits: links, fees, whole nodes, age.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Option<Action>,
}

/// What else there is to do with offers.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check price files offline and say what is wrong with them.
    Check(check::Arguments),
}

fn network(name: &str) -> Result<NetworkId, String> {
    NetworkId::parse(name).ok_or_else(|| "a network's name, such as ionet".to_owned())
}

/// Lists offers, cheapest first, or checks price files.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    if let Some(Action::Check(files)) = arguments.action {
        if arguments.gpu.is_some() || arguments.network.is_some() || arguments.explain {
            let said =
                "`offers check` reads files: --gpu, --network and --explain are for a market";
            let hint = "run `tandem offers check FILE...` without them";
            return Err(Failure::new(ErrorCode::USAGE, said).hint(hint).into());
        }
        return check::run(&files, json);
    }
    let mut filter = String::new();
    if let Some(gpu) = &arguments.gpu {
        filter.push_str(&format!("&gpu={}", encoded(gpu)));
    }
    if let Some(network) = &arguments.network {
        filter.push_str(&format!("&network={}", encoded(network.as_str())));
    }
    let client = arguments.connection.client()?;
    let (mut offers, networks, document) = read(&client, &filter).await?;
    if let Some(asked) = &arguments.network {
        check_network(asked, &networks)?;
    }
    if json {
        return say(&serde_json::to_string_pretty(&document)?);
    }
    offers.sort_by_key(|offer| offer.price_micro_usd_per_gpu_hour);
    print(&offers, arguments.explain)?;
    for network in &networks {
        tell(&standing(network));
    }
    Ok(())
}

/// Refuses a network that the broker does not have, for which every list would be empty.
fn check_network(asked: &NetworkId, networks: &[NetworkView]) -> Result<(), Failure> {
    let names: Vec<&str> = networks.iter().map(|view| view.network.as_str()).collect();
    if names.contains(&asked.as_str()) {
        return Ok(());
    }
    let said = format!(
        "the broker has no network {asked}; it has {}",
        names.join(", ")
    );
    let failure = Failure::new(ErrorCode::USAGE, said);
    Err(match nearest(asked.as_str(), names, NETWORK_EDITS_MAX) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure,
    })
}

/// How the networks stand, without their offers.
pub async fn networks(client: &Client) -> Result<Answer<OfferPage>, crate::client::ClientError> {
    client.get("/v1/offers?limit=1").await
}

async fn read(
    client: &Client,
    filter: &str,
) -> anyhow::Result<(Vec<OfferView>, Vec<NetworkView>, serde_json::Value)> {
    let (mut offers, mut items) = (Vec::new(), Vec::new());
    let mut after = String::new();
    for _ in 0..PAGES_MAX {
        let path = format!("/v1/offers?limit={PAGE_ITEMS_MAX}{filter}{after}");
        let mut page: Answer<OfferPage> = client.get(&path).await?;
        if let Some(serde_json::Value::Array(part)) = page.document.get_mut("items") {
            items.append(part);
        }
        offers.append(&mut page.view.items);
        let Some(next) = page.view.next else {
            let document = serde_json::json!({
                "items": items, "networks": page.document["networks"],
            });
            return Ok((offers, page.view.networks, document));
        };
        after = format!("&after={}", encoded(&next));
    }
    anyhow::bail!("the market has more than {PAGES_MAX} pages; filter with --gpu or --network")
}

fn print(offers: &[OfferView], explain: bool) -> anyhow::Result<()> {
    let mut head = vec![
        "network",
        "product",
        "card",
        "VRAM",
        "grade",
        "in",
        "free",
        "per GPU-hour",
    ];
    if explain {
        head.extend(["fee", "node", "links", "offer"]);
    }
    let mut rows = table(&head);
    for offer in offers.iter().take(ROWS_MAX) {
        rows.add_row(row(offer, explain));
    }
    for column in [3, 6, 7] {
        if let Some(column) = rows.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say(&rows.to_string())?;
    if offers.len() > ROWS_MAX {
        let more = offers.len() - ROWS_MAX;
        tell(&format!(
            "and {more} dearer ones; --gpu and --network narrow it, --json has all"
        ));
    }
    Ok(())
}

fn row(offer: &OfferView, explain: bool) -> Vec<String> {
    let mut row = vec![
        offer.network.to_string(),
        offer.product.clone(),
        offer.gpu_name.clone(),
        format!("{} GB", offer.vram_gb),
        word(&offer.grade),
        offer.country.as_str().to_owned(),
        format!("{} x {}", offer.nodes_available, offer.gpus_per_node),
        offer.price_micro_usd_per_gpu_hour.price().to_string(),
    ];
    if explain {
        let (whole, hundredths) = (offer.fee_basis_points / 100, offer.fee_basis_points % 100);
        let node = if offer.divisible {
            "can be split"
        } else {
            "whole"
        };
        row.extend([
            format!("{whole}.{hundredths:02} %"),
            node.to_owned(),
            format!("{}, {}", word(&offer.node_link), word(&offer.fabric)),
            offer.id.to_string(),
        ]);
    }
    row
}

/// How a network stands, in one line.
pub fn standing(network: &NetworkView) -> String {
    let age = network
        .age_ms
        .map(|ms| tandem_model::time::in_words(ms / 1_000));
    let read = match age {
        Some(age) => format!("{} offers, read {age} ago", network.offers),
        None => "not read yet".to_owned(),
    };
    let unreadable = match network.unreadable {
        0 => String::new(),
        n => format!(", {n} unreadable"),
    };
    let refused = match network.refused.values().sum::<usize>() {
        0 => String::new(),
        all => {
            let counts = network.refused.iter();
            let codes: Vec<_> = counts.map(|(code, n)| format!("{code} {n}")).collect();
            format!(", {all} refused ({})", codes.join(", "))
        }
    };
    let lost: String = network.grade_lost.iter().map(grade_lost).collect();
    let failed = network.failed.as_ref().map_or_else(String::new, |why| {
        format!("; the last reading failed: {why}")
    });
    format!(
        "{}: {read}{unreadable}{refused}{lost}{failed}",
        network.network
    )
}

/// Offers whose grade is not believed, and why.
fn grade_lost(lost: &GradeLostView) -> String {
    format!(
        "; {} of {} {} taken as consumer grade: {} of {} probes failed",
        lost.offers, lost.product, lost.gpu, lost.failed, lost.verdicts
    )
}

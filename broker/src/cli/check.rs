//! `tandem check`: would it start, where, and what stands in the way.

use serde::Serialize;
use tandem_adapters::registry;
use tandem_model::error::ErrorCode;
use tandem_model::launch::AgentMode;
use tandem_model::workload::{Checkpoints, GpuNeed, Workload};
use tandem_pricing::files::Note;
use tandem_pricing::launch::{self, Obstacle};

use super::failure::Failure;
use super::output::{say, table};
use super::words::counted;
use super::workload;

/// What is said of one product.
#[derive(Debug, Serialize)]
struct ProductCheck {
    network: String,
    product: &'static str,
    can_start: bool,
    obstacles: Vec<Obstacle>,
}

/// What is said of a file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    name: String,
    image: Option<String>,
    port: Option<u16>,
    gpu: GpuNeed,
    gpus_per_node: u16,
    nodes: u16,
    checkpoints: Checkpoints,
    agent: AgentMode,
    /// Names of secrets; on consumer hosts they are readable by the host.
    secrets: Vec<String>,
    secrets_on_consumer: bool,
    products: Vec<ProductCheck>,
    notes: Vec<Note>,
}

/// Checks a file against every product of every network. Fails when it can start nowhere.
pub fn run(path: &str, json: bool) -> anyhow::Result<()> {
    let document = workload::look(path)?;
    let wanted = document
        .submittable()
        .map_err(|errors| workload::refused(path, &errors))?
        .clone();
    let report = Report {
        file: path.to_owned(),
        products: products(&wanted),
        notes: document.notes.clone(),
        name: wanted.name,
        image: wanted.image,
        port: wanted.port,
        gpu: wanted.resources.gpu,
        gpus_per_node: wanted.resources.gpus_per_node,
        nodes: wanted.resources.nodes,
        checkpoints: wanted.checkpoints,
        agent: AgentMode::Wrapped,
        secrets: wanted.secrets,
        secrets_on_consumer: wanted.secrets_on_consumer,
    };
    if json {
        say(&serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&report)?;
    }
    if let GpuNeed::Named { choices } = &report.gpu
        && choices.iter().all(|choice| choice.models.is_empty())
    {
        let message = format!("{path} names no card that either network could offer");
        return Err(Failure::new(ErrorCode::NO_OFFER_FITS, message)
            .hint("`tandem offers` shows the cards; docs/workload-file.md says how they are named")
            .into());
    }
    if report.products.iter().any(|p| p.can_start) {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::LAUNCH_IMPOSSIBLE,
        format!("{path} can start on no product of either network"),
    )
    .hint("the obstacles above say what to change")
    .into())
}

/// Every product with what stands in the way there.
fn products(workload: &Workload) -> Vec<ProductCheck> {
    let mut all = Vec::new();
    for adapter in registry::all_with("unused") {
        for product in adapter.products() {
            let obstacles = launch::obstacles(workload, product);
            all.push(ProductCheck {
                network: product.network.to_string(),
                product: product.name,
                can_start: obstacles.is_empty(),
                obstacles,
            });
        }
    }
    all
}

fn print(report: &Report) -> anyhow::Result<()> {
    let gpu = wanted(&report.gpu);
    say(&format!(
        "{}: {} x {gpu} on {}",
        report.name,
        report.gpus_per_node,
        counted(report.nodes.into(), "node")
    ))?;
    say(&format!(
        "  image       {}",
        report.image.as_deref().unwrap_or("(default)")
    ))?;
    say(&format!(
        "  port        {}",
        report.port.map_or("none".into(), |p| p.to_string())
    ))?;
    say(&format!(
        "  checkpoints {}",
        checkpoints(report.checkpoints)
    ))?;
    let reach = if report.secrets_on_consumer {
        "any host"
    } else {
        "data-centre hosts only"
    };
    let secrets = match report.secrets.as_slice() {
        [] => "none".to_owned(),
        names => format!("{} ({reach})", names.join(", ")),
    };
    say(&format!("  secrets     {secrets}"))?;
    let mut rows = table(&["network", "product", "starts", "what stands in the way"]);
    for product in &report.products {
        let why: Vec<String> = product
            .obstacles
            .iter()
            .map(|o| format!("{}: {}; {}", o.field, o.text, o.help))
            .collect();
        let starts = if product.can_start { "yes" } else { "no" };
        rows.add_row([
            product.network.as_str(),
            product.product,
            starts,
            &why.join("\n"),
        ]);
    }
    say(&rows.to_string())?;
    for note in &report.notes {
        say(&format!(
            "note: {}:{}: `{}`: {}",
            report.file, note.line, note.field, note.text
        ))?;
    }
    Ok(())
}

fn wanted(gpu: &GpuNeed) -> String {
    match gpu {
        GpuNeed::None => "no GPU".to_owned(),
        GpuNeed::AnyWithVram { vram_gb_min: 0 } => "any GPU".to_owned(),
        GpuNeed::AnyWithVram { vram_gb_min } => format!("any GPU with {vram_gb_min} GB"),
        GpuNeed::Named { choices } => {
            let names: Vec<&str> = choices.iter().map(|c| c.name.as_str()).collect();
            names.join(" or ")
        }
    }
}

fn checkpoints(checkpoints: Checkpoints) -> String {
    match checkpoints {
        Checkpoints::None => "none: a moved job starts again".into(),
        Checkpoints::Agent { interval_seconds } => {
            format!(
                "written to $TANDEM_CHECKPOINT_DIR, uploaded every {interval_seconds} s or less"
            )
        }
        Checkpoints::Customer => "the customer's own: the job is exclusive".into(),
    }
}

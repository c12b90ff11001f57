//! The launch plan: what stands in the way of a workload on a product, and exactly what is started.
//!
//! Pure: texts and argument lists come out, and adapters carry them out without choosing. The
//! customer's own text travels as arguments of its own or quoted by `shlex`, never spliced in.

mod command;
mod container;
mod context;
mod env;
mod obstacle;
mod ssh;

use tandem_model::launch::LaunchPlan;
use tandem_model::network::{LaunchVia, Product};
use tandem_model::workload::Workload;

pub use command::{DEFAULT_IMAGE, DEFAULT_IMAGE_REASON};
pub use context::{CodeArchive, ImageCommand, LaunchContext};
pub use obstacle::{Obstacle, obstacles};

/// Longest script or argument in bytes; Linux takes 128 KiB for one argument.
pub const SCRIPT_BYTES_MAX: usize = 96 * 1_024;
/// Port on which the agent answers health checks, when the workload does not use it.
pub const HEALTH_PORT: u16 = 9_377;

/// What is started for one node, or everything that stands in the way.
///
/// The plan holds the agent's token, so it must not be printed or stored.
pub fn plan(
    workload: &Workload,
    product: &Product,
    context: &LaunchContext,
) -> Result<LaunchPlan, Vec<Obstacle>> {
    let mut found = obstacle::lasting(workload, product);
    found.extend(obstacle::of_context(workload, product, context));
    if !found.is_empty() {
        return Err(found);
    }
    let form = match product.launch {
        LaunchVia::Container => container::form(workload, context),
        LaunchVia::Ssh => ssh::form(workload, context),
    };
    let form = form.map_err(|o| vec![o])?;
    Ok(LaunchPlan {
        agent: context.agent,
        form,
        nodes: workload.resources.nodes,
        ports: workload.port.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_machines;
#[cfg(test)]
mod tests_shell;

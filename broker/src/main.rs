//! The program `tandem`. Started under the name `gpu-probe` it is the agent (decision 2).

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use tandem::cli;
use tandem_model::error::ErrorCode;

/// The name under which this program acts as the agent.
const AGENT_NAME: &str = "gpu-probe";

fn acts_as_agent() -> bool {
    let name = std::env::args_os().next().unwrap_or_default();
    Path::new(&name)
        .file_name()
        .is_some_and(|name| name == AGENT_NAME)
}

fn main() -> ExitCode {
    if acts_as_agent() {
        return gpu_probe::cli::main();
    }
    let arguments = cli::Arguments::parse();
    let done = tokio::runtime::Runtime::new()
        .map_err(|error| {
            let message = format!("the runtime did not start: {error}");
            anyhow::Error::new(cli::failure::Failure::new(ErrorCode::USAGE, message))
        })
        .and_then(|runtime| runtime.block_on(cli::run(arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::output::tell(cli::failure::render(&error).trim_end());
            ExitCode::FAILURE
        }
    }
}

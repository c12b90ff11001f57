//! Logs of the process: to stderr, so that stdout stays one document with `--json`.

use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` chooses what is shown; only warnings by default.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // A second call (tests start several applications in one process) keeps the first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

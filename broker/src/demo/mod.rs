//! `tandem demo`: the story on real HTTP, with both networks emulated and the broker real.

pub mod digest;
pub mod files;
pub mod summary;

use std::path::PathBuf;

pub use summary::Summary;

/// How the demo runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Speed of the world, 1 to 10.
    pub speed: u32,
    /// Seed of the world.
    pub seed: u64,
    /// Where to leave the working folder.
    pub keep: Option<PathBuf>,
    /// Folder of further workload files.
    pub workloads: PathBuf,
    /// The agent's executable; none takes the one beside this program, or this program.
    pub agent: Option<PathBuf>,
    /// The story goes to stderr, so that stdout stays one document.
    pub quiet: bool,
}

/// Tells the story and returns its figures.
pub async fn run(settings: Settings) -> anyhow::Result<Summary> {
    anyhow::bail!("the demo is being moved onto the broker's HTTP side: {settings:?}")
}

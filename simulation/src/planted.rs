//! Known bugs, planted one at a time into the engine: each must be found within a fixed number of
//! seeds or by the stories, or else the invariants say less than they seem to.

pub use tandem::engine::planted::Planted;

use crate::stories::STORIES;

/// Seeds after which a bug must be found.
pub const SEEDS_MAX: u64 = 150;
/// Of the points of each story, every so many is tried.
const STORY_SHARE: u64 = 9;

/// How a bug was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// By a seed, or by a story and the points of death in it.
    pub by: String,
    /// What did not hold.
    pub what: String,
}

/// Plants a bug in this thread and looks for it; takes it out again.
pub fn search(bug: Planted) -> Option<Found> {
    Planted::plant(Some(bug));
    let found = in_stories().or_else(in_seeds);
    Planted::plant(None);
    found
}

fn in_seeds() -> Option<Found> {
    (1..=SEEDS_MAX).find_map(|seed| {
        let (what, _) = crate::run(seed, None).broken?;
        let by = format!("seed {seed}");
        Some(Found { by, what })
    })
}

fn in_stories() -> Option<Found> {
    STORIES.iter().find_map(|story| {
        let told = story.tell_all((0, STORY_SHARE));
        let (at, what, _) = told.broken?;
        let by = format!("`{}` with deaths at {at:?}", story.name);
        Some(Found { by, what })
    })
}

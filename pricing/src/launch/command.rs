//! The argument list that does the work: steps that bring code, setup, then the work itself.

use tandem_model::launch::AgentMode;
use tandem_model::workload::{CodeSource, SourceFormat, Workload};

use super::SCRIPT_BYTES_MAX;
use super::context::LaunchContext;
use super::obstacle::Obstacle;

/// The image of containers when the workload names none.
pub const DEFAULT_IMAGE: &str = "docker.io/pytorch/pytorch:2.6.0-cuda12.6-cudnn9-devel";
/// Why this image.
pub const DEFAULT_IMAGE_REASON: &str = "public, with the CUDA toolkit and compiler, Python with \
    pip and conda, and PyTorch: what tasks written for SkyPilot's and dstack's default machines expect";

pub(super) const FETCH: &str = include_str!("scripts/fetch.sh");
const WORK: &str = include_str!("scripts/work.sh");

/// What SkyPilot's machines have and containers lack: sudo for root, and conda in plain shells.
const SKYPILOT_PRELUDE: &str = "command -v sudo >/dev/null 2>&1 || sudo() { while [ \"${1#-}\" != \"$1\" ]; do shift; done; env \"$@\"; }
if command -v conda >/dev/null 2>&1; then eval \"$(conda shell.bash hook 2>/dev/null)\" || true; fi
";

/// Quotes one word for a POSIX shell; a zero byte, which no argument can hold, is refused.
pub(super) fn quote(word: &str) -> Result<String, Obstacle> {
    shlex::try_quote(word)
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| zero_byte())
}

fn zero_byte() -> Obstacle {
    Obstacle::new("run", "a text holds a zero byte", "remove it")
}

/// Quotes a list of words for a POSIX shell.
pub(super) fn quote_all(words: &[String]) -> Result<String, Obstacle> {
    shlex::try_join(words.iter().map(String::as_str)).map_err(|_| zero_byte())
}

/// The work as an argument list; empty when the image's own command runs as it is.
pub(super) fn work(w: &Workload, c: &LaunchContext) -> Result<Vec<String>, Obstacle> {
    let own = w.run.trim().is_empty();
    let words: Vec<String> = match (&c.image_command, own) {
        (Some(image), true) => {
            let args = if w.image_args.is_empty() {
                &image.cmd
            } else {
                &w.image_args
            };
            image.entrypoint.iter().chain(args).cloned().collect()
        }
        _ => Vec::new(),
    };
    let steps = steps(w, own)?;
    let setup = w.setup.as_deref().filter(|s| !s.trim().is_empty());
    if own && setup.is_none() && steps.is_empty() {
        return Ok(words);
    }
    let prelude = match w.format {
        SourceFormat::Skypilot => SKYPILOT_PRELUDE,
        _ => "",
    };
    let script = |text: &str| format!("{prelude}{text}");
    let mut list: Vec<String> = vec![
        "sh".into(),
        "-c".into(),
        format!("{FETCH}{WORK}"),
        "tandem".into(),
        steps,
    ];
    list.push(setup.map(script).unwrap_or_default());
    if own {
        list.push("exec".into());
        list.extend(words);
    } else {
        list.push("shell".into());
        list.push(script(&w.run));
    }
    match list
        .iter()
        .find(|word| word.len() > SCRIPT_BYTES_MAX + WORK.len() + FETCH.len())
    {
        Some(long) => Err(Obstacle::new(
            "run",
            format!(
                "a text of {} bytes is too long for one argument",
                long.len()
            ),
            "put the script into the image or the code folder",
        )),
        None => Ok(list),
    }
}

/// Steps that bring code and enter the working directory; the image's own folder is kept when
/// its own command runs and nothing is brought.
fn steps(w: &Workload, own: bool) -> Result<String, Obstacle> {
    let mut steps = Vec::new();
    if !own || !w.code.is_empty() {
        steps.push("tandem_work".to_owned());
    }
    let mut unpack = false;
    for (path, source) in &w.code {
        match source {
            CodeSource::LocalPath(_) => unpack = true,
            CodeSource::Git(address) => {
                let (url, revision) = address.split_once('#').unwrap_or((address, ""));
                let words = [quote(url)?, quote(path)?, quote(revision)?];
                steps.push(format!("tandem_clone {}", words.join(" ")));
            }
        }
    }
    if unpack {
        steps.push("tandem_unpack".to_owned());
    }
    if w.format == SourceFormat::Skypilot && !own {
        steps.push(
            "[ -e \"$HOME/sky_workdir\" ] || ln -s \"$PWD\" \"$HOME/sky_workdir\" || true".into(),
        );
    }
    if let Some(folder) = &w.working_dir {
        steps.push(format!("tandem_enter {}", quote(folder)?));
    }
    Ok(steps.join("\n"))
}

/// The work under an agent that is found as `agent`, or alone.
pub(super) fn under(agent: &str, mode: AgentMode, work: Vec<String>) -> Vec<String> {
    if mode == AgentMode::None {
        return work;
    }
    let mut list: Vec<String> = [agent, "agent", "--"].map(str::to_owned).to_vec();
    list.extend(work);
    list
}

//! What is reached from outside: machines over SSH, services over their public URL, real
//! processes through the shell, and a short summary for people.

use std::collections::BTreeMap;

use super::agents::Guest;
use super::cards::CARDS;
use super::options::{Moment, SshEndpoint};
use super::rental::{Launch, Rental, Stream, UnitState};
use super::{Named, World};

/// Variables read of a script.
const VARIABLES_MAX: usize = 1_000;
/// Lines of a machine's log that a command about it prints.
const TAIL_LINES: usize = 200;

/// What a machine answers over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshReply {
    /// Simulated: what was printed, and the exit status.
    Done {
        /// Exit status.
        exit: u32,
        /// Standard output.
        stdout: String,
    },
    /// The shell must run the script for real, in the machine's directory.
    Run {
        /// The machine's cards, for [`gpu_probe::emulate::EMULATED_GPU_VARIABLE`].
        emulated_gpu: String,
    },
    /// No such machine, or it is not up.
    Gone,
}

/// What answers at a public URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Nothing runs.
    Down,
    /// Something runs and does not answer.
    Silent,
    /// A simulated service.
    Simulated {
        /// Name of the deployment or order.
        name: String,
        /// Which replica.
        slot: u16,
    },
    /// A real process listens on this port.
    Process {
        /// Port on the loopback address.
        port: u16,
    },
}

/// A rental in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Short name of the network.
    pub network: &'static str,
    /// The network's id.
    pub id: String,
    /// The renter's name for it.
    pub name: String,
    /// Count and card.
    pub hardware: String,
    /// Where it stands.
    pub status: String,
}

impl World {
    pub(super) fn unit_index(&self, id: &str) -> Option<u32> {
        match self.ids.get(id) {
            Some(Named::Unit(index)) => Some(*index),
            _ => None,
        }
    }

    /// Whether a machine is up and accepts a public key (OpenSSH form; the comment is ignored).
    pub fn ssh_accepts(&self, machine: &str, public_key: &str) -> bool {
        let Some(index) = self.unit_index(machine) else {
            return false;
        };
        let unit = &self.units[index as usize];
        let is_up = matches!(unit.state, UnitState::Running | UnitState::Exited(_));
        let Launch::Machine(spec) = &self.rentals[unit.rental as usize].launch else {
            return false;
        };
        let body = |key: &str| -> Option<(String, String)> {
            let mut words = key.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        };
        let offered = body(public_key);
        let is_known = offered.is_some() && spec.ssh_keys.values().any(|k| body(k) == offered);
        is_up && unit.silent_since.is_none() && is_known
    }

    /// Runs a script that arrived over SSH on a machine: `export NAME='value'` lines set the
    /// environment, and with a broker in it a simulated agent starts. A second script starts
    /// nothing.
    pub fn ssh(&mut self, machine: &str, script: &str, now: Moment) -> SshReply {
        self.catch_up(now);
        let Some(index) = self.unit_index(machine) else {
            return SshReply::Gone;
        };
        let unit = &self.units[index as usize];
        if unit.state != UnitState::Running || unit.silent_since.is_some() {
            return SshReply::Gone;
        }
        let env = exported(script);
        if self.runs_for_real(&env) || matches!(unit.guest, Guest::Process) {
            let now = self.now;
            let unit = &mut self.units[index as usize];
            if matches!(unit.guest, Guest::Idle) {
                unit.guest = Guest::Process;
                unit.work_starts(now);
                unit.url_is_up = true;
            }
            let emulated_gpu = self.emulated_gpu(index).to_json();
            return SshReply::Run { emulated_gpu };
        }
        let stdout = match unit.guest {
            _ if env.is_empty() => self.tail(index),
            Guest::Idle => {
                self.start_guest(index, env, Vec::new());
                self.units[index as usize].url_is_up = true;
                "tandem: started\n".to_owned()
            }
            _ => "tandem: already started\n".to_owned(),
        };
        SshReply::Done { exit: 0, stdout }
    }

    /// The end of a unit's log.
    fn tail(&self, index: u32) -> String {
        let (lines, _) = self.units[index as usize].log.read(None, 0);
        let skip = lines.len().saturating_sub(TAIL_LINES);
        lines
            .into_iter()
            .skip(skip)
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    /// What answers at the public URL of a unit.
    pub fn service(&self, unit: &str) -> Service {
        let Some(index) = self.unit_index(unit) else {
            return Service::Down;
        };
        let unit = &self.units[index as usize];
        let rental = &self.rentals[unit.rental as usize];
        if unit.state != UnitState::Running {
            return Service::Down;
        }
        if unit.silent_since.is_some() {
            return Service::Silent;
        }
        match (&unit.guest, &rental.launch) {
            (Guest::Idle, _) => Service::Down,
            (Guest::Process, Launch::Container(spec)) => Service::Process { port: spec.port },
            (Guest::Process, Launch::Machine(_)) => Service::Down,
            (Guest::Plain | Guest::Agent(_), _) => Service::Simulated {
                name: rental.name.clone(),
                slot: unit.slot,
            },
        }
    }

    /// A line that a real process printed.
    pub fn process_printed(&mut self, unit: &str, stream: Stream, line: &str) {
        if let Some(index) = self.unit_index(unit) {
            self.units[index as usize].log.push(stream, line);
        }
    }

    /// A real process ended by itself.
    pub fn process_ended(&mut self, unit: &str, code: i32, now: Moment) {
        self.catch_up(now);
        if let Some(index) = self.unit_index(unit) {
            self.guest_exits(index, code);
        }
    }

    /// The newest rentals, in short.
    pub fn summary(&self, rows_max: usize) -> Vec<Row> {
        let newest = self.rentals.iter().rev().take(rows_max);
        newest
            .map(|rental| Row {
                network: rental.product.network().as_str(),
                id: rental.id.clone(),
                name: rental.name.clone(),
                hardware: hardware(rental),
                status: format!("{:?}", rental.status).to_ascii_lowercase(),
            })
            .collect()
    }

    /// Start of public URLs, and the SSH server.
    pub fn endpoints(&self) -> (&str, &SshEndpoint) {
        (&self.options.public_base, &self.options.ssh)
    }
}

/// GPUs of a rental and their model; an order that is not paid has no GPUs yet.
fn hardware(rental: &Rental) -> String {
    let model = CARDS[usize::from(rental.card)].model().facts().name;
    match rental.slots.len() * usize::from(rental.gpus_per_unit) {
        0 => model.to_owned(),
        gpus => format!("{gpus} x {model}"),
    }
}

/// The variables that a script exports, one `export NAME=value` at a line's start each, quoted as
/// a POSIX shell quotes.
fn exported(script: &str) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let mut rest = script;
    while env.len() < VARIABLES_MAX {
        let Some(found) = find_export(rest) else {
            break;
        };
        let Some((name, value)) = found.split_once('=') else {
            break;
        };
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name || name.is_empty() {
            rest = found;
            continue;
        }
        let (text, after) = unquote(value);
        env.insert(name.to_owned(), text);
        rest = after;
    }
    env
}

/// What follows the next `export ` at a line's start.
fn find_export(text: &str) -> Option<&str> {
    const WORD: &str = "export ";
    if let Some(rest) = text.strip_prefix(WORD) {
        return Some(rest);
    }
    let at = text.find(&format!("\n{WORD}"))?;
    text.get(at + 1 + WORD.len()..)
}

/// Reads one shell word; also gives what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut chars = text.char_indices();
    let mut quote = None;
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), c) => word.push(c),
            (_, '\\') => word.extend(chars.next().map(|(_, c)| c)),
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ' | '\t' | '\n' | ';') => return (word, &text[at..]),
            (None, c) => word.push(c),
        }
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_values_are_read_as_a_shell_reads_them() {
        let script = "export A='x y'\nexport B='it'\\''s'\nexport C='two\nlines'\necho export D=1\nexport E=\"q\"\n";
        let env = exported(script);
        let pairs: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [("A", "x y"), ("B", "it's"), ("C", "two\nlines"), ("E", "q")]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_script_makes_the_reader_panic(script in "(export |[a-z='\"\\\\\n ]){0,40}") {
            let _ = exported(&script);
        }
    }
}

//! What a document says, line by line: commands, images, variables, names, comments.

use super::settings::Settings;
use super::{collect, words};
use crate::files::{Document, DocumentFormat};

/// What kind of place a text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    Run,
    Setup,
    Image,
    Env,
    Name,
    Gpu,
    Port,
    Comment,
    /// The name of a field, in formats without a reader.
    Key,
    Other,
}

/// One line of text with its place.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) line: u32,
    pub(super) zone: Zone,
    /// Lower-case path of the field, without list positions.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) lower: String,
    /// Words of a command that name programs, one a line, in lower case.
    pub(super) programs: String,
    /// A command that is left running in the background.
    pub(super) background: bool,
    /// Of words joined from several lines: the offset from which each further line counts.
    breaks: Vec<(usize, u32)>,
}

/// Everything that a document says.
pub(super) struct Facts {
    all: Vec<Fact>,
    settings: Settings,
    /// Where each word begins: its first two bytes, the fact and the offset in it, in this order.
    words: Vec<([u8; 2], u32, u32)>,
}

impl Fact {
    /// The line of the file that a byte offset of `lower` came from.
    pub(super) fn line_at(&self, offset: usize) -> u32 {
        let before = self.breaks.iter().rev().find(|(from, _)| *from <= offset);
        before.map_or(self.line, |(_, line)| *line)
    }

    /// Whether the setting whose name holds this offset is switched off: `--lora false`, `LORA=0`.
    pub(super) fn is_off_at(&self, offset: usize) -> bool {
        let of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let rest = self.lower[offset..].trim_start_matches(of_name);
        let value = rest.trim_start_matches([' ', '=', ':', '"', '\'']);
        let end = value
            .find(|c| !of_name(c) && c != '.')
            .unwrap_or(value.len());
        value.len() < rest.len() && is_off(&value[..end])
    }

    /// The name of the field that the text stands in.
    pub(super) fn field(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }
}

impl Facts {
    pub(super) fn of(document: &Document) -> Self {
        let mut facts = Vec::new();
        let together = document.format.documents_belong_together();
        let kept = if together { document.roots.len() } else { 1 };
        let foreign =
            !document.format.can_be_submitted() && document.format != DocumentFormat::Script;
        for root in document.roots.iter().take(kept) {
            collect::tree(root, foreign, &mut facts);
        }
        let end = document
            .roots
            .get(kept)
            .map_or(u32::MAX, |next| next.place.line);
        comments(&document.text, end, &mut facts);
        facts.sort_by_key(|f| f.line);
        Self {
            settings: Settings::of(&facts),
            words: words_of(&facts),
            all: facts,
        }
    }

    /// The numbers that the document sets.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.all.iter()
    }

    /// Where a needle stands, in the order of the facts.
    pub(super) fn mentions(&self, needle: &str) -> impl Iterator<Item = (&Fact, usize)> {
        let start = two_bytes(needle.trim_end_matches('*'), 0);
        let from = self.words.partition_point(|(word, ..)| *word < start);
        self.words[from..]
            .iter()
            .take_while(move |(word, ..)| *word == start)
            .filter_map(move |(_, fact, at)| {
                let fact = self.all.get(usize::try_from(*fact).ok()?)?;
                let at = usize::try_from(*at).ok()?;
                words::stands_at(&fact.lower, at, needle).then_some((fact, at))
            })
    }

    /// The first place in some zones where one of several needles stands.
    pub(super) fn first(&self, zones: &[Zone], needles: &[&str]) -> Option<(&Fact, usize)> {
        let firsts = needles
            .iter()
            .filter_map(|n| self.mentions(n).find(|(f, _)| zones.contains(&f.zone)));
        firsts.min_by_key(|(f, at)| (f.line, *at))
    }

    /// Whether a needle stands in one of the zones.
    pub(super) fn says(&self, zones: &[Zone], needle: &str) -> bool {
        self.mentions(needle).any(|(f, _)| zones.contains(&f.zone))
    }
}

/// Whether a value in lower case says that something is not wanted.
pub(super) fn is_off(value: &str) -> bool {
    ["false", "null", "none", "no", "off", "~", "0"].contains(&value)
}

/// The two bytes of a text at an offset; words of one letter have their end as the second.
fn two_bytes(text: &str, at: usize) -> [u8; 2] {
    let byte = |i: usize| text.as_bytes().get(i).copied().unwrap_or(0);
    [byte(at), byte(at + 1)]
}

fn words_of(facts: &[Fact]) -> Vec<([u8; 2], u32, u32)> {
    let mut found: Vec<_> = facts
        .iter()
        .zip(0..)
        .flat_map(|(fact, id)| {
            let begin = words::beginnings(&fact.lower);
            begin.zip(std::iter::repeat(id)).map(|(at, id)| {
                let offset = u32::try_from(at).unwrap_or(u32::MAX);
                (two_bytes(&fact.lower, at), id, offset)
            })
        })
        .collect();
    found.sort_unstable();
    found
}

/// Beginnings of lines that speak of work, or end it, and do none.
const SPOKEN: [&str; 5] = ["#", "echo ", "pkill ", "killall ", "kill "];

/// Whether a line of a script only sets a variable: `A=b`, `export A=b`, `: "${A:=b}"`.
fn is_assignment(line: &str) -> bool {
    let line = line.strip_prefix("export ").unwrap_or(line);
    if line.starts_with(": \"${") || line.starts_with(": ${") {
        return true;
    }
    let Some((name, value)) = line.split_once('=') else {
        return false;
    };
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    // `A=b command` runs the command.
    let value = value.split(" #").next().unwrap_or(value).trim();
    let one = !value.contains(char::is_whitespace) || value.starts_with(['"', '\'', '(', '$']);
    named && one && !line.starts_with(|c: char| c.is_ascii_digit())
}

/// Adds a text; empty ones are left out.
pub(super) fn push(
    line: u32,
    zone: Zone,
    path: &str,
    text: &str,
    mut breaks: Vec<(usize, u32)>,
    facts: &mut Vec<Fact>,
) {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return;
    }
    let cut = text.len() - text.trim_start().len();
    for (from, _) in &mut breaks {
        *from = from.saturating_sub(cut);
    }
    let spoken = SPOKEN.iter().any(|s| trimmed.starts_with(s));
    let zone = match zone {
        Zone::Run | Zone::Setup if is_assignment(trimmed) => Zone::Env,
        zone => zone,
    };
    let commands = matches!(zone, Zone::Run | Zone::Setup);
    let background =
        (trimmed.ends_with('&') && !trimmed.ends_with("&&")) || trimmed.starts_with("nohup ");
    let lower = trimmed.to_lowercase();
    let programs = if commands && !spoken {
        words::programs(&lower).join("\n")
    } else {
        String::new()
    };
    facts.push(Fact {
        line,
        zone: if commands && spoken {
            Zone::Comment
        } else {
            zone
        },
        path: path.to_owned(),
        text: trimmed.to_owned(),
        lower,
        programs,
        background: commands && background,
        breaks,
    });
}

/// Lines that are comments of the file itself.
fn comments(text: &str, end: u32, facts: &mut Vec<Fact>) {
    let taken: std::collections::BTreeSet<u32> = facts.iter().map(|f| f.line).collect();
    for (i, line) in text.lines().enumerate() {
        let number = u32::try_from(i + 1).unwrap_or(u32::MAX);
        let trimmed = line.trim();
        if number < end && trimmed.starts_with('#') && !taken.contains(&number) {
            push(number, Zone::Comment, "", trimmed, Vec::new(), facts);
        }
    }
}

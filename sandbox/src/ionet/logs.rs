//! Container logs as server-sent events: `data: <line>`, ended by `event: complete`.

use tandem_adapters::wire::{Method, WireRequest, WireResponse};

use super::answer::{business, unprocessable};
use super::views;
use crate::fields::{Problem, query};
use crate::world::{Named, Product, Stream, UnitState, World};

/// A place in a container's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogCursor {
    unit: u32,
    stream: Stream,
    at: u64,
}

impl LogCursor {
    /// The events since the last call, and whether the log is over.
    pub(crate) fn read(&mut self, world: &World) -> (String, bool) {
        let Some(unit) = world.units.get(self.unit as usize) else {
            return (String::new(), true);
        };
        let (lines, next) = unit.log.read(Some(self.stream), self.at);
        let mut text = String::new();
        for line in lines {
            text.push_str("data: ");
            text.push_str(line);
            text.push_str("\n\n");
        }
        self.at = next;
        let is_over = !matches!(unit.state, UnitState::Booting | UnitState::Running);
        (text, is_over)
    }
}

/// The end of a stream.
pub(crate) const COMPLETE: &str = "event: complete\ndata: \n\n";

fn stream_of(request: &WireRequest) -> Option<Stream> {
    match query(request, "stream") {
        None | Some("stdout") => Some(Stream::Stdout),
        Some("stderr") => Some(Stream::Stderr),
        Some(_) => None,
    }
}

fn unit_of(world: &World, rental: u32, id: &str) -> Option<u32> {
    match world.ids.get(id) {
        Some(Named::Unit(unit)) if world.units[*unit as usize].rental == rental => Some(*unit),
        _ => None,
    }
}

/// `GET deployment/{id}/log/{container}`: everything so far; the stream is complete when the
/// container is over, and cut off like a dropped connection when it still runs.
pub(super) fn log(world: &World, request: &WireRequest, rental: u32, id: &str) -> WireResponse {
    let Some(stream) = stream_of(request) else {
        let msg = "Input should be one of: stdout, stderr";
        return unprocessable(&[Problem::new(&["query", "stream"], msg, "enum")]);
    };
    let Some(unit) = unit_of(world, rental, id) else {
        return business(404, "Container not found");
    };
    let (mut text, is_over) = LogCursor {
        unit,
        stream,
        at: 0,
    }
    .read(world);
    if is_over {
        text.push_str(COMPLETE);
    }
    WireResponse {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
        body: text.into_bytes(),
    }
}

/// The cursor of a log request that [`log`] would answer with 200.
pub(super) fn cursor(world: &World, request: &WireRequest) -> Option<LogCursor> {
    if request.method != Method::Get {
        return None;
    }
    let (product, rest) = super::split(request.path.trim_end_matches('/'))?;
    let parts: Vec<&str> = rest.split('/').collect();
    let ["deployment", id, "log", container] = parts.as_slice() else {
        return None;
    };
    let key = request
        .headers
        .iter()
        .find(|(name, _)| name == "x-api-key")?;
    if product != Product::Caas || !super::accounts::is_account(&key.1) {
        return None;
    }
    let rental = views::find(world, &key.1, product, id)?;
    let unit = unit_of(world, rental, container)?;
    Some(LogCursor {
        unit,
        stream: stream_of(request)?,
        at: 0,
    })
}
